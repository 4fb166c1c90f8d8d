//! How a catalog is read: some queries for a server, and what becomes of their rows.
//!
//! The queries are sent as simple queries, after [`SEARCH_PATH`], and read PostgreSQL 15 and newer. Whoever
//! drives a connection hands in the rows as texts, NULL as the empty text. The schema is the same on every
//! shard, so one server is asked.
//!
//! PostgreSQL's own schemas are left out of relations: the planner knows them
//! by name. Their functions are in, since versions differ there. So are the temporary
//! tables of the connection itself, under the name that they can be asked for by.
//!
//! Comments in the queries are for `narrow`: where a condition goes that has them tell of some relations only.

use std::collections::{HashMap, HashSet};

use super::{
    Beside, Cascade, Catalog, Collation, Column, ColumnDefault, Function, FunctionKind, Language,
    Reach, Relation, RelationKind, Residues, Uses, Volatility,
};
use crate::topology::TableName;
use crate::topology::predicate::{block, identifier, string};

pub use super::mark::MARK;
pub use super::narrow::{NARROWED, array, numbers, prepare_touch, touch};
pub use super::residue::read::{BODIES, LINKS};

/// A user's own operators must not get between: every name in the queries means `pg_catalog`'s. And they are queries over
/// few rows that PostgreSQL takes for many: compiling one takes ten times as long as running it.
pub const SEARCH_PATH: &str = "SET search_path = pg_catalog; SET jit = off";

/// Nothing is asked for that somebody's lock on a table stands in the way of (the module `held`); but he may take it just then. Views
/// and bodies of functions are written out under a lock on each table that they name, so a reading that waits for one such table
/// holds others, and whoever has locked the one and wants another (`TRUNCATE` of several tables, a migration) would be in a
/// deadlock with it, and might be the one that fails. The reading gives way first: it waits for less than `deadlock_timeout`,
/// which is a second, and begins again when the answer is [`LOCKED`]. For a connection of the reading's own.
pub const LOCK_TIMEOUT: &str = "SET lock_timeout = '100ms'";

/// `lock_not_available`: the query has let go of its locks, and is to be asked again.
pub const LOCKED: &str = "55P03";

/// `internal_error`: PostgreSQL's word for what a query has in its snapshot, and is not there any more when a function writes it out
/// (`could not open relation with OID …`). A connection that has met it before is more likely to look for it still.
pub const VANISHED: &str = "XX000";

/// Waits as long as somebody has a table locked without which something of this relation cannot be written out
/// ([`Relation::withheld`]). Behind it, and in the same transaction, that can be read. It gives no rows.
pub fn waiting(name: &TableName) -> String {
    let name = string(&format!(
        "{}.{}",
        identifier(&name.schema),
        identifier(&name.name)
    ));
    block(&format!(
        "PERFORM pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass({name}) AND c.relkind = 'v'; \
         PERFORM pg_catalog.pg_get_expr(d.adbin, 0) FROM pg_catalog.pg_attrdef d \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
         WHERE d.adrelid = pg_catalog.to_regclass({name}) AND a.attgenerated = ''; "
    ))
}

/// [`SEARCH_PATH`] until the transaction, or its subtransaction, is rolled back.
pub const LOCAL_SEARCH_PATH: &str = "SET LOCAL search_path = pg_catalog; SET LOCAL jit = off";

/// Schema, name, kind, and what happens beside a change of its rows: triggers, rules, row security, foreign keys that refer to it;
/// a view's query, whose names are qualified since the search path has no schema of users; schema and name of the table that
/// it is a partition of; whether it has triggers of whole statements; the
/// functions of its row triggers before `INSERT` and `UPDATE`; columns that actions of its foreign keys assign; its rows when
/// they were last counted; the row of its query in `pg_rewrite`, which is another one once a view has been replaced; whether that
/// query was left out. Triggers' types are in `catalog/pg_trigger.h`: of a row 1, before 2, on insert 4, on update 16.
///
/// `relhasrules` stays true behind `DROP RULE` until somebody vacuums.
pub const RELATIONS: &str = concat!(
    held!(),
    "
SELECT CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, c.relname, c.relkind,
       EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'),
       c.relkind IN ('r', 'p', 'v') AND c.relhasrules
       AND EXISTS (SELECT 1 FROM pg_rewrite o WHERE o.ev_class = c.oid AND o.rulename <> '_RETURN'),
       c.relrowsecurity,
       EXISTS (SELECT 1 FROM pg_constraint f WHERE f.confrelid = c.oid AND f.contype = 'f'),
       CASE WHEN c.relkind = 'v' AND h.oid IS NULL THEN pg_get_viewdef(c.oid) END,
       CASE WHEN an.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE an.nspname END, a.relname,
       EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 1 = 0),
       (SELECT string_agg(DISTINCT p.proname, E'\\n') FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0),
       (SELECT string_agg(concat_ws(E'\\t', rn.nspname, r.relname, ra.attname, ca.attname,
                                    f.confupdtype IN ('c', 'n', 'd'), f.confdeltype IN ('n', 'd')), E'\\n')
        FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
        CROSS JOIN unnest(f.conkey, f.confkey) AS k (own, referred)
        JOIN pg_attribute ca ON ca.attrelid = f.conrelid AND ca.attnum = k.own
        JOIN pg_attribute ra ON ra.attrelid = f.confrelid AND ra.attnum = k.referred
        WHERE f.conrelid = c.oid AND f.contype = 'f' AND (f.confupdtype IN ('c', 'n', 'd') OR f.confdeltype IN ('n', 'd'))),
       CASE WHEN c.relkind IN ('r', 'p', 'm') AND c.reltuples >= 0 THEN c.reltuples::bigint END,
       CASE WHEN c.relkind = 'v' THEN concat(w.oid, '.', w.xmin) END,
       c.relkind = 'v' AND h.oid IS NOT NULL
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_rewrite w ON w.ev_class = c.oid AND w.rulename = '_RETURN'
LEFT JOIN held h ON h.class = 'pg_rewrite'::regclass AND h.oid = w.oid
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhseqno = 1
LEFT JOIN pg_class a ON a.oid = i.inhparent
LEFT JOIN pg_namespace an ON an.oid = a.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND (n.nspname !~ '^pg_(toast|temp)' OR n.oid = pg_my_temp_schema()) /*of c.oid*/"
);

/// Where a row of [`RELATIONS`] says how many rows there are.
const ROWS: usize = 13;

/// Where a row of [`COLUMNS`] says that its expression was left out.
const COLUMN_WITHHELD: usize = 16;

/// Schema, table, column, type, modifier, collation, NOT NULL, identity, generated, default, type as written, whether its
/// binary form is the same everywhere, whether it is of the primary key, the default's expression, the type that a domain is
/// over and that one's modifier, whether that expression was left out; in order of the columns.
///
/// Types below 16384 are those that `initdb` makes (`FirstNormalObjectId`), of the same OID on every server. Of those
/// composites and the `reg…` types hold OIDs all the same. A primary key that is deferrable does not count for `GROUP BY`.
///
/// A column without a default of its own has that of its domain. No default names columns, so it is written out without its table,
/// whose lock it would wait for; and a sequence that it names is a constant. What is left out depends on a locked table's type of rows.
///
/// Where the database's encoding is another than UTF8 its servers hash other bytes than the router knows, and order by them.
/// A collation orders by bytes when its locale is C, POSIX or C.UTF-8 (glibc 2.35 and
/// newer, PostgreSQL's own since 17); `default` means the database's.
pub const COLUMNS: &str = concat!(
    held!(),
    ", left_out(oid) AS (
    SELECT DISTINCT d.objid FROM held h JOIN pg_depend d ON d.refclassid = h.class AND d.refobjid = h.oid
    WHERE d.classid = 'pg_attrdef'::regclass AND h.class <> 'pg_class'::regclass
)
SELECT CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, c.relname, a.attname, a.atttypid, a.atttypmod,
       CASE WHEN a.attcollation = 0 THEN 'none'
            WHEN NOT co.collisdeterministic THEN 'nondeterministic'
            WHEN pg_encoding_to_char(d.encoding) NOT IN ('UTF8', 'SQL_ASCII') THEN 'encoded'
            WHEN CASE WHEN co.collprovider = 'd' THEN d.datlocprovider <> 'i' AND lower(d.datcollate) IN ('c', 'posix', 'c.utf-8', 'c.utf8')
                      ELSE co.collprovider <> 'i' AND lower(co.collcollate) IN ('c', 'posix', 'c.utf-8', 'c.utf8') END
            THEN 'bytes'
            ELSE 'deterministic' END,
       a.attnotnull, a.attidentity, a.attgenerated, a.atthasdef OR t.typdefault IS NOT NULL,
       format_type(a.atttypid, a.atttypmod)
         || CASE WHEN a.attcollation IN (0, t.typcollation) THEN ''
                 ELSE ' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype < 16384
            WHEN t.oid < 16384 THEN t.typtype <> 'c' AND t.typname !~ '^_?reg'
            WHEN t.typtype = 'e' THEN true
            ELSE t.typtype = 'b' AND t.typelem = 0 AND t.typreceive <> 0 END,
       EXISTS (SELECT FROM pg_constraint k
               WHERE k.conrelid = c.oid AND k.contype = 'p' AND NOT k.condeferrable AND a.attnum = ANY (k.conkey)),
       CASE WHEN a.attidentity <> '' THEN format('nextval(%L::regclass)', pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname))
            WHEN a.attgenerated = '' AND l.oid IS NULL AND ht.oid IS NULL THEN coalesce(pg_get_expr(ad.adbin, 0), pg_get_expr(t.typdefaultbin, 0)) END,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype END, t.typtypmod,
       a.attgenerated = '' AND (l.oid IS NOT NULL OR ht.oid IS NOT NULL AND t.typdefaultbin IS NOT NULL)
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_database d ON d.datname = current_database()
LEFT JOIN pg_collation co ON co.oid = a.attcollation
LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
LEFT JOIN pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
LEFT JOIN left_out l ON l.oid = ad.oid
LEFT JOIN held ht ON ht.class = 'pg_type'::regclass AND ht.oid = t.oid AND ad.oid IS NULL
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND (n.nspname !~ '^pg_(toast|temp)' OR n.oid = pg_my_temp_schema()) /*of a.attrelid*/
ORDER BY a.attrelid, a.attnum"
);

/// View's schema and name, `relation` or `function`, schema and name of what it uses, through other views too.
///
/// pg_depend leaves out what `initdb` made, `random()` and `nextval()` among
/// it, so functions are read from the stored rule instead, by the names of the
/// node fields that hold a function's OID (`nodes/primnodes.h`).
///
/// A table uses the tables that it inherits from or is a partition of, and
/// those that inherit from it: reading one may read the others' rows.
pub const USES: &str = "\
WITH RECURSIVE rules AS (
    SELECT r.oid, r.ev_class, r.ev_action::text AS action FROM pg_rewrite r
    JOIN pg_class c ON c.oid = r.ev_class
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') /*of c.oid*/
), direct AS (
    SELECT ev_class AS view, m[1]::oid AS used
    FROM rules, regexp_matches(action, ':relid (\\d+)', 'g') m
    WHERE m[1]::oid <> ev_class AND m[1] <> '0'
    UNION SELECT inhrelid, inhparent FROM pg_inherits WHERE true /*of inhrelid*/
    UNION SELECT inhparent, inhrelid FROM pg_inherits WHERE true /*of inhparent*/
    UNION SELECT indexrelid, indrelid FROM pg_index WHERE true /*of indexrelid*/
    UNION SELECT objid, refobjid FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
      AND objid IN (SELECT seqrelid FROM pg_sequence) /*of objid*/
), uses(view, used) AS (
    SELECT view, used FROM direct
    UNION
    SELECT u.view, d.used FROM uses u JOIN direct d ON d.view = u.used
), calls AS (
    SELECT ev_class AS view, m[1]::oid AS called
    FROM rules, regexp_matches(action, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\\d+)', 'g') m
)
SELECT CASE WHEN vn.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE vn.nspname END, v.relname, 'relation', CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, c.relname
FROM uses u
JOIN pg_class v ON v.oid = u.view JOIN pg_namespace vn ON vn.oid = v.relnamespace
JOIN pg_class c ON c.oid = u.used JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE u.view <> u.used
UNION
SELECT CASE WHEN vn.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE vn.nspname END, v.relname, 'function', n.nspname, p.proname
FROM (SELECT view, called FROM calls
      UNION SELECT u.view, k.called FROM uses u JOIN calls k ON k.view = u.used) k
JOIN pg_class v ON v.oid = k.view JOIN pg_namespace vn ON vn.oid = v.relnamespace
JOIN pg_proc p ON p.oid = k.called JOIN pg_namespace n ON n.oid = p.pronamespace";

/// Number, schema, name and kind, `type` or `relation`, of what somebody made.
pub const NAMED: &str = "\
SELECT t.oid, n.nspname, t.typname, 'type'
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid >= 16384 AND n.nspname !~ '^pg_(temp|toast)'
UNION ALL
SELECT c.oid, n.nspname, c.relname, 'relation'
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_(temp|toast)'
ORDER BY 1";

/// Schema, name, worst volatility (`i` < `s` < `v`), kind, language and whether a set is returned; one row per name.
pub const FUNCTIONS: &str = "\
SELECT n.nspname, p.proname, max(p.provolatile::text),
       CASE WHEN min(p.prokind::text) = max(p.prokind::text) THEN min(p.prokind::text) ELSE 'mixed' END,
       CASE WHEN min(l.lanname) = max(l.lanname) THEN min(l.lanname) ELSE 'mixed' END,
       bool_or(p.proretset)
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
GROUP BY n.nspname, p.proname";

/// The rows of each query, in any order but that of [`COLUMNS`].
#[derive(Debug, Default)]
pub struct Answers {
    /// Of [`RELATIONS`].
    pub relations: Vec<Vec<String>>,
    /// Of [`COLUMNS`].
    pub columns: Vec<Vec<String>>,
    /// Of [`USES`].
    pub uses: Vec<Vec<String>>,
    /// Of [`FUNCTIONS`].
    pub functions: Vec<Vec<String>>,
}

/// What statements leave in sessions, by the rows of [`BODIES`] and [`LINKS`].
pub fn residues(bodies: &[Vec<String>], links: &[Vec<String>]) -> Residues {
    super::residue::read::residues(bodies, links)
}

/// What lies behind the tables of a catalog, by the same rows.
pub fn reach(catalog: &Catalog, bodies: &[Vec<String>], links: &[Vec<String>]) -> Reach {
    let (names, schemas): (HashSet<&str>, HashSet<&str>) = catalog
        .relations()
        .map(|(name, _)| (name.name.as_str(), name.schema.as_str()))
        .unzip();
    Reach::new(bodies, links, &|name| names.contains(name), &|name| {
        schemas.contains(name)
    })
}

impl Answers {
    /// The snapshot. Rows that no query gives are passed over.
    pub fn catalog(&self) -> Catalog {
        let functions = self.functions.iter().map(|row| function(row));
        Catalog::new(self.described(), functions).with_rows(self.counted())
    }

    /// What relations are, by their names.
    pub(super) fn described(&self) -> HashMap<TableName, Relation> {
        let mut relations: HashMap<TableName, Relation> = self
            .relations
            .iter()
            .filter_map(|row| relation(row))
            .collect();
        for row in &self.columns {
            if let Some((table, column)) = column(row)
                && let Some(relation) = relations.get_mut(&table)
            {
                relation.columns.push(column);
                relation.withheld |= row
                    .get(COLUMN_WITHHELD)
                    .is_some_and(|withheld| withheld == "t");
            }
        }
        for row in &self.uses {
            let [schema, name, kind, used_schema, used] = fields(row);
            let used = TableName::new(used_schema, used);
            if let Some(relation) = relations.get_mut(&TableName::new(schema, name)) {
                match kind {
                    "function" => relation.uses.functions.push(used),
                    _ => relation.uses.relations.push(used),
                }
            }
        }
        relations
            .values_mut()
            .for_each(|relation| relation.uses.sort());
        relations
    }

    /// How many rows tables had when they were last counted.
    pub(super) fn counted(&self) -> impl Iterator<Item = (TableName, u64)> {
        self.relations.iter().filter_map(|row| {
            let count = row.get(ROWS)?.parse().ok()?;
            Some((TableName::new(&row[0], &row[1]), count))
        })
    }
}

/// The columns of a row, of which there are `N` by the query's own text.
pub(super) fn fields<const N: usize>(row: &[String]) -> [&str; N] {
    std::array::from_fn(|i| row.get(i).map_or("", String::as_str))
}

fn relation(row: &[String]) -> Option<(TableName, Relation)> {
    let [
        schema,
        name,
        kind,
        triggers,
        rules,
        row_security,
        referenced,
        definition,
        above_schema,
        above,
        statement_triggers,
        row_triggers,
        cascades,
        _,
        version,
        withheld,
    ] = fields(row);
    let kind = match kind {
        "r" => RelationKind::Table,
        "p" => RelationKind::Partitioned,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::Foreign,
        "S" => RelationKind::Sequence,
        "i" | "I" => RelationKind::Index,
        _ => return None,
    };
    Some((
        TableName::new(schema, name),
        Relation {
            kind,
            columns: Vec::new(),
            uses: Uses::default(),
            beside: Beside {
                triggers: triggers == "t",
                statement_triggers: statement_triggers == "t",
                rules: rules == "t",
                row_security: row_security == "t",
                referenced: referenced == "t",
            },
            row_triggers: row_triggers.lines().map(str::to_owned).collect(),
            cascades: cascades.lines().filter_map(cascade).collect(),
            definition: definition.to_owned(),
            version: version.to_owned(),
            withheld: withheld == "t",
            below: (!above.is_empty()).then(|| TableName::new(above_schema, above)),
        },
    ))
}

fn cascade(line: &str) -> Option<Cascade> {
    let mut parts = line.split('\t');
    let mut next = || parts.next();
    Some(Cascade {
        from: TableName::new(next()?, next()?),
        referred: next()?.to_owned(),
        column: next()?.to_owned(),
        on_update: next()? == "t",
        on_delete: next()? == "t",
    })
}

fn column(row: &[String]) -> Option<(TableName, Column)> {
    let [
        schema,
        table,
        name,
        type_oid,
        modifier,
        collation,
        not_null,
        identity,
        generated,
        default,
        declared,
        portable,
        primary,
        expression,
        base,
        base_modifier,
    ] = fields(row);
    let column = Column {
        name: name.to_owned(),
        type_oid: type_oid.parse().ok()?,
        type_modifier: modifier.parse().ok()?,
        base: base.parse().ok().zip(base_modifier.parse().ok()),
        collation: match collation {
            "none" => Collation::None,
            "bytes" => Collation::Bytes,
            "deterministic" => Collation::Deterministic,
            "encoded" => Collation::Encoded,
            _ => Collation::Nondeterministic,
        },
        not_null: not_null == "t",
        default: match (generated, identity, default) {
            ("s", ..) => ColumnDefault::Generated,
            (_, "a", _) => ColumnDefault::IdentityAlways,
            (_, "d", _) => ColumnDefault::IdentityByDefault,
            (.., "t") => ColumnDefault::Expression,
            _ => ColumnDefault::Null,
        },
        declared: declared.to_owned(),
        portable: portable == "t",
        primary: primary == "t",
        expression: (!expression.is_empty()).then(|| expression.to_owned()),
    };
    Some((TableName::new(schema, table), column))
}

fn function(row: &[String]) -> (TableName, Function) {
    let [schema, name, volatility, kind, language, returns_set] = fields(row);
    let function = Function {
        volatility: match volatility {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        kind: match kind {
            "f" => FunctionKind::Function,
            "a" => FunctionKind::Aggregate,
            "w" => FunctionKind::Window,
            "p" => FunctionKind::Procedure,
            _ => FunctionKind::Mixed,
        },
        language: match language {
            "internal" => Language::Internal,
            "c" => Language::C,
            "sql" => Language::Sql,
            "plpgsql" => Language::PlPgSql,
            _ => Language::Other,
        },
        returns_set: returns_set == "t",
    };
    (TableName::new(schema, name), function)
}
