import { auditTable, enableRowLevelSecurity } from '@org/migrate-core/pgm';
import type { MigrationBuilder } from 'node-pg-migrate';

export const migrate = { description: 'Suppliers, and the people one calls' };

export function up(pgm: MigrationBuilder): void {
  const columns = {
    id: { type: 'uuid', primaryKey: true, default: pgm.func('gen_random_uuid()') },
    tenant_id: { type: 'uuid', notNull: true },
  };
  const times = {
    created_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
    updated_at: { type: 'timestamptz', notNull: true, default: pgm.func('now()') },
  };

  pgm.createTable(
    'vendor',
    {
      ...columns,
      name: { type: 'varchar(255)', notNull: true, check: "btrim(name) <> ''" },
      category: { type: 'varchar(100)', comment: 'What they supply, in the words of the clinic.' },
      email: { type: 'varchar(320)' },
      phone: { type: 'varchar(40)' },
      website: { type: 'varchar(255)' },
      tax_number: { type: 'varchar(100)' },
      address: { type: 'text' },
      country: { type: 'varchar(100)' },
      notes: { type: 'text' },
      is_active: { type: 'boolean', notNull: true, default: true },
      ...times,
    },
    { comment: 'Suppliers of the clinic.', constraints: { unique: [['tenant_id', 'id']] } },
  );
  pgm.createIndex('vendor', ['tenant_id', { name: 'lower(name)' }], { name: 'vendor_name_key', unique: true });

  pgm.createTable(
    'contact',
    {
      ...columns,
      vendor_id: { type: 'uuid', comment: 'The supplier they work for; NULL: somebody else, e.g. a referring doctor.' },
      first_name: { type: 'varchar(100)', notNull: true },
      last_name: { type: 'varchar(100)' },
      role: { type: 'varchar(100)' },
      email: { type: 'varchar(320)' },
      phone: { type: 'varchar(40)' },
      notes: { type: 'text' },
      ...times,
    },
    {
      comment: 'People outside the clinic.',
      constraints: {
        unique: [['tenant_id', 'id']],
        foreignKeys: [{ columns: ['tenant_id', 'vendor_id'], references: 'vendor (tenant_id, id)', onDelete: 'CASCADE' }],
      },
    },
  );
  pgm.addConstraint('contact', 'contact_name_check', { check: "btrim(first_name) <> ''" });
  pgm.createIndex('contact', ['tenant_id', 'vendor_id'], { name: 'contact_vendor_idx' });
  pgm.createIndex('contact', ['tenant_id', 'last_name', 'first_name'], { name: 'contact_name_idx' });

  for (const table of ['vendor', 'contact']) {
    enableRowLevelSecurity(pgm, table, { column: 'tenant_id', tenant: { function: 'get_current_tenant_id' } });
    pgm.createTrigger(table, `${table}_set_updated_at`, {
      when: 'BEFORE',
      operation: 'UPDATE',
      level: 'ROW',
      function: 'set_updated_at',
    });
    auditTable(pgm, table, { function: 'create_audit_entry', log: 'appointment_audit_log' });
    pgm.sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO appointment_app`);
  }
}

export function down(pgm: MigrationBuilder): void {
  pgm.dropTable('contact');
  pgm.dropTable('vendor');
}
