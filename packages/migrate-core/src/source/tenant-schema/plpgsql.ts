/** The queries, expressions and types of a PL/pgSQL body, as its parser tells them: without their places. */

import { identifier } from '../../sql.ts';
import { parse, parsePlPgSql, type Node, type ParsedStatement } from '../parser.ts';
import { tokens } from '../lexer.ts';

export interface Fragment {
  readonly text: string;
  readonly kind: 'statement' | 'expression' | 'assignment' | 'type' | 'remark';
  /** It makes the SQL that is then run. */
  readonly executed: boolean;
}

/** PostgreSQL's RawParseMode: a whole statement, an expression; above them assignments to names of one, two and three parts. */
const STATEMENT = 0;
const EXPRESSION = 2;

/** What runs the SQL that its expression makes. */
const EXECUTES = new Set(['PLpgSQL_stmt_dynexecute', 'PLpgSQL_stmt_dynfors']);

/** Of one CREATE FUNCTION or DO statement in PL/pgSQL; `null` when its body cannot be parsed. */
export async function fragmentsOf(statement: string): Promise<readonly Fragment[] | null> {
  const tree = await parsePlPgSql(statement);
  if (tree === null) return null;
  const fragments: Fragment[] = [];
  collect(tree, fragments, null, null);
  return fragments;
}

function collect(value: unknown, into: Fragment[], statement: string | null, field: string | null): void {
  if (Array.isArray(value)) {
    for (const one of value) collect(one, into, statement, field);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, one] of Object.entries(value as Node)) {
    if (key === 'PLpgSQL_expr') {
      const { query, parseMode = STATEMENT } = one as { query?: string; parseMode?: number };
      if (query === undefined) continue;
      const kind = parseMode === STATEMENT ? 'statement' : parseMode > EXPRESSION ? 'assignment' : 'expression';
      into.push({ text: query, kind, executed: (EXECUTES.has(statement ?? '') && field === 'query') || field === 'dynquery' });
    } else if (key === 'PLpgSQL_type') into.push({ text: (one as { typname?: string }).typname ?? '', kind: 'type', executed: false });
    else if (key === 'message' && typeof one === 'string') into.push({ text: one, kind: 'remark', executed: false });
    else collect(one, into, key.startsWith('PLpgSQL_stmt') ? key : statement, key.startsWith('PLpgSQL') ? field : key);
  }
}

/** A fragment's syntax tree, as that of statements; `null` when it cannot be parsed. */
export async function parseFragment({ text, kind }: Fragment): Promise<readonly ParsedStatement[] | null> {
  const answer = await parse(asStatement(text, kind));
  return answer.kind === 'parsed' ? answer.statements : null;
}

function asStatement(text: string, kind: Fragment['kind']): string {
  switch (kind) {
    case 'statement':
    case 'remark':
      return text;
    case 'expression':
      return `SELECT ${text}`;
    case 'assignment':
      return `SELECT ${text.slice(endOfTarget(text))}`;
    case 'type':
      return typeAsStatement(text);
  }
}

/** `table.column%TYPE` stands in the types of a function's parameters, and nowhere else in SQL. */
function typeAsStatement(text: string): string {
  const [, names, form] = /^([^"]*?)%\s*((?:row)?type)\b/i.exec(text) ?? [];
  // Of these the parser tells the names as they are meant, without their quotes.
  const type = names === undefined ? text : `${names.split('.').map(identifier).join('.')}${/^type$/i.test(form ?? '') ? '%TYPE' : ''}`;
  return `CREATE FUNCTION f(a ${type}) RETURNS void LANGUAGE sql AS ''`;
}

/** Behind the `:=` or `=` of an assignment. */
function endOfTarget(text: string): number {
  let depth = 0;
  for (const { start, end } of tokens(text)) {
    const word = text.slice(start, end);
    if (word === '[' || word === '(') depth++;
    else if (word === ']' || word === ')') depth--;
    else if (word === '=' && depth === 0) return end;
  }
  return 0;
}
