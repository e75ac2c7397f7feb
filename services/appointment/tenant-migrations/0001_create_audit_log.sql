-- Tenancy and audit: what every table of this service rests on.
--
-- The two functions have the same text in every service, so that several services may share a schema: whoever comes
-- second replaces a function by itself. Change one here and it must change everywhere, in a new migration of each.

-- Up Migration

-- Roles belong to the whole cluster: another service's database, or another run at this very moment, may have made it.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'appointment_app') THEN
    CREATE ROLE appointment_app NOLOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- PUBLIC may use the schema `public` unless somebody took that away; a schema of one's own is closed at first.
DO $$
BEGIN
  IF NOT pg_catalog.has_schema_privilege('appointment_app', current_schema(), 'USAGE') THEN
    EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO appointment_app', current_schema());
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION get_current_tenant_id() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  -- After a transaction that had set it, the setting is '' and not NULL: the cast would fail in a pooled connection.
  SELECT nullif(pg_catalog.current_setting('app.current_tenant_id', true), '')::uuid
$$;

COMMENT ON FUNCTION get_current_tenant_id() IS
  'The clinic of this transaction (SET LOCAL app.current_tenant_id); NULL where none is set, so that policies show nothing.';

CREATE OR REPLACE FUNCTION create_audit_entry() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  log_table text := TG_ARGV[0];
  withheld text[] := coalesce(TG_ARGV[1:], '{}');
  before jsonb;
  after jsonb;
  entry jsonb;
  changed text[];
  name text;
  logs bigint;
BEGIN
  -- Without an argument it is the log beside the table; two services in one schema have two, and must say which.
  IF log_table IS NULL THEN
    SELECT min(log.relname::text), count(*) INTO log_table, logs
      FROM pg_trigger here
      JOIN pg_class tab ON tab.oid = here.tgrelid
      JOIN pg_trigger guard ON guard.tgfoid = here.tgfoid AND guard.tgtype & 32 = 32 -- TRUNCATE: only logs have it
      JOIN pg_class log ON log.oid = guard.tgrelid AND log.relnamespace = tab.relnamespace
     WHERE here.tgrelid = TG_RELID AND here.tgname = TG_NAME;
    IF logs <> 1 THEN
      RAISE EXCEPTION USING
        ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('trigger %I on %I: %s audit logs are beside the table, so it must name its own', TG_NAME, TG_TABLE_NAME, logs),
        HINT = 'Create the trigger with the log''s name: create_audit_entry(''the_audit_log'').';
    END IF;
  END IF;
  IF TG_TABLE_NAME = log_table THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format('%I is append-only: %s is refused', log_table, TG_OP);
  END IF;

  IF TG_OP <> 'INSERT' THEN
    before := to_jsonb(OLD);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    after := to_jsonb(NEW);
  END IF;
  entry := coalesce(after, before);

  SELECT coalesce(array_agg(key ORDER BY key), '{}') INTO changed
    FROM jsonb_object_keys(entry) AS key
   WHERE before -> key IS DISTINCT FROM after -> key;

  -- That a secret was changed is worth knowing; the secret is not.
  FOREACH name IN ARRAY withheld LOOP
    before := jsonb_set(before, ARRAY[name], '"(withheld)"', false);
    after := jsonb_set(after, ARRAY[name], '"(withheld)"', false);
  END LOOP;

  -- The clinic comes from the row: data migrations and maintenance run with no clinic set, and must be logged as well.
  EXECUTE format(
    'INSERT INTO %I.%I (tenant_id, table_name, row_id, action, changed_columns, old_values, new_values, actor, db_role)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)',
    TG_TABLE_SCHEMA, log_table)
  USING
    (entry ->> 'tenant_id')::uuid, TG_TABLE_NAME::text, entry ->> 'id', TG_OP, changed, before, after,
    nullif(current_setting('app.current_user_id', true), ''), session_user::text;
  RETURN NULL;
END
$$;

COMMENT ON FUNCTION create_audit_entry() IS
  'Trigger: create_audit_entry(log table, withheld column, …) logs one row''s change beside the table; on the log itself it refuses. Without arguments: the only log of the schema.';

-- It writes with its owner's rights: nobody else may hang it on a table of theirs. Firing needs no EXECUTE.
REVOKE ALL ON FUNCTION create_audit_entry() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION get_current_tenant_id() TO appointment_app;

CREATE TABLE appointment_audit_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id uuid NOT NULL,
  table_name text NOT NULL,
  row_id text,
  action text NOT NULL,
  changed_columns text[] NOT NULL,
  old_values jsonb,
  new_values jsonb,
  actor text,
  db_role text NOT NULL,
  occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT appointment_audit_log_action_check CHECK (action IN ('INSERT', 'UPDATE', 'DELETE'))
);

CREATE INDEX appointment_audit_log_tenant_row_idx ON appointment_audit_log (tenant_id, table_name, row_id, occurred_at);

COMMENT ON TABLE appointment_audit_log IS 'Every change of every row of this service, written by create_audit_entry(); append-only.';
COMMENT ON COLUMN appointment_audit_log.tenant_id IS 'The clinic of the changed row. No foreign key: entries outlive what they tell of.';
COMMENT ON COLUMN appointment_audit_log.row_id IS 'The row''s id; NULL for tables whose key is not an id (the values tell which row).';
COMMENT ON COLUMN appointment_audit_log.changed_columns IS 'All columns for INSERT and DELETE.';
COMMENT ON COLUMN appointment_audit_log.actor IS 'Who asked for it: app.current_user_id of the transaction; NULL for migrations and maintenance.';
COMMENT ON COLUMN appointment_audit_log.db_role IS 'The database role that was connected.';

ALTER TABLE appointment_audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE appointment_audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON appointment_audit_log
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

-- These also make the log depend on the function: another service's down, in the same schema, then leaves it alone.
CREATE TRIGGER appointment_audit_log_append_only BEFORE UPDATE OR DELETE ON appointment_audit_log
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('appointment_audit_log');
CREATE TRIGGER appointment_audit_log_no_truncate BEFORE TRUNCATE ON appointment_audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION create_audit_entry('appointment_audit_log');

-- Entries are made by the trigger only.
GRANT SELECT ON appointment_audit_log TO appointment_app;

-- Down Migration

DROP TABLE appointment_audit_log;

-- Another service in this schema may still use the functions; PostgreSQL knows, and whoever leaves last takes them along.
REVOKE EXECUTE ON FUNCTION get_current_tenant_id() FROM appointment_app;
DO $$
BEGIN
  DROP FUNCTION create_audit_entry();
EXCEPTION
  WHEN dependent_objects_still_exist THEN NULL;
END
$$;
DO $$
BEGIN
  DROP FUNCTION get_current_tenant_id();
EXCEPTION
  WHEN dependent_objects_still_exist THEN NULL;
END
$$;

-- The role stays: it belongs to the cluster, and other databases may know it. Only its use of this schema goes.
DO $$
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_namespace, pg_catalog.aclexplode(nspacl) AS granted
     WHERE nspname = current_schema() AND granted.grantee = 'appointment_app'::regrole
  ) THEN
    EXECUTE pg_catalog.format('REVOKE USAGE ON SCHEMA %I FROM appointment_app', current_schema());
  END IF;
END
$$;
