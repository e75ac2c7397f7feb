-- migrate: description=Visits, diagnoses, prescriptions and other entries of a patient's record
-- migrate: requires=user@0003

CREATE TABLE medical_records (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  record_type varchar(30) NOT NULL,
  title varchar(255) NOT NULL,
  content text,
  diagnosis_codes text[] NOT NULL DEFAULT '{}',
  recorded_by uuid NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  -- A record is not rewritten: what was wrong is corrected by an entry that names it.
  corrects_id uuid,
  is_confidential boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT medical_records_tenant_id_id_key UNIQUE (tenant_id, id),
  -- With the clinic in the key, no record can hang on another clinic's patient. A patient with records is not deleted.
  CONSTRAINT medical_records_patient_fkey FOREIGN KEY (tenant_id, patient_id)
    REFERENCES patients (tenant_id, id) ON DELETE RESTRICT,
  CONSTRAINT medical_records_corrects_fkey FOREIGN KEY (tenant_id, corrects_id)
    REFERENCES medical_records (tenant_id, id),
  CONSTRAINT medical_records_corrects_check CHECK (corrects_id <> id),
  CONSTRAINT medical_records_type_check
    CHECK (record_type IN ('visit', 'diagnosis', 'prescription', 'procedure', 'vaccination', 'allergy', 'imaging', 'note')),
  CONSTRAINT medical_records_title_check CHECK (btrim(title) <> '')
);

CREATE INDEX medical_records_patient_idx ON medical_records (tenant_id, patient_id, recorded_at DESC);
CREATE INDEX medical_records_diagnosis_codes_idx ON medical_records USING gin (diagnosis_codes);

COMMENT ON TABLE medical_records IS 'The medical history of patients; entries are corrected by later ones and never deleted.';
COMMENT ON COLUMN medical_records.patient_id IS 'patients.id, not the clinic''s own number.';
COMMENT ON COLUMN medical_records.diagnosis_codes IS 'ICD-10 codes.';
COMMENT ON COLUMN medical_records.recorded_by IS 'The user who wrote it (users.id of the user service).';

ALTER TABLE medical_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE medical_records FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON medical_records
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER medical_records_set_updated_at BEFORE UPDATE ON medical_records
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER medical_records_audit AFTER INSERT OR UPDATE OR DELETE ON medical_records
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('patient_audit_log');

GRANT SELECT, INSERT, UPDATE (is_confidential) ON medical_records TO patient_app;
