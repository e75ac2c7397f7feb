/** A program that needs the local PostgreSQL with the databases named on its command line. Prints what it was given. */

import { ensureLocalPostgres } from '../src/index.ts';

const services = process.argv.slice(2).map((name) => ({ service: name, database: name, applicationRole: `${name}_app` }));
const local = await ensureLocalPostgres({ services });
process.stdout.write(services.map(({ database, applicationRole }) => `${local.url(database)} ${local.url(database, applicationRole)}\n`).join(''));
