/** Ids and places of tenants. Ids are anybody's text, and places are names in PostgreSQL: both are checked here, and quoted wherever they go. */

import { randomBytes } from 'node:crypto';

import { MigrationError } from '../errors.ts';
import { whyNotTenant } from '../fleet/target.ts';
import type { TenancyDefinition } from '../service.ts';
import { identifier } from '../sql.ts';

export type PlaceKind = TenancyDefinition['mode'];

/** Bytes. The id is a key of the registry, and an index holds no longer ones than 2,700. */
const LONGEST_ID = 1_000;
const LONGEST_NAME = 63;

/** What is found under a template's name, half made, is dropped: it must be nobody's place. Nor may a place be a spare's, which is given away. */
const OURS = /_(?:tpl_[0-9a-f]{20}|spare_[0-9a-f]{16}_[0-9a-f]{6})(?:_new)?$/;

/** Control characters, line separators, and marks that turn the direction of writing: an id that holds one is not what it looks like. */
const INVISIBLE = /[\p{Cc}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/u;

/** The place that this id would get. Throws `invalidOptions` for what cannot be an id, or a tenant's place. */
export function placeOf(id: string, kind: PlaceKind, place: ((id: string) => string) | undefined, reserved: readonly string[]): string {
  const whyNot = whyNotId(id);
  if (whyNot !== null) throw invalidTenant(id, `it cannot be a tenant’s id: ${whyNot}`);
  const name = place === undefined ? id : askFor(id, place);
  const why =
    whyNotTenant(name, kind) ??
    (reserved.includes(name) ? 'the service keeps its own things there' : OURS.test(name) ? 'templates and spares have names that end so' : null);
  if (why === null) return name;
  const hint = place === undefined ? `give the tenant another id, or say with tenancy.place what its ${kind} is called` : undefined;
  throw invalidTenant(id, `${JSON.stringify(shortened(name))} cannot be its ${kind}: ${why}`, hint);
}

function whyNotId(id: string): string | null {
  if (id === '') return 'it is empty';
  if (id.includes('\0')) return 'it holds a NUL character';
  // Two of them would be stored as the same id.
  if (!id.isWellFormed()) return 'it is no well-formed Unicode';
  if (INVISIBLE.test(id)) return 'it holds a control character, a line break, or a mark for the direction of writing';
  if (id.trim() === '') return 'it is blank';
  if (id.trim() !== id) return 'it begins or ends with a blank';
  return Buffer.byteLength(id) > LONGEST_ID ? `it has more than ${LONGEST_ID} bytes` : null;
}

function askFor(id: string, place: (id: string) => string): string {
  let name: unknown;
  try {
    name = place(id);
  } catch (error) {
    throw invalidTenant(id, `tenancy.place has no name for it: ${(error as Error).message}`, undefined, error);
  }
  if (typeof name === 'string') return name;
  throw invalidTenant(id, 'tenancy.place answered something else than a name');
}

export function invalidTenant(id: string, why: string, hint?: string, cause?: unknown): MigrationError {
  return new MigrationError({ code: 'invalidOptions', message: `the tenant ${JSON.stringify(shortened(id))}: ${why}`, hint, cause });
}

/** Throws `invalidOptions` for a tenant of the other mode. */
export function refuseOtherKind({ id, kind }: { readonly id: string; readonly kind: PlaceKind }, mode: PlaceKind): void {
  if (kind !== mode) throw invalidTenant(id, `it has a ${kind} of its own, and tenancy.mode says ${mode}`, `set tenancy.mode back to '${kind}'`);
}

export function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** A name that begins as this one does, ends with the suffix, and is short enough to be one. */
export function nameWith(base: string, suffix: string): string {
  let begin = '';
  let room = LONGEST_NAME - Buffer.byteLength(suffix);
  for (const character of base) {
    room -= Buffer.byteLength(character);
    if (room < 0) break;
    begin += character;
  }
  return `${begin}${suffix}`;
}

/** What an archived place is called: never what another one is. */
export function archiveName(place: string, now: Date): string {
  const day = now.toISOString().slice(0, 10).replaceAll('-', '');
  return nameWith(place, `_archived_${day}_${randomBytes(5).toString('hex')}`);
}

/** Ends the name of an archived place; what stands before it may be cut. */
const ARCHIVED = /_archived_\d{8}_[0-9a-f]{10}$/;

/** What a place was called before it was archived. @param asked What it would be called today: decides where the archive's name was too short for all of it. */
export function formerPlace(archive: string, asked: () => string): string {
  const suffix = ARCHIVED.exec(archive)?.[0];
  if (suffix === undefined) return archive;
  const begin = archive.slice(0, -suffix.length);
  // A character of UTF-8 has at most four bytes: with room for another one nothing was cut.
  if (Buffer.byteLength(archive) <= LONGEST_NAME - 4) return begin;
  const today = asked();
  return today.startsWith(begin) ? today : begin;
}

/** What a database is called until its place is known to be free: by this it is known how it is made, whoever goes on. */
export function provisionalName(database: string, by: 'template' | 'replay'): string {
  return nameWith(database, `_${by === 'template' ? 'new' : 'replay'}_${randomBytes(8).toString('hex')}`);
}

export function madeBy(provisional: string | null): 'template' | 'replay' {
  return provisional !== null && /_replay_[0-9a-f]{16}$/.test(provisional) ? 'replay' : 'template';
}

/** A search path: quoted, in this order. */
export function searchPath(names: readonly string[]): string {
  return names.map(identifier).join(', ');
}
