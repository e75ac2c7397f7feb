/** Which connection a run uses: the first source that names anything wins, and sources never mix. Pure but for `connectWith`. */

/** Settings for `pg`; passwords never leave this object except into the driver. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly ssl: boolean | { readonly rejectUnauthorized: boolean };
  /** The rest of a URL's query (`application_name`, `options`, …). */
  readonly parameters: Readonly<Record<string, string>>;
}

export interface ChosenConnection {
  /** What named it: `--url`, `PATIENT_MIGRATION_DATABASE_URL`, `DATABASE_URL`, `PG*`, `the local PostgreSQL`. */
  readonly source: string;
  readonly settings: ConnectionSettings;
  /** `postgres://user@host:5432/database`: no password. */
  readonly display: string;
}
