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

#[cfg(test)]
mod tests {
    use super::*;

    // What PostgreSQL 15.18 on x86-64 answered; `tests/system/hashes.rs` asks a server anew.

    #[test]
    fn int8_is_hashint8extended() {
        let golden: [(i64, i64, i64); 24] = [
            (0, 0, 4_154_612_158_245_552_303),
            (0, 1, 434_346_878_670_890_809),
            (0, -7_046_029_254_386_353_131, 6_040_081_407_837_759_822),
            (1, 0, -3_670_598_878_359_251_130),
            (1, 1, -7_620_678_293_940_249_823),
            (1, -7_046_029_254_386_353_131, 3_847_178_503_053_974_423),
            (-1, 0, -1_888_257_769_727_981_238),
            (-1, 1, 3_987_656_643_895_367_148),
            (-1, -7_046_029_254_386_353_131, 5_595_689_452_492_215_845),
            (42, 0, 8_010_225_493_015_854_792),
            (42, 1, 3_812_564_155_960_986_560),
            (42, -7_046_029_254_386_353_131, -5_762_509_317_565_802_839),
            (2_147_483_648, 0, 1_977_219_185_673_256_887),
            (2_147_483_648, 1, 3_044_001_184_559_810_835),
            (
                2_147_483_648,
                -7_046_029_254_386_353_131,
                -1_722_867_377_629_226_331,
            ),
            (-2_147_483_649, 0, -9_109_110_466_470_504_941),
            (-2_147_483_649, 1, 2_560_836_655_869_490_746),
            (
                -2_147_483_649,
                -7_046_029_254_386_353_131,
                -2_725_116_279_677_566_641,
            ),
            (i64::MAX, 0, 1_977_219_185_673_256_887),
            (i64::MAX, 1, 3_044_001_184_559_810_835),
            (
                i64::MAX,
                -7_046_029_254_386_353_131,
                -1_722_867_377_629_226_331,
            ),
            (i64::MIN, 0, -9_109_110_466_470_504_941),
            (i64::MIN, 1, 2_560_836_655_869_490_746),
            (
                i64::MIN,
                -7_046_029_254_386_353_131,
                -2_725_116_279_677_566_641,
            ),
        ];
        for (value, seed, hash) in golden {
            assert_eq!(int8(value, seed), hash, "{value} {seed}");
        }
    }

    #[test]
    fn text_is_hashtextextended() {
        let golden: [(&str, i64, i64); 24] = [
            ("", 0, -6_939_563_903_564_495_251),
            ("", 1, -150_071_773_020_461_347),
            ("", -7_046_029_254_386_353_131, 5_233_101_233_904_376_371),
            ("a", 0, 3_591_986_179_850_072_241),
            ("a", 1, 3_325_245_193_489_759_299),
            ("a", -7_046_029_254_386_353_131, -7_773_757_010_039_246_667),
            ("abcd", 0, -1_038_429_303_365_892_052),
            ("abcd", 1, -9_042_268_383_291_675_265),
            (
                "abcd",
                -7_046_029_254_386_353_131,
                3_344_324_032_684_639_052,
            ),
            ("abcdefgh", 0, -8_882_191_227_074_733_005),
            ("abcdefgh", 1, -996_835_456_672_934_620),
            (
                "abcdefgh",
                -7_046_029_254_386_353_131,
                5_150_498_316_399_276_286,
            ),
            ("abcdefghijk", 0, 3_112_909_444_737_856_467),
            ("abcdefghijk", 1, 8_196_382_510_784_792_041),
            (
                "abcdefghijk",
                -7_046_029_254_386_353_131,
                -802_576_794_447_761_230,
            ),
            ("abcdefghijkl", 0, -7_556_637_188_122_330_412),
            ("abcdefghijkl", 1, -6_429_754_808_531_195_817),
            (
                "abcdefghijkl",
                -7_046_029_254_386_353_131,
                7_075_027_150_287_853_142,
            ),
            ("abcdefghijklm", 0, 8_871_624_171_452_417_744),
            ("abcdefghijklm", 1, 3_808_842_878_744_369_845),
            (
                "abcdefghijklm",
                -7_046_029_254_386_353_131,
                7_177_256_405_767_785_247,
            ),
            (
                "grüße, 🦀 und mehr als zwei Blöcke",
                0,
                -1_105_902_889_776_700_308,
            ),
            (
                "grüße, 🦀 und mehr als zwei Blöcke",
                1,
                -1_797_397_209_630_657_784,
            ),
            (
                "grüße, 🦀 und mehr als zwei Blöcke",
                -7_046_029_254_386_353_131,
                -1_645_465_034_969_787_806,
            ),
        ];
        for (value, seed, hash) in golden {
            assert_eq!(text(value, seed), hash, "{value} {seed}");
        }
    }

    const ID: [u8; 16] = [
        0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a,
        0x11,
    ];

    #[test]
    fn uuid_is_uuid_hash_extended() {
        assert_eq!(uuid(&[0; 16], 0), -6_859_010_066_814_654_381);
        assert_eq!(uuid(&[0; 16], 1), -865_649_419_113_463_301);
        assert_eq!(uuid(&ID, 0), 7_543_054_272_012_930_821);
        assert_eq!(uuid(&ID, 1), -2_645_530_205_222_611_019);
    }

    #[test]
    fn a_composite_key_is_a_chain_from_its_first_column() {
        let two = [KeyValue::Bigint(7), KeyValue::text("eu")];
        assert_eq!(key(&two), -7_484_165_295_756_026_798);
        let three = [
            KeyValue::Bigint(7),
            KeyValue::text("eu"),
            KeyValue::Uuid(ID),
        ];
        assert_eq!(key(&three), 6_025_200_872_555_001_138);
    }
}
