/**
 * The part of the catalogue query about tables, views, sequences and what hangs on them. Each select answers the columns of `entry` in query.ts.
 * Every deparsing function runs under a search path that begins with the schema, and writes its objects without the schema's name.
 */

/** Relations of the schema, without those of extensions, those excluded, and the sequences that belong to an identity column. */
export const relations: string = `
rel AS MATERIALIZED (
  SELECT c.*, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence'
    WHEN 'c' THEN 'type' ELSE 'table' END AS kind, own.refobjid AS owned_by, own.refobjsubid AS owned_by_column
  FROM ns
  -- A composite type's relation depends on its type only.
  JOIN pg_catalog.pg_class c ON c.relnamespace = ns.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.oid = ANY (ARRAY(
    SELECT h.objid FROM held h WHERE h.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION ALL SELECT t.typrelid FROM held h JOIN pg_catalog.pg_type t ON t.oid = h.objid AND t.typrelid <> 0 WHERE h.classid = 'pg_catalog.pg_type'::pg_catalog.regclass))
  LEFT JOIN pg_catalog.pg_depend own ON c.relkind = 'S' AND own.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND own.objid = c.oid
    AND own.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND own.deptype IN ('a', 'i') AND own.refobjsubid > 0
  LEFT JOIN pg_catalog.pg_class owner_table ON owner_table.oid = own.refobjid
  WHERE own.deptype IS DISTINCT FROM 'i'
    AND NOT c.relname::pg_catalog.text = ANY ($2::pg_catalog.text[])
    AND (owner_table.oid IS NULL OR owner_table.relnamespace <> ns.oid OR NOT owner_table.relname::pg_catalog.text = ANY ($2::pg_catalog.text[]))
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid)
)`;

const sequenceOptions = (sequence: string): string => `
  (SELECT pg_catalog.concat_ws(' ', pg_catalog.format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement, 'min', s.seqmin, 'max', s.seqmax,
     'cache', s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END)
   FROM pg_catalog.pg_sequence s WHERE s.seqrelid = ${sequence})`;

const tablespace = (oid: string): string =>
  `'tablespace ' || (SELECT pg_catalog.quote_ident(ts.spcname) FROM pg_catalog.pg_tablespace ts WHERE ts.oid = ${oid})`;

// Some servers (Debian's 15.20) keep the WAL position of a column's last change among its options, where nobody can set it: no two would be equal.
const options = (word: string, array: string): string =>
  `'${word} (' || (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE "C") FROM pg_catalog.unnest(${array}) o WHERE o NOT LIKE 'pg\\_attver=%') || ')'`;

const objects = `
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.oid, 0, r.kind, r.relname::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text,
  pg_catalog.concat_ws(' ',
    CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
    CASE WHEN r.reloftype <> 0 THEN 'of ' || pg_catalog.format_type(r.reloftype, NULL) END,
    CASE WHEN r.relkind = 'p' THEN 'partition by ' || pg_catalog.pg_get_partkeydef(r.oid) END,
    CASE WHEN r.relispartition THEN 'partition' END,
    'of ' || (SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::pg_catalog.text || CASE WHEN i.inhdetachpending THEN ' (detach pending)' ELSE '' END,
      ', ' ORDER BY i.inhseqno) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid),
    CASE WHEN r.relispartition THEN pg_catalog.pg_get_expr(r.relpartbound, r.oid) END,
    'access method ' || (SELECT a.amname FROM pg_catalog.pg_am a WHERE a.oid = r.relam AND a.amname <> 'heap'),
    CASE WHEN r.reltablespace <> 0 THEN ${tablespace('r.reltablespace')} END,
    ${options('with', 'r.reloptions')},
    CASE WHEN r.reltoastrelid <> 0 THEN
      (SELECT ${options('toast', 't.reloptions')} FROM pg_catalog.pg_class t WHERE t.oid = r.reltoastrelid AND t.reloptions IS NOT NULL) END,
    CASE WHEN r.relrowsecurity THEN 'row security' END,
    CASE WHEN r.relforcerowsecurity THEN 'force row security' END,
    CASE WHEN r.relkind IN ('r', 'p', 'm') THEN CASE r.relreplident WHEN 'f' THEN 'replica identity full' WHEN 'n' THEN 'replica identity nothing' WHEN 'i' THEN 'replica identity ' ||
      coalesce((SELECT pg_catalog.quote_ident(x.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
        WHERE i.indrelid = r.oid AND i.indisreplident), 'dropped') END END,
    CASE WHEN r.relkind = 'f' THEN (SELECT pg_catalog.concat_ws(' ', 'server', pg_catalog.quote_ident(v.srvname), ${options('options', 'f.ftoptions')})
      FROM pg_catalog.pg_foreign_table f JOIN pg_catalog.pg_foreign_server v ON v.oid = f.ftserver WHERE f.ftrelid = r.oid) END,
    CASE WHEN r.relkind = 'S' THEN ${sequenceOptions('r.oid')} END,
    CASE WHEN r.owned_by IS NOT NULL THEN 'owned by ' || r.owned_by::pg_catalog.regclass::pg_catalog.text || '.' ||
      (SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.owned_by AND a.attnum = r.owned_by_column) END,
    CASE WHEN r.relkind = 'm' AND NOT r.relispopulated THEN 'not populated' END,
    CASE WHEN r.relkind IN ('v', 'm') THEN 'as ' || pg_catalog.pg_get_viewdef(r.oid) END),
  r.relacl, pg_catalog.acldefault(CASE r.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, r.relowner), r.relowner, NULL::pg_catalog.text[]
FROM rel r WHERE r.relkind <> 'c'`;

const columns = `
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.oid, a.attnum, r.kind, r.relname::pg_catalog.text, 'column', a.attname::pg_catalog.text,
  CASE WHEN r.relkind IN ('v', 'm') THEN 'default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) ELSE
  pg_catalog.concat_ws(' ',
    pg_catalog.format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::pg_catalog.regcollation::pg_catalog.text END,
    CASE WHEN a.attnotnull THEN 'not null' || coalesce((SELECT CASE WHEN NOT n.convalidated THEN ' not valid' ELSE '' END || CASE WHEN n.connoinherit THEN ' no inherit' ELSE '' END
      FROM pg_catalog.pg_constraint n WHERE n.conrelid = r.oid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum]), '') END,
    CASE WHEN a.attgenerated <> '' THEN 'generated always as (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ')' || CASE a.attgenerated WHEN 's' THEN ' stored' ELSE ' virtual' END
      ELSE 'default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
    CASE WHEN a.attidentity <> '' THEN (SELECT CASE a.attidentity WHEN 'a' THEN 'identity always' ELSE 'identity by default' END || ' ' || p.objid::pg_catalog.regclass::pg_catalog.text ||
      ' (' || ${sequenceOptions('p.objid')} || ')'
      FROM pg_catalog.pg_depend p WHERE p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.refobjid = r.oid AND p.refobjsubid = a.attnum AND p.deptype = 'i'
        AND p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass) END,
    CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END,
    CASE a.attcompression WHEN 'p' THEN 'compression pglz' WHEN 'l' THEN 'compression lz4' END,
    CASE WHEN a.attstattarget >= 0 THEN 'statistics ' || a.attstattarget END,
    ${options('with', 'a.attoptions')},
    ${options('options', 'a.attfdwoptions')},
    CASE WHEN a.attinhcount > 0 AND NOT a.attislocal THEN 'inherited' END) END,
  a.attacl, NULL::pg_catalog.aclitem[], NULL::pg_catalog.oid, NULL::pg_catalog.text[]
FROM rel r
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f', 'c', 'v', 'm')`;

const columnOrder = `
SELECT 0::pg_catalog.oid, 0::pg_catalog.oid, 0, r.kind, r.relname::pg_catalog.text, 'column order', NULL,
  pg_catalog.json_agg(a.attname ORDER BY a.attnum)::pg_catalog.text, NULL, NULL, NULL, NULL
FROM rel r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE r.relkind IN ('r', 'p', 'f', 'c')
GROUP BY r.oid, r.kind, r.relname`;

// What a partition or an inheriting table has from its parent is told of the parent alone. NOT NULL is told of the column (18 has constraints for it, too).
const constraints = `
SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, c.oid, 0, r.kind, r.relname::pg_catalog.text, 'constraint', c.conname::pg_catalog.text,
  pg_catalog.concat_ws(' ', pg_catalog.pg_get_constraintdef(c.oid, true), ${options('with', 'x.reloptions')},
    CASE WHEN x.reltablespace <> 0 THEN ${tablespace('x.reltablespace')} END,
    CASE WHEN i.indisclustered THEN 'clustered' END, CASE WHEN NOT i.indisvalid THEN 'invalid' END,
    CASE WHEN c.contype = 'f' AND EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgconstraint = c.oid AND g.tgenabled <> 'O') THEN 'triggers disabled' END),
  NULL, NULL, NULL, NULL
FROM rel r
JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid AND c.contype IN ('c', 'f', 'p', 'u', 'x') AND c.conparentid = 0 AND (c.conislocal OR c.coninhcount = 0)
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.conindid AND c.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid`;

const indexes = `
SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, x.oid, 0, r.kind, r.relname::pg_catalog.text, 'index', x.relname::pg_catalog.text,
  pg_catalog.concat_ws(' ', pg_catalog.pg_get_indexdef(x.oid, 0, true),
    CASE WHEN x.reltablespace <> 0 THEN ${tablespace('x.reltablespace')} END,
    CASE WHEN i.indisclustered THEN 'clustered' END, CASE WHEN NOT i.indisvalid THEN 'invalid' END),
  NULL, NULL, NULL, NULL
FROM rel r
JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND NOT x.relispartition
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid = r.oid AND c.conindid = x.oid AND c.contype IN ('p', 'u', 'x'))`;

const enabled = (state: string): string => `CASE ${state} WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END`;

const triggers = `
SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid, g.oid, 0, r.kind, r.relname::pg_catalog.text, 'trigger', g.tgname::pg_catalog.text,
  pg_catalog.concat_ws(' ', pg_catalog.pg_get_triggerdef(g.oid, true), ${enabled('g.tgenabled')}), NULL, NULL, NULL, NULL
FROM rel r JOIN pg_catalog.pg_trigger g ON g.tgrelid = r.oid AND NOT g.tgisinternal AND g.tgparentid = 0`;

const rules = `
SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid, w.oid, 0, r.kind, r.relname::pg_catalog.text, 'rule', w.rulename::pg_catalog.text,
  pg_catalog.concat_ws(' ', pg_catalog.pg_get_ruledef(w.oid, true), ${enabled('w.ev_enabled')}), NULL, NULL, NULL, NULL
FROM rel r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'`;

const policies = `
SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid, p.oid, 0, r.kind, r.relname::pg_catalog.text, 'policy', p.polname::pg_catalog.text,
  pg_catalog.concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
    'for', CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
    'to ' || (SELECT pg_catalog.string_agg(n, ', ' ORDER BY n COLLATE "C") FROM (
      SELECT CASE o WHEN 0 THEN 'public' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o)) END FROM pg_catalog.unnest(p.polroles) o) roles (n)),
    'using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
    'with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')'), NULL, NULL, NULL, NULL
FROM rel r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid`;

const statistics = `
SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid, s.oid, 0, 'statistics', s.stxname::pg_catalog.text, NULL, NULL,
  pg_catalog.concat_ws(' ', (SELECT pg_catalog.string_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' WHEN 'm' THEN 'mcv' ELSE 'expressions' END, ', ' ORDER BY k)
      FROM pg_catalog.unnest(s.stxkind) k),
    'on', pg_catalog.pg_get_statisticsobjdef_columns(s.oid), 'from', s.stxrelid::pg_catalog.regclass::pg_catalog.text,
    CASE WHEN s.stxstattarget >= 0 THEN 'statistics ' || s.stxstattarget END),
  NULL, NULL, s.stxowner, NULL
FROM ns
JOIN pg_catalog.pg_statistic_ext s ON s.stxnamespace = ns.oid
LEFT JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid AND c.relnamespace = ns.oid
WHERE coalesce(NOT c.relname::pg_catalog.text = ANY ($2::pg_catalog.text[]), true)`;

export const relationEntries: readonly string[] = [objects, columns, columnOrder, constraints, indexes, triggers, rules, policies, statistics];
