DROP TABLE healthcare_entities;

-- Stays where another service of this schema still uses it.
DO $$
BEGIN
  DROP FUNCTION set_updated_at();
EXCEPTION
  WHEN dependent_objects_still_exist THEN NULL;
END
$$;
