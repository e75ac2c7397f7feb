import { describe, expect, test } from 'vitest';

import { orderServices, type ServiceNeeds } from '../src/order.ts';

const service = (name: string, dependencies: readonly string[] = [], requires: ServiceNeeds['requires'] = []): ServiceNeeds => ({
  name,
  dependencies,
  requires,
});

describe('the order of services', () => {
  test('puts what is needed first, and keeps the rest as it was', () => {
    expect(orderServices([service('appointment', ['patient', 'user']), service('billing'), service('patient', ['user']), service('user')])).toEqual([
      'user',
      'patient',
      'appointment',
      'billing',
    ]);
  });

  test('passes over dependencies that are no services', () => {
    expect(orderServices([service('user', ['fastify', 'user'])])).toEqual(['user']);
  });

  test('refuses a circle, naming all of it', () => {
    expect(() => orderServices([service('a', ['b']), service('b', ['c']), service('c', ['a'])])).toThrow('a → b → c → a');
  });

  test('accepts a requirement that a dependency of a dependency covers', () => {
    const needs = [{ service: 'user', version: '0003', by: '0001_x' }];
    expect(orderServices([service('appointment', ['patient'], needs), service('patient', ['user']), service('user')])).toEqual([
      'user',
      'patient',
      'appointment',
    ]);
  });

  test('refuses a requirement that no dependency covers, naming both', () => {
    const needs = [{ service: 'user', version: '0003', by: '0002_visits' }];
    expect(() => orderServices([service('patient', [], needs), service('user')])).toThrow(
      'patient 0002_visits requires user@0003, but the package patient does not depend on user. Add "user": "workspace:*" to its package.json',
    );
  });

  test('refuses a requirement against the direction of the dependencies', () => {
    const needs = [{ service: 'patient', version: '2', by: '0009_x' }];
    expect(() => orderServices([service('patient', ['user']), service('user', [], needs)])).toThrow(
      'the package patient depends on user: neither can be first',
    );
  });
});
