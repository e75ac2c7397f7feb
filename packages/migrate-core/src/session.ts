/**
 * One pinned connection, and the two ways of talking to it: `read` for queries whose rows are wanted, `run` for a
 * message of many statements whose rows are dropped. `pg` is used through its structural type only; the drivers'
 * protocol facts that this relies on are named where they matter.
 */

/** The part of `pg.Client` that the library uses. A pool does not fit: every message needs the same connection. */
export interface DatabaseClient {
  query(submittable: object): unknown;
  end(): Promise<void>;
  on(event: 'error' | 'notice' | 'end', listener: (...args: any[]) => void): unknown;
  off(event: 'error' | 'notice' | 'end', listener: (...args: any[]) => void): unknown;
  getTransactionStatus(): 'I' | 'T' | 'E' | null;
  /** The server process, as the connection's first messages told it; a pooler invents one. */
  readonly processID?: number | null | undefined;
}

/** Opens a new connection to the target's database, connected. Called more than once: guard and progress need their own. */
export type Connect = () => Promise<DatabaseClient>;

/** What PostgreSQL says of an error, as `pg` hands it over (`DatabaseError`). */
export interface ServerError extends Error {
  readonly code?: string;
  readonly severity?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly where?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
  readonly position?: string;
  readonly internalPosition?: string;
  readonly internalQuery?: string;
  /** The function of the server's own code that made it. */
  readonly routine?: string;
}

/** How a message ended. `completed` counts the statements that the server finished, whatever became of their transaction. */
export type MessageResult =
  | { readonly kind: 'done'; readonly completed: number; readonly kept: Kept; readonly notices: readonly ServerError[] }
  | { readonly kind: 'failed'; readonly completed: number; readonly kept: Kept; readonly error: ServerError }
  /** The connection is gone: whether the server finished is unknown. */
  | { readonly kind: 'lost'; readonly completed: number; readonly error: Error };

/** The last value of each row that a statement answered, by the statement's place in its message. */
export type Kept = ReadonlyMap<number, readonly string[]>;

const NONE: ReadonlySet<number> = new Set();

export type Row = Readonly<Record<string, string | null>>;

/** Everything but the socket's own death arrives as an error with a five-character code. */
function isServerError(error: Error): error is ServerError {
  const { code, severity } = error as ServerError;
  return typeof severity === 'string' && typeof code === 'string' && code.length === 5;
}

/** Errors after which the server closes the connection: what was running is not known to have ended. */
const ENDS_CONNECTION = new Set(['57P01', '57P02', '57P03', '57P05', '08P01', '08006', '25P03', '25P04']);

export class Session {
  readonly #client: DatabaseClient;
  readonly #ownership: 'owned' | 'borrowed';
  #lost: Error | null = null;
  #notices: ServerError[] = [];
  readonly #onError = (error: Error): void => {
    this.#lost ??= error;
  };
  readonly #onEnd = (): void => {
    this.#lost ??= new Error('the server closed the connection');
  };
  readonly #onNotice = (notice: ServerError): void => {
    if (this.#notices.length < 100) this.#notices.push(notice);
  };

  /** A comment in front of every read, by which it can be found and cancelled. */
  tag = '';

  constructor(client: DatabaseClient, ownership: 'owned' | 'borrowed' = 'owned') {
    this.#client = client;
    this.#ownership = ownership;
    client.on('error', this.#onError);
    client.on('end', this.#onEnd);
    client.on('notice', this.#onNotice);
  }

  static async open(connect: Connect): Promise<Session> {
    return new Session(await connect());
  }

  /** Works on somebody else's connection, which is left open. */
  static async borrow<T>(client: DatabaseClient, work: (session: Session) => Promise<T>): Promise<T> {
    const session = new Session(client, 'borrowed');
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  }

  /** The connection's death, once noticed. */
  get lost(): Error | null {
    return this.#lost;
  }

  /** `I` outside a transaction. Only to be looked at after a message that did not fail: `pg` rejects before ReadyForQuery. */
  get transactionStatus(): 'I' | 'T' | 'E' | null {
    return this.#client.getTransactionStatus();
  }

  /** Rows of one query, every value as PostgreSQL's text. Throws the server's error, after leaving any transaction it broke. */
  async read(text: string): Promise<Row[]> {
    const rows: Row[] = [];
    const result = await this.#submit(`${this.tag}${text}`, rows);
    if (result.kind === 'done') return rows;
    if (result.kind === 'failed') await this.#leaveTransaction();
    throw result.error;
  }

  /**
   * One message. Never throws; after a failure the connection is outside any transaction again. Rows are dropped, but for the last values of
   * the statements that `keep` names, by their place in the message.
   */
  async run(text: string, keep: ReadonlySet<number> = NONE): Promise<MessageResult> {
    const result = await this.#submit(text, null, keep);
    if (result.kind === 'failed') await this.#leaveTransaction();
    return result;
  }

  /** One message inside an open transaction: a failure leaves the transaction broken, for the caller to roll back. */
  runInside(text: string): Promise<MessageResult> {
    return this.#submit(text, null);
  }

  /** A query by the driver's own means, for live migrations. */
  query(config: object): unknown {
    return this.#client.query(config);
  }

  /** Whether the server's session is this connection's own. A pooler tells another process number than the server's. */
  async isDirect(): Promise<boolean> {
    const told = this.#client.processID;
    if (told == null) return true;
    const [row] = await this.read('SELECT pg_catalog.pg_backend_pid() AS pid');
    return Number(row?.['pid']) === told;
  }

  /** The last resort: the connection is ended whoever opened it, and what is under way on it is lost. */
  async abandon(): Promise<void> {
    try {
      await this.#client.end();
    } catch {
      // It was dead already.
    }
  }

  async close(): Promise<void> {
    this.#client.off('notice', this.#onNotice);
    if (this.#ownership === 'borrowed') {
      this.#client.off('error', this.#onError);
      this.#client.off('end', this.#onEnd);
      return;
    }
    // The error listener stays: a socket may still report its end after we stopped caring.
    try {
      await this.#client.end();
    } catch {
      // It was dead already.
    }
  }

  /** After an error `pg` forgets the active query, so ReadyForQuery is seen only by whoever comes next: this ROLLBACK. */
  async #leaveTransaction(): Promise<void> {
    await this.#submit('ROLLBACK', null);
  }

  #submit(text: string, rows: Row[] | null, keep: ReadonlySet<number> = NONE): Promise<MessageResult> {
    this.#notices = [];
    if (this.#lost !== null) return Promise.resolve({ kind: 'lost', completed: 0, error: this.#lost });
    return new Promise((resolve) => {
      const message = new Message(text, rows, keep, (result) => {
        this.#client.off('end', ended);
        if (result.kind === 'lost') this.#lost ??= result.error;
        resolve(result.kind === 'done' ? { ...result, notices: this.#notices } : result);
      });
      const ended = (): void => message.handleError(new Error('the server closed the connection'));
      this.#client.on('end', ended);
      this.#client.query(message);
    });
  }
}

interface Wire {
  query(text: string): void;
  sendCopyFail(message: string): void;
}

interface Field {
  readonly name: string;
}

/** `pg`'s Submittable: it counts CommandComplete, and drops rows unless asked to keep them (a migration may return millions). */
class Message {
  #completed = 0;
  #settled = false;
  #fields: readonly Field[] = [];
  readonly #text: string;
  readonly #rows: Row[] | null;
  readonly #keep: ReadonlySet<number>;
  readonly #kept = new Map<number, string[]>();
  readonly #settle: (result: MessageResult) => void;
  /** Set, so that `pg`'s query timeout has something to call. */
  callback: () => void = () => undefined;

  constructor(text: string, rows: Row[] | null, keep: ReadonlySet<number>, settle: (result: MessageResult) => void) {
    this.#keep = keep;
    this.#text = text;
    this.#rows = rows;
    this.#settle = settle;
  }

  submit(wire: Wire): void {
    wire.query(this.#text);
  }

  handleRowDescription(message: { fields: readonly Field[] }): void {
    this.#fields = message.fields;
  }

  handleDataRow(message: { fields: readonly (string | null)[] }): void {
    if (this.#keep.has(this.#completed)) this.#keepValue(String(message.fields.at(-1) ?? ''));
    if (this.#rows === null) return;
    const row: Record<string, string | null> = {};
    this.#fields.forEach((field, index) => {
      const value = message.fields[index];
      row[field.name] = value === null || value === undefined ? null : String(value);
    });
    this.#rows.push(row);
  }

  #keepValue(value: string): void {
    const kept = this.#kept.get(this.#completed);
    if (kept === undefined) this.#kept.set(this.#completed, [value]);
    else kept.push(value);
  }

  handleCommandComplete(): void {
    this.#completed++;
  }

  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyData(): void {}

  handleCopyInResponse(wire: Wire): void {
    wire.sendCopyFail('a migration cannot read rows from standard input');
  }

  handleReadyForQuery(): void {
    this.#finish({ kind: 'done', completed: this.#completed, kept: this.#kept, notices: [] });
  }

  handleError(error: Error): void {
    const completed = this.#completed;
    if (isServerError(error) && error.severity !== 'FATAL' && error.severity !== 'PANIC' && !ENDS_CONNECTION.has(error.code ?? '')) {
      this.#finish({ kind: 'failed', completed, kept: this.#kept, error });
    } else {
      this.#finish({ kind: 'lost', completed, error });
    }
  }

  #finish(result: MessageResult): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle(result);
  }
}
