/** A whole database's catalogue, as text. */

import { readDatabaseCatalog, type CatalogReader } from '../../src/index.ts';
import { connectTo } from './target.ts';

export async function readCatalogOf(url: string): Promise<string> {
  const client = await connectTo(url);
  try {
    return (await readDatabaseCatalog(client as CatalogReader)).text;
  } finally {
    await client.end();
  }
}
