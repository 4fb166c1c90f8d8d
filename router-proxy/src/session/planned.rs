//! Prepared statements are planned: when they are prepared, and again when what they were planned by has changed.

use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::{Analysis, Route, parameters_allowed};

use super::Session;
use super::number;
use super::outer::{Held, may_be_wrong};
use super::own_answers::{not_utf8, other_encoding};
use super::statement::ClientStatement;
use crate::exec::describe::Description;
use crate::server::prepared::Prepared;
use crate::wire::encode::Report;

impl Session {
    /// Other settings are in force: what was planned by the old ones is planned anew.
    pub(super) fn plan_again(&mut self) {
        self.unnamed = None;
        let known: Vec<_> = self.statements.iter().map(Rc::clone).collect();
        for statement in known {
            // A statement that cannot be planned any more is gone, and its use says so.
            let planned = self.plan_anew(&statement.name, &statement);
            // Its next use plans it once more, and says why if that cannot be: the new catalog need not be read yet.
            let planned = planned.unwrap_or_else(|_| Rc::new(self.unplanned(&statement)));
            self.statements.replace(&statement.name, &planned);
        }
    }

    /// A statement whose plan holds no more.
    fn unplanned(&self, statement: &ClientStatement) -> ClientStatement {
        ClientStatement {
            name: statement.name.clone(),
            prepared: Arc::clone(&statement.prepared),
            planned: None,
            catalog: !self.knowledge(),
            parameters: statement.parameters.clone(),
            schema: statement.schema,
            numbers: statement.numbers,
            description: Rc::clone(&statement.description),
            promised: statement.promised.clone(),
            redefined: statement.redefined,
            tag: statement.tag,
        }
    }

    pub(super) fn plan(
        &self,
        name: &[u8],
        prepared: Arc<Prepared>,
        schema: u64,
    ) -> Result<Rc<ClientStatement>, Box<Report>> {
        let mut statement = self.plan_text(name, prepared, schema)?;
        if let Some(plan) = statement.plan().filter(|plan| number::is_numbered(plan)) {
            let known = match number::alone(plan) {
                Some(column) => {
                    self.next_number()?;
                    let rows = number::row_description(column);
                    let _ = statement.description.set(Description::of_rows(Some(rows)));
                    None
                }
                None => Some(self.with_parameters(&statement.prepared)?),
            };
            if let Some((prepared, numbers)) = known {
                statement = self.plan_text(name, prepared, schema)?;
                statement.numbers = Some(numbers);
            }
        }
        Ok(Rc::new(statement))
    }

    /// A statement as it is planned today, with all that does not change.
    fn plan_anew(
        &self,
        name: &[u8],
        old: &ClientStatement,
    ) -> Result<Rc<ClientStatement>, Box<Report>> {
        debug_assert_eq!(*old.name, *name);
        self.plan_as(old, Arc::clone(&old.prepared))
    }

    /// The same, under what is another name on servers.
    pub(super) fn plan_as(
        &self,
        old: &ClientStatement,
        prepared: Arc<Prepared>,
    ) -> Result<Rc<ClientStatement>, Box<Report>> {
        let mut statement = self.plan(&old.name, prepared, old.schema)?;
        if let Some(statement) = Rc::get_mut(&mut statement) {
            statement.numbers = statement.numbers.or(old.numbers);
            statement.parameters = old.parameters.clone();
            let told = old.description.get().map(|_| &old.description);
            statement.promised = old.promised.as_ref().or(told).cloned();
            statement.redefined = old.redefined;
        }
        Ok(statement)
    }

    fn plan_text(
        &self,
        name: &[u8],
        prepared: Arc<Prepared>,
        schema: u64,
    ) -> Result<ClientStatement, Box<Report>> {
        let catalog = self.knowledge();
        let planned = match std::str::from_utf8(&prepared.text) {
            Err(_) if self.environment.is_sharded() => return Err(Box::new(not_utf8())),
            Err(_) => None,
            Ok(text) if self.reads_otherwise(text.as_bytes()) => {
                return Err(Box::new(other_encoding()));
            }
            Ok(text) => {
                let planning = &mut *self.environment.planner.borrow_mut();
                self.analyze(planning, text);
                match planning.analysis.statements() {
                    [one] if !planning.analysis.is_suspect() => {
                        let one = one.clone();
                        if let Route::Refused(refusal) = &one.plan.route
                            && !one.unknown
                            && !self.may_concern(&one)
                            && !may_be_wrong(refusal)
                        {
                            return Err(Box::new(Report::from(&**refusal)));
                        }
                        let analysis = if one.plan.depends_on_values() {
                            std::mem::take(&mut planning.analysis)
                        } else {
                            Analysis::new()
                        };
                        Some((analysis, one))
                    }
                    // Empty, or several: PostgreSQL says what it thinks of that.
                    _ => None,
                }
            }
        };
        Ok(ClientStatement {
            name: name.into(),
            prepared,
            planned,
            catalog,
            parameters: self.parameters.clone(),
            schema,
            numbers: None,
            description: Rc::default(),
            promised: None,
            redefined: false,
            tag: None,
        })
    }

    /// Plans a statement by what is defined by now.
    pub(super) fn plan_now(
        &mut self,
        name: &[u8],
        prepared: Arc<Prepared>,
        schema: u64,
    ) -> Result<Rc<ClientStatement>, Held> {
        let mut statement = self.plan(name, Arc::clone(&prepared), schema)?;
        if !self.environment.is_sharded() {
            return Ok(statement);
        }
        self.parameters_allowed(&prepared.types)?;
        if let Some((_, planned)) = &statement.planned
            && self.learn(planned)?
        {
            statement = self.plan(name, prepared, schema)?;
        }
        if let Some((_, planned)) = &statement.planned {
            self.look_for_names(planned, statement.text(), &statement.prepared.types)?;
        }
        Ok(statement)
    }

    /// The types that parameters are declared to be of may be such as no plan looks at.
    fn parameters_allowed(&self, types: &[u8]) -> Result<(), Held> {
        // Their number, then each.
        let (types, _) = types.get(2..).unwrap_or_default().as_chunks::<4>();
        if types.is_empty() {
            return Ok(());
        }
        let types = types.iter().map(|oid| u32::from_be_bytes(*oid));
        let reading = self.environment.catalog.current();
        parameters_allowed(&self.environment.topology, &reading.catalog, types)
            .map_err(|refusal| Held::from(Box::new(Report::from(&refusal))))
    }

    /// A statement as it is planned today: the schema may have changed since it was prepared.
    pub(super) fn planned_today(
        &mut self,
        name: &[u8],
        statement: Rc<ClientStatement>,
    ) -> Result<Rc<ClientStatement>, Held> {
        if statement.catalog == self.knowledge() {
            return Ok(statement);
        }
        let numbers = statement.numbers;
        let parameters = statement.parameters.clone();
        let told = || Some(&statement.description).filter(|told| told.get().is_some());
        let promised = statement.promised.as_ref().or_else(told).cloned();
        let mut statement =
            self.plan_now(name, Arc::clone(&statement.prepared), statement.schema)?;
        if let Some(statement) = Rc::get_mut(&mut statement) {
            statement.numbers = statement.numbers.or(numbers);
            statement.parameters = parameters;
            statement.redefined = promised.is_some();
            statement.promised = promised;
        }
        if !self.statements.replace(name, &statement) {
            self.unnamed = Some(Rc::clone(&statement));
        }
        Ok(statement)
    }
}
