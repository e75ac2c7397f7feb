import { expect, test } from 'vitest';

import { requireBuiltins } from '../src/builtins.ts';

test('names of a module of Node.js are asked for, under the names that they have in the file', () => {
  expect(requireBuiltins('import { join, setTimeout as setTimeout$1 } from "node:timers/promises";\njoin();\n')).toBe(
    'const { join, setTimeout: setTimeout$1 } = process.getBuiltinModule("node:timers/promises");\njoin();\n',
  );
});

test.each([
  'import { Client } from "pg";',
  'import { main } from "./common.js";',
  'import fs from "node:fs";',
  'import * as fs from "node:fs";',
  'const text = `import { a } from "node:fs";`;',
])('what is no such import stays: %s', (line) => {
  expect(requireBuiltins(`${line}\n`)).toBe(`${line}\n`);
});
