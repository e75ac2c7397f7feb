-- migrate: description=Where a patient's emergency contact lives

-- Up Migration

ALTER TABLE patients ADD COLUMN emergency_contact_address text;

COMMENT ON COLUMN patients.emergency_contact_address IS 'One text, lines as written: it is read by people, not by programs.';

-- An index entry holds some 2,700 bytes: over the whole text, a long address could not be saved at all. Its beginning
-- finds whoever is looked for, and patients without one take no space.
CREATE INDEX patients_emergency_contact_address_idx
  ON patients (tenant_id, lower(left(emergency_contact_address, 100)))
  WHERE emergency_contact_address IS NOT NULL;

-- Down Migration

DROP INDEX patients_emergency_contact_address_idx;
ALTER TABLE patients DROP COLUMN emergency_contact_address;
