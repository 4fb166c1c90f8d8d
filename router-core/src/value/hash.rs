//! PostgreSQL's extended hash functions, bit for bit.
//!
//! The algorithm is Bob Jenkins' lookup3 (`http://burtleburtle.net/bob/c/lookup3.c`,
//! public domain) with PostgreSQL's way of seeding it (`src/common/hashfn.c`:
//! `hash_bytes_extended`, `hash_bytes_uint32_extended`), in the little-endian
//! form, which is what x86-64 and ARM servers compute. A seed of zero is no seed.
//!
//! | here | PostgreSQL | its source |
//! |---|---|---|
//! | [`int8`] | `hashint8extended` | `src/backend/access/hash/hashfunc.c` |
//! | [`text`] | `hashtextextended`, deterministic collation | `src/backend/access/hash/hashfunc.c` |
//! | [`uuid`] | `uuid_hash_extended` | `src/backend/utils/adt/uuid.c` |
//!
//! A key of several columns is hashed by a chain ([`key`]): the first column
//! with seed 0, and each following one with the hash so far as its seed. For
//! `(id, user_id)` that is `hashint8extended(user_id, hashint8extended(id, 0))`,
//! so a server can compute it too, for any number and mixture of types.

use super::KeyValue;

/// The hash of a key: its columns chained in their order. As signed as PostgreSQL's result.
pub fn key(values: &[KeyValue<'_>]) -> i64 {
    let mut hash = 0;
    for v in values {
        hash = value(v, hash);
    }
    hash
}

/// The hash of one column's value.
pub fn value(value: &KeyValue<'_>, seed: i64) -> i64 {
    match value {
        KeyValue::Bigint(v) => int8(*v, seed),
        KeyValue::Text(v) => text(v, seed),
        KeyValue::Uuid(v) => uuid(v, seed),
    }
}

/// `hashint8extended`, which gives `smallint` and `integer` of the same value the same hash.
pub fn int8(value: i64, seed: i64) -> i64 {
    let low = value as u32;
    let high = (value >> 32) as u32;
    // Folding the halves so that a small number, negative or not, hashes like its 32-bit form.
    let folded = low ^ if value >= 0 { high } else { !high };
    let mut s = State::seeded(4, seed);
    s.a = s.a.wrapping_add(folded);
    s.finish()
}

/// `hashtextextended` under a deterministic collation.
pub fn text(value: &str, seed: i64) -> i64 {
    bytes(value.as_bytes(), seed)
}

/// `uuid_hash_extended`.
pub fn uuid(value: &[u8; 16], seed: i64) -> i64 {
    bytes(value, seed)
}

/// `hash_any_extended`: any bytes.
pub fn bytes(bytes: &[u8], seed: i64) -> i64 {
    let mut s = State::seeded(bytes.len(), seed);
    let mut blocks = bytes.chunks_exact(12);
    for block in blocks.by_ref() {
        s.a = s.a.wrapping_add(word(&block[0..4]));
        s.b = s.b.wrapping_add(word(&block[4..8]));
        s.c = s.c.wrapping_add(word(&block[8..12]));
        s.mix();
    }
    let rest = blocks.remainder();
    let (first, rest) = rest.split_at(rest.len().min(4));
    let (second, third) = rest.split_at(rest.len().min(4));
    s.a = s.a.wrapping_add(word(first));
    s.b = s.b.wrapping_add(word(second));
    // The lowest byte of the last word belongs to the length, which is in the state already.
    s.c = s.c.wrapping_add(word(third) << 8);
    s.finish()
}

/// Up to four bytes as a little-endian number.
fn word(bytes: &[u8]) -> u32 {
    match bytes.first_chunk::<4>() {
        Some(four) => u32::from_le_bytes(*four),
        None => bytes
            .iter()
            .rev()
            .fold(0, |word, byte| (word << 8) | u32::from(*byte)),
    }
}

/// The three words that lookup3 mixes.
struct State {
    a: u32,
    b: u32,
    c: u32,
}

impl State {
    fn seeded(len: usize, seed: i64) -> Self {
        // The length is taken modulo 2^32, as in PostgreSQL; both constants are from `hashfn.c`.
        let start = 0x9e37_79b9_u32
            .wrapping_add(len as u32)
            .wrapping_add(3_923_095);
        let mut s = Self {
            a: start,
            b: start,
            c: start,
        };
        if seed != 0 {
            s.a = s.a.wrapping_add((seed >> 32) as u32);
            s.b = s.b.wrapping_add(seed as u32);
            s.mix();
        }
        s
    }

    /// One round: every bit of the input reaches every bit of the state.
    fn mix(&mut self) {
        let Self { a, b, c } = self;
        round(a, c, b, 4);
        round(b, a, c, 6);
        round(c, b, a, 8);
        round(a, c, b, 16);
        round(b, a, c, 19);
        round(c, b, a, 4);
    }

    /// The last round, and the two words that make the result.
    fn finish(self) -> i64 {
        let Self {
            mut a,
            mut b,
            mut c,
        } = self;
        last(&mut c, b, 14);
        last(&mut a, c, 11);
        last(&mut b, a, 25);
        last(&mut c, b, 16);
        last(&mut a, c, 4);
        last(&mut b, a, 14);
        last(&mut c, b, 24);
        ((u64::from(b) << 32) | u64::from(c)) as i64
    }
}

fn round(x: &mut u32, y: &mut u32, z: &u32, by: u32) {
    *x = x.wrapping_sub(*y) ^ y.rotate_left(by);
    *y = y.wrapping_add(*z);
}

fn last(x: &mut u32, y: u32, by: u32) {
    *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
}
