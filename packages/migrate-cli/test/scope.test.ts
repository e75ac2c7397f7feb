/** Which source a command is about, by its flags. */

import { directorySource } from '@org/migrate-core';
import { expect, test } from 'vitest';

import type { Options } from '../src/options.ts';
import { onlyTenants, refuseSeveral, refuseTwoSources, scopeOf, type Unsaid } from '../src/scope.ts';
import type { Service } from '../src/service.ts';

const source = directorySource('.');
const service = (name: string, tenants: boolean): Service =>
  ({ name, tenants: tenants ? { mode: 'schema', folder: null, source } : null }) as unknown as Service;
const plain = service('plain', false);
const keeper = service('keeper', true);
const second = service('second', true);

function told(options: Options, services: readonly Service[], unsaid: Unsaid): readonly string[] {
  const scope = scopeOf(options, { services, find: async () => null, others: async () => [], problems: [], flagged: false }, unsaid);
  if (scope.kind === 'query') return ['query'];
  return [...scope.shared.map((one) => one.name), ...scope.tenants.map((one) => `${one.name} tenants`)];
}

test.each<[Options, readonly Service[], Unsaid, readonly string[]]>([
  [{}, [plain], 'refuse', ['plain']],
  [{ source: 'shared' }, [plain], 'refuse', ['plain']],
  [{}, [plain, keeper], 'both', ['plain', 'keeper', 'keeper tenants']],
  [{}, [plain, keeper], 'shared', ['plain', 'keeper']],
  [{ source: 'shared' }, [plain, keeper], 'both', ['plain', 'keeper']],
  [{ source: 'tenant' }, [plain, keeper], 'refuse', ['keeper tenants']],
  [{ tenant: ['a'] }, [plain, keeper], 'refuse', ['keeper tenants']],
  [{ canary: 3 }, [plain, keeper], 'both', ['plain', 'keeper', 'keeper tenants']],
  [{ tenantSchemas: 'SELECT 1' }, [keeper], 'refuse', ['query']],
])('%j over %#: %s', (options, services, unsaid, expected) => {
  expect(told(options, services, unsaid)).toEqual(expected);
});

test.each<[Options, readonly Service[], Unsaid, string]>([
  [{}, [plain, keeper], 'refuse', 'keeper has migrations that the tenants share, and migrations of each tenant: say which are meant'],
  [{}, [keeper, second], 'refuse', 'keeper, second have migrations'],
  [{ source: 'tenant' }, [plain], 'both', '--source tenant is about tenants, and nothing says where they are'],
  [{ maxFailures: 1 }, [plain], 'both', '--max-failures is about tenants'],
  [{ source: 'shared', tenant: ['a'] }, [keeper], 'both', '--tenant is about tenants, and --source shared is what they have together'],
  [{ source: 'shared', tenantDatabases: 'SELECT 1' }, [plain], 'both', '--tenant-databases is about tenants'],
])('%j is refused: %#', (options, services, unsaid, message) => {
  expect(() => told(options, services, unsaid)).toThrow(message);
});

test('a version is of one service and of one source', () => {
  const both = { kind: 'services', shared: [keeper], tenants: [keeper] } as const;
  expect(() => refuseTwoSources(both, '--to 7')).toThrow('--to 7 is of one source, and keeper has two');
  expect(() => refuseSeveral(both, { services: [keeper] }, '--to 7')).not.toThrow();
  expect(() => refuseSeveral({ ...both, shared: [plain, keeper] }, { services: [plain, keeper] }, '--to 7')).toThrow('--to 7 is a version of one service');
  expect(() => refuseTwoSources({ ...both, shared: [] }, '--to 7')).not.toThrow();
  expect(onlyTenants(both, 'undo')).toBe(keeper);
  expect(() => onlyTenants({ ...both, tenants: [keeper, second] }, 'undo')).toThrow('Several services have tenants (keeper, second)');
});
