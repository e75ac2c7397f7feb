import { auditTable, enableRowLevelSecurity } from '@org/migrate-core/pgm';
import type { MigrationBuilder } from 'node-pg-migrate';

export const migrate = { description: 'Laboratory tests, from the order to the result' };

export function up(pgm: MigrationBuilder): void {
  pgm.createTable(
    'lab_tests',
    {
      id: { type: 'uuid', primaryKey: true, default: pgm.func('gen_random_uuid()') },
      tenant_id: { type: 'uuid', notNull: true },
      patient_id: { type: 'uuid', notNull: true, comment: "patients.id, not the clinic's own number." },
      medical_record_id: { type: 'uuid', comment: 'The entry that asked for the test, where there is one.' },
      test_code: { type: 'varchar(50)', notNull: true, comment: 'LOINC, or the code of the laboratory.' },
      test_name: { type: 'varchar(255)', notNull: true },
      status: { type: 'varchar(20)', notNull: true, default: 'ordered' },
      ordered_by: { type: 'uuid', notNull: true, comment: 'users.id of the user service.' },
      ordered_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
      collected_at: { type: 'timestamptz' },
      result_value: { type: 'text', comment: 'As reported; numbers come with result_unit.' },
      result_unit: { type: 'varchar(30)' },
      reference_range: { type: 'varchar(100)' },
      is_abnormal: { type: 'boolean', comment: 'NULL until somebody judged the result.' },
      resulted_at: { type: 'timestamptz' },
      notes: { type: 'text' },
      created_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
      updated_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
    },
    {
      comment: 'Tests ordered for patients, and their results.',
      constraints: {
        unique: [['tenant_id', 'id']],
        foreignKeys: [
          { columns: ['tenant_id', 'patient_id'], references: 'patients (tenant_id, id)', onDelete: 'RESTRICT' },
          { columns: ['tenant_id', 'medical_record_id'], references: 'medical_records (tenant_id, id)' },
        ],
      },
    },
  );
  pgm.addConstraint('lab_tests', 'lab_tests_status_check', {
    check: "status IN ('ordered', 'collected', 'in_progress', 'completed', 'cancelled')",
  });
  pgm.addConstraint('lab_tests', 'lab_tests_result_check', {
    check: "status <> 'completed' OR (result_value IS NOT NULL AND resulted_at IS NOT NULL)",
  });
  pgm.createIndex('lab_tests', ['tenant_id', 'patient_id', { name: 'ordered_at', sort: 'DESC' }], {
    name: 'lab_tests_patient_idx',
  });
  pgm.createIndex('lab_tests', ['tenant_id', 'status', 'ordered_at'], {
    name: 'lab_tests_open_idx',
    where: "status NOT IN ('completed', 'cancelled')",
  });

  enableRowLevelSecurity(pgm, 'lab_tests', { column: 'tenant_id', tenant: { function: 'get_current_tenant_id' } });
  pgm.createTrigger('lab_tests', 'lab_tests_set_updated_at', {
    when: 'BEFORE',
    operation: 'UPDATE',
    level: 'ROW',
    function: 'set_updated_at',
  });
  auditTable(pgm, 'lab_tests', { function: 'create_audit_entry', log: 'patient_audit_log' });
  // A test ordered by mistake is cancelled, not deleted.
  pgm.sql('GRANT SELECT, INSERT, UPDATE ON lab_tests TO patient_app');
}

export function down(pgm: MigrationBuilder): void {
  pgm.dropTable('lab_tests');
}
