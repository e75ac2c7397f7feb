/** The queries, expressions and types of a PL/pgSQL body, as its parser tells them: without their places. */

import { identifier } from '../../sql.ts';
import { parse, parsePlPgSql, type Node, type ParsedStatement } from '../parser.ts';
import { tokens } from '../lexer.ts';
import { child, list, text } from '../tree.ts';

export interface Fragment {
  readonly text: string;
  readonly kind: 'statement' | 'expression' | 'assignment' | 'type' | 'remark';
  /** `sql`: it makes what is then run. `variable`: it gives a variable its value, which may be a name. */
  readonly becomes: 'sql' | 'variable' | 'other';
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
  const apart = withDefaultsApart(statement, variablesOf(tree));
  const whole = apart === statement ? tree : ((await parsePlPgSql(apart)) ?? tree);
  const fragments: Fragment[] = [];
  collect(whole, fragments, { variables: variablesOf(whole), holder: null, statement: null, field: null });
  return fragments;
}

/** What can be declared or given a value, by its number. */
function variablesOf(tree: object): readonly Node[] {
  const [only] = list(tree as Node, 'plpgsql_funcs');
  return list(child(only, 'PLpgSQL_function'), 'datums');
}

/**
 * The parser does not tell the defaults of variables whose types it does not know, such as those that migrations make. Here such a default is that of another
 * variable, whose type it knows.
 */
function withDefaultsApart(statement: string, variables: readonly Node[]): string {
  let apart = statement;
  for (const variable of variables) {
    const record = child(variable, 'PLpgSQL_rec');
    const [name, type] = [text(record, 'refname'), typeOf(record)];
    if (name === null || type === '') continue;
    const declared = `(?<![\\w$"])"?${literally(name)}"?\\s+(?:constant\\s+)?${literally(type)}`;
    apart = apart.replaceAll(
      new RegExp(`(${declared})\\s*(?:\\bnot\\s+null\\s*)?(?=:=|=|\\bdefault\\b)`, 'gi'),
      // The type, as it is told, may end with a comment to the end of its line.
      (_, before: string) => `${before}\n; ${identifier(`default of ${name}`)} int `,
    );
  }
  return apart;
}

/** In a regular expression. */
function literally(written: string): string {
  return written.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}

/** As it is written; empty where none is. */
function typeOf(variable: Node): string {
  return text(child(child(variable, 'datatype'), 'PLpgSQL_type'), 'typname') ?? '';
}

/** Where an expression stands. */
interface Where {
  readonly variables: readonly Node[];
  /** The nearest node around it, and the nearest one that is a statement. */
  readonly holder: Node | null;
  readonly statement: string | null;
  readonly field: string | null;
}

function collect(value: unknown, into: Fragment[], where: Where): void {
  if (Array.isArray(value)) {
    for (const one of value) collect(one, into, where);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, one] of Object.entries(value as Node)) {
    if (key === 'PLpgSQL_expr') {
      const { query, parseMode = STATEMENT } = one as { query?: string; parseMode?: number };
      if (query === undefined) continue;
      const kind = parseMode === STATEMENT ? 'statement' : parseMode > EXPRESSION ? 'assignment' : 'expression';
      into.push({ text: query, kind, becomes: becomes(where) });
    } else if (key === 'PLpgSQL_type') into.push({ text: (one as { typname?: string }).typname ?? '', kind: 'type', becomes: 'other' });
    else if (key === 'message' && typeof one === 'string') into.push({ text: one, kind: 'remark', becomes: 'other' });
    else if (key.startsWith('PLpgSQL'))
      collect(one, into, { ...where, holder: one as Node, statement: key.startsWith('PLpgSQL_stmt') ? key : where.statement });
    else collect(one, into, { ...where, field: key });
  }
}

/** Of the types that PostgreSQL has; a variable that is typed as a column is one for data, unless that column holds names. */
const MAY_HOLD_NAME = /^(?:pg_catalog\s*\.\s*)?(?:text|name|varchar|character|char|bpchar|regnamespace)\b(?!.*%)|(?:schema|nspname)[^%]*%/is;

function becomes({ variables, holder, statement, field }: Where): Fragment['becomes'] {
  if ((EXECUTES.has(statement ?? '') && field === 'query') || field === 'dynquery') return 'sql';
  const number = holder?.['varno'] ?? 0;
  const assigned = field === 'default_val' ? holder : statement === 'PLpgSQL_stmt_assign' ? child(variables[Number(number)], 'PLpgSQL_var') : null;
  return assigned !== null && MAY_HOLD_NAME.test(typeOf(assigned)) ? 'variable' : 'other';
}

/** A fragment's syntax tree, as that of statements; `null` when it cannot be parsed. */
export async function parseFragment({ text: sql, kind }: Fragment): Promise<readonly ParsedStatement[] | null> {
  const answer = await parse(asStatement(sql, kind));
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
  return `CREATE FUNCTION f(a ${type}\n) RETURNS void LANGUAGE sql AS ''`;
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
