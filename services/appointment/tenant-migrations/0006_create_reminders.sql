-- migrate: description=Reminders of appointments, payments and tasks

-- Up Migration

CREATE TABLE reminders (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  kind varchar(20) NOT NULL,
  appointment_id uuid,
  contact_id uuid,
  vendor_id uuid,
  team_member_id uuid,
  channel varchar(20) NOT NULL DEFAULT 'email',
  message text NOT NULL,
  amount numeric(12, 2),
  currency char(3),
  due_at timestamptz NOT NULL,
  status varchar(20) NOT NULL DEFAULT 'pending',
  attempts smallint NOT NULL DEFAULT 0,
  sent_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT reminders_tenant_id_id_key UNIQUE (tenant_id, id),
  CONSTRAINT reminders_appointment_fkey FOREIGN KEY (tenant_id, appointment_id)
    REFERENCES appointments (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT reminders_contact_fkey FOREIGN KEY (tenant_id, contact_id)
    REFERENCES contact (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT reminders_vendor_fkey FOREIGN KEY (tenant_id, vendor_id)
    REFERENCES vendor (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT reminders_team_member_fkey FOREIGN KEY (tenant_id, team_member_id)
    REFERENCES team_member (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT reminders_kind_check CHECK (kind IN ('appointment', 'payment', 'notification')),
  CONSTRAINT reminders_appointment_check CHECK (kind <> 'appointment' OR appointment_id IS NOT NULL),
  CONSTRAINT reminders_payment_check CHECK (kind <> 'payment' OR (amount IS NOT NULL AND currency IS NOT NULL)),
  CONSTRAINT reminders_amount_check CHECK (amount > 0),
  CONSTRAINT reminders_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
  CONSTRAINT reminders_channel_check CHECK (channel IN ('email', 'sms', 'phone', 'in_app')),
  CONSTRAINT reminders_status_check CHECK (status IN ('pending', 'sent', 'failed', 'cancelled')),
  CONSTRAINT reminders_attempts_check CHECK (attempts >= 0),
  CONSTRAINT reminders_sent_check CHECK ((status = 'sent') = (sent_at IS NOT NULL))
);

CREATE INDEX reminders_due_idx ON reminders (tenant_id, due_at) WHERE status = 'pending';
CREATE INDEX reminders_appointment_idx ON reminders (tenant_id, appointment_id) WHERE appointment_id IS NOT NULL;
CREATE INDEX reminders_contact_idx ON reminders (tenant_id, contact_id) WHERE contact_id IS NOT NULL;
CREATE INDEX reminders_vendor_idx ON reminders (tenant_id, vendor_id) WHERE vendor_id IS NOT NULL;
CREATE INDEX reminders_team_member_idx ON reminders (tenant_id, team_member_id) WHERE team_member_id IS NOT NULL;

COMMENT ON TABLE reminders IS 'Messages to be sent when they are due: of appointments, payments, or anything else.';
COMMENT ON COLUMN reminders.kind IS 'appointment, payment or notification.';
COMMENT ON COLUMN reminders.currency IS 'ISO 4217: CAD, USD, MAD, EUR …';
COMMENT ON COLUMN reminders.status IS 'pending, sent, failed (no more attempts) or cancelled.';

ALTER TABLE reminders ENABLE ROW LEVEL SECURITY;
ALTER TABLE reminders FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON reminders
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER reminders_set_updated_at BEFORE UPDATE ON reminders
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER reminders_audit AFTER INSERT OR UPDATE OR DELETE ON reminders
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('appointment_audit_log');

GRANT SELECT, INSERT, UPDATE, DELETE ON reminders TO appointment_app;

-- Down Migration

DROP TABLE reminders;
