/** By what way a function comes to tenants' tables: by itself, through views, or through the functions that it calls. Pure. */

import type { FunctionFacts, RoleFacts, TableFacts, TenantFacts, ViewFacts } from './tenant-facts.ts';
import { mentions, mentionsObject, shownName, withoutComments } from './tenant-rules.ts';

/** Functions of PostgreSQL that read what a text says: a query, or a name of tables. */
const READING_BY_TEXT = [
  ...['query', 'table', 'schema', 'database', 'cursor'].flatMap((what) => ['', 'schema', '_and_xmlschema'].map((end) => `${what}_to_xml${end}`)),
  'ts_stat',
  'ts_rewrite',
];

const CALL = String.raw`\s*\(`;

type Step = FunctionFacts | ViewFacts;

/** What is used, and what there is to say behind the way to it. */
interface Use {
  readonly what: string;
  readonly end: string;
}

/**
 * Tells why a function is taken for one that uses tenants' tables, as a clause; `null` where it is not.
 * @param passed Functions that are no way for others: whoever may call the one may call them.
 */
export function reaching(
  { functions, views }: Pick<TenantFacts, 'functions' | 'views'>,
  tables: readonly TableFacts[],
  passed: (one: FunctionFacts) => boolean,
): (one: FunctionFacts) => string | null {
  const callable = functions.filter((one) => one.returns !== 'trigger');
  const looked = new Map<Step, Use | readonly Step[]>();
  const look = (step: Step): Use | readonly Step[] => {
    const text = 'body' in step ? withoutComments(step.body) : '';
    const relations = relationsOf(step);
    const use = useOf(step, text, relations, tables);
    if (use !== null) return use;
    // Hardly a name is in a text at all, and a piece of it is found quicker than a pattern.
    const lower = text.toLowerCase();
    const says = (one: Step, then?: string): boolean => lower.includes(one.name.replaceAll('"', '""').toLowerCase()) && mentionsObject(text, one, then);
    return [
      ...views.filter((one) => relations.includes(one.oid) || says(one)),
      ...callable.filter((one) => (step.functions.includes(one.oid) || says(one, CALL)) && !passed(one)),
    ];
  };
  return (from) => {
    // A map also goes through what is added meanwhile: every step once, those of the shortest way first.
    const ways = new Map<Step, readonly Step[]>([[from, []]]);
    for (const [step, way] of ways) {
      const found = looked.get(step) ?? look(step);
      looked.set(step, found);
      if ('what' in found) return `${found.what}${through(way)}${found.end}`;
      for (const one of found) if (!ways.has(one)) ways.set(one, [...way, one]);
    }
    return null;
  };
}

function useOf(step: Step, text: string, relations: readonly string[], tables: readonly TableFacts[]): Use | null {
  const used = tables.filter((table) => relations.includes(table.oid) || mentions(text, table.name)).map(shownName);
  if (used.length > 0) return { what: `uses ${used.join(', ')}`, end: '' };
  const end = ', so that nobody can tell what it uses';
  if ('body' in step && step.language === 'plpgsql' && /\bexecute\b/i.test(text)) return { what: 'makes its SQL while it runs', end };
  const reading = READING_BY_TEXT.find((name) => mentionsObject(text, { schema: 'pg_catalog', name }, CALL));
  return reading === undefined ? null : { what: `reads what a text names (${reading})`, end };
}

/** Object ids of what is read as whoever asks, or as somebody whom no policy holds. */
function relationsOf(step: Step): readonly string[] {
  const held = 'kind' in step && step.kind === 'view' && !step.invoker && !bypassing(step.owner);
  return held ? [] : step.relations;
}

function through(way: readonly Step[]): string {
  if (way.length === 0) return '';
  return ` through ${way.map((one) => `the ${'body' in one ? 'function' : 'view'} ${shownName(one)}`).join(' and ')}`;
}

export function bypassing({ superuser, bypasses }: RoleFacts): boolean {
  return superuser || bypasses;
}
