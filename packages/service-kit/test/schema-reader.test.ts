import type { Status } from '@org/migrate-core';
import { expect, test } from 'vitest';

import { schemaReader } from '../src/schema-state.ts';

/** Answers as many applied migrations as it was asked times. */
function counting(): { status: () => Promise<Status> } {
  let asked = 0;
  return {
    status: async () => {
      const applied = Array.from({ length: ++asked }, (_, index) => ({ name: `000${index + 1}` }));
      await Promise.resolve();
      return { applied, pending: [], problems: [], current: null, running: null, target: { database: 'd' } } as unknown as Status;
    },
  };
}

test('who asks again at once gets the answer before, until something has changed', async () => {
  const schema = schemaReader('user', counting());
  expect((await schema.read()).applied).toEqual(['0001']);
  expect((await schema.read()).applied).toEqual(['0001']);
  schema.forget();
  expect((await schema.read()).applied).toEqual(['0001', '0002']);
});

test('an answer that was on its way when something changed is nobody else’s', async () => {
  const schema = schemaReader('user', counting());
  const early = schema.read();
  schema.forget();
  expect((await early).applied).toEqual(['0001']);
  expect((await schema.read()).applied).toEqual(['0001', '0002']);
});
