-- migrate: description=Scheduled, confirmed, completed or cancelled

-- A constant default needs no rewrite of the table, and the rows that are there count as scheduled.
ALTER TABLE appointments
  ADD COLUMN status varchar(20) NOT NULL DEFAULT 'scheduled',
  ADD CONSTRAINT appointments_status_check
    CHECK (status IN ('scheduled', 'confirmed', 'completed', 'cancelled'));

CREATE INDEX appointments_status_idx ON appointments (tenant_id, status, starts_at);

COMMENT ON COLUMN appointments.status IS 'scheduled, confirmed by the patient, completed, or cancelled.';
