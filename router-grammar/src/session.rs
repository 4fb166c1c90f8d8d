//! Transactions and the session.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    DiscardMode, Node, TransactionStmt, TransactionStmtKind, VariableSetKind, VariableSetStmt,
};
use router_core::sql::print::{flag, ident, list, maybe, node};

use crate::statement::{Read, Walk, inner, kind, needed};

/// `CURSOR_OPT_HOLD` of PostgreSQL's parsenodes.h.
const HOLD: i32 = 0x20;

impl Walk {
    /// `None` when the statement is of another kind.
    pub(crate) fn session(&mut self, of: &NodeEnum) -> Read<Option<String>> {
        Ok(Some(match of {
            NodeEnum::TransactionStmt(of) => transaction(of)?,
            NodeEnum::ConstraintsSetStmt(_) => "set constraints".to_owned(),
            NodeEnum::LockStmt(of) => {
                let relations = of
                    .relations
                    .iter()
                    .map(|relation| match inner(relation)? {
                        NodeEnum::RangeVar(relation) => self.object(relation),
                        other => Err(format!("{} in LOCK", kind(other))),
                    })
                    .collect::<Read<Vec<_>>>()?;
                node("lock", &[list("relations", &relations)])
            }
            NodeEnum::VariableSetStmt(of) => set(of)?,
            NodeEnum::VariableShowStmt(of) => node("show", &[ident(&lower(&of.name))]),
            NodeEnum::DiscardStmt(of) => {
                let what = match of.target() {
                    DiscardMode::DiscardAll => "all",
                    DiscardMode::DiscardPlans => "plans",
                    DiscardMode::DiscardSequences => "sequences",
                    DiscardMode::DiscardTemp => "temp",
                    DiscardMode::Undefined => return Err("DISCARD of nothing".to_owned()),
                };
                node("discard", &[what.to_owned()])
            }
            NodeEnum::PrepareStmt(of) => {
                let statement = self.statement(needed(&of.query)?)?;
                node("prepare", &[ident(&of.name), statement])
            }
            NodeEnum::ExecuteStmt(of) => {
                self.exprs(&of.params)?;
                node("execute", &[ident(&of.name)])
            }
            NodeEnum::DeallocateStmt(of) => node("deallocate", &[or_all(&of.name)]),
            NodeEnum::DeclareCursorStmt(of) => {
                let statement = self.statement(needed(&of.query)?)?;
                let hold = flag(of.options & HOLD != 0, "hold");
                node("declare", &[ident(&of.portalname), hold, statement])
            }
            NodeEnum::FetchStmt(of) => node("fetch", &[ident(&of.portalname)]),
            NodeEnum::ClosePortalStmt(of) => node("close", &[or_all(&of.portalname)]),
            NodeEnum::ListenStmt(of) => node("listen", &[ident(&of.conditionname)]),
            NodeEnum::UnlistenStmt(of) => node("unlisten", &[or_all(&of.conditionname)]),
            NodeEnum::NotifyStmt(of) => node("notify", &[ident(&of.conditionname)]),
            NodeEnum::LoadStmt(_) => "load".to_owned(),
            _ => return Ok(None),
        }))
    }
}

/// A setting's name: PostgreSQL compares them without regard to case.
fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

fn or_all(name: &str) -> String {
    if name.is_empty() {
        "all".to_owned()
    } else {
        format!("name {}", ident(name))
    }
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn transaction(of: &TransactionStmt) -> Read<String> {
    use TransactionStmtKind as K;
    let chain = [flag(of.chain, "chain")];
    let point = [ident(&of.savepoint_name)];
    let gid = [quoted(&of.gid)];
    Ok(match of.kind() {
        K::TransStmtBegin | K::TransStmtStart => node("begin", &modes(&of.options)?),
        K::TransStmtCommit => node("commit", &chain),
        K::TransStmtRollback => node("rollback", &chain),
        K::TransStmtSavepoint => node("savepoint", &point),
        K::TransStmtRelease => node("release", &point),
        K::TransStmtRollbackTo => node("rollback to", &point),
        K::TransStmtPrepare => node("prepare transaction", &gid),
        K::TransStmtCommitPrepared => node("commit prepared", &gid),
        K::TransStmtRollbackPrepared => node("rollback prepared", &gid),
        K::Undefined => return Err("this kind of transaction statement".to_owned()),
    })
}

/// Transaction modes; of one given twice, the last.
fn modes(options: &[Node]) -> Read<[String; 4]> {
    let (mut isolation, mut read_only, mut deferrable) = (None, None, None);
    for option in options {
        let NodeEnum::DefElem(option) = inner(option)? else {
            return Err("a transaction mode".to_owned());
        };
        let value = value(needed(&option.arg)?)?;
        let switch = |value: &str| if value == "0" { "off" } else { "on" }.to_owned();
        match option.defname.as_str() {
            "transaction_isolation" => isolation = Some(quoted(&value)),
            "transaction_read_only" => read_only = Some(switch(&value)),
            "transaction_deferrable" => deferrable = Some(switch(&value)),
            other => return Err(format!("the transaction mode {other}")),
        }
    }
    Ok([
        maybe("isolation", isolation),
        maybe("read_only", read_only),
        maybe("deferrable", deferrable),
        String::new(),
    ])
}

/// A setting's value as meant.
fn value(of: &NodeEnum) -> Read<String> {
    match of {
        NodeEnum::AConst(constant) => {
            let text = crate::expr::literal(constant)?;
            let bare = text
                .strip_prefix('\'')
                .and_then(|text| text.strip_suffix('\''));
            Ok(bare.unwrap_or(&text).to_owned())
        }
        other => Err(format!("{} as a value", kind(other))),
    }
}

fn set(of: &VariableSetStmt) -> Read<String> {
    let local = flag(of.is_local, "local");
    let name = lower(&of.name);
    let authorization = name == "session_authorization";
    Ok(match of.kind() {
        VariableSetKind::VarSetMulti => match of.name.as_str() {
            "TRANSACTION" => node("set transaction", &modes(&of.args)?),
            "SESSION CHARACTERISTICS" => node("set characteristics", &modes(&of.args)?),
            "TRANSACTION SNAPSHOT" => {
                let id = of.args.first().ok_or("a snapshot without a name")?;
                let id = value(inner(id)?)?;
                node("set transaction", &[maybe("snapshot", Some(quoted(&id)))])
            }
            other => return Err(format!("SET {other}")),
        },
        VariableSetKind::VarSetValue => {
            // The grammar writes the word of XML OPTION in capitals; the setting takes either.
            let cased = |text: String| {
                if name == "xmloption" {
                    lower(&text)
                } else {
                    text
                }
            };
            let values = of
                .args
                .iter()
                .map(|of| match inner(of)? {
                    // SET TIME ZONE INTERVAL '…'.
                    NodeEnum::TypeCast(cast) => {
                        let text = value(needed(&cast.arg)?)?;
                        Ok(quoted(&format!("INTERVAL '{text}'")))
                    }
                    of => Ok(quoted(&cased(value(of)?))),
                })
                .collect::<Read<Vec<_>>>()?;
            match values.as_slice() {
                [role] if authorization => node("set authorization", &[local, role.clone()]),
                values => node("set", &[local, ident(&name), list("to", values)]),
            }
        }
        VariableSetKind::VarSetDefault if authorization => {
            node("set authorization", &[local, "default".to_owned()])
        }
        VariableSetKind::VarSetDefault => node("set", &[local, ident(&name), "default".to_owned()]),
        VariableSetKind::VarReset if authorization => {
            node("set authorization", &["default".to_owned()])
        }
        VariableSetKind::VarReset => node("reset", &[ident(&name)]),
        VariableSetKind::VarResetAll => node("reset", &["all".to_owned()]),
        VariableSetKind::VarSetCurrent | VariableSetKind::Undefined => {
            return Err("SET … FROM CURRENT".to_owned());
        }
    })
}

/// The truth value of an option, as PostgreSQL's `defGetBoolean` reads it.
pub(crate) fn truth(of: Option<&NodeEnum>) -> Read<bool> {
    let text = match of {
        None => return Ok(true),
        Some(NodeEnum::Integer(number)) => number.ival.to_string(),
        Some(NodeEnum::String(text)) => lower(&text.sval),
        Some(NodeEnum::Boolean(on)) => return Ok(on.boolval),
        Some(other) => return Err(format!("{} as an option", kind(other))),
    };
    match text.as_str() {
        "1" | "true" | "on" => Ok(true),
        "0" | "false" | "off" => Ok(false),
        _ => Err(format!("the option's value {text}")),
    }
}
