import type { MigrationBuilder } from 'node-pg-migrate';

export const migrate = { description: 'Nobody is booked twice for the same beginning' };

/** A cancelled appointment leaves its time free. Overlaps that begin at different times are the application's to judge. */
export function up(pgm: MigrationBuilder): void {
  pgm.createIndex('appointments', ['tenant_id', 'team_member_id', 'starts_at'], {
    name: 'appointments_team_member_starts_at_key',
    unique: true,
    where: "status <> 'cancelled'",
  });
}

export function down(pgm: MigrationBuilder): void {
  pgm.dropIndex('appointments', [], { name: 'appointments_team_member_starts_at_key' });
}
