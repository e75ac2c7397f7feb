import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

const tests = '{packages,services,tooling}/*/test/**';

export default defineConfig({
  // Between packages, import the sources and not what was last built.
  ssr: { resolve: { conditions: ['@org/source', ...defaultServerConditions] } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [`${tests}/*.test.ts`],
          exclude: ['**/*.db.test.ts', '**/node_modules/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'db',
          include: [`${tests}/*.db.test.ts`],
          // Here and not above: a run of unit tests alone starts no server.
          globalSetup: ['./tooling/test-postgres/src/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
