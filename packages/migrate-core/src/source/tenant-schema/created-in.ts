/** What migrations make: from their statements, and from the bodies of their DO blocks and functions. */

import type { LiveScript, Script } from '../../migration.ts';
import { isTooDeep, parse, type ParsedStatement } from '../parser.ts';
import { child, list, text } from '../tree.ts';
import { addCreated, type CreatedNames } from './created.ts';
import { fragmentsOf, parseFragment } from './plpgsql.ts';

/** Adds what a migration's script makes, in the order of its statements. A live one decides only when it runs. */
export async function addScript(script: Script | LiveScript, into: CreatedNames): Promise<void> {
  if (script.kind === 'live') into.addIncomplete();
  else await addSql(script, into);
}

async function addSql({ sql, statements }: Script, into: CreatedNames): Promise<void> {
  if (!statements.some(({ kind }) => kind === 'Unparsed') && (await addText(sql, into))) return;
  for (const { text: statement, kind } of statements) {
    if (kind === 'Unparsed' && !/^(?:insert|update|delete|copy)\b/i.test(statement)) into.addIncomplete();
    else if (kind !== 'Unparsed') await addText(statement, into);
  }
}

/** `false` when the parser does not take it. */
export async function addText(sql: string, into: CreatedNames): Promise<boolean> {
  const answer = await parse(sql);
  if (answer.kind !== 'parsed') return false;
  for (const statement of answer.statements) {
    try {
      addCreated({ [statement.kind]: statement.node }, into);
    } catch (error) {
      // As deep as an expression is, what is made stands at the top.
      if (!isTooDeep(error)) throw error;
    }
    if (statement.kind === 'DoStmt' || statement.kind === 'CreateFunctionStmt') await addBody(statement, sql, into);
  }
  return true;
}

async function addBody({ kind, node, start, end }: ParsedStatement, sql: string, into: CreatedNames): Promise<void> {
  const body = option(node, 'as');
  if (body === null || !/\b(?:create|rename|set\s+schema|into)\b/i.test(body)) return;
  const language = (option(node, 'language') ?? (kind === 'DoStmt' ? 'plpgsql' : 'sql')).toLowerCase();
  if (language === 'sql') return void (await addText(body, into));
  const fragments = language === 'plpgsql' ? await fragmentsOf(sql.slice(start, end)) : null;
  for (const fragment of fragments ?? []) {
    const statements = fragment.kind === 'statement' || fragment.becomes === 'sql' ? await parseFragment(fragment) : null;
    for (const statement of statements ?? []) {
      const constant = fragment.becomes === 'sql' ? constantOf(statement) : null;
      if (constant !== null) await addText(constant, into);
      else if (fragment.becomes !== 'sql') addCreated({ [statement.kind]: statement.node }, into);
      // What a function makes by dynamic SQL when somebody calls it later is nothing that migrations name.
      else if (kind === 'DoStmt' && /\b(?:create|rename)\b/i.test(fragment.text)) into.addIncomplete();
    }
  }
}

/** The text of `SELECT 'constant'`. */
function constantOf({ node }: ParsedStatement): string | null {
  const [only] = list(node, 'targetList');
  return text(child(child(child(child(only, 'ResTarget'), 'val'), 'A_Const'), 'sval'), 'sval');
}

/** A string option of CREATE FUNCTION or DO; of a body, its text. */
function option(node: ParsedStatement['node'], name: string): string | null {
  for (const one of [...list(node, 'options'), ...list(node, 'args')]) {
    const element = child(one, 'DefElem');
    if (text(element, 'defname') !== name) continue;
    const arg = child(element, 'arg');
    return text(child(arg, 'String'), 'sval') ?? text(child(list(child(arg, 'List'), 'items')[0], 'String'), 'sval');
  }
  return null;
}
