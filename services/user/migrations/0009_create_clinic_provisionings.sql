-- migrate: description=Which services still have to make a place for a clinic

-- Up Migration

CREATE TABLE clinic_provisionings (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES healthcare_entities (id),
  service varchar(63) NOT NULL,
  -- No foreign key: an account may be deleted, and the work is still to be done.
  admin_user_id uuid,
  status varchar(20) NOT NULL DEFAULT 'pending',
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  last_error text,
  completed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT clinic_provisionings_tenant_id_service_key UNIQUE (tenant_id, service),
  CONSTRAINT clinic_provisionings_service_check CHECK (service ~ '^[a-z][a-z0-9_-]*$'),
  CONSTRAINT clinic_provisionings_status_check CHECK (status IN ('pending', 'active')),
  CONSTRAINT clinic_provisionings_completed_check CHECK ((status = 'active') = (completed_at IS NOT NULL)),
  CONSTRAINT clinic_provisionings_attempts_check CHECK (attempts >= 0)
);

CREATE INDEX clinic_provisionings_due_idx ON clinic_provisionings (next_attempt_at) WHERE status = 'pending';

COMMENT ON TABLE clinic_provisionings IS 'Written with the registration of a clinic, one row for each service that keeps a schema or a database for it, and worked off until each has answered.';
COMMENT ON COLUMN clinic_provisionings.admin_user_id IS 'Who registered the clinic (users.id): the first member of its team.';
COMMENT ON COLUMN clinic_provisionings.status IS 'pending, or active: the service has made the clinic''s place.';
COMMENT ON COLUMN clinic_provisionings.attempts IS 'In a row, since the service last answered that it is at it: the longer the wait for the next.';
COMMENT ON COLUMN clinic_provisionings.next_attempt_at IS 'Not before; while somebody is at it, when another one may take it over.';
COMMENT ON COLUMN clinic_provisionings.last_error IS 'Why the last attempt was in vain, without anybody''s data.';

ALTER TABLE clinic_provisionings ENABLE ROW LEVEL SECURITY;
ALTER TABLE clinic_provisionings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON clinic_provisionings
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());
-- Whoever works them off has to learn for which clinics there is something to do. Each row is then taken, and changed, as its own clinic.
CREATE POLICY lookup_of_due ON clinic_provisionings FOR SELECT
  USING (nullif(current_setting('app.lookup_due_provisionings', true), '') = 'on' AND status = 'pending');

CREATE TRIGGER clinic_provisionings_set_updated_at BEFORE UPDATE ON clinic_provisionings
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER clinic_provisionings_audit AFTER INSERT OR UPDATE OR DELETE ON clinic_provisionings
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('user_audit_log');

GRANT SELECT, INSERT, UPDATE ON clinic_provisionings TO user_app;

-- The clinics that are there already have no place in the service that now keeps one for each.
INSERT INTO clinic_provisionings (tenant_id, service, admin_user_id)
SELECT h.id, 'appointment', (SELECT u.id FROM users u WHERE u.tenant_id = h.id ORDER BY u.created_at, u.id LIMIT 1)
  FROM healthcare_entities h WHERE h.is_active;

-- Down Migration

DROP TABLE clinic_provisionings;
