-- migrate: description=Rh-null among the blood types

ALTER TABLE patients
  DROP CONSTRAINT patients_blood_type_check,
  ADD CONSTRAINT patients_blood_type_check
    CHECK (blood_type IS NULL OR blood_type = ''
           OR blood_type IN ('A+', 'A-', 'B+', 'B-', 'AB+', 'AB-', 'O+', 'O-', 'Rh-null'));
