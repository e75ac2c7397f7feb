DROP INDEX appointments_status_idx;
ALTER TABLE appointments DROP COLUMN status;
