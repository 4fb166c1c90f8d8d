//! A generated statement in parts: its text, its parameters, and smaller ones that may fail in the same way.

use crate::differential::corpus::Case;

/// A generated query, in parts.
#[derive(Clone, Debug, Default)]
pub struct Generated {
    pub(super) with: Vec<String>,
    pub(super) recursive: bool,
    pub(super) distinct: bool,
    pub(super) distinct_on: Vec<String>,
    /// In the place of everything before ORDER BY.
    pub(super) whole: Option<String>,
    pub(super) items: Vec<String>,
    pub(super) from: String,
    pub(super) joins: Vec<String>,
    pub(super) filters: Vec<String>,
    pub(super) group: Vec<String>,
    pub(super) having: Option<String>,
    pub(super) set: Option<(String, Box<Generated>)>,
    pub(super) order: Vec<String>,
    pub(super) limit: Option<String>,
    pub(super) offset: Option<String>,
    /// `FETCH FIRST … WITH TIES`; the order is not total then.
    pub(super) ties: Option<String>,
    /// Its whole numbers are parameters.
    pub(super) parameters: bool,
    /// What is written as a whole has an order of its own.
    pub(super) sorted: bool,
}

impl Generated {
    /// The statement.
    pub fn sql(&self) -> String {
        let mut sql = self.block();
        if !self.order.is_empty() {
            sql.push_str(&format!(" ORDER BY {}", self.order.join(", ")));
        }
        if let Some(limit) = &self.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        if let Some(offset) = &self.offset {
            sql.push_str(&format!(" OFFSET {offset}"));
        }
        if let Some(ties) = &self.ties {
            sql.push_str(&format!(" FETCH FIRST {ties} ROWS WITH TIES"));
        }
        sql
    }

    fn block(&self) -> String {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        let mut sql = String::new();
        if !self.with.is_empty() {
            let recursive = if self.recursive { "RECURSIVE " } else { "" };
            sql.push_str(&format!("WITH {recursive}{} ", self.with.join(", ")));
        }
        sql.push_str("SELECT ");
        if self.distinct {
            sql.push_str("DISTINCT ");
        }
        if !self.distinct_on.is_empty() {
            sql.push_str(&format!("DISTINCT ON ({}) ", self.distinct_on.join(", ")));
        }
        sql.push_str(&self.items.join(", "));
        if !self.from.is_empty() {
            sql.push_str(&format!(" FROM {}", self.from));
        }
        for join in &self.joins {
            sql.push_str(&format!(" {join}"));
        }
        if !self.filters.is_empty() {
            sql.push_str(&format!(" WHERE {}", self.filters.join(" AND ")));
        }
        if !self.group.is_empty() {
            sql.push_str(&format!(" GROUP BY {}", self.group.join(", ")));
        }
        if let Some(having) = &self.having {
            sql.push_str(&format!(" HAVING {having}"));
        }
        if let Some((op, other)) = &self.set {
            sql.push_str(&format!(" {op} {}", other.sql()));
        }
        sql
    }

    /// The statement with its whole numbers as parameters where an operator or clause tells their types; only of those
    /// that are compared: a number in an expression of a group has to stand there twice.
    fn with_parameters(&self) -> (String, Vec<Option<String>>) {
        const BEFORE: &[&str] = &[
            "=", "<", ">", "<=", ">=", "<>", "LIMIT", "OFFSET", "BETWEEN",
        ];
        let mut values = Vec::new();
        let mut before = "";
        let sql = self.sql();
        let words = sql.split(' ').map(|word| {
            let digits = word.trim_end_matches([')', ',']);
            let fits = BEFORE.contains(&before) && digits.parse::<i64>().is_ok();
            before = word;
            if !fits {
                return word.to_owned();
            }
            values.push(Some(digits.to_owned()));
            format!("${}{}", values.len(), &word[digits.len()..])
        });
        (words.collect::<Vec<_>>().join(" "), values)
    }

    /// As a case of the bench.
    pub fn case(&self, place: String) -> Case {
        let (sql, parameters) = match self.parameters {
            true => self.with_parameters(),
            false => (self.sql(), Vec::new()),
        };
        Case {
            place,
            sql,
            parameters: (!parameters.is_empty()).then_some(parameters),
            ordered: self.ordered(),
            writes: false,
        }
    }

    /// Whether it can only be sent with parameters.
    pub fn has_parameters(&self) -> bool {
        self.parameters
    }

    fn ordered(&self) -> bool {
        (self.sorted || !self.order.is_empty()) && self.ties.is_none()
    }

    /// The same statement with one part left out, in every way. A total order
    /// stays whole: half of it would be no order to compare.
    pub fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut push = |change: &dyn Fn(&mut Self)| {
            let mut copy = self.clone();
            change(&mut copy);
            all.push(copy);
        };
        if self.set.is_some() {
            push(&|g| g.set = None);
        }
        for i in 0..self.with.len() {
            push(&|g| drop(g.with.remove(i)));
        }
        for i in 0..self.joins.len() {
            push(&|g| drop(g.joins.remove(i)));
        }
        for i in 0..self.filters.len() {
            push(&|g| drop(g.filters.remove(i)));
        }
        if self.having.is_some() {
            push(&|g| g.having = None);
        }
        if self.limit.is_some() {
            push(&|g| g.limit = None);
        }
        if self.offset.is_some() {
            push(&|g| g.offset = None);
        }
        if self.parameters {
            push(&|g| g.parameters = false);
        }
        let cut = self.limit.is_some() || self.offset.is_some() || self.ties.is_some();
        if self.ordered() && !cut && self.distinct_on.is_empty() {
            push(&|g| g.order.clear());
        }
        if self.distinct {
            push(&|g| g.distinct = false);
        }
        // Numbers in ORDER BY and GROUP BY mean items by their place.
        if self.set.is_none() && self.ties.is_none() {
            for i in 0..self.items.len() {
                if self.items.len() > 1 {
                    push(&|g| drop(g.items.remove(i)));
                }
            }
        }
        all
    }
}
