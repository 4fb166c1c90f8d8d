//! The operating system's account that servers run as.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::error::{During, Error};

/// PostgreSQL refuses to run as root: then the servers run as `postgres` or, where that does not
/// exist, as `nobody`. Anybody else runs them as themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    other: Option<(u32, u32)>,
}

impl Account {
    /// The account for the directories made in `parent`.
    pub(crate) fn for_servers(scratch: &Path) -> Result<Self, Error> {
        // Whoever made a new directory owns it: the effective user, without a system call of our own.
        let owner = fs::metadata(scratch).at("cannot look at", scratch)?.uid();
        if owner != 0 {
            return Ok(Self { other: None });
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let other = ["postgres", "nobody"]
            .iter()
            .find_map(|name| entry(&accounts, name));
        match other {
            Some(ids) => Ok(Self { other: Some(ids) }),
            None => Err(Error::NoPostgres {
                problem:
                    "PostgreSQL does not run as root, and this machine has neither the account \
                          postgres nor nobody"
                        .to_owned(),
                hint: "run as an ordinary user, or create the account: useradd --system postgres"
                    .to_owned(),
            }),
        }
    }

    /// Whether it is another one than this process runs as.
    pub(crate) fn is_other(&self) -> bool {
        self.other.is_some()
    }

    /// Lets a command run as this account.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
    }

    /// Hands a path over to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        match self.other {
            Some((user, group)) => {
                chown(path, Some(user), Some(group)).at("cannot change the owner of", path)
            }
            None => Ok(()),
        }
    }
}

/// User and group id of an account in the text of `/etc/passwd`.
fn entry(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let mut ids = fields.skip(1);
        Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_the_third_and_fourth_field() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres:x:101:104:,,,:/var/lib:/bin/sh\n";
        assert_eq!(entry(accounts, "postgres"), Some((101, 104)));
        assert_eq!(entry(accounts, "post"), None);
    }
}
