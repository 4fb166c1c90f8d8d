//! How residues are read: two queries for a server, and what becomes of their rows.
//!
//! As with the rest of the catalog they follow [`SEARCH_PATH`](super::super::read::SEARCH_PATH), and whoever drives a
//! connection hands in the rows as texts, NULL as the empty text.

use std::collections::HashMap;

use super::body::{self, Body};
use super::{Node, Residue, Residues, builtin, foreign};
use crate::sql::effect::SessionEffect;
use crate::topology::catalog::Volatility;

/// Name, language, volatility and body of every function that somebody made, and of the volatile ones of `pg_catalog`, whose
/// language is given as `builtin`, and whether it is a trigger's. Names below `pg_temp` belong to a session that keeps its connection anyway.
///
/// `pg_get_function_sqlbody` has what `prosrc` lacks when a body was written as `BEGIN ATOMIC`. Where that cannot be asked for
/// (the module `held`), there are the words that count of the stored tree instead: functions and relations that it names,
/// operators, the clock, and whether anything is written. As it has no other statements than queries and changes of rows,
/// that says as much, or more. In front of a body is the search path that the function sets, whose schemas it names.
pub const BODIES: &str = concat!(
    held!(),
    "
SELECT p.proname, CASE n.nspname WHEN 'pg_catalog' THEN 'builtin' ELSE l.lanname END, p.provolatile,
       CASE WHEN length(b.body) <= 262144
            THEN coalesce((SELECT c || '; ' FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%'), '') || b.body END, p.prorettype = 'trigger'::regtype
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN held h ON h.class = 'pg_proc'::regclass AND h.oid = p.oid
CROSS JOIN LATERAL (SELECT CASE WHEN l.lanname = 'c' THEN NULL WHEN p.prosqlbody IS NULL THEN p.prosrc WHEN h.oid IS NULL THEN pg_get_function_sqlbody(p.oid)
    ELSE (SELECT concat('begin ', CASE WHEN p.prosqlbody::text ~ ':commandType [2-9]' THEN 'insert ' END, string_agg(word, ' '))
        FROM (SELECT concat(quote_ident(f.proname), '()')
              FROM regexp_matches(p.prosqlbody::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') m JOIN pg_proc f ON f.oid = m[1]::oid
              UNION SELECT concat_ws('.', quote_ident(s.nspname), quote_ident(c.relname))
              FROM regexp_matches(p.prosqlbody::text, ':relid (\\d+)', 'g') m JOIN pg_class c ON c.oid = m[1]::oid JOIN pg_namespace s ON s.oid = c.relnamespace
              UNION SELECT concat('x ', o.oprname, ' x') FROM regexp_matches(p.prosqlbody::text, ':opno (\\d+)', 'g') m JOIN pg_operator o ON o.oid = m[1]::oid
              UNION SELECT 'current_timestamp' WHERE p.prosqlbody::text ~ 'SQLVALUEFUNCTION|COERCEVIAIO') w(word)) END) b(body)
WHERE p.prokind <> 'a' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_temp'
  AND (n.nspname <> 'pg_catalog' OR p.provolatile = 'v')"
);

/// What leads where: kind and name of what is touched, kind and name of what that makes happen. A kind is `read` or `write`
/// of a relation, `call` of a function, `any` statement, `schema` for one that changes the schema, or one of those below; what a rule
/// names is led to by `alter`, too: it is read or written, which the stored rule does not tell apart.
///
/// Stored expressions are looked through for the node fields that hold a function's or a relation's OID
/// (`nodes/primnodes.h`): `pg_depend` leaves out what `initdb` made. OIDs below 16384 are those of `initdb`; its functions
/// that are not volatile leave nothing behind (what a view or a default of an argument calls may be the time all the same), and reading its views does not either; but a rule of `pg_settings` changes
/// settings, also behind somebody's view of it.
///
/// Behind the names: defaults, generated columns, constraints of tables and domains, indexes, partition keys, statistics,
/// policies, views, rules, triggers and their conditions, identity columns, what foreign keys cascade to, partitions and
/// children, parts of aggregates, defaults of arguments. Operators, casts, types and ranges can be used by any statement
/// without being named, hence `any`; they stand there once more by what a statement that uses one has: `operator` by the symbol
/// (its commutator's and negator's too), `cast` by source, target and context, `type` by the name. `symbol`, `shadow` and `holder`
/// lead nowhere: operators by schema and symbol with those of their types that are PostgreSQL's, types that bear the name of
/// one of PostgreSQL's, and types whose values have values of other types (domains, composites, ranges). Functions of one argument can be called by the name of a field. Disabled triggers do nothing. What says that it is immutable is called already
/// when a statement is planned that only reads the table with such an index, constraint, partition key or statistics.
///
/// A constant among an argument's defaults that says `now`, `today`, `tomorrow` or `yesterday`, by its bytes, counts as the time.
///
/// What stands in comments is for `narrowed`.
pub const LINKS: &str = "\
WITH expressions(what, name, expression) AS (
    SELECT CASE a.attgenerated WHEN 'v' THEN 'read' ELSE 'write' END, c.relname, d.adbin::text
    FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE true /*of d.adrelid*/
    UNION ALL SELECT 'plan', c.relname, k.conbin::text
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.conbin IS NOT NULL /*of k.conrelid*/
    UNION ALL SELECT 'any', '', k.conbin::text FROM pg_constraint k WHERE k.contypid <> 0 AND k.conbin IS NOT NULL AND k.oid >= 16384 /*none*/
    UNION ALL SELECT 'any', '', t.typdefaultbin::text FROM pg_type t WHERE t.typdefaultbin IS NOT NULL /*none*/
    UNION ALL SELECT 'type', t.typname, k.conbin::text
    FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid WHERE k.conbin IS NOT NULL AND k.oid >= 16384 /*none*/
    UNION ALL SELECT 'type', t.typname, t.typdefaultbin::text FROM pg_type t WHERE t.typdefaultbin IS NOT NULL /*none*/
    UNION ALL SELECT 'plan', c.relname, concat(i.indexprs::text, i.indpred::text)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) /*of i.indrelid*/
    UNION ALL SELECT 'plan', c.relname, p.partexprs::text
    FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid WHERE p.partexprs IS NOT NULL /*of p.partrelid*/
    UNION ALL SELECT 'plan', c.relname, s.stxexprs::text
    FROM pg_statistic_ext s JOIN pg_class c ON c.oid = s.stxrelid WHERE s.stxexprs IS NOT NULL /*of s.stxrelid*/
    UNION ALL SELECT 'write', c.relname, t.tgqual::text
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgqual IS NOT NULL AND t.tgenabled <> 'D' /*of t.tgrelid*/
    UNION ALL SELECT 'read', c.relname, concat(p.polqual::text, p.polwithcheck::text)
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE true /*of p.polrelid*/
    UNION ALL SELECT CASE r.ev_type WHEN '1' THEN 'read' ELSE 'rule' END, c.relname, concat(r.ev_qual::text, r.ev_action::text)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE (r.oid >= 16384 OR r.ev_type <> '1') /*of r.ev_class*/
    UNION ALL SELECT 'call', p.proname, p.proargdefaults::text FROM pg_proc p WHERE p.proargdefaults IS NOT NULL AND p.oid >= 16384 /*none*/
), functions(what, name, called) AS (
    SELECT what, name, m[1]::oid
    FROM expressions, regexp_matches(expression, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') m
    UNION SELECT 'write', c.relname, t.tgfoid FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' /*of t.tgrelid*/
    UNION SELECT 'schema', '', evtfoid FROM pg_event_trigger
    UNION SELECT 'call', f.proname, part
    FROM pg_aggregate a JOIN pg_proc f ON f.oid = a.aggfnoid
    CROSS JOIN unnest(ARRAY[aggtransfn::oid, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn, aggmfinalfn]) part
    WHERE f.oid >= 16384 /*none*/
    UNION SELECT 'any', '', oprcode FROM pg_operator WHERE oid >= 16384 /*none*/
    UNION SELECT 'any', '', castfunc FROM pg_cast WHERE oid >= 16384 /*none*/
    UNION SELECT 'any', '', amproc FROM pg_amproc WHERE oid >= 16384 /*none*/
    UNION SELECT 'any', '', part
    FROM pg_type CROSS JOIN unnest(ARRAY[typinput::oid, typoutput, typreceive, typsend, typmodin, typmodout, typsubscript]) part
    WHERE oid >= 16384 /*none*/
    UNION SELECT 'any', '', part FROM pg_range CROSS JOIN unnest(ARRAY[rngcanonical::oid, rngsubdiff]) part WHERE rngtypid >= 16384 /*none*/
    UNION SELECT 'operator', n.oprname, o.oprcode
    FROM pg_operator o JOIN pg_operator n ON o.oid IN (n.oid, n.oprcom, n.oprnegate) WHERE o.oid >= 16384 /*none*/
    UNION SELECT 'type', t.typname, o.oprcode
    FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_type t ON t.oid IN (a.amoplefttype, a.amoprighttype) WHERE a.oid >= 16384 /*none*/
    UNION SELECT 'type', t.typname, a.amproc
    FROM pg_amproc a JOIN pg_type t ON t.oid IN (a.amproclefttype, a.amprocrighttype) WHERE a.oid >= 16384 /*none*/
    UNION SELECT 'type', typname, part
    FROM pg_type CROSS JOIN unnest(ARRAY[typinput::oid, typoutput, typreceive, typsend, typmodin, typmodout, typsubscript]) part
    WHERE oid >= 16384 /*none*/
    UNION SELECT 'type', t.typname, part
    FROM pg_range r CROSS JOIN unnest(ARRAY[rngcanonical::oid, rngsubdiff]) part JOIN pg_type t ON t.oid IN (r.rngtypid, r.rngmultitypid)
    WHERE rngtypid >= 16384 /*none*/
    UNION SELECT 'cast', concat_ws(E'\\t', s.typname, t.typname, c.castcontext), c.castfunc
    FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget WHERE c.oid >= 16384 /*none*/
), relations(what, name, used) AS (
    SELECT what, name, m[1]::oid FROM expressions, regexp_matches(expression, ':relid (\\d+)', 'g') m
)
SELECT CASE WHEN f.what IN ('rule', 'plan') THEN 'write' ELSE f.what END, f.name, 'call', p.proname
FROM functions f JOIN pg_proc p ON p.oid = f.called JOIN pg_language l ON l.oid = p.prolang
WHERE (p.oid >= 16384 OR p.provolatile = 'v' OR p.provolatile = 's' AND f.what IN ('call', 'read')) AND NOT (f.what IN ('any', 'operator', 'cast', 'type') AND l.lanname IN ('internal', 'c'))
UNION SELECT what, name, 'call', 'now' FROM expressions WHERE what IN ('call', 'read') AND expression ~ 'SQLVALUEFUNCTION|COERCEVIAIO.*:resulttype (1082|1083|1114|1184|1266) '
UNION SELECT what, name, 'call', 'now' FROM expressions
WHERE what = 'call' AND expression ~ ' ((78|110) (79|111) (87|119)|(84|116) (79|111) (68|100) (65|97) (89|121)|(84|116) (79|111) (77|109) (79|111)|(89|121) (69|101) (83|115) (84|116)) '
UNION SELECT 'read', f.name, 'call', p.proname
FROM functions f JOIN pg_proc p ON p.oid = f.called WHERE f.what = 'plan' AND p.oid >= 16384 AND p.provolatile = 'i'
UNION SELECT 'field', p.proname, 'call', p.proname
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.pronargs > 0 AND p.pronargs - p.pronargdefaults <= 1 AND (p.oid >= 16384 OR p.provolatile = 'v') AND n.nspname !~ '^pg_temp' /*none*/
UNION SELECT CASE r.what WHEN 'rule' THEN 'write' ELSE r.what END, r.name, 'read', c.relname
FROM relations r JOIN pg_class c ON c.oid = r.used WHERE c.oid >= 16384
UNION SELECT 'write', r.name, 'write', c.relname
FROM relations r JOIN pg_class c ON c.oid = r.used
WHERE (c.oid >= 16384 OR c.oid IN (SELECT ev_class FROM pg_rewrite WHERE ev_type <> '1'))
  AND (r.what = 'rule' OR r.name IN (SELECT relname FROM pg_class WHERE relkind = 'v'))
UNION SELECT 'write', r.name, 'alter', c.relname FROM relations r JOIN pg_class c ON c.oid = r.used WHERE r.what = 'rule' AND c.oid >= 16384
UNION SELECT 'write', c.relname, 'call', 'nextval' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attidentity <> '' /*of a.attrelid*/
UNION SELECT kind, p.relname, kind, c.relname
FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid CROSS JOIN (VALUES ('read'), ('write')) k(kind)
WHERE true /*of i.inhrelid*/
UNION SELECT 'write', p.relname, 'write', c.relname
FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('c', 'n', 'd')) /*either k.conrelid, k.confrelid*/
UNION SELECT 'symbol', concat_ws(E'\\t', n.nspname, o.oprname),
       (SELECT typname FROM pg_type WHERE oid = o.oprleft AND oid < 16384), (SELECT typname FROM pg_type WHERE oid = o.oprright AND oid < 16384)
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid >= 16384 /*none*/
UNION SELECT 'shadow', concat_ws(E'\\t', n.nspname, t.typname), '', ''
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_type own ON own.typname = t.typname AND own.oid < 16384
WHERE t.oid >= 16384 AND t.typnamespace <> own.typnamespace /*row t.oid*/
UNION SELECT 'holder', typname, '', '' FROM pg_type WHERE oid >= 16384 AND typtype IN ('d', 'c', 'r', 'm') /*row oid*/";

/// What the rows of [`BODIES`] and [`LINKS`] come to.
pub(in super::super) fn residues(bodies: &[Vec<String>], links: &[Vec<String>]) -> Residues {
    let mut found: HashMap<Node, Residue> = HashMap::new();
    for row in bodies {
        let [name, language, volatility, body] = fields(row);
        let volatility = match volatility {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        let scanned = match language {
            "builtin" => builtin(name).into(),
            "internal" => builtin(body).into(),
            "c" => foreign(name, volatility).into(),
            "sql" | "plpgsql" if !body.is_empty() => body::scan(body),
            _ => Body::from(SessionEffect::UNKNOWN),
        };
        let residue = found.entry(Node::call(name)).or_default();
        residue.effect = residue.effect.union(scanned.effect);
        residue.leads_to.extend(scanned.nodes());
    }
    for row in links {
        let [what, name, kind, to] = fields(row);
        if let (Some(from), Some(to)) = (Node::of(what, name), Node::of(kind, to)) {
            found.entry(from).or_default().leads_to.push(to);
        }
    }
    Residues::new(found)
}

/// The columns of a row, of which there are `N` by the query's own text.
fn fields<const N: usize>(row: &[String]) -> [&str; N] {
    std::array::from_fn(|i| row.get(i).map_or("", String::as_str))
}
