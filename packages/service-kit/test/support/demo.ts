/** The smallest service there is: DEMO_NAME, with the migrations of the folder DEMO_MIGRATIONS and, where there is one, DEMO_APPLICATION_ROLE. */

import { defineService } from '@org/migrate-core';
import { runService } from '../../src/index.ts';

const { DEMO_NAME: name = 'demo', DEMO_MIGRATIONS: migrations = '', DEMO_APPLICATION_ROLE: role } = process.env;

await runService({
  definition: defineService({ name, migrations, database: 'postgres', ...(role === undefined ? {} : { applicationRole: role }) }),
  definitionUrl: import.meta.url,
  port: 3999,
  routes(app) {
    app.get('/hello', () => ({ hello: name }));
  },
});
