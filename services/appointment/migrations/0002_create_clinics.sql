-- migrate: description=The clinics that keep their appointments here
-- migrate: requires=user@0002

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

CREATE TABLE clinics (
  -- Of the user service, which has a database of its own: no foreign key.
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL GENERATED ALWAYS AS (id) STORED,
  name varchar(255) NOT NULL,
  country varchar(50) NOT NULL,
  timezone varchar(64) NOT NULL DEFAULT 'UTC',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT clinics_tenant_id_key UNIQUE (tenant_id),
  CONSTRAINT clinics_name_check CHECK (btrim(name) <> ''),
  CONSTRAINT clinics_country_check CHECK (btrim(country) <> ''),
  CONSTRAINT clinics_timezone_check CHECK (btrim(timezone) <> '')
);

COMMENT ON TABLE clinics IS 'What this service knows of each clinic; its appointments are in a schema or a database of its own.';
COMMENT ON COLUMN clinics.id IS 'healthcare_entities.id of the user service.';
COMMENT ON COLUMN clinics.tenant_id IS 'Always the id.';
COMMENT ON COLUMN clinics.timezone IS 'IANA name, e.g. Africa/Casablanca.';

ALTER TABLE clinics ENABLE ROW LEVEL SECURITY;
ALTER TABLE clinics FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON clinics
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER clinics_set_updated_at BEFORE UPDATE ON clinics
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER clinics_audit AFTER INSERT OR UPDATE OR DELETE ON clinics
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('appointment_audit_log');

-- A clinic that leaves is put away with its appointments, by whoever keeps the tenants.
GRANT SELECT, INSERT, UPDATE ON clinics TO appointment_app;

-- Down Migration

DROP TABLE clinics;

-- Stays where another service of this schema still uses it.
DO $$
BEGIN
  DROP FUNCTION set_updated_at();
EXCEPTION
  WHEN dependent_objects_still_exist THEN NULL;
END
$$;
