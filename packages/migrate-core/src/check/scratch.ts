/** A database of a random name, for trying migrations: made, used and dropped. */

import { randomBytes } from 'node:crypto';

import { MigrationError } from '../errors.ts';
import { type DatabaseClient, type MessageResult, Session, type ServerError } from '../session.ts';
import { identifier } from '../sql.ts';
import { pause } from '../tenancy/again.ts';

/** Opens a connection to this database of one server; `null`: to the one that the connection's settings name. */
export type ConnectTo = (database: string | null) => Promise<DatabaseClient>;

/** The beginning of every scratch database's name. */
export const SCRATCH_PREFIX = 'migrate_check_';

export interface ScratchDatabase extends AsyncDisposable {
  readonly name: string;
}

/**
 * Creates an empty database on the server, as CREATE DATABASE makes one. Disposal drops it, and ends whatever is still connected to it.
 * @throws MigrationError `invalidOptions` where the role may not create databases, `connection` where the server refuses otherwise.
 */
export async function createScratchDatabase(connect: ConnectTo): Promise<ScratchDatabase> {
  const name = `${SCRATCH_PREFIX}${randomBytes(6).toString('hex')}`;
  await withSession(connect, async (session) => {
    const result = await create(session, name);
    if (result.kind === 'done') return;
    if (result.kind === 'failed' && result.error.code === '42501') throw await mayNotCreate(session, result.error);
    throw new MigrationError({ code: 'connection', message: `a scratch database could not be created: ${result.error.message}`, cause: result.error });
  });
  return {
    name,
    async [Symbol.asyncDispose]() {
      await withSession(connect, async (session) => {
        const result = await session.run(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
        if (result.kind === 'done') return;
        throw new MigrationError({
          code: 'connection',
          message: `the scratch database ${name} could not be dropped: ${result.error.message}`,
          hint: `drop it yourself: DROP DATABASE ${name} WITH (FORCE)`,
          cause: result.error,
        });
      });
    },
  };
}

/** Somebody is connected to the template, or copies it just now. */
const IN_USE = '55006';
const ATTEMPTS = 20;

async function create(session: Session, name: string): Promise<MessageResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await session.run(`CREATE DATABASE ${identifier(name)}`);
    if (result.kind !== 'failed' || result.error.code !== IN_USE || attempt === ATTEMPTS) return result;
    await pause(attempt, undefined);
  }
}

async function mayNotCreate(session: Session, cause: ServerError): Promise<MigrationError> {
  const [row] = await session.read('SELECT pg_catalog.quote_ident(current_user) AS role');
  const role = row?.['role'] ?? '';
  return new MigrationError({
    code: 'invalidOptions',
    message: `the round trip needs a scratch database, and the role ${role} may not create one.`,
    hint: `ALTER ROLE ${role} CREATEDB, or connect as another role with --url`,
    sqlState: '42501',
    cause,
  });
}

async function withSession(connect: ConnectTo, work: (session: Session) => Promise<void>): Promise<void> {
  const session = await Session.open(() => connect(null));
  try {
    await work(session);
  } finally {
    await session.close();
  }
}
