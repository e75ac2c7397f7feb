/** What the commands of the group `tenants` have in common in print. Pure. */

import type { MigrationError } from '@org/migrate-core';

import { errorKeys } from './document.ts';

/** @param tenants One object for each. */
export function tenantDocument(service: string, tenants: readonly object[]): string {
  return JSON.stringify({ services: [{ service, tenants }] }, null, 2);
}

export function failedKeys(error: MigrationError | null): { readonly failed: object | null } {
  return { failed: error === null ? null : errorKeys(error) };
}

/** `812 bytes`, `1.2 MB`. */
export function size(bytes: number): string {
  const units = ['kB', 'MB', 'GB', 'TB'];
  if (bytes < 1_000) return `${bytes} bytes`;
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** power).toFixed(1)} ${units[power - 1] ?? ''}`;
}
