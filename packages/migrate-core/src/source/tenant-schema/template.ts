/** SQL in pieces: what is the same for all tenants, and the places that are each one's own. Made once, put together for each. Pure. */

import { MigrationError } from '../../errors.ts';
import type { Moved } from '../../migration.ts';
import { identifier } from '../../sql.ts';
import { written } from './literal.ts';
import type { Place } from './places.ts';

/** Where a tenant's objects are. */
export interface TenantSchema {
  readonly schema: string;
  /** The schemas behind it on the search path; extensions are in the first of them. */
  readonly behind: readonly string[];
}

export interface Rendered {
  readonly text: string;
  /** In order. */
  readonly moved: readonly Moved[];
}

export class Template {
  readonly #text: string;
  readonly #places: readonly Place[];

  constructor(text: string, places: readonly Place[]) {
    this.#text = text;
    this.#places = places.toSorted((a, b) => a.start - b.start || a.end - b.end);
  }

  /** Whether it is the same for every tenant. */
  get isPlain(): boolean {
    return this.#places.length === 0;
  }

  /** @throws MigrationError `invalidOptions` for a schema whose name would end the dollar quotes that it has to stand in. */
  render(tenant: TenantSchema): Rendered {
    let text = '';
    let from = 0;
    const moved: Moved[] = [];
    for (const { start, end, form, layers } of this.#places) {
      text += this.#text.slice(from, start);
      const inside = written(textFor(form, tenant), layers);
      if (inside === null) throw endsQuotes(tenant.schema);
      moved.push({ sent: { start: text.length, end: text.length + inside.length }, written: { start, end } });
      text += inside;
      from = end;
    }
    return { text: text + this.#text.slice(from), moved };
  }
}

function textFor(form: Place['form'], { schema, behind }: TenantSchema): string {
  const path = [schema, ...behind].map(identifier).join(', ');
  switch (form) {
    case 'schema':
      return identifier(schema);
    case 'qualifier':
      return `${identifier(schema)}.`;
    case 'path':
      return path;
    case 'pathClause':
      return `search_path = ${path}`;
    case 'extension':
      return ` SCHEMA ${identifier(behind[0] ?? 'public')}`;
  }
}

function endsQuotes(schema: string): MigrationError {
  return new MigrationError({
    code: 'invalidOptions',
    message: `the schema name ${JSON.stringify(schema)} holds the mark of a dollar quote that it would have to stand in`,
    hint: 'give the dollar quotes of that migration another mark, such as $body$, or the schema another name',
  });
}

/** From a UTF-16 offset in what was written, which stands in no replacement, to the one in what is sent; behind one that was put in there. */
export function sentOffset(moved: readonly Moved[], offset: number): number {
  const last = moved.findLast(({ written: { end } }) => end <= offset);
  return last === undefined ? offset : last.sent.end + (offset - last.written.end);
}
