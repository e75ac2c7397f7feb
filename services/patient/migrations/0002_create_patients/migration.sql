-- migrate: description=Patients of each clinic, with addresses and phones of any country
-- migrate: requires=user@0002

CREATE OR REPLACE FUNCTION set_updated_at() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

COMMENT ON FUNCTION set_updated_at() IS 'Trigger: keeps updated_at, whoever changes the row.';

CREATE TABLE patients (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  -- A healthcare entity of the user service; it may live in another database, so there is no foreign key.
  tenant_id uuid NOT NULL,
  patient_id varchar(50) NOT NULL,
  first_name varchar(100) NOT NULL,
  last_name varchar(100) NOT NULL,
  date_of_birth date NOT NULL,
  gender varchar(20),
  email varchar(320),
  -- What is searched for. An index on lower(last_name) would never be asked: under row-level security only leakproof
  -- functions come before the policy, and lower() and LIKE are none, while =, <, >= and ^@ are. Collation C, so that an
  -- index knows beginnings.
  last_name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(last_name)) STORED,
  first_name_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(first_name)) STORED,
  email_key text COLLATE "C" GENERATED ALWAYS AS (nullif(lower(email), '')) STORED,
  phone varchar(40),
  address_line1 varchar(255),
  address_line2 varchar(255),
  city varchar(100),
  state_province varchar(100),
  postal_code varchar(20),
  country varchar(100) NOT NULL,
  blood_type varchar(10),
  preferred_language varchar(10),
  marital_status varchar(20),
  occupation varchar(100),
  insurance_provider varchar(255),
  insurance_number varchar(100),
  allergies text,
  medical_notes text,
  emergency_contact_name varchar(200),
  emergency_contact_phone varchar(40),
  emergency_contact_relationship varchar(50),
  is_active boolean NOT NULL DEFAULT true,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT patients_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT patients_tenant_id_patient_id_key UNIQUE (tenant_id, patient_id),
  CONSTRAINT patients_patient_id_check CHECK (btrim(patient_id) <> ''),
  CONSTRAINT patients_name_check CHECK (btrim(first_name) <> '' AND btrim(last_name) <> ''),
  -- A day of grace: it may be tomorrow already where the child was born.
  CONSTRAINT patients_date_of_birth_check CHECK (date_of_birth >= '1850-01-01' AND date_of_birth <= CURRENT_DATE + 1),
  -- Forms send '' for what was left open, others send NULL: both mean unknown.
  CONSTRAINT patients_gender_check
    CHECK (gender IS NULL OR gender = '' OR gender IN ('female', 'male', 'other', 'undisclosed')),
  CONSTRAINT patients_email_check
    CHECK (email IS NULL OR email = '' OR email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  -- Where the form is known; what other countries write is not judged.
  CONSTRAINT patients_postal_code_check CHECK (
    postal_code IS NULL OR postal_code = '' OR CASE country
      WHEN 'Canada' THEN upper(postal_code) ~ '^[A-Z][0-9][A-Z][ -]?[0-9][A-Z][0-9]$'
      WHEN 'USA' THEN postal_code ~ '^[0-9]{5}(-[0-9]{4})?$'
      WHEN 'Morocco' THEN postal_code ~ '^[0-9]{5}$'
      WHEN 'France' THEN postal_code ~ '^[0-9]{5}$'
      ELSE true
    END
  ),
  CONSTRAINT patients_blood_type_check
    CHECK (blood_type IS NULL OR blood_type = ''
           OR blood_type IN ('A+', 'A-', 'B+', 'B-', 'AB+', 'AB-', 'O+', 'O-')),
  CONSTRAINT patients_preferred_language_check
    CHECK (preferred_language IS NULL OR preferred_language = ''
           OR preferred_language IN ('en', 'fr', 'ar', 'es', 'zgh')),
  CONSTRAINT patients_marital_status_check
    CHECK (marital_status IS NULL OR marital_status = ''
           OR marital_status IN ('single', 'married', 'civil_union', 'common_law', 'separated', 'divorced', 'widowed'))
);

CREATE INDEX patients_tenant_date_of_birth_idx ON patients (tenant_id, date_of_birth);
CREATE INDEX patients_tenant_email_idx ON patients (tenant_id, email_key) WHERE email_key IS NOT NULL;

COMMENT ON TABLE patients IS 'People treated at a clinic. One person at two clinics is two rows: clinics do not see each other''s.';
COMMENT ON COLUMN patients.tenant_id IS 'The clinic: healthcare_entities.id of the user service.';
COMMENT ON COLUMN patients.patient_id IS 'The number by which the clinic knows the patient; unique within the clinic.';
COMMENT ON COLUMN patients.last_name_key IS 'For searches: last_name_key ^@ lower(…) finds a beginning, by index.';
COMMENT ON COLUMN patients.first_name_key IS 'For searches, as last_name_key.';
COMMENT ON COLUMN patients.email_key IS 'For searches: email_key = lower(…); NULL where there is no address.';
COMMENT ON COLUMN patients.phone IS 'As it was typed.';
COMMENT ON COLUMN patients.state_province IS 'State, province, region or département.';
COMMENT ON COLUMN patients.country IS 'Of the address; any country.';
COMMENT ON COLUMN patients.blood_type IS 'NULL or empty: unknown.';
COMMENT ON COLUMN patients.preferred_language IS 'ISO 639 code; NULL or empty: unknown.';
COMMENT ON COLUMN patients.marital_status IS 'NULL or empty: unknown.';
COMMENT ON COLUMN patients.created_by IS 'The user who registered the patient (users.id of the user service).';

ALTER TABLE patients ENABLE ROW LEVEL SECURITY;
ALTER TABLE patients FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON patients
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER patients_set_updated_at BEFORE UPDATE ON patients
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER patients_audit AFTER INSERT OR UPDATE OR DELETE ON patients
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('patient_audit_log');

GRANT SELECT, INSERT, UPDATE, DELETE ON patients TO patient_app;
