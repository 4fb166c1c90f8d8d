//! What a statement says, as a tree of our own.
//!
//! The parser crate's tree is turned into this one in `parse`, the only file
//! that knows that crate. The tree is smaller than SQL: a construct it has no
//! node for makes the statement [`Kind::Unread`], and the planner refuses it
//! (sharded) or sends it to the primary (unsharded). So a new construct can be
//! missed, never misread.
//!
//! Names are as PostgreSQL sees them: folded to lower case unless quoted and
//! cut at 63 bytes. Spans are byte offsets into the statement's text; an empty
//! span means that it could not be established, and nothing may be rewritten by it.

use crate::id::Span;

/// An identifier, folded and cut as PostgreSQL does.
pub type Ident = String;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: Kind,
    /// Its text within the query string, without the semicolon and surrounding white space and comments.
    pub span: Span,
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `SELECT`, `VALUES`, `TABLE`, with or without `WITH`; data-changing CTEs are inside `with`.
    Query(Box<Query>),
    /// `INSERT`.
    Insert(Box<Insert>),
    /// `UPDATE`.
    Update(Box<Update>),
    /// `DELETE`.
    Delete(Box<Delete>),
    /// `COPY`.
    Copy(Box<Copy>),
    /// `BEGIN`, `COMMIT`, savepoints, two-phase statements.
    Transaction(Transaction),
    /// `SET`, `RESET`, `SHOW`, `DISCARD`, `PREPARE`, `DECLARE`, `LISTEN` and others that are about the session.
    Session(Session),
    /// `EXPLAIN` of another statement.
    Explain(Box<Explain>),
    /// Everything else, known by its first words: DDL, `VACUUM`, `GRANT`, `DO`, `CALL`.
    Utility(Utility),
    /// No statement: only white space, comments or semicolons.
    Empty,
    /// Not read. The reason names the construct, for the refusal's DETAIL.
    Unread(Unread),
}

/// Why a statement was not read.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    /// The construct, or the parser's complaint, as a phrase: `a construct near "foo"`.
    pub what: String,
    /// Upper-case first keyword, empty when there is none.
    pub first_word: String,
}

/// A possibly schema-qualified name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Schema as written; `None` means that `search_path` decides.
    pub schema: Option<Ident>,
    /// The name itself.
    pub name: Ident,
}

// === Queries ===

/// A query with its `WITH`, `ORDER BY`, `LIMIT` and locking clauses.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Common table expressions, in order.
    pub with: Vec<Cte>,
    /// `WITH RECURSIVE`.
    pub recursive: bool,
    /// The rows.
    pub body: SetExpr,
    /// `ORDER BY` of the whole.
    pub order_by: Vec<OrderItem>,
    /// `LIMIT` or `FETCH FIRST`; `None` also for `LIMIT ALL`.
    pub limit: Option<Expr>,
    /// `FETCH FIRST … WITH TIES`.
    pub with_ties: bool,
    /// `OFFSET`.
    pub offset: Option<Expr>,
    /// `FOR UPDATE` and its kin, each as written (`FOR UPDATE OF t SKIP LOCKED`).
    pub locks: Vec<Lock>,
    /// From `WITH`/`SELECT` to the end.
    pub span: Span,
}

/// One common table expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    /// Its name.
    pub name: Ident,
    /// Column aliases, when given.
    pub columns: Vec<Ident>,
    /// `Some(true)` for `MATERIALIZED`, `Some(false)` for `NOT MATERIALIZED`.
    pub materialized: Option<bool>,
    /// A query, or a data-changing statement.
    pub body: Box<Statement>,
}

/// The rows of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum SetExpr {
    /// A plain `SELECT`.
    Select(Box<Select>),
    /// `VALUES`.
    Values(Values),
    /// `UNION`, `INTERSECT`, `EXCEPT`.
    SetOperation {
        /// Which.
        op: SetOp,
        /// `ALL`.
        all: bool,
        /// Left arm.
        left: Box<SetExpr>,
        /// Right arm.
        right: Box<SetExpr>,
    },
    /// A parenthesised query with clauses of its own.
    Query(Box<Query>),
}

/// Which set operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// `UNION`
    Union,
    /// `INTERSECT`
    Intersect,
    /// `EXCEPT`
    Except,
}

/// The rows of a `VALUES` list.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Each row's expressions; `DEFAULT` is [`ExprKind::Default`].
    pub rows: Vec<Vec<Expr>>,
    /// Each row from `(` to `)`, for splitting; empty when not established.
    pub row_spans: Vec<Span>,
}

/// One query block.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// `DISTINCT`.
    pub distinct: Distinct,
    /// The select list.
    pub items: Vec<SelectItem>,
    /// `SELECT … INTO`.
    pub into: Option<Name>,
    /// `FROM`, comma-separated.
    pub from: Vec<TableRef>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `GROUP BY`.
    pub group_by: Vec<GroupItem>,
    /// `GROUP BY DISTINCT`.
    pub group_distinct: bool,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// `WINDOW` definitions.
    pub windows: Vec<(Ident, WindowSpec)>,
    /// From `SELECT` to the end of the block.
    pub span: Span,
    /// The select list alone, without `SELECT` and `DISTINCT`; empty when not established.
    pub items_span: Span,
}

/// `DISTINCT`.
#[derive(Clone, Debug, PartialEq)]
pub enum Distinct {
    /// All rows.
    No,
    /// `DISTINCT`.
    Yes,
    /// `DISTINCT ON (…)`.
    On(Vec<Expr>),
}

/// One entry of a select list or `RETURNING`.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// An expression, with its alias.
    Expr {
        /// The expression.
        expr: Expr,
        /// `AS alias`.
        alias: Option<Ident>,
    },
    /// `*` or `t.*`.
    Wildcard {
        /// `t` of `t.*`.
        qualifier: Option<Name>,
        /// Where it stands.
        span: Span,
    },
}

/// One entry of `GROUP BY`.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupItem {
    /// A plain expression, alias or ordinal.
    Expr(Expr),
    /// `ROLLUP`, `CUBE`, `GROUPING SETS`, `()`: what is in them, without the sets that it makes up.
    Sets(Vec<Expr>),
}

impl GroupItem {
    /// The expressions in it.
    pub fn exprs(&self) -> &[Expr] {
        match self {
            Self::Expr(e) => std::slice::from_ref(e),
            Self::Sets(list) => list,
        }
    }
}

/// One entry of `ORDER BY`.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderItem {
    /// What is ordered by.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`, resolved: PostgreSQL's default is last for ascending and first for descending.
    pub nulls_first: bool,
}

/// A locking clause.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    /// As written.
    pub text: String,
}

/// Something in `FROM`.
#[derive(Clone, Debug, PartialEq)]
pub enum TableRef {
    /// A table, view, or CTE by name.
    Relation(Relation),
    /// A subquery.
    Subquery {
        /// `LATERAL`.
        lateral: bool,
        /// The query.
        query: Box<Query>,
        /// Its alias.
        alias: Option<Alias>,
    },
    /// A function in `FROM`, `ROWS FROM` or `UNNEST`.
    Function {
        /// `LATERAL` as written (function arguments may refer to the left either way).
        lateral: bool,
        /// The call or calls.
        calls: Vec<Expr>,
        /// Its alias.
        alias: Option<Alias>,
    },
    /// A join.
    Join(Box<Join>),
}

/// A relation named in `FROM` or as a statement's target.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// Its name.
    pub name: Name,
    /// Its alias.
    pub alias: Option<Alias>,
    /// `ONLY`.
    pub only: bool,
    /// `TABLESAMPLE`.
    pub sample: Option<Sample>,
    /// The name, from schema to name.
    pub span: Span,
}

/// How `TABLESAMPLE` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// `BERNOULLI` without `REPEATABLE`: each row by itself, and anew each time.
    EachRow,
    /// By where rows are stored, or always the same ones.
    ByPlace,
}

/// `AS name (columns)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// The name.
    pub name: Ident,
    /// Column names that replace the relation's, from the left.
    pub columns: Vec<Ident>,
}

/// A join of two things in `FROM`.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Which.
    pub kind: JoinKind,
    /// Left side.
    pub left: TableRef,
    /// Right side.
    pub right: TableRef,
    /// How rows are matched.
    pub on: JoinOn,
}

/// Which join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `INNER`, `CROSS`.
    Inner,
    /// `LEFT`.
    Left,
    /// `RIGHT`.
    Right,
    /// `FULL`.
    Full,
}

/// How a join matches rows.
#[derive(Clone, Debug, PartialEq)]
pub enum JoinOn {
    /// `CROSS JOIN`.
    Nothing,
    /// `ON expression`.
    On(Expr),
    /// `USING (columns)`.
    Using(Vec<Ident>),
    /// `NATURAL`.
    Natural,
}

// === Data changes ===

/// `INSERT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// `WITH` in front.
    pub with: Vec<Cte>,
    /// `WITH RECURSIVE`.
    pub recursive: bool,
    /// Where to.
    pub target: Relation,
    /// Column names, empty when not given.
    pub columns: Vec<Ident>,
    /// `OVERRIDING …`, as written.
    pub overriding: Option<String>,
    /// The rows.
    pub source: InsertSource,
    /// `ON CONFLICT`.
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// Where the rows of an `INSERT` come from.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertSource {
    /// `DEFAULT VALUES`.
    DefaultValues,
    /// `VALUES`, without clauses of its own.
    Values(Values),
    /// Any other query.
    Query(Box<Query>),
}

/// `ON CONFLICT`.
#[derive(Clone, Debug, PartialEq)]
pub struct OnConflict {
    /// Columns of the conflict target; empty when none or a constraint's name is given.
    pub columns: Vec<Ident>,
    /// `DO UPDATE SET` assignments; `None` for `DO NOTHING`.
    pub update: Option<Vec<Assignment>>,
    /// `DO UPDATE … WHERE`.
    pub filter: Option<Expr>,
}

/// `column = expression`, or `(columns) = row`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The assigned columns; more than one for a row assignment.
    pub columns: Vec<Ident>,
    /// What is assigned.
    pub value: Expr,
}

/// `UPDATE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// `WITH` in front.
    pub with: Vec<Cte>,
    /// `WITH RECURSIVE`.
    pub recursive: bool,
    /// Which table.
    pub target: Relation,
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `FROM`.
    pub from: Vec<TableRef>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `WHERE CURRENT OF cursor`.
    pub current_of: Option<Ident>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// `DELETE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// `WITH` in front.
    pub with: Vec<Cte>,
    /// `WITH RECURSIVE`.
    pub recursive: bool,
    /// Which table.
    pub target: Relation,
    /// `USING`.
    pub using: Vec<TableRef>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `WHERE CURRENT OF cursor`.
    pub current_of: Option<Ident>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// `COPY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// What is copied.
    pub what: CopyWhat,
    /// `true` for `COPY … FROM`.
    pub from: bool,
    /// Where the bytes come from or go to.
    pub peer: CopyPeer,
    /// Options by lower-case name, values as meant (unquoted); old spellings are turned into the new ones.
    pub options: Vec<(String, CopyOption)>,
    /// `COPY … FROM … WHERE`.
    pub filter: Option<Expr>,
}

/// A value of a `COPY` option.
#[derive(Clone, Debug, PartialEq)]
pub enum CopyOption {
    /// None given (`HEADER`).
    Flag,
    /// A word, number or string.
    Text(String),
    /// A list of columns.
    Columns(Vec<Ident>),
    /// `*`.
    All,
}

/// What is copied.
#[derive(Clone, Debug, PartialEq)]
pub enum CopyWhat {
    /// A table, with columns when given.
    Table {
        /// The table.
        relation: Relation,
        /// Columns, empty for all.
        columns: Vec<Ident>,
    },
    /// `COPY (query) TO`; the statement may change data.
    Query(Box<Statement>),
}

/// The other end of a `COPY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyPeer {
    /// `STDIN` or `STDOUT`: the client.
    Client,
    /// A file on the server.
    File,
    /// A program on the server.
    Program,
}

// === Transactions, session, the rest ===

/// A transaction statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Transaction {
    /// `BEGIN` or `START TRANSACTION`.
    Begin(TransactionModes),
    /// `COMMIT` or `END`.
    Commit {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// `ROLLBACK` or `ABORT`.
    Rollback {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// `SAVEPOINT name`.
    Savepoint(Ident),
    /// `RELEASE [SAVEPOINT] name`.
    Release(Ident),
    /// `ROLLBACK TO [SAVEPOINT] name`.
    RollbackTo(Ident),
    /// `PREPARE TRANSACTION 'gid'`.
    Prepare(String),
    /// `COMMIT PREPARED 'gid'`.
    CommitPrepared(String),
    /// `ROLLBACK PREPARED 'gid'`.
    RollbackPrepared(String),
    /// `SET TRANSACTION …`; `SET TRANSACTION SNAPSHOT` has `snapshot`.
    Set(TransactionModes),
    /// `SET CONSTRAINTS`.
    SetConstraints,
    /// `LOCK TABLE`.
    Lock(Vec<Relation>),
}

/// Characteristics of a transaction, each as far as given.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TransactionModes {
    /// `ISOLATION LEVEL`, in lower case: `serializable`.
    pub isolation: Option<String>,
    /// `READ ONLY` is `Some(true)`.
    pub read_only: Option<bool>,
    /// `DEFERRABLE` is `Some(true)`.
    pub deferrable: Option<bool>,
    /// `SNAPSHOT 'id'`.
    pub snapshot: Option<String>,
}

/// A statement about the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Session {
    /// `SET [LOCAL] name = value`, also `SET TIME ZONE`, `SET NAMES`, `SET SCHEMA`, `SET ROLE`, as the settings they are.
    Set {
        /// `SET LOCAL`.
        local: bool,
        /// Lower-case name of the setting: `search_path`, `timezone`, `client_encoding`, `role`.
        name: String,
        /// Values as meant (unquoted), in order; `None` for `DEFAULT`.
        values: Option<Vec<String>>,
    },
    /// `SET SESSION AUTHORIZATION`; `None` for `DEFAULT`.
    SetAuthorization {
        /// `SET LOCAL`.
        local: bool,
        /// The role.
        role: Option<String>,
    },
    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`.
    SetCharacteristics(TransactionModes),
    /// `RESET name`; `RESET ALL` has the name `all`.
    Reset(String),
    /// `SHOW name`; `SHOW ALL` has the name `all`.
    Show(String),
    /// `DISCARD ALL | PLANS | SEQUENCES | TEMP`, the word in lower case.
    Discard(String),
    /// `PREPARE name [(types)] AS statement`.
    Prepare {
        /// The name.
        name: Ident,
        /// What is prepared.
        statement: Box<Statement>,
    },
    /// `EXECUTE name [(arguments)]`.
    Execute {
        /// The name.
        name: Ident,
    },
    /// `DEALLOCATE name`; `None` for `ALL`.
    Deallocate(Option<Ident>),
    /// `DECLARE … CURSOR`.
    Declare {
        /// The cursor's name.
        name: Ident,
        /// `WITH HOLD`.
        hold: bool,
        /// Its query.
        query: Box<Statement>,
    },
    /// `FETCH` or `MOVE` from a cursor.
    Fetch {
        /// The cursor's name.
        name: Ident,
    },
    /// `CLOSE name`; `None` for `ALL`.
    Close(Option<Ident>),
    /// `LISTEN channel`.
    Listen(Ident),
    /// `UNLISTEN channel`; `None` for `*`.
    Unlisten(Option<Ident>),
    /// `NOTIFY channel [, payload]`.
    Notify(Ident),
    /// `LOAD 'library'`.
    Load,
}

/// `EXPLAIN`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// `ANALYZE`: the statement runs.
    pub analyze: bool,
    /// `EXPLAIN (SHUNT)`: ours to answer.
    pub shunt: bool,
    /// The statement.
    pub statement: Statement,
}

/// A statement known by its first words only.
#[derive(Clone, Debug, PartialEq)]
pub struct Utility {
    /// Upper-case words that name the command: `CREATE TABLE`, `VACUUM`, `DO`, `ALTER INDEX`.
    pub command: String,
    /// Relations it names as objects, as far as the first words tell.
    pub relations: Vec<Relation>,
    /// `TEMP`/`TEMPORARY`.
    pub temporary: bool,
    /// It may run functions that are not known to change nothing: those of a query whose rows it stores, or of a default.
    pub runs_functions: bool,
    /// `CONCURRENTLY`.
    pub concurrently: bool,
    /// Whether it creates, changes or drops schema objects, so that catalog snapshots are stale afterwards.
    pub schema: bool,
}

// === Expressions ===

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its text, with its own parentheses when it has them; empty when not established.
    pub span: Span,
}

/// What an expression is. Constructs without a node of their own make the statement unread.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `a`, `t.a`, `s.t.a`: qualifier parts, then the column.
    Column {
        /// Qualifier as written, from the left: empty, `[t]` or `[s, t]`.
        qualifier: Vec<Ident>,
        /// The column.
        name: Ident,
    },
    /// A constant as written. Its text is at `span`.
    Literal(LiteralKind),
    /// `$n`, from 1.
    Param(u16),
    /// `DEFAULT` in `VALUES` or `SET`.
    Default,
    /// `a AND b AND …`, flattened.
    And(Vec<Expr>),
    /// `a OR b OR …`, flattened.
    Or(Vec<Expr>),
    /// `NOT a`.
    Not(Box<Expr>),
    /// An operator between two operands, by its PostgreSQL name: `=`, `<>` (also for `!=`), `+`, `||`, `~~` for `LIKE`, `!~~*` for `NOT ILIKE`.
    /// `OPERATOR(schema.op)` other than `pg_catalog` is not read.
    Binary {
        /// The operator.
        op: String,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// A prefix operator: `-`, `+`, `~`, `@`.
    Unary {
        /// The operator.
        op: String,
        /// Operand.
        expr: Box<Expr>,
    },
    /// `CAST(a AS type)`, `a::type`, `type 'literal'`.
    Cast {
        /// What is cast.
        expr: Box<Expr>,
        /// The type's name in lower case, canonical where PostgreSQL has several (`bigint` for `int8`, `text`, `uuid`,
        /// `character varying`), without modifiers.
        to: String,
        /// Whether the type has modifiers (`varchar(3)`, `numeric(5,2)`).
        modifiers: bool,
    },
    /// `IS [NOT] NULL`, also `ISNULL` and `NOTNULL`.
    IsNull {
        /// Operand.
        expr: Box<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `IS [NOT] TRUE | FALSE | UNKNOWN`, as one word in lower case: `is true`, `is not unknown`.
    IsTruth {
        /// Operand.
        expr: Box<Expr>,
        /// The test.
        test: String,
    },
    /// `IS [NOT] DISTINCT FROM`.
    IsDistinct {
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `a [NOT] IN (list)`.
    InList {
        /// Left.
        expr: Box<Expr>,
        /// The list.
        list: Vec<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `a [NOT] IN (query)`.
    InQuery {
        /// Left.
        expr: Box<Expr>,
        /// The query.
        query: Box<Query>,
        /// `NOT`.
        negated: bool,
    },
    /// `a op ANY | ALL (array or query)`.
    Quantified {
        /// Left.
        left: Box<Expr>,
        /// The operator.
        op: String,
        /// `ALL`, else `ANY`/`SOME`.
        all: bool,
        /// Right.
        right: QuantifiedSide,
    },
    /// `a [NOT] BETWEEN [SYMMETRIC] b AND c`.
    Between {
        /// Operand.
        expr: Box<Expr>,
        /// Lower bound.
        low: Box<Expr>,
        /// Upper bound.
        high: Box<Expr>,
        /// `NOT`.
        negated: bool,
        /// `SYMMETRIC`.
        symmetric: bool,
    },
    /// `(a, b)` or `ROW(a, b)`.
    Row(Vec<Expr>),
    /// `ARRAY[…]`.
    Array(Vec<Expr>),
    /// A function call, also of SQL's special spellings (`EXTRACT`, `SUBSTRING … FROM`, `COALESCE`, `CURRENT_DATE`).
    Call(Box<Call>),
    /// `CASE`.
    Case {
        /// `CASE operand`.
        operand: Option<Box<Expr>>,
        /// `WHEN … THEN …`.
        arms: Vec<(Expr, Expr)>,
        /// `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// `[NOT] EXISTS (query)`; `NOT` is a node of its own.
    Exists(Box<Query>),
    /// `(query)` as a value.
    Scalar(Box<Query>),
    /// `ARRAY(query)`.
    ArrayQuery(Box<Query>),
    /// `a COLLATE c`.
    Collate {
        /// Operand.
        expr: Box<Expr>,
        /// The collation.
        collation: Name,
    },
    /// `a[1]`, `a[1:2]`: the operand and every subscript.
    Subscript {
        /// Operand.
        expr: Box<Expr>,
        /// Subscripts and slice bounds.
        indexes: Vec<Expr>,
    },
    /// `(a).f`.
    Field {
        /// Operand.
        expr: Box<Expr>,
        /// The field; `*` is not read.
        name: Ident,
    },
}

/// The right side of `op ANY (…)`.
#[derive(Clone, Debug, PartialEq)]
pub enum QuantifiedSide {
    /// An array expression.
    Array(Box<Expr>),
    /// A query.
    Query(Box<Query>),
}

/// The lexical class of a constant, as PostgreSQL's scanner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LiteralKind {
    /// `NULL`.
    Null,
    /// `TRUE`.
    True,
    /// `FALSE`.
    False,
    /// Digits: `int4`, `int8` or `numeric` by size.
    Integer,
    /// With a point or exponent: `numeric`.
    Numeric,
    /// Any string spelling (`'…'`, `E'…'`, `U&'…'`, `$$…$$`): type unknown.
    String,
    /// `B'…'` or `X'…'`.
    Bits,
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function, by its PostgreSQL name where SQL has a special spelling (`extract`, `btrim`, `coalesce`, `current_date`).
    pub name: Name,
    /// Positional and named arguments.
    pub args: Vec<Expr>,
    /// `f(*)`.
    pub star: bool,
    /// `f(DISTINCT …)`.
    pub distinct: bool,
    /// `f(VARIADIC …)` or named arguments are present.
    pub unusual_args: bool,
    /// `f(… ORDER BY …)`.
    pub order_by: Vec<OrderItem>,
    /// `WITHIN GROUP (ORDER BY …)`.
    pub within_group: Vec<OrderItem>,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Expr>,
    /// `OVER`.
    pub over: Option<Over>,
}

/// `OVER …`.
#[derive(Clone, Debug, PartialEq)]
pub enum Over {
    /// `OVER name`.
    Named(Ident),
    /// `OVER (…)`.
    Spec(WindowSpec),
}

/// A window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSpec {
    /// A window it extends.
    pub base: Option<Ident>,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderItem>,
    /// Whether a frame clause is given.
    pub frame: bool,
}
