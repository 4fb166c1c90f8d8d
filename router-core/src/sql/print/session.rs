//! Transactions and the session.

use super::{Printer, flag, ident, list, maybe, node};
use crate::sql::statement::{Session, Transaction, TransactionModes};

/// A string in quotes.
fn quoted(text: &str) -> String {
    format!("'{text}'")
}

/// A name, or `all`.
fn or_all(name: Option<&String>) -> String {
    name.map_or_else(|| "all".to_owned(), |name| format!("name {}", ident(name)))
}

impl Printer<'_> {
    pub(super) fn transaction(&self, transaction: &Transaction) -> String {
        match transaction {
            Transaction::Begin(modes) => node("begin", &modes_of(modes)),
            Transaction::Commit { chain } => node("commit", &[flag(*chain, "chain")]),
            Transaction::Rollback { chain } => node("rollback", &[flag(*chain, "chain")]),
            Transaction::Savepoint(name) => node("savepoint", &[ident(name)]),
            Transaction::Release(name) => node("release", &[ident(name)]),
            Transaction::RollbackTo(name) => node("rollback to", &[ident(name)]),
            Transaction::Prepare(gid) => node("prepare transaction", &[quoted(gid)]),
            Transaction::CommitPrepared(gid) => node("commit prepared", &[quoted(gid)]),
            Transaction::RollbackPrepared(gid) => node("rollback prepared", &[quoted(gid)]),
            Transaction::Set(modes) => node("set transaction", &modes_of(modes)),
            Transaction::SetConstraints => "set constraints".to_owned(),
            Transaction::Lock(relations) => {
                let relations: Vec<String> = relations.iter().map(|of| self.relation(of)).collect();
                node("lock", &[list("relations", &relations)])
            }
        }
    }

    pub(super) fn session(&self, session: &Session) -> String {
        match session {
            Session::Set {
                local,
                name,
                values,
            } => {
                let values = match values {
                    None => "default".to_owned(),
                    Some(values) => {
                        let values: Vec<String> =
                            values.iter().map(|value| quoted(value)).collect();
                        list("to", &values)
                    }
                };
                node("set", &[flag(*local, "local"), ident(name), values])
            }
            Session::SetAuthorization { local, role } => node(
                "set authorization",
                &[
                    flag(*local, "local"),
                    role.as_deref().map_or_else(|| "default".to_owned(), quoted),
                ],
            ),
            Session::SetCharacteristics(modes) => node("set characteristics", &modes_of(modes)),
            Session::Reset(name) => node("reset", &[ident(name)]),
            Session::Show(name) => node("show", &[ident(name)]),
            Session::Discard(what) => node("discard", std::slice::from_ref(what)),
            Session::Prepare { name, statement } => {
                node("prepare", &[ident(name), self.statement(statement)])
            }
            Session::Execute { name } => node("execute", &[ident(name)]),
            Session::Deallocate(name) => node("deallocate", &[or_all(name.as_ref())]),
            Session::Declare { name, hold, query } => node(
                "declare",
                &[ident(name), flag(*hold, "hold"), self.statement(query)],
            ),
            Session::Fetch { name } => node("fetch", &[ident(name)]),
            Session::Close(name) => node("close", &[or_all(name.as_ref())]),
            Session::Listen(name) => node("listen", &[ident(name)]),
            Session::Unlisten(name) => node("unlisten", &[or_all(name.as_ref())]),
            Session::Notify(name) => node("notify", &[ident(name)]),
            Session::Load => "load".to_owned(),
        }
    }
}

fn modes_of(modes: &TransactionModes) -> [String; 4] {
    let word = |on: bool| if on { "on" } else { "off" }.to_owned();
    [
        maybe("isolation", modes.isolation.as_deref().map(quoted)),
        maybe("read_only", modes.read_only.map(word)),
        maybe("deferrable", modes.deferrable.map(word)),
        maybe("snapshot", modes.snapshot.as_deref().map(quoted)),
    ]
}
