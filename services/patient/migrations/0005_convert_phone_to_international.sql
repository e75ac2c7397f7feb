-- migrate: description=Phones in international form, with what was typed kept beside
-- migrate: down=lossless

-- Up Migration

-- What was typed stays in its own column, under another name, for good: a conversion can be wrong, and the down is then
-- nothing but the old name given back.
ALTER TABLE patients RENAME COLUMN phone TO phone_as_typed;

-- E.164, or NULL where it cannot be told: letters, an extension, a country whose rules are not known here.
CREATE FUNCTION international_phone(country text, typed text) RETURNS text
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- `+33 (0)6 …`: the zero in brackets is dialled at home only.
  number text := regexp_replace(btrim(typed), '^((\+|00)[0-9 .-]*)\(0\)', '\1');
  digits text := regexp_replace(number, '[^0-9]', '', 'g');
  code text := CASE country WHEN 'Canada' THEN '1' WHEN 'USA' THEN '1' WHEN 'Morocco' THEN '212' WHEN 'France' THEN '33' END;
BEGIN
  IF number !~ '^\+?[0-9 ()./-]+$' THEN
    RETURN NULL;
  END IF;
  digits := CASE
    WHEN number LIKE '+%' THEN digits
    WHEN digits LIKE '00%' THEN substr(digits, 3)
    WHEN code = '1' AND digits LIKE '011%' THEN substr(digits, 4)
    WHEN code = '1' AND digits LIKE '1%' THEN digits
    WHEN code = '1' THEN '1' || digits
    -- France and Morocco: nine digits after the zero, which is not dialled from abroad.
    WHEN digits ~ '^0?[1-9][0-9]{8}$' THEN code || right(digits, 9)
    WHEN digits LIKE code || '%' AND length(digits) = length(code) + 9 THEN digits
  END;
  -- +1 is one numbering plan: ten digits, the first of them not 0 or 1.
  IF digits LIKE '1%' AND digits !~ '^1[2-9][0-9]{9}$' THEN
    RETURN NULL;
  END IF;
  -- NULL as well in a country without a code here.
  RETURN CASE WHEN digits ~ '^[1-9][0-9]{6,14}$' THEN '+' || digits END;
END
$$;

COMMENT ON FUNCTION international_phone(text, text) IS
  'A phone number as E.164, e.g. +33612345678, from what was typed at an address in that country; NULL where it cannot be told.';

-- As wide as before: what is written here is what was typed, until the trigger below has converted it.
ALTER TABLE patients ADD COLUMN phone varchar(40);

-- One pass over the table instead of an UPDATE: it fires no trigger, so updated_at stays when a person last changed the
-- patient and the audit log says nothing of a change that nobody made; and no policy can hide a row from it.
ALTER TABLE patients
  ALTER COLUMN phone TYPE varchar(40) USING international_phone(country, phone_as_typed);

ALTER TABLE patients
  ADD CONSTRAINT patients_phone_check CHECK (phone ~ '^\+[1-9][0-9]{6,14}$');

COMMENT ON COLUMN patients.phone IS 'E.164, e.g. +212612345678; NULL where it could not be told from what was typed. Write what the person typed, and it is converted; an empty text clears it.';
COMMENT ON COLUMN patients.phone_as_typed IS 'The number as it was typed; kept with every change of phone.';

CREATE INDEX patients_tenant_phone_idx ON patients (tenant_id, phone) WHERE phone IS NOT NULL;

-- From now on as well: the application goes on writing `phone` as typed, and both columns are kept.
CREATE FUNCTION convert_patient_phone() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    -- A restore brings both columns; then what was typed counts, not what was made of it.
    NEW.phone_as_typed := coalesce(NEW.phone_as_typed, NEW.phone);
  ELSIF NEW.phone IS DISTINCT FROM OLD.phone THEN
    NEW.phone_as_typed := NEW.phone;
  ELSE
    -- Another address does not make it another number: no conversion when only the country changes.
    NEW.phone_as_typed := OLD.phone_as_typed;
    RETURN NEW;
  END IF;
  -- Found beside the table, whatever the search path of the session is.
  EXECUTE format('SELECT %I.international_phone($1, $2)', TG_TABLE_SCHEMA)
    INTO NEW.phone USING NEW.country::text, NEW.phone_as_typed::text;
  RETURN NEW;
END
$$;

CREATE TRIGGER patients_convert_phone BEFORE INSERT OR UPDATE ON patients
  FOR EACH ROW EXECUTE FUNCTION convert_patient_phone();

-- Down Migration

DROP TRIGGER patients_convert_phone ON patients;
DROP FUNCTION convert_patient_phone();
-- Takes its constraint, its index and its comment along.
ALTER TABLE patients DROP COLUMN phone;
DROP FUNCTION international_phone(text, text);
ALTER TABLE patients RENAME COLUMN phone_as_typed TO phone;
COMMENT ON COLUMN patients.phone IS 'As it was typed.';
