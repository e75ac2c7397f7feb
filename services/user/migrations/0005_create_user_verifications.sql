-- migrate: description=One-time tokens that prove an address or allow a new password

-- Up Migration

CREATE TABLE user_verifications (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  purpose varchar(30) NOT NULL,
  token_hash bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT user_verifications_user_fkey FOREIGN KEY (tenant_id, user_id)
    REFERENCES users (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT user_verifications_token_hash_key UNIQUE (token_hash),
  -- 32 bytes are a SHA-256; a token stored by mistake as it was sent would be of another length.
  CONSTRAINT user_verifications_token_hash_check CHECK (octet_length(token_hash) = 32),
  CONSTRAINT user_verifications_purpose_check
    CHECK (purpose IN ('email_verification', 'phone_verification', 'password_reset', 'invitation')),
  CONSTRAINT user_verifications_expiry_check CHECK (expires_at > created_at),
  CONSTRAINT user_verifications_used_check CHECK (used_at IS NULL OR used_at >= created_at)
);

CREATE INDEX user_verifications_user_idx ON user_verifications (tenant_id, user_id, purpose);
-- For the clean-up of tokens that were never used.
CREATE INDEX user_verifications_open_idx ON user_verifications (expires_at) WHERE used_at IS NULL;

COMMENT ON TABLE user_verifications IS 'Tokens sent to users: each works once and until it expires.';
COMMENT ON COLUMN user_verifications.token_hash IS 'SHA-256 of the token; the token itself is only in the message that was sent.';
COMMENT ON COLUMN user_verifications.purpose IS 'email_verification, phone_verification, password_reset or invitation.';

ALTER TABLE user_verifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_verifications FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON user_verifications
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER user_verifications_audit AFTER INSERT OR UPDATE OR DELETE ON user_verifications
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('user_audit_log', 'token_hash');

GRANT SELECT, INSERT, UPDATE, DELETE ON user_verifications TO user_app;

-- Down Migration

DROP TABLE user_verifications;
