/** The three changes of the patients table that concern what is in it: an address, a blood type, and phones. */

import { asTenant, rowId, serviceDatabase, testTenants, type ServiceDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { typedPhones } from './support/rows.ts';
import { service } from './support/service.ts';

const [clinic] = testTenants;

/** A database on which everything up to this migration is applied, with rows. */
async function upTo(name: string): Promise<ServiceDatabase> {
  const on = await serviceDatabase(service);
  await on.migrator.up({ steps: service.names.indexOf(name) + 1 });
  return on;
}

async function phones(on: ServiceDatabase, columns: string): Promise<unknown[]> {
  return (await asTenant(on, clinic, `SELECT ${columns} FROM patients ORDER BY id`)).rows;
}

const typed: readonly (readonly [country: string, typed: string | null, phone: string | null])[] = [
  ['Canada', '(514) 555-0123', '+15145550123'],
  ['Canada', '514.555.0123', '+15145550123'],
  ['Canada', '1 514 555 0123', '+15145550123'],
  ['Canada', '+1 514 555 0123', '+15145550123'],
  ['Canada', '011 33 6 12 34 56 78', '+33612345678'],
  ['USA', '1-212-555-0199', '+12125550199'],
  ['USA', '555-0199', null],
  ['USA', '112-555-0199', null],
  ['USA', '+44 20 7946 0018', '+442079460018'],
  ['Morocco', '06 12 34 56 78', '+212612345678'],
  ['Morocco', '0537-65-43-21', '+212537654321'],
  ['Morocco', '00212 612 345 678', '+212612345678'],
  ['Morocco', '212612345678', '+212612345678'],
  ['France', '06.12.34.56.78', '+33612345678'],
  ['France', '6 12 34 56 78', '+33612345678'],
  ['France', '+33 (0)6 12 34 56 78', '+33612345678'],
  ['France', '0033 6 12 34 56 78', '+33612345678'],
  ['France', '06 12 34 56', null],
  ['Portugal', '912 345 678', null],
  ['Portugal', '+351 912 345 678', '+351912345678'],
  ['Canada', '514-555-0123 ext. 4', null],
  ['Canada', 'none', null],
  ['Canada', '', null],
  ['Canada', null, null],
];

test('a phone becomes international by the rules of its country, or NULL where it cannot be told', async () => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  for (const [country, text, phone] of typed) {
    const { rows } = await on.client.query<{ phone: string | null }>('SELECT international_phone($1, $2) AS phone', [country, text]);
    expect({ country, text, phone: rows[0]?.phone }).toEqual({ country, text, phone });
  }
});

test('the conversion of phones keeps what was typed, and its down gives back exactly that', async () => {
  await using on = await upTo('0004_allow_rh_null_blood_type');
  await on.fill('0004_allow_rh_null_blood_type');
  const before = await phones(on, 'id, phone, updated_at');

  await on.migrator.up({ steps: 1 });
  expect(await phones(on, 'phone_as_typed AS typed, phone')).toEqual(
    typedPhones.map(([, text], index) => ({ typed: text, phone: ['+15145550123', '+12125550199', '+212612345678', '+33612345678', null, null, null][index] })),
  );

  await on.migrator.down({ steps: 1 });
  expect(await phones(on, 'id, phone, updated_at')).toEqual(before);
});

test('a phone written after the conversion is kept as it was typed as well', async () => {
  await using on = await upTo('0005_convert_phone_to_international');
  await on.fill('0005_convert_phone_to_international');
  const phone = async (set: string): Promise<unknown> =>
    (await asTenant(on, clinic, `UPDATE patients SET ${set} WHERE id = '${rowId(clinic, 1)}' RETURNING phone_as_typed AS typed, phone`)).rows[0];

  expect(await phone(`phone = '438 555 0000'`)).toEqual({ typed: '438 555 0000', phone: '+14385550000' });
  // Neither an unchanged phone, nor a new address, nor a hand on the other column makes it another number.
  expect(await phone(`phone = '+14385550000', country = 'France'`)).toEqual({ typed: '438 555 0000', phone: '+14385550000' });
  expect(await phone(`phone_as_typed = 'overwritten'`)).toEqual({ typed: '438 555 0000', phone: '+14385550000' });
  expect(await phone(`phone = 'ask the neighbour'`)).toEqual({ typed: 'ask the neighbour', phone: null });
  expect(await phone(`phone = ''`)).toEqual({ typed: '', phone: null });

  await phone(`phone = '0612345678'`);
  await on.migrator.down({ steps: 1 });
  expect((await phones(on, 'phone'))[0]).toEqual({ phone: '0612345678' });
});

test('the conversion leaves no trace of a change that nobody made', async () => {
  await using on = await upTo('0004_allow_rh_null_blood_type');
  await on.fill('0004_allow_rh_null_blood_type');
  const entries = async (): Promise<unknown> => (await on.client.query('SELECT count(*)::int AS n FROM patient_audit_log')).rows;
  const before = await entries();
  await on.migrator.up({ steps: 1 });
  await on.migrator.down({ steps: 1 });
  expect(await entries()).toEqual(before);
});

test('with a patient of blood type Rh-null the older schema is refused, and nothing is changed', async () => {
  await using on = await upTo('0004_allow_rh_null_blood_type');
  await on.fill('0004_allow_rh_null_blood_type');
  await asTenant(on, clinic, `UPDATE patients SET blood_type = 'Rh-null' WHERE id = '${rowId(clinic, 3)}'`);
  const before = await on.catalog();

  await expect(on.migrator.down({ steps: 1 })).rejects.toThrow('… patient(s) have the blood type Rh-null, which the schema before this migration cannot hold');
  expect(await on.catalog()).toBe(before);
  const { rows } = await on.client.query(`SELECT id FROM patients WHERE blood_type = 'Rh-null'`);
  expect(rows).toEqual([{ id: rowId(clinic, 3) }]);

  await asTenant(on, clinic, `UPDATE patients SET blood_type = 'O-' WHERE blood_type = 'Rh-null'`);
  await on.migrator.down({ steps: 1 });
});

test('an address of any length can be saved', async () => {
  await using on = await upTo('0003_add_emergency_contact_address');
  await on.fill('0003_add_emergency_contact_address');
  // Random, since an index entry that compresses well would be small enough whatever is indexed.
  const text = Array.from({ length: 9_000 }, (_, index) => String.fromCodePoint(0x4e00 + ((index * 7919) % 20_000))).join('');
  const { rowCount } = await asTenant(on, clinic, `UPDATE patients SET emergency_contact_address = '${text}' WHERE id = '${rowId(clinic, 1)}'`);
  expect(rowCount).toBe(1);
});

test('under row-level security a search asks the index, and not every row of the clinic', async () => {
  await using on = await serviceDatabase(service);
  await on.migrator.up();
  await on.client.query(`ALTER TABLE patients DISABLE TRIGGER USER;
    INSERT INTO patients (tenant_id, patient_id, first_name, last_name, date_of_birth, country, email, phone, emergency_contact_address)
    SELECT '${clinic.id}', 'N' || i, 'First' || i, 'Last' || i, date '1980-01-01' + i, 'Canada', 'P' || i || '@example.test', '+1514' || 2000000 + i, i || ' rue Ontario'
      FROM generate_series(1, 5000) i;
    ANALYZE patients`);
  const searches: Readonly<Record<string, string>> = {
    "last_name_key ^@ lower('LAST77')": 'patients_tenant_last_name_idx',
    "first_name_key ^@ lower('First77')": 'patients_tenant_first_name_idx',
    // As the service asks: either name.
    "(last_name_key ^@ lower('LAST77') OR first_name_key ^@ lower('LAST77'))": 'patients_tenant_last_name_idx',
    "email_key = lower('p77@example.test')": 'patients_tenant_email_idx',
    "phone = '+15142000077'": 'patients_tenant_phone_idx',
    "patient_id = 'N77'": 'patients_tenant_id_patient_id_key',
    "date_of_birth = '1980-03-18'": 'patients_tenant_date_of_birth_idx',
    "emergency_contact_address = '77 rue Ontario'": 'patients_emergency_contact_address_idx',
  };
  for (const [search, index] of Object.entries(searches)) {
    const { rows } = await asTenant(on, clinic, `EXPLAIN SELECT * FROM patients WHERE is_active AND ${search}`);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    const column = /\w+/.exec(search)?.[0] ?? '';
    expect({ search, plan }).toEqual({ search, plan: expect.stringContaining(index) });
    // Of an index that is only asked for the clinic, every entry of the clinic is read.
    expect({ search, plan }).toEqual({ search, plan: expect.stringMatching(new RegExp(`Index Cond: .*${column}`)) });
  }
});
