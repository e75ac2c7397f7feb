-- migrate: description=Who sees which patient, and when
-- migrate: requires=user@0003
-- migrate: requires=patient@0002

CREATE TABLE appointments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  -- Of the patient service, which has a database of its own: no foreign key.
  patient_id uuid NOT NULL,
  team_member_id uuid NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  reason varchar(255),
  location varchar(100),
  notes text,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT appointments_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT appointments_team_member_fkey FOREIGN KEY (tenant_id, team_member_id)
    REFERENCES team_member (tenant_id, id) ON DELETE RESTRICT,
  CONSTRAINT appointments_time_check CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '24 hours')
);

CREATE INDEX appointments_calendar_idx ON appointments (tenant_id, team_member_id, starts_at);
CREATE INDEX appointments_patient_idx ON appointments (tenant_id, patient_id, starts_at);
CREATE INDEX appointments_day_idx ON appointments (tenant_id, starts_at);

COMMENT ON TABLE appointments IS 'Bookings of patients with members of the team.';
COMMENT ON COLUMN appointments.patient_id IS 'patients.id of the patient service, not the clinic''s own number.';
COMMENT ON COLUMN appointments.created_by IS 'The user who booked it (users.id of the user service).';

ALTER TABLE appointments ENABLE ROW LEVEL SECURITY;
ALTER TABLE appointments FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON appointments
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER appointments_set_updated_at BEFORE UPDATE ON appointments
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER appointments_audit AFTER INSERT OR UPDATE OR DELETE ON appointments
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('appointment_audit_log');

-- An appointment that does not take place is cancelled, not deleted.
GRANT SELECT, INSERT, UPDATE ON appointments TO appointment_app;
