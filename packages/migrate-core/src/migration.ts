/**
 * What a migration is, before and after compiling. Pure: no I/O, no clock.
 */

export { compareNames, findVersion, parseName } from './version.ts';
export type { ParsedName, VersionAnswer } from './version.ts';

/** Directives at the top of a migration (`-- migrate: key=value`, or `export const migrate = { … }`). */
export interface Directives {
  /** `none`: every statement runs by itself, as psql would in autocommit. Default `per-migration`. */
  readonly transaction: 'per-migration' | 'none';
  /** What other services must have applied first, e.g. `{ service: 'user', version: '0003' }`. */
  readonly requires: readonly Requirement[];
  /** Milliseconds; `null` keeps the engine's default. */
  readonly lockTimeoutMs: number | null;
  /** Milliseconds; `null` leaves the server's setting. */
  readonly statementTimeoutMs: number | null;
  readonly description: string | null;
  /** `lossless` promises that the down keeps every row that the up could have moved. */
  readonly down: 'lossless' | null;
  /** `off`: the file is sent as it is, without being parsed first. */
  readonly parse: 'on' | 'off';
}

/** One service's migration that another one needs. `version` is a number, a full name or a beginning of it. */
export interface Requirement {
  readonly service: string;
  readonly version: string;
}

/** One versioned change as the source lists it: cheap to make, nothing parsed or loaded yet. */
export interface Migration {
  /** The identity: the full name without extension, e.g. `0003_add_phone`. */
  readonly name: string;
  /** What people type and read: the leading number as written (`0003`), or the name when unnumbered. */
  readonly version: string;
  /** From the directive, or the name's words. */
  readonly description: string;
  /** SHA-256 (hex) of the up part, as docs/formats.md defines it. */
  readonly checksum: string;
  /** SHA-256 (hex) of the down part; `null` where there is none or it is known only after compiling. */
  readonly downChecksum: string | null;
  readonly directives: Directives;
  /** Where to point people: a path, or `null` for a migration given in code. */
  readonly file: string | null;
}

/** A migration with the statements that will run. */
export interface CompiledMigration {
  readonly name: string;
  readonly up: Script | LiveScript;
  readonly down: Script | LiveScript | null;
  /** Why `down` is `null`, as a clause: `0003_x.sql has no "-- Down Migration" section`. */
  readonly irreversible: string | null;
}

/** SQL ready to run. */
export interface Script {
  readonly kind: 'sql';
  /** The SQL as its author wrote it (for `pgm` migrations: as it was compiled). Positions point into it. */
  readonly sql: string;
  readonly statements: readonly Statement[];
  /** What the file's own BEGIN asked for. */
  readonly isolation: 'read committed' | 'repeatable read' | 'serializable';
  /** Where `sql` stands: `file` and the 0-based line of the file at which it begins (a section of a file); `null` when generated. */
  readonly origin: { readonly file: string; readonly line: number } | null;
  /** The module that made it; left out for SQL that stands in a file or was stored. */
  readonly madeBy?: string;
  /** `none` when a directive or `pgm.noTransaction()` asked for it. */
  readonly transaction: 'per-migration' | 'none';
  /** What is in force behind the last statement; left out when nothing is. */
  readonly settings?: readonly Setting[];
  /**
   * The parser of this library refuses the text, which an older server may accept: ask the server. `start` is a UTF-16
   * offset in `sql`. The statements were split without the parser.
   */
  readonly syntaxError?: { readonly message: string; readonly start: number };
  /** Its words told what its statements are; nobody has parsed it: the server has to be asked before anything runs. Left out for what was parsed. */
  readonly unread?: boolean;
}

/** A migration that needs a connection to know what it does (`pgm.db` in a module). */
export interface LiveScript {
  readonly kind: 'live';
  readonly file: string;
  /** Runs the module against the connection of the migration's own transaction; answers the SQL to run after it. */
  build(db: LiveDatabase): Promise<string>;
  readonly transaction: 'per-migration' | 'none';
}

/** What a live migration may use of the connection. */
export interface LiveDatabase {
  query(text: string | object, values?: readonly unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
}

/** One statement of a script. */
export interface Statement {
  /** What is sent: the author's text after the rewrites of docs/formats.md (top-level SET becomes SET LOCAL). Never ends in `;`. */
  readonly text: string;
  /** UTF-16 offset of its first character that is no space or comment in `Script.sql`. `text` begins at this character. */
  readonly start: number;
  /** The parser's node name (`CreateStmt`, `IndexStmt`, …), or `Unparsed`. */
  readonly kind: string;
  /** A short name for people: `CREATE INDEX CONCURRENTLY patients_name_idx`. At most 60 characters, without literals. */
  readonly summary: string;
  /** `forbidden`: PostgreSQL refuses it in a transaction block, or `transaction=none` was asked for and it is one of those. */
  readonly transaction: 'allowed' | 'forbidden';
  /** `true` when it takes a lock on an object that was there before this script, which other sessions' reads or writes wait for. */
  readonly strongLock: boolean;
  /** What may be left behind, and how to tell whether it is done; `null` for statements that run in a transaction. */
  readonly leftover: Leftover | null;
  /** Left out for a statement whose migration must have a transaction of its own. */
  readonly sharing?: Sharing;
  /** CREATE INDEX IF NOT EXISTS in a transaction does nothing where an index of that name is, also an INVALID one: which, in the table's schema. */
  readonly passesOver?: { readonly index: string; readonly table: ObjectName };
  /**
   * Set where the file's own BEGIN and COMMIT decide: neighbours with the same number share a transaction (also under
   * `transaction=none`), and between different ones a COMMIT is needed, since a new enum value can be used only after it.
   */
  readonly group?: number;
  /** Settings of the same file in force here, in order: to be repeated when an earlier COMMIT has ended them. */
  readonly settings?: readonly Setting[];
  /** What the author wrote, where `text` was made from it for one tenant; `moved` says where they differ. */
  readonly written?: string;
  readonly moved?: readonly Moved[];
  /** Of a tenant's statement that runs by itself: its names have their schemas, so that it does without the search path. Left out where it cannot. */
  readonly alone?: {
    /** `path`: it is run with the search path all the same where that can be had. */
    readonly needs: 'nothing' | 'path';
    /** Names that have none yet, since only the catalogue tells it. `start` is a UTF-16 offset in `text`. */
    readonly unresolved: readonly { readonly of: string; readonly name: string; readonly start: number }[];
  };
}

/** Where a replacement stands, so that places in what is sent can be told in what was written. UTF-16 offsets. */
export interface Moved {
  readonly sent: { readonly start: number; readonly end: number };
  readonly written: { readonly start: number; readonly end: number };
}

/** What has to be known of a statement before another migration may follow in the same transaction. Relations are `schema.name`, or `.name`. */
export interface Sharing {
  /** Made by it: nobody else sees them yet, so locking them makes nobody wait. */
  readonly creates: readonly string[];
  /** Held until the transaction ends. */
  readonly locks: readonly string[];
  /** A deferred constraint may be broken, and has to be checked before the next migration could mend it. */
  readonly changesRows: boolean;
}

/** A setting that a migration made for its later statements. */
export interface Setting {
  /** The parameter: `search_path`. */
  readonly name: string;
  /** `SET LOCAL …`, or `SELECT set_config(…, true)`; as it would have to be for a session in `session`. */
  readonly local: string;
  readonly session: string;
}

/** How the outcome of a non-transactional statement is read from the catalogue after a crash. */
export type Leftover =
  | {
      readonly kind: 'createIndex';
      readonly index: ObjectName | null;
      readonly table: ObjectName;
      readonly ifNotExists: boolean;
      readonly unique: boolean;
    }
  | { readonly kind: 'dropIndex'; readonly indexes: readonly ObjectName[]; readonly ifExists: boolean }
  | {
      readonly kind: 'reindex';
      readonly target: 'index' | 'table' | 'schema' | 'database' | 'system';
      readonly object: ObjectName | null;
      readonly concurrently: boolean;
    }
  | { readonly kind: 'detachPartition'; readonly table: ObjectName; readonly partition: ObjectName }
  | { readonly kind: 'createDatabase'; readonly database: string }
  | { readonly kind: 'dropDatabase'; readonly database: string }
  /** Running it a second time does no harm (VACUUM, CLUSTER, ALTER SYSTEM, REFRESH …). */
  | { readonly kind: 'repeatable' }
  /** Nothing tells whether it was done (CALL, CREATE SUBSCRIPTION, an unparsed statement). */
  | { readonly kind: 'undecidable' };

/** A possibly schema-qualified name; `schema` is `null` when the search path decides. */
export interface ObjectName {
  readonly schema: string | null;
  readonly name: string;
}

/** What a source offers. Reading it is cheap; compiling is done only for what will run. */
/** Who parses. `here`: this library. `server`: the server is asked before anything runs, so that what its words tell needs no parser here (`Script.unread`). */
export type Grammar = 'here' | 'server';

export interface MigrationSource {
  /** A phrase for messages: `services/patient/migrations`. */
  readonly label: string;
  /** In the order in which they run. Never loads a parser or a module. */
  list(): Promise<SourceListing>;
  /**
   * Compiled ups and downs of these migrations, in the given order. Throws `MigrationError` `invalidMigration` with every problem found.
   *
   * @param grammar Default `here`. A source that knows no other may pass over it.
   */
  compile(names: readonly string[], grammar?: Grammar): Promise<readonly CompiledMigration[]>;
}

export interface SourceListing {
  readonly migrations: readonly Migration[];
  /** Files and folders that are no migration, with the reason; reported, never skipped in silence. */
  readonly ignored: readonly { readonly path: string; readonly reason: string }[];
  readonly problems: readonly SourceProblem[];
  /** All in their order, those that cannot be read included; left out where `migrations` has them all. */
  readonly names?: readonly string[];
}

export interface SourceProblem {
  readonly code: 'duplicate' | 'invalidMigration';
  readonly name: string;
  readonly message: string;
}

export const noDirectives: Directives = {
  transaction: 'per-migration',
  requires: [],
  lockTimeoutMs: null,
  statementTimeoutMs: null,
  description: null,
  down: null,
  parse: 'on',
};
