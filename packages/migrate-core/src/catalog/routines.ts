/** The part of the catalogue query about functions, procedures and aggregates. */

const routines = `
SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid, p.oid, 0,
  CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
  p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')', NULL, NULL,
  pg_catalog.concat_ws(' ',
    '(' || pg_catalog.pg_get_function_arguments(p.oid) || ')',
    'returns ' || pg_catalog.pg_get_function_result(p.oid),
    'language ' || l.lanname,
    CASE p.prokind WHEN 'w' THEN 'window' END,
    CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' END,
    CASE WHEN p.proisstrict THEN 'strict' END, CASE WHEN p.proleakproof THEN 'leakproof' END, CASE WHEN p.prosecdef THEN 'security definer' END,
    CASE p.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' END,
    CASE WHEN p.procost <> CASE l.lanname WHEN 'internal' THEN 1 WHEN 'c' THEN 1 ELSE 100 END THEN 'cost ' || p.procost END,
    CASE WHEN p.prorows NOT IN (0, 1000) THEN 'rows ' || p.prorows END,
    CASE WHEN p.prosupport <> 0 THEN 'support ' || p.prosupport::pg_catalog.text END,
    'transform (' || (SELECT pg_catalog.string_agg(pg_catalog.format_type(t, NULL), ', ' ORDER BY pg_catalog.format_type(t, NULL) COLLATE "C")
      FROM pg_catalog.unnest(p.protrftypes) t) || ')',
    'library ' || pg_catalog.quote_literal(p.probin),
    CASE WHEN p.prokind = 'a' THEN (SELECT pg_catalog.concat_ws(' ', g.aggtransfn::pg_catalog.text, pg_catalog.format_type(g.aggtranstype, NULL),
        'initial ' || pg_catalog.quote_literal(g.agginitval),
        CASE WHEN g.aggfinalfn <> 0 THEN 'final ' || g.aggfinalfn::pg_catalog.text || ' ' || g.aggfinalmodify::pg_catalog.text END,
        CASE WHEN g.aggcombinefn <> 0 THEN 'combine ' || g.aggcombinefn::pg_catalog.text END,
        CASE WHEN g.aggserialfn <> 0 THEN 'serial ' || g.aggserialfn::pg_catalog.text END,
        CASE WHEN g.aggdeserialfn <> 0 THEN 'deserial ' || g.aggdeserialfn::pg_catalog.text END,
        CASE WHEN g.aggmtransfn <> 0 THEN 'moving ' || g.aggmtransfn::pg_catalog.text || ' ' || g.aggminvtransfn::pg_catalog.text || ' ' || pg_catalog.format_type(g.aggmtranstype, NULL) END,
        CASE WHEN g.aggsortop <> 0 THEN 'sort ' || g.aggsortop::pg_catalog.regoperator::pg_catalog.text END,
        CASE g.aggkind WHEN 'o' THEN 'ordered set' WHEN 'h' THEN 'hypothetical set' END)
      FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid)
    ELSE 'as ' || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) END),
  p.proacl, pg_catalog.acldefault('f'::"char", p.proowner), p.proowner, p.proconfig
FROM ns
JOIN pg_catalog.pg_proc p ON p.pronamespace = ns.oid AND p.oid = ANY (ARRAY(SELECT h.objid FROM held h WHERE h.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass))
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND m.objid = p.oid)
  -- The constructors of a range type come and go with it.
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'i')`;

export const routineEntries: readonly string[] = [routines];
