/** What row-level security and the audit are there for, asked of every table: also of one that is added later. */

import { testIsolation } from '@org/test-postgres/suites';
import { describe } from 'vitest';

import { service, tenantService } from './support/service.ts';

describe('what all clinics share', () => {
  testIsolation(service);
});
describe('what each clinic has', () => {
  testIsolation(tenantService);
});
