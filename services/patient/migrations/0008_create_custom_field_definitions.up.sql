-- migrate: description=Fields that a clinic adds to its records itself

CREATE TABLE custom_field_definitions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  entity varchar(30) NOT NULL,
  name varchar(63) NOT NULL,
  label varchar(255) NOT NULL,
  field_type varchar(20) NOT NULL,
  options text[],
  is_required boolean NOT NULL DEFAULT false,
  position integer NOT NULL DEFAULT 0,
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT custom_field_definitions_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT custom_field_definitions_name_key UNIQUE (tenant_id, entity, name),
  CONSTRAINT custom_field_definitions_entity_check CHECK (entity IN ('patient', 'medical_record', 'lab_test')),
  CONSTRAINT custom_field_definitions_name_check CHECK (name ~ '^[a-z][a-z0-9_]*$'),
  CONSTRAINT custom_field_definitions_type_check
    CHECK (field_type IN ('text', 'number', 'date', 'boolean', 'select', 'multiselect')),
  -- Choices are what a select is made of, and nothing else has any.
  CONSTRAINT custom_field_definitions_options_check
    CHECK ((field_type IN ('select', 'multiselect')) = (coalesce(cardinality(options), 0) > 0))
);

COMMENT ON TABLE custom_field_definitions IS 'What a clinic wants to know beyond the fields that are there for all.';
COMMENT ON COLUMN custom_field_definitions.entity IS 'What the field belongs to: patient, medical_record or lab_test.';
COMMENT ON COLUMN custom_field_definitions.name IS 'For programs; unique for its entity within the clinic.';
COMMENT ON COLUMN custom_field_definitions.options IS 'The choices of a select or multiselect; NULL for other types.';
COMMENT ON COLUMN custom_field_definitions.position IS 'Order in forms, smallest first.';

ALTER TABLE custom_field_definitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE custom_field_definitions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON custom_field_definitions
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER custom_field_definitions_set_updated_at BEFORE UPDATE ON custom_field_definitions
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER custom_field_definitions_audit AFTER INSERT OR UPDATE OR DELETE ON custom_field_definitions
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('patient_audit_log');

GRANT SELECT, INSERT, UPDATE, DELETE ON custom_field_definitions TO patient_app;
