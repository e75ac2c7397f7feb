-- migrate: description=Who works at the clinic and can be booked
-- migrate: requires=user@0003

-- Up Migration

CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION set_updated_at() IS 'Trigger: keeps updated_at, whoever changes the row.';

CREATE TABLE team_member (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid,
  first_name varchar(100) NOT NULL,
  last_name varchar(100) NOT NULL,
  email varchar(320),
  phone varchar(40),
  position varchar(100),
  specialty varchar(100),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT team_member_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT team_member_name_check CHECK (btrim(first_name) <> '' AND btrim(last_name) <> ''),
  CONSTRAINT team_member_email_check CHECK (email IS NULL OR email = '' OR email ~ '^[^@[:space:]]+@[^@[:space:]]+$')
);

CREATE UNIQUE INDEX team_member_user_key ON team_member (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX team_member_name_idx ON team_member (tenant_id, last_name, first_name) WHERE is_active;

COMMENT ON TABLE team_member IS 'Doctors, nurses and others of the clinic, with or without an account.';
COMMENT ON COLUMN team_member.tenant_id IS 'The clinic: healthcare_entities.id of the user service.';
COMMENT ON COLUMN team_member.user_id IS 'Their account (users.id of the user service); NULL: they do not sign in.';

ALTER TABLE team_member ENABLE ROW LEVEL SECURITY;
ALTER TABLE team_member FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON team_member
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER team_member_set_updated_at BEFORE UPDATE ON team_member
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER team_member_audit AFTER INSERT OR UPDATE OR DELETE ON team_member
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('appointment_audit_log');

GRANT SELECT, INSERT, UPDATE, DELETE ON team_member TO appointment_app;

-- Down Migration

DROP TABLE team_member;

-- Stays where another service of this schema still uses it.
DO $$
BEGIN
  DROP FUNCTION set_updated_at();
EXCEPTION
  WHEN dependent_objects_still_exist THEN NULL;
END
$$;
