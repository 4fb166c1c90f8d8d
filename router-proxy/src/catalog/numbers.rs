//! The numbers (OIDs) that the shards of a database have for the types that somebody made.
//!
//! Each server counts by itself, so an enum has another number on each shard. Clients see the catalogs of the first shard
//! and its numbers; so does the session, whichever shard a statement goes to: what a server of another shard says is put
//! into the first shard's numbers as it comes in, and what it is told into its own as it goes out. Both are as long as
//! before. Row types of tables are left alone: they would make every two shards differ.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

/// PostgreSQL gives lower numbers to nothing that somebody made (`FirstNormalObjectId` in `access/transam.h`).
const FIRST_OF_USERS: u32 = 16_384;

/// Number, schema and name of each type that somebody made, in their order.
pub(super) const TYPES: &str = "\
SELECT t.oid, n.nspname, t.typname
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_type e ON e.oid = t.typelem
LEFT JOIN pg_class ec ON ec.oid = e.typrelid
WHERE t.oid >= 16384 AND coalesce(c.relkind, 'c') = 'c' AND coalesce(ec.relkind, 'c') = 'c'
  AND n.nspname !~ '^pg_(temp|toast)'
ORDER BY n.nspname, t.typname";

/// The types of one server: rows of [`TYPES`].
pub(super) type Types = Vec<Vec<String>>;

/// What is known of the numbers of a database's types.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The first shard's types.
    first: Types,
    /// Of each shard. `None`: they are the first one's.
    shards: Vec<Option<Arc<ShardNumbers>>>,
}

impl Numbers {
    /// By the types of the first shard and those of each shard as far as they are known.
    pub(super) fn new(first: Types, shards: &[Option<Types>]) -> Self {
        let known = |(at, types): (usize, &Option<Types>)| {
            let numbers = match types {
                _ if at == 0 || first.is_empty() => return None,
                None => ShardNumbers::default(),
                Some(types) if *types == first => return None,
                Some(types) => ShardNumbers::new(&first, types),
            };
            Some(Arc::new(numbers))
        };
        let shards = shards.iter().enumerate().map(known).collect();
        Self { first, shards }
    }

    /// Whether they hold as long as the first shard has these types.
    pub(super) fn hold(&self, first: &Types) -> bool {
        let all_known = self.shards.iter().flatten().all(|shard| shard.known);
        self.first == *first && (first.is_empty() || !self.shards.is_empty() && all_known)
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

/// Between the numbers of one shard and those that clients know.
#[derive(Debug, Default)]
pub struct ShardNumbers {
    known: bool,
    /// From the shard's to the clients'.
    inward: HashMap<u32, u32, FixedState>,
    /// From the clients' to the shard's.
    outward: HashMap<u32, u32, FixedState>,
}

impl ShardNumbers {
    fn new(first: &Types, own: &Types) -> Self {
        let named = |types: &Types| -> HashMap<(String, String), u32> {
            let numbered = types.iter().filter_map(|row| match &row[..] {
                [number, schema, name] => {
                    Some(((schema.clone(), name.clone()), number.parse().ok()?))
                }
                _ => None,
            });
            numbered.collect()
        };
        let (theirs, own) = (named(first), named(own));
        let pairs = || {
            theirs
                .iter()
                .filter_map(|(name, &theirs)| Some((theirs, *own.get(name)?)))
        };
        Self {
            known: true,
            inward: pairs().map(|(theirs, own)| (own, theirs)).collect(),
            outward: pairs().collect(),
        }
    }

    /// The shard's number for what a client or another shard has called so; 0, for PostgreSQL to find out, where that is not
    /// known.
    fn outward(&self, number: u32) -> u32 {
        match number {
            ..FIRST_OF_USERS => number,
            _ => self.outward.get(&number).copied().unwrap_or(0),
        }
    }

    /// Types of parameters, as in a `Parse`, in the shard's numbers.
    pub fn types<'t>(&self, types: &'t [u8]) -> Cow<'t, [u8]> {
        let made = |number: &[u8; 4]| u32::from_be_bytes(*number) >= FIRST_OF_USERS;
        let Some((count, numbers)) = types.split_first_chunk::<2>() else {
            return Cow::Borrowed(types);
        };
        let (numbers, _) = numbers.as_chunks::<4>();
        if !numbers.iter().any(made) {
            return Cow::Borrowed(types);
        }
        let own = |number: &[u8; 4]| self.outward(u32::from_be_bytes(*number)).to_be_bytes();
        let mut translated = count.to_vec();
        translated.extend(numbers.iter().flat_map(own));
        Cow::Owned(translated)
    }

    fn put_inward(&self, number: &mut [u8; 4]) {
        if let Some(theirs) = self.inward.get(&u32::from_be_bytes(*number)) {
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
        // Behind a column's name: its table, 4 bytes, and place there, 2; then its type, 4; its size, 2, modifier, 4, and format, 2.
        const BEFORE: usize = 4 + 2;
        const AFTER: usize = 2 + 4 + 2;
        let Some((_, mut rest)) = body.split_first_chunk_mut::<2>() else {
            return;
        };
        while let Some(end) = rest.iter().position(|byte| *byte == 0) {
            let Some(column) = rest.get_mut(end + 1 + BEFORE..) else {
                return;
            };
            let Some((number, behind)) = column.split_first_chunk_mut::<4>() else {
                return;
            };
            self.put_inward(number);
            let Some(next) = behind.get_mut(AFTER..) else {
                return;
            };
            rest = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(of: &[(u32, &str)]) -> Types {
        let row = |(number, name): &(u32, &str)| {
            vec![number.to_string(), "public".to_owned(), (*name).to_owned()]
        };
        of.iter().map(row).collect()
    }

    fn numbers() -> Numbers {
        let first = types(&[(16_400, "kind"), (16_500, "size")]);
        let second = types(&[(16_500, "kind"), (16_400, "size"), (16_600, "own")]);
        let shards = [Some(first.clone()), Some(second), None, Some(first.clone())];
        Numbers::new(first, &shards)
    }

    #[test]
    fn what_goes_out_has_the_shards_numbers() {
        let numbers = numbers();
        let parse = |numbers: &[u32]| {
            let count = (numbers.len() as u16).to_be_bytes().to_vec();
            [
                count,
                numbers.iter().flat_map(|n| n.to_be_bytes()).collect(),
            ]
            .concat()
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
        assert!(!same.differ() && same.hold(&numbers.first) && !same.hold(&Types::new()));
    }

    #[test]
    fn what_comes_in_has_the_first_shards_numbers() {
        let numbers = numbers();
        let second = numbers.of(1).unwrap();
        let column = |name: &str, number: u32| {
            let parts: [&[u8]; 5] = [
                name.as_bytes(),
                &[0, 0, 0, 64, 0, 0, 1],
                &number.to_be_bytes(),
                &[0, 4, 255, 255, 255, 255],
                &[0, 0],
            ];
            parts.concat()
        };
        let rows = |numbers: [u32; 3]| {
            let columns = [("a", numbers[0]), ("", numbers[1]), ("long", numbers[2])];
            let columns = columns.map(|(name, number)| column(name, number));
            [vec![0, 3], columns.concat()].concat()
        };
        let mut body = rows([16_500, 25, 16_400]);
        second.of_columns(&mut body);
        assert_eq!(body, rows([16_400, 25, 16_500]));
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
        for end in 0..24 {
            let mut cut = rows([16_500, 25, 16_400])[..end].to_vec();
            second.of_columns(&mut cut);
            second.of_parameters(&mut cut);
        }
    }
}
