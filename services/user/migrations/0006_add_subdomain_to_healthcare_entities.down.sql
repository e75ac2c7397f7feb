-- The policy first: it uses the column. The column takes its constraints and its index along.
DROP POLICY lookup_by_subdomain ON healthcare_entities;
ALTER TABLE healthcare_entities DROP COLUMN subdomain;
