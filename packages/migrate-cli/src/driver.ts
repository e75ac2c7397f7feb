/**
 * The driver, in a checkout: as what it is, a CommonJS package. Imported as a module it takes half as long again, most of which a command with
 * nothing to do would notice.
 */

import { createRequire } from 'node:module';

import type pg from 'pg';

export const { Client } = createRequire(import.meta.url)('pg') as { readonly Client: typeof pg.Client };
