/** What row-level security and the audit are there for, asked of every table: also of one that is added later. */

import { testIsolation } from '@org/test-postgres/suites';

import { service } from './support/service.ts';

testIsolation(service);
