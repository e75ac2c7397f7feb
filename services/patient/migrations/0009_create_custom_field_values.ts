import { auditTable, enableRowLevelSecurity } from '@org/migrate-core/pgm';
import type { MigrationBuilder } from 'node-pg-migrate';

export const migrate = { description: "Values of a clinic's own fields" };

/** One nullable reference for each entity, so that the database keeps them true; a pair of type and id would not be. */
const owners = { patient_id: 'patients', medical_record_id: 'medical_records', lab_test_id: 'lab_tests' };

export function up(pgm: MigrationBuilder): void {
  pgm.createTable(
    'custom_field_values',
    {
      id: { type: 'uuid', primaryKey: true, default: pgm.func('gen_random_uuid()') },
      tenant_id: { type: 'uuid', notNull: true },
      field_id: { type: 'uuid', notNull: true },
      patient_id: { type: 'uuid' },
      medical_record_id: { type: 'uuid' },
      lab_test_id: { type: 'uuid' },
      value: {
        type: 'jsonb',
        notNull: true,
        comment: 'A text, number, boolean or list of texts, as the definition says; dates as YYYY-MM-DD.',
      },
      created_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
      updated_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
    },
    {
      comment: 'What was filled in; each value belongs to exactly one patient, record or test.',
      constraints: {
        foreignKeys: [
          {
            columns: ['tenant_id', 'field_id'],
            references: 'custom_field_definitions (tenant_id, id)',
            onDelete: 'CASCADE',
          },
          ...Object.entries(owners).map(([column, table]) => ({
            columns: ['tenant_id', column],
            references: `${table} (tenant_id, id)`,
            onDelete: 'CASCADE' as const,
          })),
        ],
      },
    },
  );
  pgm.addConstraint('custom_field_values', 'custom_field_values_owner_check', {
    check: 'num_nonnulls(patient_id, medical_record_id, lab_test_id) = 1',
  });
  pgm.addConstraint('custom_field_values', 'custom_field_values_value_check', {
    check: "jsonb_typeof(value) IN ('string', 'number', 'boolean', 'array')",
  });
  for (const column of Object.keys(owners)) {
    // One value for each field; it also finds all values of its owner.
    pgm.createIndex('custom_field_values', ['tenant_id', column, 'field_id'], {
      name: `custom_field_values_${column}_key`,
      unique: true,
      where: `${column} IS NOT NULL`,
    });
  }
  pgm.createIndex('custom_field_values', ['tenant_id', 'field_id'], { name: 'custom_field_values_field_idx' });

  enableRowLevelSecurity(pgm, 'custom_field_values', { column: 'tenant_id', tenant: { function: 'get_current_tenant_id' } });
  pgm.createTrigger('custom_field_values', 'custom_field_values_set_updated_at', {
    when: 'BEFORE',
    operation: 'UPDATE',
    level: 'ROW',
    function: 'set_updated_at',
  });
  auditTable(pgm, 'custom_field_values', { function: 'create_audit_entry', log: 'patient_audit_log' });
  pgm.sql('GRANT SELECT, INSERT, UPDATE, DELETE ON custom_field_values TO patient_app');
}

export function down(pgm: MigrationBuilder): void {
  pgm.dropTable('custom_field_values');
}
