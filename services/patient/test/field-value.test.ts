import { expect, test } from 'vitest';
import { misfit } from '../src/field-value.ts';

const options = ['doctor', 'friend'];

test.each([
  ['text', 'anything', true],
  ['text', 7, false],
  ['number', 7.5, true],
  ['number', '7', false],
  ['boolean', false, true],
  ['date', '2024-02-29', true],
  ['date', '2023-02-29', false],
  ['date', '29.02.2024', false],
  ['select', 'friend', true],
  ['select', 'nobody', false],
  ['multiselect', ['friend', 'doctor'], true],
  ['multiselect', [], true],
  ['multiselect', ['friend', 'friend'], false],
  ['multiselect', 'friend', false],
  ['colour', 'red', false],
])('a %s field and %j: fits is %s', (field_type, value, fits) => {
  expect(misfit({ field_type, options }, value) === null).toBe(fits);
});
