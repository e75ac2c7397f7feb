-- migrate: description=Clinics and other healthcare entities, the tenants of the platform

CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION set_updated_at() IS 'Trigger: keeps updated_at, whoever changes the row.';

CREATE TABLE healthcare_entities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- The clinic is its own tenant: every table is then isolated, audited and verified in one and the same way.
  tenant_id uuid NOT NULL GENERATED ALWAYS AS (id) STORED,
  name varchar(255) NOT NULL,
  entity_type varchar(30) NOT NULL DEFAULT 'clinic',
  country varchar(50) NOT NULL,
  registration_number varchar(100),
  email varchar(255),
  phone varchar(30),
  website varchar(255),
  address_line1 varchar(255),
  address_line2 varchar(255),
  city varchar(100),
  state_province varchar(100),
  postal_code varchar(20),
  timezone varchar(64) NOT NULL DEFAULT 'UTC',
  default_language varchar(10) NOT NULL DEFAULT 'en',
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT healthcare_entities_tenant_id_key UNIQUE (tenant_id),
  CONSTRAINT healthcare_entities_name_check CHECK (btrim(name) <> ''),
  CONSTRAINT healthcare_entities_type_check
    CHECK (entity_type IN ('clinic', 'hospital', 'laboratory', 'pharmacy', 'imaging_center')),
  CONSTRAINT healthcare_entities_country_check CHECK (country IN ('Canada', 'USA', 'Morocco', 'France')),
  CONSTRAINT healthcare_entities_postal_code_check CHECK (
    postal_code IS NULL OR postal_code = '' OR CASE country
      WHEN 'Canada' THEN upper(postal_code) ~ '^[A-Z][0-9][A-Z][ -]?[0-9][A-Z][0-9]$'
      WHEN 'USA' THEN postal_code ~ '^[0-9]{5}(-[0-9]{4})?$'
      WHEN 'Morocco' THEN postal_code ~ '^[0-9]{5}$'
      WHEN 'France' THEN postal_code ~ '^[0-9]{5}$'
    END
  ),
  CONSTRAINT healthcare_entities_language_check CHECK (default_language IN ('en', 'fr', 'ar', 'es', 'zgh'))
);

CREATE INDEX healthcare_entities_country_idx ON healthcare_entities (country) WHERE is_active;
-- One registration number is one entity in its country; many have none yet.
CREATE UNIQUE INDEX healthcare_entities_registration_key
  ON healthcare_entities (country, registration_number) WHERE registration_number IS NOT NULL;

COMMENT ON TABLE healthcare_entities IS 'Clinics, hospitals and laboratories: one row is one tenant of the platform.';
COMMENT ON COLUMN healthcare_entities.tenant_id IS 'Always the id.';
COMMENT ON COLUMN healthcare_entities.country IS 'Where it is licensed: Canada, USA, Morocco or France.';
COMMENT ON COLUMN healthcare_entities.registration_number IS 'As its health authority writes it.';
COMMENT ON COLUMN healthcare_entities.timezone IS 'IANA name, e.g. Africa/Casablanca.';
COMMENT ON COLUMN healthcare_entities.default_language IS 'ISO 639 code.';

ALTER TABLE healthcare_entities ENABLE ROW LEVEL SECURITY;
ALTER TABLE healthcare_entities FORCE ROW LEVEL SECURITY;
-- To register a clinic the application makes the id, sets it as its tenant, and inserts the row with it.
CREATE POLICY tenant_isolation ON healthcare_entities
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER healthcare_entities_set_updated_at BEFORE UPDATE ON healthcare_entities
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER healthcare_entities_audit AFTER INSERT OR UPDATE OR DELETE ON healthcare_entities
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('user_audit_log');

-- A clinic is closed with is_active, not deleted: other services hold its id.
GRANT SELECT, INSERT, UPDATE ON healthcare_entities TO user_app;
