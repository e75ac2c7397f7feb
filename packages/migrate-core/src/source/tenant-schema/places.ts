/** The places of a text where the schema `public` means that of a tenant. */

import { isTooDeep, parse } from '../parser.ts';
import type { CreatedNames } from './created.ts';
import { outermost, placeOf, type Inner, type Layer } from './literal.ts';
import { lookupsIn, mayLookUp } from './lookup.ts';
import { Marks, wordsOf, type Word } from './mark.ts';
import { fragmentsOf, parseFragment, type Fragment } from './plpgsql.ts';
import { eachText, type Use } from './use.ts';

/** UTF-16 offsets in the text that was looked through. */
export interface Place {
  readonly start: number;
  readonly end: number;
  /**
   * What stands there: the schema's name, a search path, SET's `SCHEMA 'public'`, or nothing, where a name needs its schema and a dot before it (`qualifier`)
   * or an extension its schema.
   */
  readonly form: 'schema' | 'path' | 'pathClause' | 'qualifier' | 'extension';
  /** In which constants it is, from the innermost outwards. */
  readonly layers: readonly Layer[];
}

/** A mention of `public` of which nobody can tell whether the tenant's schema is meant; or a query that may find another tenant's object. */
export interface Undecided {
  /** UTF-16 offset in the text. */
  readonly start: number;
  /** Why it is left as it is. */
  readonly reason: string;
}

export interface Found {
  readonly places: readonly Place[];
  readonly undecided: readonly Undecided[];
}

/** Whether a text can name the schema, so that what is made in it has to be known. */
export function mayName(text: string): boolean {
  return /public|u&["']/i.test(text);
}

/** Whether a text can have any such place: most have none, and are not looked at further. */
export function mayMention(text: string): boolean {
  return mayName(text) || /create\s+extension/i.test(text) || mayLookUp(text);
}

/**
 * @param known What the source makes: of other objects, such as those of extensions, `public` is the place.
 * @returns `null` for what the parser does not take.
 */
export async function findPlaces(text: string, known: CreatedNames): Promise<Found | null> {
  const search = new Search(known);
  try {
    return (await search.script(outermost(text), 0)) ? search : null;
  } catch (error) {
    if (isTooDeep(error)) return null;
    throw error;
  }
}

const NESTING_LIMIT = 8;
/** What could be a name with its schema, a schema or a search path, in SQL that is put together. */
const IN_SQL = /(?<![\w$."])(?:public|"public")\s*\.|\bschema\s+(?:public|"public")|\bsearch_path\b[^;]*\bpublic\b/i;
const ALONE = /^\s*(?:public|"public")\s*$/i;

const DYNAMIC = 'public in a string: whether that becomes SQL, and what then is meant, shows only when it runs';
const SHARED = 'public in a setting of a role or a database, which holds for every tenant';
const NOT_PARSED = 'public in a body that cannot be parsed';

class Search implements Found {
  readonly places: Place[] = [];
  readonly undecided: Undecided[] = [];
  readonly #known: CreatedNames;

  constructor(known: CreatedNames) {
    this.#known = known;
  }

  /** Statements. `false` when the parser does not take them. */
  async script(inner: Inner, level: number): Promise<boolean> {
    if (!mayMention(inner.value) || level > NESTING_LIMIT) return true;
    const marks = new Marks(inner.value, mentions(inner), level);
    const marked = marks.text;
    const answer = await parse(marked);
    if (answer.kind !== 'parsed') return false;
    const uses = new Uses(marks);
    for (const { kind, node, start, end } of answer.statements) {
      uses.note({ [kind]: node }, marked.slice(start, end));
      this.#lookups({ [kind]: node }, inner, marks.offsetBefore(start), marks.offsetBefore(end));
      if (kind === 'CreateExtensionStmt' && !JSON.stringify(node).includes('"defname":"schema"')) this.#extension(inner, marks, end);
    }
    for (const word of marks.words) await this.#decide(word, inner, uses, level);
    return true;
  }

  /** An extension is the whole database's: in the tenant's own schema, which is the first of the search path, no other tenant would find it. */
  #extension(inner: Inner, marks: Marks, end: number): void {
    const at = placeOf(inner, marks.offsetBefore(end));
    this.places.push({ start: at, end: at, form: 'extension', layers: inner.layers });
  }

  /** A PL/pgSQL body. `statement` is the CREATE FUNCTION or DO around it, with that body in place of the one that it has. */
  async #plpgsql(inner: Inner, statement: (body: string) => string, level: number): Promise<void> {
    const marks = new Marks(inner.value, mentions(inner), level);
    const fragments = await fragmentsOf(statement(inDollars(marks.text)));
    if (fragments === null) return this.#listAll(marks.words, inner, NOT_PARSED);
    const uses = new Uses(marks);
    for (const fragment of fragments) {
      if (fragment.kind === 'remark') uses.noteRemark(fragment.text);
      else if (marks.wordsIn(fragment.text).length > 0 || mayLookUp(fragment.text)) {
        const statements = await parseFragment(fragment);
        uses.noteFragment(fragment, statements);
        for (const { kind, node } of statements ?? []) this.#lookups({ [kind]: node }, inner, 0, inner.value.length);
      }
    }
    for (const word of marks.words) await this.#decide(word, inner, uses, level);
  }

  #lookups(tree: unknown, inner: Inner, from: number, to: number): void {
    const lookups = lookupsIn(tree);
    if (lookups.length === 0) return;
    const words = wordsOf(inner).filter((word) => word.kind === 'name' && word.start >= from && word.end <= to);
    for (const catalog of lookups) {
      const word = words.find(({ value, start }) => value === catalog && !this.undecided.some((one) => one.start === placeOf(inner, start)));
      if (word !== undefined) this.#list(word.start, inner, `${catalog} is asked for a name in any schema, and may find another tenant’s`);
    }
  }

  async #decide(word: Word, inner: Inner, uses: Uses, level: number): Promise<void> {
    const noted = uses.of(word);
    if (word.inner === null) return this.#name(word, inner, noted?.use ?? null);
    switch (noted?.use.kind) {
      case 'path':
        if (word.value !== 'public') return;
        return this.#put(word.start, word.end, uses.isSchemaClause(word) ? 'pathClause' : 'path', inner);
      case 'pathList': {
        for (const name of wordsOf(word.inner)) if (name.value === 'public' && !name.isPart) this.#put(name.start, name.end, 'path', word.inner);
        return;
      }
      case 'reference':
        return this.#reference(word, word.inner, noted.use.of);
      case 'body':
        if (noted.use.language === 'plpgsql') await this.#plpgsql(word.inner, (body) => uses.replace(noted.statement, word, body), level + 1);
        else if (noted.use.language !== 'sql') this.#string(word, `public in a body in ${noted.use.language}, which is not looked into`);
        else if (!(await this.script(word.inner, level + 1))) this.#listAll(mentions(word.inner), word.inner, NOT_PARSED);
        return;
      case 'executed':
        if (!(await this.script(word.inner, level + 1))) this.#string(word, DYNAMIC);
        return;
      case 'remark':
        return;
      case 'shared':
        return this.#list(word.start, inner, SHARED);
      case 'value':
        return this.#string(word, DYNAMIC, 'alone too');
      default:
        return this.#string(word, DYNAMIC);
    }
  }

  #name(word: Word, inner: Inner, use: Noted['use'] | null): void {
    switch (use?.kind) {
      case 'qualifier':
        if (this.#known.has(use.of, use.name)) this.#put(word.start, word.end, 'schema', inner);
        else if (use.how === 'changed')
          this.#list(
            word.start,
            inner,
            `public.${use.name} is made by none of these migrations: it is what all tenants share, and each of them would change it`,
          );
        else if (!this.#known.complete)
          this.#list(word.start, inner, `public.${use.name}: whether these migrations make it cannot be told, since some of them decide only when they run`);
        return;
      case 'schema':
        return this.#put(word.start, word.end, 'schema', inner);
      case 'path':
        return this.#put(word.start, word.end, 'path', inner);
      case 'shared':
        return this.#list(word.start, inner, SHARED);
      case undefined:
        return this.#list(word.start, inner, 'public: what it names cannot be told');
      default:
        return;
    }
  }

  /** A string that names an object, as `nextval` and `regclass` take it. */
  #reference(word: Word, inside: Inner, of: Extract<Use, { kind: 'reference' }>['of']): void {
    const [first, second, ...rest] = wordsOf(inside);
    if (first?.value === 'public' && !first.isPart) {
      if (of === 'schema' && second === undefined) this.#put(first.start, first.end, 'schema', inside);
      else if (of !== 'schema' && second?.isPart === true) this.#name(first, inside, { kind: 'qualifier', of, name: second.value, how: 'used' });
    }
    // The types of a function's arguments.
    for (const other of rest)
      if (other.value === 'public' && !other.isPart) this.#list(other.start, inside, 'public in the arguments of a function that a string names');
  }

  #put(start: number, end: number, form: Place['form'], inner: Inner): void {
    const from = form === 'pathClause' ? inner.value.slice(0, start).search(/schema[^"']*$/i) : start;
    this.places.push({ start: placeOf(inner, from === -1 ? start : from), end: placeOf(inner, end), form, layers: inner.layers });
  }

  #list(start: number, inner: Inner, reason: string): void {
    this.undecided.push({ start: placeOf(inner, start), reason });
  }

  #string({ inner: inside, value }: Word, reason: string, alone: 'alone too' | 'only in SQL' = 'only in SQL'): void {
    const found = IN_SQL.exec(value) ?? (alone === 'alone too' ? ALONE.exec(value) : null);
    if (found === null || inside === null) return;
    this.#list(found.index + found[0].toLowerCase().lastIndexOf('public'), inside, reason);
  }

  #listAll(words: readonly Word[], inner: Inner, reason: string): void {
    for (const word of words) {
      if (word.inner === null) this.#list(word.start, inner, reason);
      else this.#string(word, reason);
    }
  }
}

/** The words of a text that could mean the schema, and the strings that could hold one. */
function mentions(inner: Inner): readonly Word[] {
  return wordsOf(inner).filter(({ kind, value }) => (kind === 'name' ? value === 'public' : mayMention(value)));
}

function inDollars(body: string): string {
  let mark = '$body$';
  for (let n = 0; body.includes(mark); n++) mark = `$body${n}$`;
  return `${mark}${body}${mark}`;
}

interface Noted {
  readonly use: Use | { readonly kind: 'executed' };
  /** The marked statement that it stands in. */
  readonly statement: string;
}

/** What the marks of a text turned out to be. */
class Uses {
  readonly #marks: Marks;
  readonly #uses = new Map<Word, Noted>();

  constructor(marks: Marks) {
    this.#marks = marks;
  }

  note(tree: unknown, statement: string): void {
    eachText(tree, (value, use) => {
      const word = this.#marks.wordOf(value);
      if (word !== null && (this.#uses.get(word)?.use.kind ?? 'other') === 'other') this.#uses.set(word, { use: use(), statement });
    });
  }

  noteFragment(fragment: Fragment, statements: Awaited<ReturnType<typeof parseFragment>>): void {
    const [only] = this.#marks.wordsIn(fragment.text);
    // `EXECUTE 'one constant'` is SQL as it stands there.
    if (fragment.becomes === 'sql' && only !== undefined && this.#marks.wordOf(fragment.text.trim().slice(1, -1)) === only && only.kind === 'string') {
      this.#uses.set(only, { use: { kind: 'executed' }, statement: fragment.text });
      return;
    }
    for (const { kind, node } of statements ?? [])
      this.note(fragment.becomes === 'variable' ? { PLAssignStmt: { val: node } } : { [kind]: node }, fragment.text);
  }

  noteRemark(text: string): void {
    for (const word of this.#marks.wordsIn(text)) this.#uses.set(word, { use: { kind: 'remark' }, statement: text });
  }

  of(word: Word): Noted | null {
    return this.#uses.get(word) ?? null;
  }

  /** A marked statement with this body in place of the one that it has. */
  replace(statement: string, word: Word, body: string): string {
    return this.#marks.replace(statement, word, body);
  }

  /** `SET SCHEMA 'public'`, which takes one schema. */
  isSchemaClause(word: Word): boolean {
    return /\bschema\s*$/i.test(this.#marks.before(word));
  }
}
