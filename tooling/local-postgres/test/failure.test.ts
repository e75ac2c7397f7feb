import { describe, expect, test } from 'vitest';
import { explainFailedStart, explainFileError } from '../src/failure.ts';

const failed = (output: string): ReturnType<typeof explainFailedStart> => explainFailedStart({ output, directory: '/data', port: 54_329, logFile: '/log' });

describe('what PostgreSQL wrote when it did not start', () => {
  test.each([
    ['portInUse', 'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use', 'LOCAL_POSTGRES_PORT=54330'],
    ['folderInUse', 'HINT:  Is another postmaster (PID 4711) running in data directory "/data"?', 'process 4711'],
    ['folderInUse', 'FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use', 'try again'],
    ['otherVersion', 'DETAIL:  The data directory was initialized by PostgreSQL version 15, which is not compatible with this version 18.4.', 'PostgreSQL 15'],
    ['diskFull', 'FATAL:  could not write lock file "postmaster.pid": No space left on device', 'full'],
    ['notWritable', 'FATAL:  could not open directory "/data": Permission denied', '/data'],
    ['didNotStart', 'LOG:  hello\nFATAL:  something new\nLOG:  shut down', 'FATAL:  something new. Its log is /log.'],
    ['didNotStart', '', 'it said nothing. Its log is /log.'],
  ])('%s: %s', (code, output, said) => {
    const error = failed(output);
    expect(error.code).toBe(code);
    expect(error.message).toContain(said);
    expect(error.message).not.toContain('\n');
  });

  test('the highest port is not advised past', () => {
    expect(explainFailedStart({ output: 'could not create any TCP/IP sockets', directory: '/d', port: 65_535, logFile: null }).message).toContain(
      'LOCAL_POSTGRES_PORT=54330',
    );
  });
});

test.each([
  ['EACCES', 'notWritable'],
  ['EROFS', 'notWritable'],
  ['ENOSPC', 'diskFull'],
  ['ENOTDIR', 'notWritable'],
])('the system’s %s is explained as %s', (code, expected) => {
  expect(explainFileError(Object.assign(new Error('x'), { code }), '/data')).toMatchObject({ code: expected });
});

test('a failure of another kind stays what it is', () => {
  const error = new TypeError('a bug');
  expect(explainFileError(error, '/data')).toBe(error);
});
