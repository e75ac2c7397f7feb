/** The part of the catalogue query about types, and what else of small kinds a schema can hold. */

const notOfExtension = (catalog: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass AND m.objid = ${oid})`;

const types = `
SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, t.oid, 0, CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.typname::pg_catalog.text, NULL, NULL,
  CASE t.typtype
    WHEN 'c' THEN 'composite'
    WHEN 'e' THEN 'enum (' || coalesce((SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
      FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '') || ')'
    WHEN 'd' THEN pg_catalog.concat_ws(' ', pg_catalog.format_type(t.typbasetype, t.typtypmod),
      CASE WHEN t.typcollation <> base.typcollation THEN 'collate ' || t.typcollation::pg_catalog.regcollation::pg_catalog.text END,
      CASE WHEN t.typnotnull THEN 'not null' END,
      'default ' || coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault))
    WHEN 'r' THEN (SELECT pg_catalog.concat_ws(' ', 'range of', pg_catalog.format_type(r.rngsubtype, NULL),
        'operator class ' || (SELECT pg_catalog.quote_ident(o.opcname) FROM pg_catalog.pg_opclass o WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
        CASE WHEN r.rngcollation <> 0 THEN 'collate ' || r.rngcollation::pg_catalog.regcollation::pg_catalog.text END,
        CASE WHEN r.rngcanonical <> 0 THEN 'canonical ' || r.rngcanonical::pg_catalog.text END,
        CASE WHEN r.rngsubdiff <> 0 THEN 'difference ' || r.rngsubdiff::pg_catalog.text END,
        'multirange ' || pg_catalog.format_type(r.rngmultitypid, NULL))
      FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
    WHEN 'p' THEN 'shell'
    ELSE pg_catalog.concat_ws(' ', 'base', 'input', t.typinput::pg_catalog.text, 'output', t.typoutput::pg_catalog.text, 'length', t.typlen::pg_catalog.text, 'align', t.typalign,
      'storage', t.typstorage, 'category', t.typcategory)
  END,
  t.typacl, pg_catalog.acldefault('T'::"char", t.typowner), t.typowner, NULL::pg_catalog.text[]
FROM ns
JOIN pg_catalog.pg_type t ON t.typnamespace = ns.oid AND t.oid = ANY (ARRAY(SELECT h.objid FROM held h WHERE h.classid = 'pg_catalog.pg_type'::pg_catalog.regclass))
LEFT JOIN pg_catalog.pg_type base ON base.oid = t.typbasetype
WHERE (t.typtype IN ('e', 'd', 'r')
    OR t.typtype = 'c' AND EXISTS (SELECT FROM rel r WHERE r.oid = t.typrelid AND r.relkind = 'c')
    OR t.typtype = 'p' AND NOT t.typisdefined
    OR t.typtype = 'b' AND NOT (t.typcategory = 'A' AND EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)))
  AND ${notOfExtension('pg_type', 't.oid')}`;

const domainConstraints = `
SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, c.oid, 0, 'domain', t.typname::pg_catalog.text, 'constraint', c.conname::pg_catalog.text,
  pg_catalog.pg_get_constraintdef(c.oid, true), NULL, NULL, NULL, NULL
FROM ns
JOIN pg_catalog.pg_type t ON t.typnamespace = ns.oid AND t.oid = ANY (ARRAY(SELECT h.objid FROM held h WHERE h.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)) AND t.typtype = 'd' AND ${notOfExtension('pg_type', 't.oid')}
JOIN pg_catalog.pg_constraint c ON c.contypid = t.oid AND c.contype = 'c'`;

const operators = `
SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0, 'operator',
  o.oprname || ' (' || pg_catalog.format_type(nullif(o.oprleft, 0), NULL) || ', ' || pg_catalog.format_type(o.oprright, NULL) || ')', NULL, NULL,
  pg_catalog.concat_ws(' ', pg_catalog.format_type(o.oprresult, NULL), o.oprcode::pg_catalog.text,
    CASE WHEN o.oprcom <> 0 THEN 'commutator ' || o.oprcom::pg_catalog.regoper::pg_catalog.text END, CASE WHEN o.oprnegate <> 0 THEN 'negator ' || o.oprnegate::pg_catalog.regoper::pg_catalog.text END,
    CASE WHEN o.oprrest <> 0 THEN 'restrict ' || o.oprrest::pg_catalog.text END, CASE WHEN o.oprjoin <> 0 THEN 'join ' || o.oprjoin::pg_catalog.text END,
    CASE WHEN o.oprcanhash THEN 'hashes' END, CASE WHEN o.oprcanmerge THEN 'merges' END),
  NULL, NULL, o.oprowner, NULL
FROM ns JOIN pg_catalog.pg_operator o ON o.oprnamespace = ns.oid AND ${notOfExtension('pg_operator', 'o.oid')}`;

const operatorClasses = `
SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass::pg_catalog.oid, o.oid, 0, 'operator class', o.opcname || ' using ' || a.amname, NULL, NULL,
  pg_catalog.concat_ws(' ', CASE WHEN o.opcdefault THEN 'default' END, 'for', pg_catalog.format_type(o.opcintype, NULL),
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', 'operator', p.amopstrategy::pg_catalog.text, p.amopopr::pg_catalog.regoperator::pg_catalog.text), ', '
      ORDER BY p.amopstrategy, p.amopopr::pg_catalog.regoperator::pg_catalog.text COLLATE "C") FROM pg_catalog.pg_amop p WHERE p.amopfamily = o.opcfamily),
    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', 'function', p.amprocnum::pg_catalog.text, p.amproc::pg_catalog.regprocedure::pg_catalog.text), ', '
      ORDER BY p.amprocnum, p.amproc::pg_catalog.regprocedure::pg_catalog.text COLLATE "C") FROM pg_catalog.pg_amproc p WHERE p.amprocfamily = o.opcfamily)),
  NULL, NULL, o.opcowner, NULL
FROM ns JOIN pg_catalog.pg_opclass o ON o.opcnamespace = ns.oid AND ${notOfExtension('pg_opclass', 'o.oid')}
JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod`;

// Its provider and locale; the columns for them have other names in each version, and the version of the library is the server's, not the schema's.
const collations = `
SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass::pg_catalog.oid, c.oid, 0, 'collation', c.collname::pg_catalog.text, NULL, NULL,
  pg_catalog.concat_ws(' ', CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' ELSE c.collprovider::pg_catalog.text END,
    coalesce(pg_catalog.to_jsonb(c) ->> 'colllocale', pg_catalog.to_jsonb(c) ->> 'colliculocale', c.collcollate::pg_catalog.text), c.collctype::pg_catalog.text,
    pg_catalog.to_jsonb(c) ->> 'collicurules',
    CASE WHEN NOT c.collisdeterministic THEN 'nondeterministic' END),
  NULL, NULL, c.collowner, NULL
FROM ns JOIN pg_catalog.pg_collation c ON c.collnamespace = ns.oid AND ${notOfExtension('pg_collation', 'c.oid')}`;

const textSearch = `
SELECT 'pg_catalog.pg_ts_dict'::pg_catalog.regclass::pg_catalog.oid, d.oid, 0, 'text search dictionary', d.dictname::pg_catalog.text, NULL, NULL,
  pg_catalog.concat_ws(' ', t.tmplname::pg_catalog.text, d.dictinitoption), NULL, NULL, d.dictowner, NULL
FROM ns JOIN pg_catalog.pg_ts_dict d ON d.dictnamespace = ns.oid AND ${notOfExtension('pg_ts_dict', 'd.oid')}
JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate
UNION ALL
SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass::pg_catalog.oid, c.oid, 0, 'text search configuration', c.cfgname::pg_catalog.text, NULL, NULL,
  pg_catalog.concat_ws(' ', 'parser', p.prsname::pg_catalog.text, (SELECT pg_catalog.string_agg(m.maptokentype || ' ' || m.mapdict::pg_catalog.regdictionary::pg_catalog.text, ', ' ORDER BY m.maptokentype, m.mapseqno)
    FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = c.oid)), NULL, NULL, c.cfgowner, NULL
FROM ns JOIN pg_catalog.pg_ts_config c ON c.cfgnamespace = ns.oid AND ${notOfExtension('pg_ts_config', 'c.oid')}
JOIN pg_catalog.pg_ts_parser p ON p.oid = c.cfgparser`;

export const typeEntries: readonly string[] = [types, domainConstraints, operators, operatorClasses, collations, textSearch];
