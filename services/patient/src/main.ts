/** The patient service: patients of each clinic, their records, tests, and what the clinic wants to know besides. */

import { runService } from '@org/service-kit';
import definition from '../migrate.config.ts';
import { customFieldRoutes } from './custom-fields.ts';
import { labTestRoutes } from './lab-tests.ts';
import { medicalRecordRoutes } from './medical-records.ts';
import { patientRoutes } from './patients.ts';

await runService({
  definition,
  definitionUrl: import.meta.resolve('../migrate.config.ts'),
  port: 3002,
  routes(app, database) {
    patientRoutes(app, database);
    medicalRecordRoutes(app, database);
    labTestRoutes(app, database);
    customFieldRoutes(app, database);
  },
});
