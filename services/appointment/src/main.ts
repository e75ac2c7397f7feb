/** The appointment service: who sees whom and when, what is to be remembered, and the people around a clinic. */

import { runService } from '@org/service-kit';
import definition from '../migrate.config.ts';
import { appointmentRoutes } from './appointments.ts';
import { peopleRoutes } from './people.ts';
import { reminderRoutes } from './reminders.ts';
import { tenantRoutes } from './tenants.ts';

await runService({
  definition,
  definitionUrl: import.meta.resolve('../migrate.config.ts'),
  port: 3003,
  routes(app, database, tenants) {
    if (tenants !== null) tenantRoutes(app, database, tenants);
    appointmentRoutes(app, database);
    reminderRoutes(app, database);
    peopleRoutes(app, database);
  },
});
