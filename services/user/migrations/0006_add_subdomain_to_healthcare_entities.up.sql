-- migrate: description=Each clinic may have a subdomain of its own

-- A DNS label: at most 63 letters, digits and hyphens, none of them at an end; lower case, since DNS does not tell cases
-- apart and a unique constraint does. `xn--` would be another script's spelling of a name, made to look like this one.
ALTER TABLE healthcare_entities
  ADD COLUMN subdomain varchar(63),
  ADD CONSTRAINT healthcare_entities_subdomain_check
    CHECK (subdomain ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' AND subdomain !~ '^..--'),
  ADD CONSTRAINT healthcare_entities_subdomain_reserved_check
    CHECK (subdomain NOT IN ('www', 'api', 'admin', 'app', 'auth', 'mail', 'smtp', 'ftp', 'static', 'status', 'support')),
  ADD CONSTRAINT healthcare_entities_subdomain_key UNIQUE (subdomain);

COMMENT ON COLUMN healthcare_entities.subdomain IS 'DNS label of the clinic''s own address; NULL until it has chosen one.';

-- Who signs in is known by the address they came to, before any tenant is: that one clinic's row may be read by naming it.
CREATE POLICY lookup_by_subdomain ON healthcare_entities FOR SELECT
  USING (subdomain = nullif(current_setting('app.lookup_subdomain', true), ''));
