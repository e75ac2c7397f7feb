-- migrate: description=Patients found by name
-- migrate: transaction=none

-- The largest table, written to all day: the index is built while writes go on. Partial, since those who left are
-- searched for by other means.

-- Up Migration

CREATE INDEX CONCURRENTLY patients_tenant_name_idx
  ON patients (tenant_id, lower(last_name), lower(first_name)) WHERE is_active;

-- Down Migration

DROP INDEX CONCURRENTLY patients_tenant_name_idx;
