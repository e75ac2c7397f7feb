/** Functions, procedures and aggregates. */

import { identifier, literal } from '../../sql.ts';
import type { Context } from '../context.ts';
import { openBody } from '../names.ts';
import type { Node } from '../node.ts';
import { describe } from '../rights.ts';
import type { AggregateRow, RoutineRow } from '../rows/routines.ts';
import { HERE, join, quoted, sql, type Text } from '../text.ts';

export function routineNodes(context: Context): Node[] {
  return context.rows.routines.map((routine) => {
    const { oid, name, kind, owner, access, identity, aggregate } = routine;
    const key = `pg_proc:${oid}`;
    const word = kind === 'p' ? 'PROCEDURE' : kind === 'a' ? 'AGGREGATE' : 'FUNCTION';
    const signature = `${identifier(name)}(${kind === 'a' && identity === '' ? '*' : identity})`;
    const id = `${word.toLowerCase()} ${name}(${identity})`;
    const create = aggregate === null ? functionDefinition(context, id, routine) : aggregateDefinition(routine, aggregate);
    const later = describe(context, {
      key,
      name: `${word} ${signature}`,
      // GRANT knows no aggregates, and takes them for functions.
      grantName: `${kind === 'p' ? 'PROCEDURE' : 'FUNCTION'} ${identifier(name)}(${identity})`,
      owner,
      access,
    });
    return {
      key,
      id,
      table: null,
      kind: 'routine',
      needs: context.needs(key),
      oid: Number(oid),
      clause: null,
      locks: 1,
      statements: () => [{ phase: 'definition', text: create }, ...later],
    };
  });
}

function functionDefinition(context: Context, id: string, routine: RoutineRow): Text {
  const { kind, volatility, parallel, language, cost, rows, support, transforms, result, settings } = routine;
  const head = [
    `CREATE ${kind === 'p' ? 'PROCEDURE' : 'FUNCTION'} ${identifier(routine.name)}(${routine.arguments})`,
    result === null ? '' : ` RETURNS ${result}`,
    ` LANGUAGE ${identifier(language)}`,
    transforms === null ? '' : ` TRANSFORM ${transforms.map((type) => `FOR TYPE ${type}`).join(', ')}`,
    kind === 'w' ? ' WINDOW' : '',
    volatility === 'i' ? ' IMMUTABLE' : volatility === 's' ? ' STABLE' : '',
    routine.strict ? ' STRICT' : '',
    routine.leakproof ? ' LEAKPROOF' : '',
    routine.definer ? ' SECURITY DEFINER' : '',
    parallel === 's' ? ' PARALLEL SAFE' : parallel === 'r' ? ' PARALLEL RESTRICTED' : '',
    kind !== 'p' && cost !== usualCost(language) ? ` COST ${cost}` : '',
    kind !== 'p' && rows !== 0 && rows !== 1000 ? ` ROWS ${rows}` : '',
    support === null ? '' : ` SUPPORT ${support}`,
  ].join('');
  return sql`${context.check(id, [head])}${(settings ?? []).flatMap((setting) => functionSetting(context, id, setting))}${body(context, id, routine)}`;
}

function usualCost(language: string): number {
  return language === 'internal' || language === 'c' ? 1 : 100;
}

function body(context: Context, id: string, { library, source, body: sqlBody }: RoutineRow): Text {
  if (sqlBody !== null) return context.check(id, [`\n${sqlBody}`]);
  if (library !== null) return [` AS ${literal(library)}, ${literal(source)}`];
  const opened = openBody(source ?? '', context.schema);
  if (opened === null) context.refuse(`${id} names its own schema in its body`);
  return [' AS ', quoted(opened ?? [source ?? ''])];
}

/** Lists of names, which PostgreSQL keeps as they would be written in SET. */
const LISTS = /^(?:search_path|temp_tablespaces|(?:session|shared|local)_preload_libraries|unix_socket_directories)$/;

function functionSetting(context: Context, id: string, setting: string): Text {
  const at = setting.indexOf('=');
  const name = setting.slice(0, at);
  const value = setting.slice(at + 1);
  // A parameter of an extension has a dot in its name.
  const quotedName = name.split('.').map(identifier).join('.');
  if (!LISTS.test(name)) return context.check(id, [` SET ${quotedName} TO ${literal(value)}`]);
  const items = value === '' ? [] : value.split(/,\s*(?=(?:[^"]*"[^"]*")*[^"]*$)/);
  if (items.length === 0) return [` SET ${quotedName} TO ''`];
  const values = items.map((item): Text => {
    const plain = item.startsWith('"') ? item.slice(1, -1).replaceAll('""', '"') : item;
    return name === 'search_path' && plain === context.schema ? [HERE] : [literal(plain)];
  });
  return sql` SET ${quotedName} TO ${join(values, ', ')}`;
}

function aggregateDefinition({ name, arguments: parameters }: RoutineRow, aggregate: AggregateRow): Text {
  const words = aggregate.flatMap(([word, value]) => (value === null ? [] : [value === '' ? word : `${word} = ${value}`]));
  return [`CREATE AGGREGATE ${identifier(name)}(${parameters === '' ? '*' : parameters}) (${words.join(', ')})`];
}
