/** What looks deeply into a source or a schema, loaded when it is asked for: a start with nothing pending must not pay for it. */

import type { Catalog, CatalogOptions, CatalogReader } from './catalog.ts';
import type { MigrationSource } from './migration.ts';
import type { RoundTripOptions, RoundTripReport } from './check/round-trip.ts';
import type { SourceCheck, SourceCheckOptions } from './check/source-check.ts';

/** See `catalog.ts`: the fingerprint of one schema, equal for equal schemas. */
export async function readCatalog(reader: CatalogReader, options: CatalogOptions): Promise<Catalog> {
  return (await import('./catalog.ts')).readCatalog(reader, options);
}

/** See `catalog.ts`: the fingerprint of every schema of a database but the system's. */
export async function readDatabaseCatalog(reader: CatalogReader, options: { readonly exclude?: readonly string[] | undefined } = {}): Promise<Catalog> {
  return (await import('./catalog.ts')).readDatabaseCatalog(reader, options);
}

/** See `source-check.ts`: everything that can be said of a source without a server. */
export async function checkSource(source: MigrationSource, options: SourceCheckOptions = {}): Promise<SourceCheck> {
  return (await import('./check/source-check.ts')).checkSource(source, options);
}

/** See `round-trip.ts`: every migration up, down and up again on a scratch database. */
export async function checkRoundTrip(options: RoundTripOptions): Promise<RoundTripReport> {
  return (await import('./check/round-trip.ts')).checkRoundTrip(options);
}
