/** Reading libpg-query's JSON, in which fields with their default value are left out. Pure. */

import type { ObjectName } from '../migration.ts';
import type { Node } from './parser.ts';

/** A field that holds a node without its kind (`relation: { relname }`); an empty one when left out. */
export function child(node: Node | undefined, field: string): Node {
  const value = node?.[field];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : {};
}

/** A field that holds a list of nodes with their kinds. */
export function list(node: Node | undefined, field: string): readonly Node[] {
  const value = node?.[field];
  return Array.isArray(value) ? (value as Node[]) : [];
}

export function text(node: Node | undefined, field: string): string | null {
  const value = node?.[field];
  return typeof value === 'string' ? value : null;
}

export function flag(node: Node | undefined, field: string): boolean {
  return node?.[field] === true;
}

/** `{ DefElem: { defname, arg } }` in a list of options. */
export function option(options: readonly Node[], name: string): Node | null {
  for (const one of options) {
    const element = child(one, 'DefElem');
    if (text(element, 'defname') === name) return element;
  }
  return null;
}

/** Whether an option is given and not switched off (`CONCURRENTLY false`, `create_slot = off`). */
export function isOn(options: readonly Node[], name: string): boolean {
  const found = option(options, name);
  return found !== null && optionValue(found) !== false;
}

/** `false` for the spellings of false, else `true`. */
export function optionValue(element: Node): boolean {
  const arg = child(element, 'arg');
  const word = text(child(arg, 'String'), 'sval') ?? text(child(list(child(arg, 'TypeName'), 'names').at(-1), 'String'), 'sval');
  if (word !== null) return !/^(?:false|off|no|0)$/i.test(word);
  if ('Boolean' in arg) return flag(child(arg, 'Boolean'), 'boolval');
  if ('Integer' in arg) return child(arg, 'Integer')['ival'] !== undefined && child(arg, 'Integer')['ival'] !== 0;
  return true;
}

/** Of a RangeVar. */
export function relationName(node: Node): ObjectName {
  return { schema: text(node, 'schemaname'), name: text(node, 'relname') ?? '' };
}

/** Of a list of String nodes: `schema.name`, or `name` alone. */
export function listedName(items: readonly Node[]): ObjectName {
  const names = items.map((item) => text(child(item, 'String'), 'sval') ?? '');
  return { schema: names.length > 1 ? (names.at(-2) ?? null) : null, name: names.at(-1) ?? '' };
}
