import fc from 'fast-check';
import { expect, test } from 'vitest';

import { inRuns, orderServices, type ServiceNode } from '../src/requirements.ts';

type Written = Readonly<Record<string, readonly string[]>>;

/** `{ '0001_a': ['user@1'] }` */
function service(name: string, dependencies: readonly string[], migrations: Written): ServiceNode {
  return {
    name,
    dependencies,
    migrations: Object.entries(migrations).map(([migration, requires]) => ({
      name: migration,
      requires: requires.map((text) => {
        const [of = '', version = ''] = text.split('@');
        return { service: of, version };
      }),
    })),
  };
}

const user = service('user', [], { '0001_a': [], '0002_b': [], '0003_c': [] });

test('services stand after what they depend on, then by name, however they were given', () => {
  const patient = service('patient', ['user', 'fastify'], {});
  const appointment = service('appointment', ['patient', 'user'], {});
  const billing = service('billing', [], {});
  for (const nodes of [
    [user, patient, appointment, billing],
    [appointment, billing, patient, user],
  ]) {
    expect(orderServices(nodes)).toMatchObject({ services: ['user', 'patient', 'appointment', 'billing'], problems: [] });
  }
  expect(orderServices([])).toEqual({ services: [], migrations: [], problems: [] });
});

test('what is required comes before what requires it', () => {
  const patient = service('patient', ['user'], { '0001_x': [], '0002_y': ['user@0002'], '0003_z': ['user@0003_c', 'patient@1'] });
  const order = orderServices([patient, user]);
  expect(order.problems).toEqual([]);
  expect(inRuns(order.migrations)).toEqual([
    { service: 'user', names: ['0001_a', '0002_b', '0003_c'] },
    { service: 'patient', names: ['0001_x', '0002_y', '0003_z'] },
  ]);
});

test('requirements both ways are ordered where the migrations allow it, and refused where manifests cannot say so', () => {
  const both = [service('user', [], { '0001_a': [], '0002_b': ['patient@1'] }), service('patient', ['user'], { '0001_x': ['user@1'], '0002_y': ['user@2'] })];
  const order = orderServices(both);
  expect(inRuns(order.migrations)).toEqual([
    { service: 'user', names: ['0001_a'] },
    { service: 'patient', names: ['0001_x'] },
    { service: 'user', names: ['0002_b'] },
    { service: 'patient', names: ['0002_y'] },
  ]);
  expect(order.problems).toEqual([
    {
      code: 'uncovered',
      migration: { service: 'user', name: '0002_b' },
      message:
        'user 0002_b requires patient@1, but the package manifest of user does not depend on patient, so that user is migrated first: that of patient leads to user. One of the two must do without the other',
    },
  ]);
});

test('a dependency of a dependency covers a requirement', () => {
  const nodes = [user, service('patient', ['user'], {}), service('appointment', ['patient'], { '0001_x': ['user@1'] })];
  expect(orderServices(nodes).problems).toEqual([]);
});

test('a requirement that nothing covers says what to add', () => {
  const { problems } = orderServices([user, service('patient', [], { '0001_x': ['user@1'] })]);
  expect(problems.map(({ message }) => message)).toEqual([
    'patient 0001_x requires user@1, but the package manifest of patient does not depend on user, so that patient may be migrated first. Add "user": "workspace:*" to the devDependencies of patient',
  ]);
});

test('a cycle of migrations is named with both ends, and what it does not hold up is still ordered', () => {
  const nodes = [
    service('user', ['patient'], { '0001_a': [], '0002_b': ['patient@2'], '0003_c': [] }),
    service('patient', [], { '0001_x': ['user@3'], '0002_y': [] }),
    service('billing', [], { '0001_m': [] }),
  ];
  const { problems, migrations } = orderServices(nodes);
  expect(migrations).toEqual([
    { service: 'billing', name: '0001_m' },
    { service: 'user', name: '0001_a' },
  ]);
  expect(problems.map(({ code }) => code)).toEqual(['uncovered', 'cycle']);
  expect(problems[1]?.message).toBe(
    'these wait for each other, and none can come first: patient 0001_x requires user 0003_c, which comes after user 0002_b; user 0002_b requires patient 0002_y, which comes after patient 0001_x',
  );
});

test('a migration that requires itself, or what comes after it, is a cycle', () => {
  const { problems } = orderServices([service('user', [], { '0001_a': ['user@2'], '0002_b': [] })]);
  expect(problems.map(({ message }) => message)).toEqual([
    'these wait for each other, and none can come first: user 0001_a requires user 0002_b, which comes after user 0001_a',
  ]);
});

test('a cycle of manifests is named', () => {
  const { problems, services } = orderServices([service('a', ['b'], {}), service('b', ['c'], {}), service('c', ['a'], {})]);
  expect(services.toSorted()).toEqual(['a', 'b', 'c']);
  expect(problems.map(({ code, message }) => [code, message.includes('a → b → c → a')])).toEqual([['cycle', true]]);
});

test('what nobody has is named with what there is', () => {
  const twice = service('twice', [], { '001_a': [], '1_b': [] });
  const nodes = [user, twice, service('patient', ['user', 'twice'], { '0001_x': ['usr@1', 'user@9', 'user@0003_d', 'twice@01'] })];
  expect(orderServices(nodes).problems.map(({ code, message }) => [code, message])).toEqual([
    ['unknownService', 'patient 0001_x requires usr@1, but there is no service usr here (there is patient, twice, user)'],
    ['unknownVersion', expect.stringContaining('patient 0001_x requires user@9, which user does not have (there is ')],
    ['unknownVersion', 'patient 0001_x requires user@0003_d, which user does not have (there is 0003_c, 0001_a, 0002_b)'],
    ['unknownVersion', 'patient 0001_x requires twice@01, which may be 001_a or 1_b: write more of the name'],
  ]);
});

/** Services whose migrations require what comes earlier in one hidden order, so that some order exists. */
const sound = fc
  .array(fc.record({ service: fc.integer({ min: 0, max: 4 }), requires: fc.array(fc.nat(), { maxLength: 3 }) }), { maxLength: 40 })
  .map((hidden) => {
    const nodes = Array.from({ length: 5 }, (_, at) => ({
      name: `s${at}`,
      dependencies: ['s0', 's1', 's2', 's3', 's4'].slice(0, at),
      migrations: [] as { name: string; requires: { service: string; version: string }[] }[],
    }));
    const made: { service: string; version: string }[] = [];
    for (const one of hidden) {
      const node = nodes[one.service] as (typeof nodes)[number];
      const name = `${String(node.migrations.length + 1).padStart(4, '0')}_m`;
      const requires = made.length === 0 ? [] : one.requires.map((n) => made[n % made.length] as (typeof made)[number]);
      node.migrations.push({ name, requires });
      made.push({ service: node.name, version: name.slice(0, 4) });
    }
    return nodes;
  });

test('where some order exists, one is found that keeps every requirement, whatever order the services were given in', () => {
  fc.assert(
    fc.property(sound, fc.array(fc.nat()), (nodes, keys) => {
      const shuffled = nodes.map((node, at) => ({ node, key: keys[at] ?? 0 })).toSorted((a, b) => a.key - b.key);
      const order = orderServices(shuffled.map(({ node }) => node));
      expect(order.problems.filter(({ code }) => code !== 'uncovered')).toEqual([]);
      expect(order.migrations).toHaveLength(nodes.reduce((sum, node) => sum + node.migrations.length, 0));
      const place = new Map(order.migrations.map(({ service: of, name }, at) => [`${of}@${name.slice(0, 4)}`, at]));
      for (const node of nodes) {
        node.migrations.forEach((migration, at) => {
          const own = place.get(`${node.name}@${migration.name.slice(0, 4)}`) as number;
          for (const { service: of, version } of migration.requires) expect(place.get(`${of}@${version}`)).toBeLessThan(own);
          expect(place.get(`${node.name}@${String(at).padStart(4, '0')}`) ?? -1).toBeLessThan(own);
        });
      }
      expect(orderServices(nodes)).toEqual(order);
    }),
  );
});

test('the problems are sound: an order without a cycle has every migration, and one with a cycle lacks some', () => {
  const any = fc.array(
    fc.record({ service: fc.nat({ max: 2 }), requires: fc.array(fc.tuple(fc.nat({ max: 2 }), fc.integer({ min: 1, max: 4 })), { maxLength: 2 }) }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(any, (list) => {
      const nodes = [0, 1, 2].map((at) => ({
        name: `s${at}`,
        dependencies: at === 0 ? [] : [`s${at - 1}`],
        migrations: list
          .filter((one) => one.service === at)
          .map((one, n) => ({ name: `${n + 1}_m`, requires: one.requires.map(([of, version]) => ({ service: `s${of}`, version: String(version) })) })),
      }));
      const order = orderServices(nodes);
      const whole = order.migrations.length === list.length;
      expect(order.problems.some(({ code }) => code === 'cycle')).toBe(!whole);
    }),
  );
});
