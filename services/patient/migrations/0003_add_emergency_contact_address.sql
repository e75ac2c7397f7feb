-- migrate: description=Where a patient's emergency contact lives

-- Up Migration

ALTER TABLE patients ADD COLUMN emergency_contact_address text;

COMMENT ON COLUMN patients.emergency_contact_address IS 'One text, lines as written: it is read by people, not by programs.';

-- By hash: an entry of a B-tree holds some 2,700 bytes, so that a long address could not be saved at all. It finds who has
-- the same one, which = may look for before the policy of the clinic is asked.
CREATE INDEX patients_emergency_contact_address_idx ON patients USING hash (emergency_contact_address)
  WHERE emergency_contact_address IS NOT NULL;

-- Down Migration

DROP INDEX patients_emergency_contact_address_idx;
ALTER TABLE patients DROP COLUMN emergency_contact_address;
