-- migrate: description=Patients found by the beginning of a name
-- migrate: transaction=none

-- The largest table, written to all day: the indexes are built while writes go on. Partial, since those who left are
-- searched for by other means. Two, since people look for either name.

-- Up Migration

CREATE INDEX CONCURRENTLY patients_tenant_last_name_idx
  ON patients (tenant_id, last_name_key, first_name_key) WHERE is_active;
CREATE INDEX CONCURRENTLY patients_tenant_first_name_idx
  ON patients (tenant_id, first_name_key) WHERE is_active;

-- Down Migration

DROP INDEX CONCURRENTLY patients_tenant_first_name_idx;
DROP INDEX CONCURRENTLY patients_tenant_last_name_idx;
