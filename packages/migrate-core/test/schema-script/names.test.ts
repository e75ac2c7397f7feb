import { expect, test } from 'vitest';

import { namesSchema, openBody } from '../../src/schema-script/names.ts';
import { render } from '../../src/schema-script/text.ts';

const template = 'visits_tpl_0123456789abcdef0123';

test.each([
  [`SELECT * FROM ${template}.t`, 'SELECT * FROM "new ""one"" it\'s".t'],
  [`SELECT * FROM "${template}"."t" -- ends`, 'SELECT * FROM "new ""one"" it\'s"."t" -- ends'],
  [
    `BEGIN PERFORM nextval('${template}.codes'); SET search_path = ${template}, pg_temp; END`,
    `BEGIN PERFORM nextval('"new ""one"" it''s".codes'); SET search_path = "new ""one"" it's", pg_temp; END`,
  ],
  [`SELECT '"${template}".t'::regclass, '"${template}"'`, `SELECT '"new ""one"" it''s".t'::regclass, '"new ""one"" it''s"'`],
  ['SELECT 1', 'SELECT 1'],
])('a body names the copy where it named the template: %s', (body, expected) => {
  const opened = openBody(body, template);
  expect(opened === null ? null : render(opened, `new "one" it's`)).toBe(expected);
});

test.each([
  `EXECUTE 'SELECT * FROM ${template}.t'`,
  `SELECT $$${template}.t$$`,
  `/* of ${template} */ SELECT 1`,
  `SELECT E'${template}.t\\n'`,
  `SELECT ${template}_x.id`,
  `SELECT '${template}'`,
])('what cannot be told from ordinary text is refused: %s', (body) => {
  expect(openBody(body, template)).toBeNull();
});

test('a name that may be a word of its own counts only in strings and bodies', () => {
  expect(namesSchema('SELECT patients.id FROM patients', 'patients')).toBe(false);
  expect(namesSchema("SELECT to_regclass('patients.x')", 'patients')).toBe(true);
  expect(namesSchema("SELECT 'inpatients'", 'patients')).toBe(false);
  expect(openBody('SELECT id FROM patients.visits', 'patients')).toBeNull();
  expect(openBody('SELECT id FROM inpatients', 'patients')).toEqual(['SELECT id FROM inpatients']);
});
