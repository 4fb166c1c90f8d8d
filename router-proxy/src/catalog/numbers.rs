//! The numbers (OIDs) that the shards of a database have for relations and for the types that somebody made.
//!
//! Each server counts by itself, so a table or an enum has another number on each shard. Clients see the catalogs of the
//! first shard and its numbers; so does the session, whichever shard a statement goes to: what a server of another shard
//! says is put into the first shard's numbers as it comes in, and what it is told into its own as it goes out. Both are as
//! long as before. Row types of tables are left alone: few ask for whole rows, and there are as many as tables.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::FixedState;
use router_core::topology::catalog::FIRST_USER_OID;

use crate::wire::backend as b;
use crate::wire::frame::{HEADER_LEN, Header};

/// What somebody made on one server: rows of [`NAMED`](router_core::topology::catalog::read::NAMED).
pub(super) type Named = Vec<Vec<String>>;

/// What is known of the numbers of a database.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// What the first shard has.
    first: Named,
    /// Of each shard. `None`: they are the first one's.
    shards: Vec<Option<Arc<ShardNumbers>>>,
}

impl Numbers {
    /// By what the first shard has and each shard has, as far as that is known.
    pub(super) fn new(first: Named, shards: &[Option<Named>]) -> Self {
        let known = |(at, named): (usize, &Option<Named>)| {
            let numbers = match named {
                _ if at == 0 || first.is_empty() => return None,
                None => ShardNumbers::default(),
                Some(named) if *named == first => return None,
                Some(named) => ShardNumbers::new(&first, named),
            };
            Some(Arc::new(numbers))
        };
        let shards = shards.iter().enumerate().map(known).collect();
        Self { first, shards }
    }

    /// Whether they hold as long as the first shard has this.
    pub(super) fn hold(&self, first: &Named) -> bool {
        let all_known = self.shards.iter().flatten().all(|shard| shard.known);
        self.first == *first && (first.is_empty() || !self.shards.is_empty() && all_known)
    }

    /// The same with relations that have been made since, as the first shard has them and each of the others.
    pub(super) fn with(&self, mut more: Vec<Named>) -> Self {
        if more.is_empty() {
            return Self::default();
        }
        let new_first = more.remove(0);
        let names: HashSet<&[String]> = new_first.iter().filter_map(|row| row.get(1..)).collect();
        let known = self.first.iter();
        let known = known.filter(|row| row.get(1..).is_none_or(|name| !names.contains(name)));
        let mut first: Named = known.cloned().collect();
        first.extend(new_first.iter().cloned());
        first.sort_by_key(|row| row.first().and_then(|number| number.parse::<u32>().ok()));
        let mut shards = vec![None];
        for (at, own) in more.into_iter().enumerate() {
            let numbers = match self.shards.get(at + 1) {
                // Until now they were the first one's.
                Some(None) if own == new_first => None,
                Some(None) => {
                    let same = self.first.iter().cloned();
                    Some(ShardNumbers::new(&first, &same.chain(own).collect()))
                }
                Some(Some(numbers)) => Some(numbers.with(&new_first, &own)),
                None => Some(ShardNumbers::default()),
            };
            shards.push(numbers.map(Arc::new));
        }
        Self { first, shards }
    }

    /// Whether they are known of all shards.
    pub(super) fn are_known(&self) -> bool {
        self.hold(&self.first)
    }

    /// Whether any shard has other numbers than the first.
    pub(super) fn differ(&self) -> bool {
        self.shards.iter().any(Option::is_some)
    }

    /// Those of one shard, if they are not the first one's.
    pub(super) fn of(&self, shard: usize) -> Option<&Arc<ShardNumbers>> {
        self.shards.get(shard)?.as_ref()
    }
}

/// Whether types of parameters, as in a `Parse`, are of those that somebody made.
pub(crate) fn names_types(types: &[u8]) -> bool {
    let (numbers, _) = types.get(2..).unwrap_or_default().as_chunks::<4>();
    numbers
        .iter()
        .any(|number| u32::from_be_bytes(*number) >= FIRST_USER_OID)
}

/// Between the numbers of one shard and those that clients know.
#[derive(Clone, Debug, Default)]
pub struct ShardNumbers {
    known: bool,
    /// Of types, from the shard's to the clients'.
    inward: HashMap<u32, u32, FixedState>,
    /// Of types, from the clients' to the shard's.
    outward: HashMap<u32, u32, FixedState>,
    /// Of relations, from the shard's to the clients'.
    relations: HashMap<u32, u32, FixedState>,
}

impl ShardNumbers {
    fn new(first: &Named, own: &Named) -> Self {
        let own: HashMap<&[String], u32> = own
            .iter()
            .filter_map(|row| Some((row.get(1..)?, row.first()?.parse().ok()?)))
            .collect();
        let mut numbers = Self {
            known: true,
            ..Self::default()
        };
        for row in first {
            let [theirs, _, _, kind] = &row[..] else {
                continue;
            };
            let (Ok(theirs), Some(&own)) = (theirs.parse(), own.get(&row[1..])) else {
                continue;
            };
            if kind == "relation" {
                numbers.relations.insert(own, theirs);
            } else {
                numbers.inward.insert(own, theirs);
                numbers.outward.insert(theirs, own);
            }
        }
        numbers
    }

    fn with(&self, first: &Named, own: &Named) -> Self {
        let more = Self::new(first, own);
        let mut numbers = self.clone();
        numbers.inward.extend(more.inward);
        numbers.outward.extend(more.outward);
        numbers.relations.extend(more.relations);
        numbers
    }

    /// The shard's number for the type that a client or another shard has called so; 0, for PostgreSQL to find out, where
    /// that is not known.
    fn outward(&self, number: u32) -> u32 {
        match number {
            ..FIRST_USER_OID => number,
            _ => self.outward.get(&number).copied().unwrap_or(0),
        }
    }

    /// Types of parameters, as in a `Parse`, in the shard's numbers.
    pub fn types<'t>(&self, types: &'t [u8]) -> Cow<'t, [u8]> {
        let Some((count, numbers)) = types.split_first_chunk::<2>() else {
            return Cow::Borrowed(types);
        };
        if !names_types(types) {
            return Cow::Borrowed(types);
        }
        let (numbers, _) = numbers.as_chunks::<4>();
        let own = |number: &[u8; 4]| self.outward(u32::from_be_bytes(*number)).to_be_bytes();
        let mut translated = count.to_vec();
        translated.extend(numbers.iter().flat_map(own));
        Cow::Owned(translated)
    }

    fn put_inward(&self, number: &mut [u8; 4]) {
        let own = u32::from_be_bytes(*number);
        // Those of types that nobody made are the same everywhere.
        if own >= FIRST_USER_OID
            && let Some(theirs) = self.inward.get(&own)
        {
            *number = theirs.to_be_bytes();
        }
    }

    /// Puts the body of a `ParameterDescription` into the clients' numbers.
    pub fn of_parameters(&self, body: &mut [u8]) {
        if let Some((_, numbers)) = body.split_first_chunk_mut::<2>() {
            let (numbers, _) = numbers.as_chunks_mut::<4>();
            numbers
                .iter_mut()
                .for_each(|number| self.put_inward(number));
        }
    }

    /// Puts the body of a `RowDescription` into the clients' numbers.
    pub fn of_columns(&self, body: &mut [u8]) {
        // Behind a column's name: its table, 4 bytes, and place there, 2; its type, 4, size, 2, modifier, 4, and format, 2.
        const COLUMN: usize = 18;
        let Some((_, mut rest)) = body.split_first_chunk_mut::<2>() else {
            return;
        };
        while let Some(end) = memchr::memchr(0, rest) {
            let Some((column, next)) = rest[end + 1..].split_first_chunk_mut::<COLUMN>() else {
                return;
            };
            let [t0, t1, t2, t3, a0, a1, n0, n1, n2, n3, ..] = column;
            let table = u32::from_be_bytes([*t0, *t1, *t2, *t3]);
            if table >= FIRST_USER_OID {
                // A table that clients cannot find is none, nor has it columns.
                let theirs = self.relations.get(&table).copied().unwrap_or(0);
                [*t0, *t1, *t2, *t3] = theirs.to_be_bytes();
                if theirs == 0 {
                    [*a0, *a1] = [0, 0];
                }
            }
            let mut number = [*n0, *n1, *n2, *n3];
            self.put_inward(&mut number);
            [*n0, *n1, *n2, *n3] = number;
            rest = next;
        }
    }

    /// The same for all descriptions of rows among whole messages.
    pub fn of_messages(&self, mut messages: &mut [u8]) {
        while let Ok(Some(header)) = Header::parse(messages) {
            let Some((message, rest)) = messages.split_at_mut_checked(header.frame_len()) else {
                return;
            };
            if header.tag == b::ROW_DESCRIPTION {
                self.of_columns(&mut message[HEADER_LEN..]);
            }
            messages = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(types: &[(u32, &str)], table: u32) -> Named {
        let row = |number: u32, name: &str, kind: &str| {
            vec![
                number.to_string(),
                "public".to_owned(),
                name.to_owned(),
                kind.to_owned(),
            ]
        };
        let types = types
            .iter()
            .map(|(number, name)| row(*number, name, "type"));
        types.chain([row(table, "kind", "relation")]).collect()
    }

    fn numbers() -> Numbers {
        let first = named(&[(16_400, "kind"), (16_500, "size")], 16_700);
        let second = named(
            &[(16_500, "kind"), (16_400, "size"), (16_600, "own")],
            16_500,
        );
        let shards = [Some(first.clone()), Some(second), None, Some(first.clone())];
        Numbers::new(first, &shards)
    }

    #[test]
    fn what_goes_out_has_the_shards_numbers() {
        let numbers = numbers();
        let parse = |numbers: &[u32]| {
            let count = (numbers.len() as u16).to_be_bytes().to_vec();
            let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            [count, numbers].concat()
        };
        let given = parse(&[23, 16_400, 16_500, 16_600, 0]);
        let second = numbers.of(1).unwrap();
        assert_eq!(*second.types(&given), parse(&[23, 16_500, 16_400, 0, 0]));
        assert!(matches!(second.types(&parse(&[23, 25])), Cow::Borrowed(_)));
        // Of a shard that did not answer nothing is known: PostgreSQL finds the types.
        let third = numbers.of(2).unwrap();
        assert_eq!(*third.types(&given), parse(&[23, 0, 0, 0, 0]));
        assert!(numbers.of(0).is_none() && numbers.of(3).is_none());
        assert!(numbers.differ() && !numbers.hold(&numbers.first));
        let same = Numbers::new(numbers.first.clone(), &[None, Some(numbers.first.clone())]);
        assert!(!same.differ() && same.hold(&numbers.first) && !same.hold(&Named::new()));
    }

    #[test]
    fn what_is_made_later_has_its_numbers_too() {
        let before = numbers();
        let made = |number: u32, kind: &str| {
            let texts = ["public", "later", kind].map(str::to_owned);
            [vec![number.to_string()], texts.to_vec()].concat()
        };
        let pair = |table: u32, row: u32| vec![made(table, "relation"), made(row, "type")];
        let more = vec![
            pair(17_000, 17_001),
            pair(17_100, 17_101),
            pair(17_200, 17_201),
            pair(17_000, 17_001),
        ];
        let after = before.with(more);
        let second = after.of(1).unwrap();
        assert_eq!(second.outward(17_001), 17_101);
        // What was known before is known still.
        assert_eq!(second.outward(16_400), 16_500);
        assert_eq!(second.relations.get(&17_100), Some(&17_000));
        assert!(after.of(3).is_none());
        let whole = [before.first.clone(), pair(17_000, 17_001)].concat();
        assert_eq!(after.first, whole);
        // Where all had the first one's numbers they may have others now.
        let same = Numbers::new(before.first.clone(), &[None, Some(before.first.clone())]);
        let other = same.with(vec![pair(17_000, 17_001), pair(17_100, 17_101)]);
        let second = other.of(1).unwrap();
        assert_eq!(
            (second.outward(17_001), second.outward(16_400)),
            (17_101, 16_400)
        );
        assert!(other.are_known());
    }

    #[test]
    fn what_comes_in_has_the_first_shards_numbers() {
        let numbers = numbers();
        let second = numbers.of(1).unwrap();
        let column = |name: &str, (table, at, number): (u32, u16, u32)| {
            let parts: [&[u8]; 6] = [
                name.as_bytes(),
                &[0],
                &table.to_be_bytes(),
                &at.to_be_bytes(),
                &number.to_be_bytes(),
                &[0, 4, 255, 255, 255, 255, 0, 0],
            ];
            parts.concat()
        };
        let rows = |[a, b, c]: [(u32, u16, u32); 3]| {
            let count = vec![0, 3];
            [count, column("a", a), column("", b), column("long", c)].concat()
        };
        let said = [(16_500, 1, 16_500), (16_900, 2, 25), (1_259, 3, 16_400)];
        let right = rows([(16_700, 1, 16_400), (0, 0, 25), (1_259, 3, 16_500)]);
        let mut body = rows(said);
        second.of_columns(&mut body);
        assert_eq!(body, right);
        let framed = |body: &[u8]| {
            let length = (body.len() as u32 + 4).to_be_bytes();
            [b"T", &length[..], body, b"Z\0\0\0\x05I"].concat()
        };
        let mut messages = framed(&rows(said)).repeat(2);
        second.of_messages(&mut messages);
        assert_eq!(messages, framed(&right).repeat(2));
        let mut body = [
            &[0, 2][..],
            &16_400_u32.to_be_bytes(),
            &23_u32.to_be_bytes(),
        ]
        .concat();
        second.of_parameters(&mut body);
        assert_eq!(body[2..6], 16_500_u32.to_be_bytes());
        assert_eq!(body[6..], 23_u32.to_be_bytes());
        // Whatever a server says, it is not read beyond its end.
        for end in 0..rows(said).len() {
            let mut cut = rows(said)[..end].to_vec();
            second.of_columns(&mut cut);
            second.of_parameters(&mut cut);
            second.of_messages(&mut cut);
        }
    }
}
