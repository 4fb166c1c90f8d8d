//! `FROM`.

use sqlparser::ast;

use super::super::feed::ROWS_FROM;
use super::call::is_plain;
use super::{Convert, Range, Read};
use crate::id::Span;
use crate::sql::lexer::Class;
use crate::sql::statement::{
    Alias, Call, Expr, ExprKind, Join, JoinKind, JoinOn, Name, Relation, Sample, TableRef,
};

impl Convert<'_, '_> {
    pub(super) fn from(&self, items: &[ast::TableWithJoins]) -> Read<Vec<TableRef>> {
        items.iter().map(|item| self.joined(item)).collect()
    }

    fn joined(&self, item: &ast::TableWithJoins) -> Read<TableRef> {
        let ast::TableWithJoins { relation, joins } = item;
        let mut left = self.table(relation)?;
        for join in joins {
            let ast::Join {
                relation,
                global,
                join_operator,
            } = join;
            if *global {
                return Err("this kind of join".into());
            }
            use ast::JoinOperator as J;
            let (kind, constraint) = match join_operator {
                J::Join(on) | J::Inner(on) => (JoinKind::Inner, on),
                J::Left(on) | J::LeftOuter(on) => (JoinKind::Left, on),
                J::Right(on) | J::RightOuter(on) => (JoinKind::Right, on),
                J::FullOuter(on) => (JoinKind::Full, on),
                J::CrossJoin(on) => (JoinKind::Inner, on),
                _ => return Err("this kind of join".into()),
            };
            let cross = matches!(join_operator, J::CrossJoin(_));
            let on = match constraint {
                ast::JoinConstraint::None if cross => JoinOn::Nothing,
                ast::JoinConstraint::None => return Err("a join without a condition".into()),
                _ if cross => return Err("CROSS JOIN with a condition".into()),
                ast::JoinConstraint::On(on) => JoinOn::On(self.expr(on)?),
                ast::JoinConstraint::Using(columns) => JoinOn::Using(
                    columns
                        .iter()
                        .map(|name| self.single(name))
                        .collect::<Read<_>>()?,
                ),
                ast::JoinConstraint::Natural => JoinOn::Natural,
            };
            left = TableRef::Join(Box::new(Join {
                kind,
                left,
                right: self.table(relation)?,
                on,
            }));
        }
        Ok(left)
    }

    fn table(&self, factor: &ast::TableFactor) -> Read<TableRef> {
        use ast::TableFactor as F;
        match factor {
            F::Table { args: None, .. } => Ok(TableRef::Relation(self.relation(factor)?)),
            F::Table {
                name,
                alias,
                args:
                    Some(ast::TableFunctionArgs {
                        args,
                        settings: None,
                    }),
                with_hints,
                version: None,
                with_ordinality: _,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table_function(false, name, args, alias.as_ref())
            }
            F::Function {
                lateral,
                name,
                args,
                with_ordinality: _,
                alias,
            } => self.table_function(*lateral, name, args, alias.as_ref()),
            F::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: _,
            } => {
                let call = plain_call("unnest", self.exprs(array_exprs)?);
                Ok(TableRef::Function {
                    lateral: false,
                    calls: vec![call],
                    alias: self.alias(alias.as_ref())?,
                })
            }
            F::Derived {
                lateral,
                subquery,
                alias,
                sample: None,
            } => Ok(TableRef::Subquery {
                lateral: *lateral,
                query: Box::new(self.query(subquery)?),
                alias: self.alias(alias.as_ref())?,
            }),
            F::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.joined(table_with_joins),
            F::NestedJoin { .. } => Err("an alias of a join".into()),
            _ => Err("this kind of table in FROM".into()),
        }
    }

    fn table_function(
        &self,
        lateral: bool,
        name: &ast::ObjectName,
        args: &[ast::FunctionArg],
        alias: Option<&ast::TableAlias>,
    ) -> Read<TableRef> {
        if let [ast::ObjectNamePart::Identifier(word)] = &name.0[..]
            && word.value == ROWS_FROM
        {
            return Ok(TableRef::Function {
                lateral,
                calls: self.rows_from(args)?,
                alias: self.alias(alias)?,
            });
        }
        let function = ast::Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: ast::FunctionArguments::None,
            args: ast::FunctionArguments::List(ast::FunctionArgumentList {
                duplicate_treatment: None,
                args: args.to_vec(),
                clauses: Vec::new(),
            }),
            within_group: Vec::new(),
            filter: None,
            null_treatment: None,
            over: None,
        };
        Ok(TableRef::Function {
            lateral,
            calls: vec![self.function(&function)?.expr],
            alias: self.alias(alias)?,
        })
    }

    /// The calls of `ROWS FROM (…)`.
    fn rows_from(&self, args: &[ast::FunctionArg]) -> Read<Vec<Expr>> {
        let call = |arg: &ast::FunctionArg| match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(
                call @ ast::Expr::Function(_),
            )) => self.expr(call),
            _ => Err("something else than calls in ROWS FROM".into()),
        };
        args.iter().map(call).collect()
    }

    /// A table by name.
    pub(super) fn relation(&self, factor: &ast::TableFactor) -> Read<Relation> {
        let ast::TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample,
            index_hints,
        } = factor
        else {
            return Err("this kind of table".into());
        };
        if !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
            return Err("this kind of table".into());
        }
        let sample = match sample {
            Some(sample) => Some(self.sample(sample)?),
            None => None,
        };
        let (name, range) = self.name(name)?;
        if let Some((from, _)) = range {
            self.not_of_class(from, Class::Reserved)?;
            self.not_of_class(from, Class::TypeOrFunction)?;
        }
        Ok(Relation {
            name,
            alias: self.alias(alias.as_ref())?,
            only: self.is_only(range),
            sample,
            span: self.span(range)?,
        })
    }

    /// A relation's place, which is what later readers know it by.
    pub(super) fn span(&self, range: Range) -> Read<Span> {
        let (from, to) = range.ok_or("a table whose place is unclear")?;
        Ok(self.tokens.span(from, to))
    }

    /// Whether `ONLY` stands before the name; the feed leaves it out.
    pub(super) fn is_only(&self, range: Range) -> bool {
        let Some(before) = range.and_then(|(from, _)| from.checked_sub(1)) else {
            return false;
        };
        self.tokens.is_word(before, "only")
            || (self.tokens.is_sym(before, "(")
                && before > 0
                && self.tokens.is_word(before - 1, "only"))
    }

    /// What is sampled is not part of the tree: it must not hide anything.
    fn sample(&self, sample: &ast::TableSampleKind) -> Read<Sample> {
        let (ast::TableSampleKind::BeforeTableAlias(sample)
        | ast::TableSampleKind::AfterTableAlias(sample)) = sample;
        let ast::TableSample {
            modifier: _,
            name,
            quantity,
            seed,
            bucket,
            offset,
        } = sample.as_ref();
        if bucket.is_some() || offset.is_some() {
            return Err("this kind of TABLESAMPLE".into());
        }
        if let Some(ast::TableSampleQuantity {
            parenthesized: _,
            value,
            unit: _,
        }) = quantity
            && !is_plain(&self.expr(value)?)
        {
            return Err("TABLESAMPLE of something that is not a constant".into());
        }
        Ok(match (name, seed) {
            (Some(ast::TableSampleMethod::Bernoulli), None) => Sample::EachRow,
            _ => Sample::ByPlace,
        })
    }

    fn alias(&self, alias: Option<&ast::TableAlias>) -> Read<Option<Alias>> {
        let Some(alias) = alias else { return Ok(None) };
        let ast::TableAlias {
            explicit: _,
            name,
            columns,
            at,
        } = alias;
        if at.is_some() {
            return Err("this kind of alias".into());
        }
        self.at(name)?;
        Ok(Some(Alias {
            name: name.value.clone(),
            columns: columns
                .iter()
                .map(|ast::TableAliasColumnDef { name, data_type: _ }| name.value.clone())
                .collect(),
        }))
    }
}

fn plain_call(name: &str, args: Vec<Expr>) -> Expr {
    Expr {
        kind: ExprKind::Call(Box::new(Call {
            name: Name {
                schema: None,
                name: name.to_owned(),
            },
            args,
            star: false,
            distinct: false,
            unusual_args: false,
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        })),
        span: Span::default(),
    }
}
