/**
 * One pinned connection. The only file that imports `pg` at run time.
 */

/** The part of `pg.Client` that the library uses. A pool does not fit: every message needs the same connection. */
export interface DatabaseClient {
  query(...args: never[]): unknown;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  getTransactionStatus(): 'I' | 'T' | 'E' | null;
}

/** Opens a new connection to the target's database, connected. Called more than once: guard and progress need their own. */
export type Connect = () => Promise<DatabaseClient>;
