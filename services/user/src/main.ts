/** The user service: clinics, the people who work there, what they may do, and who they are. */

import rateLimit from '@fastify/rate-limit';
import { runService } from '@org/service-kit';
import definition from '../migrate.config.ts';
import { clinicRoutes } from './clinics.ts';
import { Provisioner } from './provisioner.ts';
import { registrationLimit } from './registration-limit.ts';
import { roleRoutes } from './roles.ts';
import { signInRoutes } from './sign-in.ts';
import { userRoutes } from './users.ts';
import { verificationRoutes } from './verifications.ts';

await runService({
  definition,
  definitionUrl: import.meta.resolve('../migrate.config.ts'),
  port: 3001,
  routes(app, database) {
    const provisioner = new Provisioner(app, database, process.env);
    const limit = registrationLimit(process.env);
    // The limit is there when the routes are: they take it on when they are defined.
    app.register(async (clinics) => {
      await clinics.register(rateLimit, limit);
      clinicRoutes(clinics.withTypeProvider(), database, () => provisioner.nudge());
    });
    signInRoutes(app, database);
    userRoutes(app, database);
    roleRoutes(app, database);
    verificationRoutes(app, database);
    return (signal) => provisioner.run(signal);
  },
});
