//! Transaction statements.

use super::Veto;
use super::token::Tokens;
use super::utility;
use crate::sql::statement::{Ident, Transaction, TransactionModes};

/// Reads a transaction statement; `None` when the tokens are another kind of statement.
pub(super) fn read(tokens: &Tokens<'_>) -> Result<Option<Transaction>, Veto> {
    let mut reader = Reader { tokens, at: 1 };
    let first = tokens.text(0);
    if !tokens.is_word(0, first) {
        return Ok(None);
    }
    let read = match first {
        "begin" => {
            reader.noise();
            Transaction::Begin(reader.modes()?)
        }
        "start" if reader.word("transaction") => Transaction::Begin(reader.modes()?),
        "commit" | "end" => {
            if first == "commit" && reader.word("prepared") {
                Transaction::CommitPrepared(reader.gid()?)
            } else {
                reader.noise();
                Transaction::Commit {
                    chain: reader.chain()?,
                }
            }
        }
        "rollback" | "abort" => {
            if first == "rollback" && reader.word("prepared") {
                Transaction::RollbackPrepared(reader.gid()?)
            } else {
                reader.noise();
                if first == "rollback" && reader.word("to") {
                    reader.word("savepoint");
                    Transaction::RollbackTo(reader.name()?)
                } else {
                    Transaction::Rollback {
                        chain: reader.chain()?,
                    }
                }
            }
        }
        "savepoint" => Transaction::Savepoint(reader.name()?),
        "release" => {
            reader.word("savepoint");
            Transaction::Release(reader.name()?)
        }
        "prepare" if reader.word("transaction") => Transaction::Prepare(reader.gid()?),
        "set" if reader.word("constraints") => return Ok(Some(Transaction::SetConstraints)),
        "set" if reader.word("transaction") => {
            if reader.word("snapshot") {
                Transaction::Set(TransactionModes {
                    snapshot: Some(reader.gid()?),
                    ..TransactionModes::default()
                })
            } else {
                if tokens.len() == 2 {
                    return Err("SET TRANSACTION of nothing".into());
                }
                Transaction::Set(reader.modes()?)
            }
        }
        "lock" => {
            reader.word("table");
            let (relations, end) = utility::relations(tokens, reader.at)?;
            reader.at = end;
            if reader.word("in") {
                let from = reader.at;
                while tokens.any_word(
                    reader.at,
                    &["access", "row", "share", "update", "exclusive"],
                ) {
                    reader.at += 1;
                }
                if reader.at == from || !reader.word("mode") {
                    return Err("a mode of LOCK that is not understood".into());
                }
            }
            reader.word("nowait");
            Transaction::Lock(relations)
        }
        _ => return Ok(None),
    };
    if reader.at == tokens.len() {
        Ok(Some(read))
    } else {
        Err(format!(
            "a word after {} that is not understood",
            first.to_uppercase()
        ))
    }
}

/// `ISOLATION LEVEL …, READ ONLY, …` from token `at` to the end.
pub(super) fn modes(tokens: &Tokens<'_>, at: usize) -> Result<TransactionModes, Veto> {
    let mut reader = Reader { tokens, at };
    let modes = reader.modes()?;
    if reader.at == tokens.len() {
        Ok(modes)
    } else {
        Err("a transaction mode that is not understood".into())
    }
}

struct Reader<'r, 't> {
    tokens: &'r Tokens<'t>,
    at: usize,
}

impl Reader<'_, '_> {
    fn word(&mut self, word: &str) -> bool {
        let hit = self.tokens.is_word(self.at, word);
        self.at += usize::from(hit);
        hit
    }

    /// `WORK` or `TRANSACTION`.
    fn noise(&mut self) {
        if !self.word("work") {
            self.word("transaction");
        }
    }

    fn chain(&mut self) -> Result<bool, Veto> {
        if !self.word("and") {
            return Ok(false);
        }
        let no = self.word("no");
        if self.word("chain") {
            Ok(!no)
        } else {
            Err("AND without CHAIN".into())
        }
    }

    fn name(&mut self) -> Result<Ident, Veto> {
        if !self.tokens.is_name(self.at) {
            return Err("a savepoint without a name".into());
        }
        self.at += 1;
        Ok(self.tokens.text(self.at - 1).to_owned())
    }

    fn gid(&mut self) -> Result<String, Veto> {
        let gid = self.tokens.string(self.at);
        self.at += 1;
        gid.ok_or_else(|| "a transaction identifier that is not a string".into())
    }

    fn modes(&mut self) -> Result<TransactionModes, Veto> {
        let mut modes = TransactionModes::default();
        loop {
            let start = self.at;
            if self.word("isolation") {
                if !self.word("level") {
                    return Err("ISOLATION without LEVEL".into());
                }
                let level = if self.word("serializable") {
                    "serializable"
                } else if self.word("repeatable") && self.word("read") {
                    "repeatable read"
                } else if self.word("read") && self.word("committed") {
                    "read committed"
                } else if self.tokens.is_word(self.at - 1, "read") && self.word("uncommitted") {
                    "read uncommitted"
                } else {
                    return Err("an isolation level that is not understood".into());
                };
                modes.isolation = Some(level.to_owned());
            } else if self.word("read") {
                modes.read_only = Some(if self.word("only") {
                    true
                } else if self.word("write") {
                    false
                } else {
                    return Err("a transaction mode that is not understood".into());
                });
            } else if self.word("deferrable") {
                modes.deferrable = Some(true);
            } else if self.tokens.is_word(self.at, "not")
                && self.tokens.is_word(self.at + 1, "deferrable")
            {
                self.at += 2;
                modes.deferrable = Some(false);
            }
            let read = self.at > start;
            let comma = self.at > 1 && self.tokens.is_sym(self.at - 1, ",");
            if self.tokens.is_sym(self.at, ",") && read {
                self.at += 1;
            } else if !read && comma {
                return Err("a comma without a transaction mode".into());
            } else if !read {
                return Ok(modes);
            }
        }
    }
}
