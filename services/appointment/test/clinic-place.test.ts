import { expect, test } from 'vitest';

import { clinicPlace } from '../migrate.config.ts';

test('a clinic’s schema has the name of its UUID', () => {
  expect(clinicPlace('5b8ce7c2-6a52-4a3c-9a63-1d1b9f0d1a01')).toBe('clinic_5b8ce7c26a524a3c9a631d1b9f0d1a01');
});

test.each(['5B8CE7C2-6A52-4A3C-9A63-1D1B9F0D1A01', '5b8ce7c26a524a3c9a631d1b9f0d1a01', '5b8ce7c2-6a52-4a3c-9a63-1d1b9f0d1a01\n', 'north'])(
  '%j is no clinic’s id',
  (id) => {
    expect(() => clinicPlace(id)).toThrow('a UUID in small letters');
  },
);
