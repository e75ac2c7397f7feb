/** Folders of migrations that several tests use. */

export const clinic: Readonly<Record<string, string>> = {
  'm/0001_create_clinics.sql': `-- Up Migration
CREATE TABLE clinics (id int PRIMARY KEY, name text UNIQUE NOT NULL);

-- Down Migration
DROP TABLE clinics;
`,
  'm/0002_add_country.up.sql': `ALTER TABLE clinics ADD COLUMN country text;\n`,
  'm/0002_add_country.down.sql': `ALTER TABLE clinics DROP COLUMN country;\n`,
  'm/0003_index_names/migration.sql': `CREATE INDEX CONCURRENTLY clinics_name_idx ON clinics (lower(name));\n`,
  'm/0003_index_names/rollback.sql': `DROP INDEX CONCURRENTLY clinics_name_idx;\n`,
};

/** Three services whose order is not that of their names: `billing` needs `users`, `app` needs both. */
export const workspace: Readonly<Record<string, string>> = {
  'migrate.workspace.mjs': `export default { services: ['services/*'] };\n`,
  ...service('app', ['billing', 'users'], {
    '0001_create_visits.sql': down('-- migrate: requires=users@0001\n-- migrate: requires=billing@1\n', 'CREATE TABLE visits (id int);', 'DROP TABLE visits;'),
  }),
  ...service('billing', ['users'], { '0001_create_bills.sql': down('-- migrate: requires=users@2\n', 'CREATE TABLE bills (id int);', 'DROP TABLE bills;') }),
  ...service('users', [], {
    '0001_create_users.sql': down('', 'CREATE TABLE users (id int);', 'DROP TABLE users;'),
    '0002_add_email.sql': down('', 'ALTER TABLE users ADD COLUMN email text;', 'ALTER TABLE users DROP COLUMN email;'),
  }),
};

export function service(name: string, dependencies: readonly string[], migrations: Readonly<Record<string, string>>): Record<string, string> {
  const config = `export default { name: '${name}', migrations: './migrations', database: '${name}_db' };\n`;
  return {
    [`services/${name}/package.json`]: JSON.stringify({
      name,
      type: 'module',
      devDependencies: Object.fromEntries(dependencies.map((one) => [one, 'workspace:*'])),
    }),
    [`services/${name}/migrate.config.ts`]: config,
    ...Object.fromEntries(Object.entries(migrations).map(([file, text]) => [`services/${name}/migrations/${file}`, text])),
  };
}

export function down(head: string, up: string, undo: string): string {
  return `${head}-- Up Migration\n${up}\n\n-- Down Migration\n${undo}\n`;
}
