/** What a person is told, in one paragraph, when the repository's PostgreSQL cannot be had. */

export type LocalPostgresCode =
  | 'noBinaries'
  | 'noAccount'
  | 'portInUse'
  | 'folderInUse'
  | 'otherPort'
  | 'otherVersion'
  | 'notWritable'
  | 'diskFull'
  | 'foreignFolder'
  | 'badSetting'
  | 'didNotStart';

/** The message says what is wrong and what to type; the command line prints it without a stack. */
export class LocalPostgresError extends Error {
  readonly code: LocalPostgresCode;

  constructor(code: LocalPostgresCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LocalPostgresError';
    this.code = code;
  }
}

export interface FailedStart {
  /** What the server or initdb wrote, oldest line first. */
  readonly output: string;
  readonly directory: string;
  readonly port: number;
  readonly logFile: string | null;
}

/** Finds the reason in what PostgreSQL wrote. The patterns are of its English messages: it is started with LC_MESSAGES=C. */
export function explainFailedStart(failed: FailedStart): LocalPostgresError {
  const { output, directory, port, logFile } = failed;
  const folder = `The data folder of the local PostgreSQL, ${directory},`;
  if (/could not bind .*: Address already in use|could not create any TCP\/IP sockets/.test(output)) {
    return new LocalPostgresError(
      'portInUse',
      `Port ${port} is in use by another program, perhaps the PostgreSQL of another checkout of this repository. ` +
        `Stop it, or choose a free port: LOCAL_POSTGRES_PORT=${port === 65_535 ? 54_330 : port + 1}.`,
    );
  }
  if (/pre-existing shared memory block .* is still in use/.test(output)) {
    return new LocalPostgresError('folderInUse', `${folder} is still in use by processes of a PostgreSQL that was killed. They end within seconds; try again.`);
  }
  const holder = /Is another (?:postmaster|postgres) \(PID (\d+)\) running in data directory/.exec(output);
  if (holder) {
    return new LocalPostgresError(
      'folderInUse',
      `${folder} is in use by another PostgreSQL (process ${holder[1]}). Stop that one, or name another folder: LOCAL_POSTGRES_DIR=….`,
    );
  }
  const written = /initialized by PostgreSQL version ([\d.]+), which is not compatible/.exec(output);
  if (written) return otherVersion(directory, written[1] ?? 'another version', 'this one');
  if (/No space left on device|Check free disk space|Disk quota exceeded/.test(output)) {
    return new LocalPostgresError(
      'diskFull',
      `The disk of the local PostgreSQL is full (${directory}). Free some space, or name a folder elsewhere: LOCAL_POSTGRES_DIR=….`,
    );
  }
  if (/Permission denied|Read-only file system|Operation not permitted/.test(output)) {
    return notWritable(directory);
  }
  return new LocalPostgresError('didNotStart', `The local PostgreSQL did not start: ${lastLine(output)}${logFile ? ` Its log is ${logFile}.` : ''}`);
}

export function otherVersion(directory: string, written: string, ours: string): LocalPostgresError {
  return new LocalPostgresError(
    'otherVersion',
    `The data folder of the local PostgreSQL, ${directory}, was written by PostgreSQL ${written}; the one installed here, ${ours}, cannot read it. ` +
      'Name another folder (LOCAL_POSTGRES_DIR=…), or start afresh and lose what is in it: pnpm db:reset.',
  );
}

export function notWritable(directory: string): LocalPostgresError {
  return new LocalPostgresError(
    'notWritable',
    `The local PostgreSQL cannot use ${directory}: you may not write there, or it is another user's (root's, if it was started as root). Make the folder yours, or name another: LOCAL_POSTGRES_DIR=….`,
  );
}

/** Failures of the file system on the way to the data folder. */
export function explainFileError(error: unknown, directory: string): Error {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return notWritable(directory);
  if (code === 'ENOSPC' || code === 'EDQUOT') return explainFailedStart({ output: 'No space left on device', directory, port: 0, logFile: null });
  if (code === 'ENOTDIR' || code === 'EEXIST') {
    return new LocalPostgresError(
      'notWritable',
      `The local PostgreSQL needs ${directory} to be a folder, and a file is in the way. Remove it, or name another folder: LOCAL_POSTGRES_DIR=….`,
    );
  }
  return error instanceof Error ? error : new Error(String(error));
}

function lastLine(output: string): string {
  const lines = output
    .trim()
    .split('\n')
    .filter((line) => !/^\s*$/.test(line));
  const fatal = lines.findLast((line) => /FATAL|PANIC|error:|ERROR/.test(line)) ?? lines.at(-1);
  return fatal ? `${fatal.trim().replace(/[.:]$/, '')}.` : 'it said nothing.';
}
