-- migrate: description=People who sign in, each of them at one clinic

CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES healthcare_entities (id),
  email varchar(320) NOT NULL,
  password_hash text NOT NULL,
  first_name varchar(100) NOT NULL,
  last_name varchar(100) NOT NULL,
  phone varchar(30),
  preferred_language varchar(10),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- For foreign keys that cannot point into another clinic; it is also the index that leads with the tenant.
  CONSTRAINT users_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT users_email_check CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  CONSTRAINT users_password_hash_check CHECK (password_hash <> ''),
  CONSTRAINT users_preferred_language_check
    CHECK (preferred_language IS NULL OR preferred_language = '' OR preferred_language IN ('en', 'fr', 'ar', 'es', 'zgh'))
);

-- The same person may work at two clinics; within one, an address is one account however it is capitalised.
CREATE UNIQUE INDEX users_tenant_email_key ON users (tenant_id, lower(email));
CREATE INDEX users_tenant_name_idx ON users (tenant_id, last_name, first_name);

COMMENT ON TABLE users IS 'Accounts of a clinic''s staff.';
COMMENT ON COLUMN users.tenant_id IS 'The clinic (healthcare_entities.id).';
COMMENT ON COLUMN users.email IS 'Unique within the clinic, without regard to case.';
COMMENT ON COLUMN users.password_hash IS 'With salt and parameters; never the password. Withheld from the audit log.';

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON users
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER users_set_updated_at BEFORE UPDATE ON users
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER users_audit AFTER INSERT OR UPDATE OR DELETE ON users
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('user_audit_log', 'password_hash');

GRANT SELECT, INSERT, UPDATE, DELETE ON users TO user_app;
