/** Patients: their data, found by number, phone, birth date or name. */

import { resource, type App, type Database } from '@org/service-kit';
import { Type } from 'typebox';
import { optional, strict } from './schemas.ts';

// Which blood types, languages and so on there may be is said once, by the table's constraints.
const fields = {
  patient_id: Type.String({ minLength: 1, maxLength: 50 }),
  first_name: Type.String({ minLength: 1, maxLength: 100 }),
  last_name: Type.String({ minLength: 1, maxLength: 100 }),
  date_of_birth: Type.String({ format: 'date' }),
  country: Type.String({ minLength: 1, maxLength: 100 }),
  gender: optional(20),
  email: optional(320),
  /** As the person says it: the database makes it international, and keeps what was typed. */
  phone: optional(40),
  address_line1: optional(255),
  address_line2: optional(255),
  city: optional(100),
  state_province: optional(100),
  postal_code: optional(20),
  blood_type: optional(10),
  preferred_language: optional(10),
  marital_status: optional(20),
  occupation: optional(100),
  insurance_provider: optional(255),
  insurance_number: optional(100),
  allergies: optional(10_000),
  medical_notes: optional(10_000),
  emergency_contact_name: optional(200),
  emergency_contact_phone: optional(40),
  emergency_contact_relationship: optional(50),
  emergency_contact_address: optional(2_000),
};
const { patient_id, first_name, last_name, date_of_birth, country, ...others } = fields;
const needed = { patient_id, first_name, last_name, date_of_birth, country };

export function patientRoutes(app: App, database: Database): void {
  resource(app, database, {
    path: '/patients',
    table: 'patients',
    permission: 'patients',
    columns: ['id', ...Object.keys(fields), 'phone_as_typed', 'is_active', 'created_by', 'created_at', 'updated_at'],
    create: Type.Object({ ...needed, ...Type.Partial(Type.Object(others)).properties }, strict),
    change: Type.Partial(Type.Object({ ...fields, is_active: Type.Boolean() }), strict),
    stamp: 'created_by',
    order: 'last_name, first_name, id',
    filters: {
      // The beginning of either name as it was typed, of those who are patients now: word for word what the indexes by name are
      // for. LIKE would find the same and read every row, since the policy of the clinic comes before it.
      name: {
        schema: Type.String({ minLength: 1, maxLength: 100 }),
        where: (typed) => `is_active AND (last_name_key ^@ lower(${typed}) OR first_name_key ^@ lower(${typed}))`,
      },
      patient_id: { schema: fields.patient_id, where: (number) => `patient_id = ${number}` },
      phone: { schema: Type.String({ maxLength: 40 }), where: (number) => `${number} IN (phone, phone_as_typed)` },
      date_of_birth: { schema: fields.date_of_birth, where: (date) => `date_of_birth = ${date}` },
    },
  });
}
