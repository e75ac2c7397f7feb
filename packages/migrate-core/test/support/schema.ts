/** A schema with one of everything, whose statements can be run in any order that their needs allow, in a schema of any name. */

export interface SchemaStatement {
  readonly id: string;
  readonly needs: readonly string[];
  readonly sql: string;
}

function statement(id: string, needs: readonly string[], sql: string): SchemaStatement {
  return { id, needs, sql };
}

/** Unqualified names are those of the schema; roles must exist. `schema` is a quoted identifier. */
export function schemaStatements(schema: string, reader: string): SchemaStatement[] {
  return [
    statement('grants', ['patients'], `GRANT SELECT, UPDATE (phone) ON patients TO ${reader}`),
    statement('status', [], `CREATE TYPE status AS ENUM ('planned', 'done')`),
    statement('email', [], `CREATE DOMAIN email AS text DEFAULT 'a@b' CONSTRAINT has_at CHECK (VALUE LIKE '%@%')`),
    statement('address', [], 'CREATE TYPE address AS (street text, city text)'),
    statement('period', [], 'CREATE TYPE period AS RANGE (subtype = timestamptz)'),
    statement('codes', [], 'CREATE SEQUENCE codes START 100 INCREMENT 5'),
    statement(
      'patients',
      ['status', 'email', 'address', 'codes'],
      `CREATE TABLE patients (
         id bigint GENERATED ALWAYS AS IDENTITY, clinic int NOT NULL, code int DEFAULT nextval('codes'), name text COLLATE "C" NOT NULL,
         phone varchar(20), mail email, home address, state status DEFAULT 'planned', born date, serial_no serial,
         full_name text GENERATED ALWAYS AS (upper(name)) STORED,
         CONSTRAINT patients_pkey PRIMARY KEY (id), CONSTRAINT name_present CHECK (name <> ''), CONSTRAINT phone_once UNIQUE (clinic, phone))`,
    ),
    statement(
      'visits',
      ['patients', 'status'],
      `CREATE TABLE visits (id int PRIMARY KEY, patient bigint CONSTRAINT visits_patient REFERENCES patients ON DELETE CASCADE, at timestamptz DEFAULT now(), state status)`,
    ),
    statement('events', [], 'CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at)'),
    statement('events_2026', ['events'], `CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`),
    statement('events_index', ['events'], 'CREATE INDEX events_what ON events (what)'),
    statement('index', ['patients'], 'CREATE INDEX patients_name ON patients (lower(name))'),
    statement('partial index', ['patients'], `CREATE INDEX planned_patients ON patients (clinic DESC) INCLUDE (name) WHERE state = 'planned'`),
    statement('view', ['patients'], 'CREATE VIEW names AS SELECT id, name FROM patients WHERE clinic > 0'),
    statement('matview', ['visits'], 'CREATE MATERIALIZED VIEW counts AS SELECT patient, count(*) AS visits FROM visits GROUP BY patient'),
    statement('matview index', ['matview'], 'CREATE UNIQUE INDEX counts_patient ON counts (patient)'),
    statement(
      'function',
      [],
      `CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${schema}, pg_temp AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$`,
    ),
    statement(
      'tenant',
      [],
      `CREATE FUNCTION tenant(fallback int DEFAULT 0) RETURNS int STABLE RETURN coalesce(nullif(current_setting('app.clinic', true), '')::int, fallback)`,
    ),
    statement('procedure', [], 'CREATE PROCEDURE tidy(days int) LANGUAGE sql AS $$ SELECT days $$'),
    statement('aggregate', [], 'CREATE AGGREGATE longest(int) (SFUNC = int4larger, STYPE = int, INITCOND = 0)'),
    statement(
      'trigger',
      ['visits', 'function'],
      'CREATE TRIGGER visits_touch BEFORE UPDATE ON visits FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch()',
    ),
    statement('rls', ['patients'], 'ALTER TABLE patients ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'),
    statement('policy', ['patients', 'tenant'], 'CREATE POLICY own_clinic ON patients USING (clinic = tenant()) WITH CHECK (clinic = tenant())'),
    statement('rule', ['visits'], 'CREATE RULE keep AS ON DELETE TO visits WHERE OLD.id < 0 DO INSTEAD NOTHING'),
    statement('statistics', ['patients'], 'CREATE STATISTICS by_clinic (dependencies) ON clinic, state FROM patients'),
    statement('comment on table', ['patients'], `COMMENT ON TABLE patients IS 'People\twith a tab\nand \\ lines'`),
    statement('comment on column', ['patients'], `COMMENT ON COLUMN patients.phone IS 'E.164'`),
    statement('comment on function', ['function'], `COMMENT ON FUNCTION touch() IS 'Sets the time'`),
    statement('execute', ['tenant'], `REVOKE EXECUTE ON FUNCTION tenant(int) FROM PUBLIC`),
  ];
}

/** One order among those that the needs allow, chosen by `next`, which answers a number from 0 to below 1. */
export function inSomeOrder(statements: readonly SchemaStatement[], next: () => number): string[] {
  const done = new Set<string>();
  const left = [...statements];
  const order: string[] = [];
  while (left.length > 0) {
    const ready = left.filter((one) => one.needs.every((id) => done.has(id)));
    const one = ready[Math.floor(next() * ready.length)];
    if (one === undefined) throw new Error(`nothing can come next among ${left.map(({ id }) => id).join(', ')}`);
    left.splice(left.indexOf(one), 1);
    done.add(one.id);
    order.push(one.sql);
  }
  return order;
}
