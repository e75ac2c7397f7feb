-- migrate: description=How a clinic's pages look

CREATE TABLE tenant_branding (
  tenant_id uuid PRIMARY KEY REFERENCES healthcare_entities (id) ON DELETE CASCADE,
  display_name varchar(255),
  logo_url text,
  favicon_url text,
  primary_color char(7) NOT NULL DEFAULT '#1d4ed8',
  secondary_color char(7) NOT NULL DEFAULT '#64748b',
  accent_color char(7) NOT NULL DEFAULT '#16a34a',
  email_footer text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT tenant_branding_colors_check CHECK (
    primary_color ~ '^#[0-9a-f]{6}$' AND secondary_color ~ '^#[0-9a-f]{6}$' AND accent_color ~ '^#[0-9a-f]{6}$'
  ),
  -- They end up in src and href attributes: no javascript:, no data:.
  CONSTRAINT tenant_branding_urls_check CHECK (
    (logo_url IS NULL OR logo_url ~ '^https://') AND (favicon_url IS NULL OR favicon_url ~ '^https://')
  )
);

COMMENT ON TABLE tenant_branding IS 'Names, logos and colours of a clinic''s pages and mails; at most one row each.';
COMMENT ON COLUMN tenant_branding.display_name IS 'NULL: the name of the healthcare entity.';
COMMENT ON COLUMN tenant_branding.primary_color IS '#rrggbb in lower case.';

ALTER TABLE tenant_branding ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_branding FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON tenant_branding
  USING (tenant_id = get_current_tenant_id())
  WITH CHECK (tenant_id = get_current_tenant_id());

CREATE TRIGGER tenant_branding_set_updated_at BEFORE UPDATE ON tenant_branding
  FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER tenant_branding_audit AFTER INSERT OR UPDATE OR DELETE ON tenant_branding
  FOR EACH ROW EXECUTE FUNCTION create_audit_entry('user_audit_log');

GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_branding TO user_app;
