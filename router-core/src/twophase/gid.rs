//! Names of prepared transactions.
//!
//! `shunt1:<database>:<coordinator>:<place>:<unique>` names a transaction and is the key of its decision; with
//! `:<number>` behind it, it is the name of one prepared part. The number is there because PostgreSQL wants names
//! unique per server, and two shards may be databases of one server.
//!
//! The database is the one that clients connect to: routers with the same configuration finish each other's
//! transactions and no others. The place says which server the coordinator's name meant, so that a configuration in
//! which the name means another one is noticed before anything is asked of it.

use std::fmt;

use crate::value::hash;

/// What every name begins with; the digit is the version of the format.
pub const PREFIX: &str = "shunt1:";

/// Longest database or shard name that stands in a gid as it is; PostgreSQL takes 199 bytes in all.
const NAME_LIMIT: usize = 48;

/// How much of a longer name is kept, for people.
const NAME_HEAD: usize = 30;

/// Which PostgreSQL database a shard's name means: a number that survives a failover to a physical replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(pub u64);

impl Place {
    /// From the server's system identifier and the database's OID, both as text.
    pub fn new(system: &str, database: &str) -> Self {
        let seed = hash::text(system, 0);
        Self(hash::text(database, seed) as u64)
    }
}

/// A transaction over several shards: the key of its decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(String);

/// The name of one prepared part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gid {
    text: String,
    id_len: usize,
}

impl TransactionId {
    /// A new one; `unique` is random.
    pub fn new(database: &str, coordinator: &str, place: Place, unique: u128) -> Self {
        Self(format!(
            "{PREFIX}{}:{}:{:016x}:{unique:032x}",
            Name(database),
            Name(coordinator),
            place.0
        ))
    }

    /// Reads one that is written exactly as this router writes them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split(':');
        let names = [parts.next()?, parts.next()?];
        let (place, unique) = (parts.next()?, parts.next()?);
        let well = parts.next().is_none()
            && names.iter().all(|name| is_name(name))
            && is_hex(place, 16)
            && is_hex(unique, 32);
        well.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its `number`-th part.
    pub fn part(&self, number: usize) -> Gid {
        Gid {
            text: format!("{}:{number}", self.0),
            id_len: self.0.len(),
        }
    }

    /// Whether clients began it on this database.
    pub fn is_of(&self, database: &str) -> bool {
        self.field(0) == Name(database).to_string()
    }

    /// Whether this shard is its coordinator.
    pub fn is_decided_by(&self, shard: &str) -> bool {
        self.field(1) == Name(shard).to_string()
    }

    /// The coordinator as written, for people.
    pub fn coordinator(&self) -> &str {
        self.field(1)
    }

    /// Which server the coordinator was.
    pub fn place(&self) -> Place {
        Place(u64::from_str_radix(self.field(2), 16).unwrap_or_default())
    }

    fn field(&self, n: usize) -> &str {
        self.0[PREFIX.len()..].split(':').nth(n).unwrap_or("")
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Gid {
    /// Reads one that is written exactly as this router writes them; an application's own gives `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, number) = text.rsplit_once(':')?;
        let id = TransactionId::parse(id)?;
        let canonical = number.parse::<u16>().ok()?;
        let gid = id.part(usize::from(canonical));
        (gid.text == text).then_some(gid)
    }

    /// The transaction that it is a part of.
    pub fn transaction(&self) -> TransactionId {
        TransactionId(self.text[..self.id_len].to_owned())
    }

    /// As text; it needs no quoting inside a string constant.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A name with everything that could be taken for something else written as `%XX`, and shortened if it is long.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = String::new();
        for byte in self.0.bytes() {
            if is_plain(byte) {
                written.push(char::from(byte));
            } else {
                written.push_str(&format!("%{byte:02x}"));
            }
        }
        if written.len() <= NAME_LIMIT {
            return f.write_str(&written);
        }
        let hash = hash::text(self.0, 0) as u64;
        write!(f, "{}~{hash:016x}", &written[..NAME_HEAD])
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_LIMIT
        && text
            .bytes()
            .all(|byte| is_plain(byte) || matches!(byte, b'%' | b'~'))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let id = TransactionId::new("shop", "s1", Place(7), 5);
        let gid = id.part(2);
        assert_eq!(
            gid.as_str(),
            "shunt1:shop:s1:0000000000000007:00000000000000000000000000000005:2"
        );
        assert_eq!(Gid::parse(gid.as_str()).as_ref(), Some(&gid));
        assert_eq!(gid.transaction(), id);
        assert!(id.is_of("shop") && !id.is_of("sho") && !id.is_of("Shop"));
        assert!(id.is_decided_by("s1") && !id.is_decided_by("s"));
        assert_eq!(id.place(), Place(7));
    }

    #[test]
    fn those_of_others_are_not_ours() {
        for text in [
            "",
            "mine",
            "shunt",
            "shunt1:",
            "shunt1:shop:s1:0000000000000007:00000000000000000000000000000005",
            "shunt1:shop:s1:0000000000000007:00000000000000000000000000000005:",
            "shunt1:shop:s1:0000000000000007:00000000000000000000000000000005:02",
            "shunt1:shop:s1:0000000000000007:00000000000000000000000000000005:2:",
            "shunt1:shop:s1:0000000000000007:0000000000000000000000000000000G:2",
            "shunt1:shop::0000000000000007:00000000000000000000000000000005:2",
            "shunt2:shop:s1:0000000000000007:00000000000000000000000000000005:2",
            "xshunt1:shop:s1:0000000000000007:00000000000000000000000000000005:2",
        ] {
            assert_eq!(Gid::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_names_fit_and_are_told_apart(
            database in ".{1,80}", shard in ".{1,80}", other in ".{1,80}", unique: u128, part: u16,
        ) {
            let id = TransactionId::new(&database, &shard, Place(u64::MAX), unique);
            let gid = id.part(usize::from(part));
            prop_assert!(gid.as_str().len() < 200, "{gid}");
            prop_assert!(!gid.as_str().contains(['\'', '\\', '\0']));
            prop_assert_eq!(Gid::parse(gid.as_str()), Some(gid.clone()));
            prop_assert!(id.is_of(&database) && id.is_decided_by(&shard));
            prop_assert_eq!(id.is_decided_by(&other), other == shard);
        }
    }
}
