import { startServer } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { createMigrator } from '../../src/index.ts';
import { sourceOf } from '../support/source.ts';
import { connectTo } from '../support/target.ts';

test('what is told as applied survives a crash of the server, whatever the migration sets', async () => {
  await using server = await startServer({ fsync: 'on', settings: { wal_writer_delay: '10s', wal_writer_flush_after: '1GB' } });
  const source = sourceOf({ name: '0001_t', up: 'SET synchronous_commit = off;\nCREATE TABLE t (id int)' });
  const options = { service: 'test', source, connect: () => connectTo(server.url('postgres')) };
  const report = await createMigrator(options).up();
  expect(report.applied).toHaveLength(1);
  await server.stop('immediate');
  await server.start();
  expect((await createMigrator(options).status()).applied.map((row) => row.name)).toEqual(['0001_t']);
});
