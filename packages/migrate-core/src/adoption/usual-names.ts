/** Where other tools keep their histories unless told otherwise. */
export const USUAL_NAMES: readonly string[] = [
  'pgmigrations',
  '_prisma_migrations',
  'schema_migrations',
  '__diesel_schema_migrations',
  'migrations',
  'typeorm_migrations',
  'knex_migrations',
  'SequelizeMeta',
  'schema_version',
  'db_migrations',
];
