/** A migration's script for any tenant: looked through once, put together for each. */

import { MigrationError } from '../../errors.ts';
import type { Leftover, ObjectName, Script, Setting, Statement } from '../../migration.ts';
import { positionIn } from '../../position.ts';
import { parse, PARSER_VERSION } from '../parser.ts';
import { findBareNames, type BareNames } from './bare.ts';
import type { CreatedNames } from './created.ts';
import { outermost } from './literal.ts';
import { wordsOf } from './mark.ts';
import { findPlaces, mayMention, type Found, type Undecided } from './places.ts';
import { sentOffset, Template, type TenantSchema } from './template.ts';

interface StatementTemplate {
  readonly statement: Statement;
  readonly text: Template;
  readonly bare: BareNames | null;
  readonly settings: readonly SettingTemplate[];
}

interface SettingTemplate {
  readonly setting: Setting;
  readonly local: Template;
  readonly session: Template;
}

export class TenantScript {
  readonly script: Script;
  /** Offsets in the script's SQL. */
  readonly undecided: readonly Undecided[];
  /** `null` for a statement that is the same for every tenant. */
  readonly #statements: readonly (StatementTemplate | null)[];
  readonly #known: CreatedNames;

  private constructor(script: Script, statements: readonly (StatementTemplate | null)[], undecided: readonly Undecided[], known: CreatedNames) {
    this.script = script;
    this.#statements = statements;
    this.undecided = undecided;
    this.#known = known;
  }

  /** @throws MigrationError `invalidMigration` where `public` is named in what is not parsed, with the parser's syntax error where that is why. */
  static async of(script: Script, known: CreatedNames): Promise<TenantScript> {
    const undecided: Undecided[] = [];
    const settings = new Map<Setting, SettingTemplate>();
    const statements: (StatementTemplate | null)[] = [];
    for (const statement of script.statements) {
      const found = mayConcern(statement.text) ? await placesOf(script, statement, known) : NOTHING;
      const { start } = statement;
      undecided.push(...found.undecided.map((one) => ({ ...one, start: start + one.start })));
      const bare = runsAlone(statement) && !hasOtherPath(statement) ? await findBareNames(statement.text, statement.kind, known) : null;
      for (const setting of statement.settings ?? []) if (!settings.has(setting)) settings.set(setting, await settingTemplate(setting, known));
      const inForce = (statement.settings ?? []).map((setting) => settings.get(setting)).filter((one) => one !== undefined);
      const text = new Template(statement.text, [...found.places, ...(bare?.places ?? [])]);
      const isSame = text.isPlain && bare === null && inForce.every((one) => one.local.isPlain && one.session.isPlain);
      statements.push(isSame ? null : { statement, text, bare, settings: inForce });
    }
    return new TenantScript(script, statements, undecided, known);
  }

  /** The script that runs for one tenant; its `sql` stays what its author wrote, and so do places in it. */
  for(tenant: TenantSchema): Script {
    if (this.#statements.every((one) => one === null)) return this.script;
    const statements = this.script.statements.map((statement, index) => {
      const template = this.#statements[index];
      return template == null ? statement : this.#statement(template, tenant);
    });
    return { ...this.script, statements };
  }

  #statement({ statement, text, bare, settings }: StatementTemplate, tenant: TenantSchema): Statement {
    const rendered = text.render(tenant);
    const { leftover, passesOver } = statement;
    return {
      ...statement,
      text: rendered.text,
      written: statement.text,
      moved: rendered.moved,
      leftover: leftover === null ? null : this.#leftover(leftover, tenant, bare === null ? 'keep' : 'qualify'),
      ...(passesOver === undefined ? {} : { passesOver: { ...passesOver, table: this.#named(passesOver.table, tenant, 'keep') } }),
      ...(settings.length === 0
        ? {}
        : { settings: settings.filter(({ setting }) => bare === null || setting.name !== 'search_path').map((one) => settingFor(one, tenant)) }),
      ...(bare === null
        ? {}
        : {
            alone: { needs: bare.needs, unresolved: bare.unresolved.map((one) => ({ ...one, start: sentOffset(rendered.moved, one.start) })) },
          }),
    };
  }

  /** The objects that the catalogue is asked about are those of the tenant. */
  #named(object: ObjectName, tenant: TenantSchema, bare: 'keep' | 'qualify'): ObjectName {
    const isOwn = this.#known.has('relation', object.name) && (object.schema === 'public' || (object.schema === null && bare === 'qualify'));
    return isOwn ? { schema: tenant.schema, name: object.name } : object;
  }

  #leftover(leftover: Leftover, tenant: TenantSchema, bare: 'keep' | 'qualify'): Leftover {
    const named = (object: ObjectName): ObjectName => this.#named(object, tenant, bare);
    switch (leftover.kind) {
      case 'createIndex': {
        const table = named(leftover.table);
        return { ...leftover, table, index: leftover.index === null ? null : { schema: table.schema, name: leftover.index.name } };
      }
      case 'dropIndex':
        return { ...leftover, indexes: leftover.indexes.map(named) };
      case 'reindex': {
        const { object, target } = leftover;
        if (object === null) return leftover;
        if (target === 'schema') return { ...leftover, object: object.name === 'public' ? { schema: null, name: tenant.schema } : object };
        return { ...leftover, object: target === 'index' || target === 'table' ? named(object) : object };
      }
      case 'detachPartition':
        return { ...leftover, table: named(leftover.table), partition: named(leftover.partition) };
      default:
        return leftover;
    }
  }
}

type SyntaxError = NonNullable<Script['syntaxError']>;

const NOTHING: Found = { places: [], undecided: [] };

/** `SET search_path TO DEFAULT`, as RESET becomes: the tenant's own is its default. */
const DEFAULT_PATH = /\bsearch_path\s+(?:to|=)\s+default$/i;

function mayConcern(text: string): boolean {
  return mayMention(text) || DEFAULT_PATH.test(text);
}

async function placesOf(script: Script, statement: Statement, known: CreatedNames): Promise<Found> {
  const reset = DEFAULT_PATH.exec(statement.text);
  if (reset !== null && statement.kind === 'VariableSetStmt')
    return { places: [{ start: reset.index, end: statement.text.length, form: 'pathClause', layers: [] }], undecided: [] };
  const found = statement.kind === 'Unparsed' ? null : await findPlaces(statement.text, known);
  return found ?? unparsed(script, statement, await syntaxErrorOf(script, statement));
}

/** What the parser has against a statement; `null` when it was not asked (parse=off, too large) or could not go on. The place is one of the script. */
async function syntaxErrorOf({ syntaxError }: Script, { text, start, kind }: Statement): Promise<SyntaxError | null> {
  if (syntaxError !== undefined && syntaxError.start >= start && syntaxError.start <= start + text.length) return syntaxError;
  if (syntaxError === undefined && kind === 'Unparsed') return null;
  const answer = await parse(text);
  return answer.kind === 'syntaxError' ? { message: answer.message, start: start + answer.start } : null;
}

/** Without its tree a name cannot be told from an alias: what would go to `public` in silence is refused. */
function unparsed(script: Script, { text, start }: Statement, syntaxError: SyntaxError | null): Found {
  const undecided: Undecided[] = [];
  for (const word of wordsOf(outermost(text))) {
    if (word.kind === 'string' && /(?:public|"public")\s*\./i.test(word.value))
      undecided.push({ start: word.start, reason: 'public in a string of a statement that is not parsed' });
    if (word.kind === 'string' || word.value !== 'public') continue;
    const isSchema = /^\s*\./.test(text.slice(word.end)) || /\b(?:schema|search_path\b[^;]*)\s*$/i.test(text.slice(0, word.start));
    if (!isSchema) continue;
    if (syntaxError !== null) {
      throw new MigrationError({
        code: 'invalidMigration',
        message: syntaxError.message,
        hint: `correct it; where the server takes it all the same, being newer than the parser here (PostgreSQL ${PARSER_VERSION}), take the schema public out of its names, which then are the tenant’s`,
        position: positionIn(script, syntaxError.start),
      });
    }
    const position = positionIn(script, start + word.start);
    throw new MigrationError({
      code: 'invalidMigration',
      message:
        'it names the schema public in a statement that is not parsed (parse=off, or too large or too deep for the parser): which of its names are the tenant’s cannot be told',
      hint: 'take the schema out of its names, which then are the tenant’s, or let it be parsed: without parse=off, in files below 2 MB and statements below 64 kB',
      position,
    });
  }
  return { places: [], undecided };
}

/** Also those which only the state of the database keeps out of a transaction. */
function runsAlone({ transaction, kind }: Statement): boolean {
  return transaction === 'forbidden' || kind === 'ReindexStmt' || kind === 'ClusterStmt';
}

/** A search path that the file has set, other than the one that a tenant's migrations have anyway. */
function hasOtherPath({ settings = [] }: Statement): boolean {
  return settings.some(({ name, session }) => name === 'search_path' && !/^reset\b|(?:=|\sto)\s*(?:public|"public"|'public'|default)$/i.test(session));
}

async function settingTemplate(setting: Setting, known: CreatedNames): Promise<SettingTemplate> {
  const template = async (text: string): Promise<Template> => {
    if (setting.name === 'search_path' && /^reset\b|\bdefault$/i.test(text)) return resetPath(text);
    return new Template(text, mayMention(text) ? ((await findPlaces(text, known))?.places ?? []) : []);
  };
  return { setting, local: await template(setting.local), session: await template(setting.session) };
}

/** Back to the search path that a tenant's migrations begin with. */
function resetPath(text: string): Template {
  const set = text.replace(/^reset\b/i, 'SET');
  return new Template(set, [{ start: set.search(/search_path/i), end: set.length, form: 'pathClause', layers: [] }]);
}

function settingFor({ setting, local, session }: SettingTemplate, tenant: TenantSchema): Setting {
  return { name: setting.name, local: local.render(tenant).text, session: session.render(tenant).text };
}
