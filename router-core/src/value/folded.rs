//! A constant with its PostgreSQL type, so that it is folded as PostgreSQL folds it.
//!
//! The type decides what happens: `2147483647 + 1` is an overflow of `integer`,
//! `2147483648 + 1` is not, and `'42' + 1` reads the string as an `integer`.
//! A [`Folded`] is made from a literal or a parameter, changed by a sign,
//! arithmetic and casts, and at last compared with a key ([`Folded::equals`])
//! or stored into one ([`Folded::assigned`]): the two differ, since `key = 42.5`
//! holds for no row while `INSERT` rounds.

use std::borrow::Cow;

use super::input::{self, Parsed, Width};
use super::numeric::{self, Decimal, Numeric};
use super::{KeyType, KeyValue, Outcome, PgError, oid};

/// The lexical class of a constant, as far as values have to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralClass {
    /// `NULL`.
    Null,
    /// Digits only.
    Integer,
    /// With a point or exponent.
    Numeric,
    /// Any string spelling.
    String,
    /// Everything else: `TRUE`, `B'1'`.
    Other,
}

/// The format of a parameter on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 0
    Text,
    /// 1
    Binary,
}

/// A constant expression and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded<'a>(Form<'a>);

#[derive(Clone, Debug, PartialEq)]
enum Form<'a> {
    /// Digits as written; a sign before it is part of the constant, and the type follows from the size.
    Digits(i128),
    Int(Width, i64),
    Numeric(Numeric),
    Text(Cow<'a, str>),
    Uuid([u8; 16]),
    /// A string literal: its type is what it is compared with.
    Quoted(Cow<'a, str>),
    /// A parameter of no declared type, as text.
    Inferred(Cow<'a, str>),
    /// A parameter of no declared type, as bytes.
    InferredBinary(Cow<'a, [u8]>),
    Null(Option<PgType>),
    Invalid(PgError),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PgType {
    Int(Width),
    Numeric,
    Text,
    Uuid,
}

impl PgType {
    fn name(self) -> &'static str {
        match self {
            Self::Int(width) => width.name(),
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Uuid => "uuid",
        }
    }

    /// By its canonical name, without modifiers.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "smallint" => Self::Int(Width::Int2),
            "integer" => Self::Int(Width::Int4),
            "bigint" => Self::Int(Width::Int8),
            "numeric" => Self::Numeric,
            "text" | "character varying" => Self::Text,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Int(_) | Self::Numeric)
    }

    fn comparable(self, key: KeyType) -> bool {
        match key {
            KeyType::Bigint => self.is_number(),
            KeyType::Text => self == Self::Text,
            KeyType::Uuid => self == Self::Uuid,
        }
    }

    fn assignable(self, key: KeyType) -> bool {
        key == KeyType::Text || self.comparable(key)
    }
}

fn out_of_range(width: Width) -> PgError {
    PgError::new("22003", format!("{} out of range", width.name()))
}

fn bad_bytes() -> PgError {
    PgError::new("22021", "invalid byte sequence for encoding \"UTF8\"")
}

impl<'a> Folded<'a> {
    /// A value of which nothing is known.
    pub fn unknown() -> Self {
        Self(Form::Unknown)
    }

    /// A constant; `text` is the digits as written, or what a string stands for after escapes.
    pub fn literal(class: LiteralClass, text: impl Into<Cow<'a, str>>) -> Self {
        Self(match class {
            LiteralClass::Null => Form::Null(None),
            LiteralClass::String => Form::Quoted(text.into()),
            LiteralClass::Other => Form::Unknown,
            LiteralClass::Integer | LiteralClass::Numeric => number(&text.into()),
        })
    }

    /// A parameter: its type as declared (0 when not declared), its format, its bytes.
    ///
    /// A parameter of no declared type is taken to get its type from the one
    /// place where it stands. When it also stands elsewhere, PostgreSQL may
    /// infer another type from there, and the caller must find it out
    /// (`Describe`) and pass it.
    pub fn parameter(type_oid: u32, format: Format, value: Option<&'a [u8]>) -> Self {
        Self(match (value, format) {
            (None, _) => null_of(type_oid),
            (Some(bytes), Format::Text) => match readable(bytes) {
                Ok(text) => text_parameter(type_oid, text),
                Err(e) => Form::Invalid(e),
            },
            (Some(bytes), Format::Binary) => binary_parameter(type_oid, bytes),
        })
    }

    /// `-x`.
    pub fn negate(self) -> Self {
        Self(match self.0 {
            Form::Digits(v) => v
                .checked_neg()
                .map_or(Form::Numeric(Numeric::Other), Form::Digits),
            Form::Int(width, v) => int_or_error(width, -i128::from(v)),
            Form::Numeric(Numeric::Decimal(d)) => d
                .negated()
                .map_or(Form::Unknown, |d| Form::Numeric(Numeric::Decimal(d))),
            Form::Null(Some(t)) if t.is_number() => Form::Null(Some(t)),
            kept @ (Form::Numeric(Numeric::Other) | Form::Invalid(_)) => kept,
            _ => Form::Unknown,
        })
    }

    /// `x op y` for `+`, `-` and `*`.
    pub fn arithmetic(self, op: char, other: Self) -> Self {
        if !matches!(op, '+' | '-' | '*') {
            return Self(Form::Unknown);
        }
        let guessed = self.is_inferred() || other.is_inferred();
        let (left, right) = (self.0.typed(), other.0.typed());
        let (left, right) = match (left.pg_type(), right.pg_type()) {
            (Some(t), _) => {
                let right = right.resolved(t);
                (left, right)
            }
            (None, Some(t)) => (left.resolved(t), right),
            (None, None) => (left, right),
        };
        let result = fold(op, left, right);
        Self(match result {
            // Were the parameter's type another one, this would not be an error.
            Form::Invalid(_) if guessed => Form::Unknown,
            result => result,
        })
    }

    /// `x::type`, the type by its canonical lower-case name and without modifiers.
    pub fn cast(self, to: &str) -> Self {
        let Some(to) = PgType::named(to) else {
            return Self(Form::Unknown);
        };
        Self(self.0.typed().cast(to))
    }

    /// For `key = x`.
    pub fn equals(self, key: KeyType) -> Outcome<'a> {
        let form = self.0.typed();
        match form.pg_type() {
            Some(t) if !t.comparable(key) => {
                return Outcome::Invalid(PgError::new(
                    "42883",
                    format!("operator does not exist: {key} = {}", t.name()),
                ));
            }
            _ => {}
        }
        match form {
            Form::Numeric(Numeric::Other) => Outcome::NoMatch,
            Form::Numeric(Numeric::Decimal(d)) => match d.exact().map(i64::try_from) {
                Some(Ok(v)) => Outcome::Value(KeyValue::Bigint(v)),
                _ => Outcome::NoMatch,
            },
            form => form.outcome(key),
        }
    }

    /// For a column of the key that is stored as `x`, by `INSERT` or `UPDATE … SET`.
    ///
    /// A `character varying(n)` column cuts trailing blanks beyond `n`; a caller
    /// that knows of such a column must treat text with trailing blanks as unknown.
    pub fn assigned(self, key: KeyType) -> Outcome<'a> {
        let form = self.0.typed();
        match form.pg_type() {
            Some(t) if !t.assignable(key) => Outcome::Invalid(PgError::new(
                "42804",
                format!(
                    "column is of type {key} but expression is of type {}",
                    t.name()
                ),
            )),
            Some(t) if !t.comparable(key) => form.cast(PgType::Text).outcome(key),
            Some(PgType::Numeric) => form.cast(PgType::Int(Width::Int8)).outcome(key),
            _ => form.outcome(key),
        }
    }

    fn is_inferred(&self) -> bool {
        matches!(self.0, Form::Inferred(_) | Form::InferredBinary(_))
    }
}

impl<'a> Form<'a> {
    /// Digits get the smallest of `integer`, `bigint` and `numeric` that holds them (`make_const` in `parse_node.c`).
    fn typed(self) -> Self {
        match self {
            Self::Digits(v) if Width::Int4.holds(v) => Self::Int(Width::Int4, v as i64),
            Self::Digits(v) if Width::Int8.holds(v) => Self::Int(Width::Int8, v as i64),
            Self::Digits(v) => Self::Numeric(Numeric::Decimal(Decimal::whole(v))),
            other => other,
        }
    }

    /// The type, where there is one of its own.
    fn pg_type(&self) -> Option<PgType> {
        match self {
            Self::Int(width, _) => Some(PgType::Int(*width)),
            Self::Numeric(_) => Some(PgType::Numeric),
            Self::Text(_) => Some(PgType::Text),
            Self::Uuid(_) => Some(PgType::Uuid),
            Self::Null(t) => *t,
            _ => None,
        }
    }

    /// A value without a type of its own, as one of type `t`.
    fn resolved(self, t: PgType) -> Self {
        match self {
            Self::Quoted(text) => read(t, text),
            Self::Inferred(text) => read_inferred(t, text),
            Self::InferredBinary(bytes) => read_binary(t, bytes),
            Self::Null(None) => Self::Null(Some(t)),
            other => other,
        }
    }

    fn cast(self, to: PgType) -> Self {
        let from = self.pg_type();
        if let Some(from) = from
            && from.is_number() != to.is_number()
            && (from == PgType::Uuid || to == PgType::Uuid)
        {
            return Self::Invalid(PgError::new(
                "42846",
                format!("cannot cast type {} to {}", from.name(), to.name()),
            ));
        }
        match (self, to) {
            (form, to) if from == Some(to) => form,
            (form, _) if from.is_none() => form.resolved(to),
            (Self::Null(_), to) => Self::Null(Some(to)),
            (Self::Int(_, v), PgType::Int(width)) => int_or_error(width, v.into()),
            (Self::Int(_, v), PgType::Numeric) => {
                Self::Numeric(Numeric::Decimal(Decimal::whole(v.into())))
            }
            (Self::Int(_, v), PgType::Text) => Self::Text(v.to_string().into()),
            (Self::Numeric(Numeric::Decimal(d)), PgType::Int(width)) => {
                int_or_error(width, d.rounded())
            }
            (Self::Numeric(Numeric::Decimal(d)), PgType::Text) => Self::Text(d.to_string().into()),
            (Self::Uuid(v), PgType::Text) => Self::Text(KeyValue::Uuid(v).to_string().into()),
            (Self::Text(text), to) => read(to, text),
            _ => Self::Unknown,
        }
    }

    /// As a key of a type that was found fit already.
    fn outcome(self, key: KeyType) -> Outcome<'a> {
        let t = match key {
            KeyType::Bigint => PgType::Int(Width::Int8),
            KeyType::Text => PgType::Text,
            KeyType::Uuid => PgType::Uuid,
        };
        match self.resolved(t) {
            Self::Int(_, v) => Outcome::Value(KeyValue::Bigint(v)),
            Self::Text(v) => Outcome::Value(KeyValue::Text(v)),
            Self::Uuid(v) => Outcome::Value(KeyValue::Uuid(v)),
            Self::Null(_) => Outcome::Null,
            Self::Invalid(e) => Outcome::Invalid(e),
            _ => Outcome::Unknown,
        }
    }
}

fn number(text: &str) -> Form<'static> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let significant = text.trim_start_matches('0');
        return if significant.len() <= 38 {
            Form::Digits(significant.parse().unwrap_or(0))
        } else {
            Form::Numeric(Numeric::Other)
        };
    }
    match numeric::parse(text) {
        Parsed::Value(v) => Form::Numeric(v),
        // The lexer said that it is a number; then it is one that is not read here.
        Parsed::Invalid(_) | Parsed::Unknown => Form::Unknown,
    }
}

fn readable(bytes: &[u8]) -> Result<&str, PgError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Ok(text),
        _ => Err(bad_bytes()),
    }
}

fn null_of(type_oid: u32) -> Form<'static> {
    match type_oid {
        0 | oid::UNKNOWN => Form::Null(None),
        oid::NAME => Form::Null(Some(PgType::Text)),
        other => match type_of(other) {
            Some(t) => Form::Null(Some(t)),
            None => Form::Unknown,
        },
    }
}

/// `name` is not among them: it cuts what is too long. Nor is `character`, which compares without trailing blanks.
fn type_of(type_oid: u32) -> Option<PgType> {
    Some(match type_oid {
        oid::INT2 => PgType::Int(Width::Int2),
        oid::INT4 => PgType::Int(Width::Int4),
        oid::INT8 => PgType::Int(Width::Int8),
        oid::NUMERIC => PgType::Numeric,
        oid::TEXT | oid::VARCHAR => PgType::Text,
        oid::UUID => PgType::Uuid,
        _ => return None,
    })
}

fn text_parameter(type_oid: u32, text: &str) -> Form<'_> {
    match type_oid {
        0 | oid::UNKNOWN => Form::Inferred(text.into()),
        oid::NAME => Form::Text(cut_name(text).into()),
        other => match type_of(other) {
            Some(t) => read(t, text.into()),
            None => Form::Unknown,
        },
    }
}

fn binary_parameter(type_oid: u32, bytes: &[u8]) -> Form<'_> {
    match type_oid {
        0 | oid::UNKNOWN => Form::InferredBinary(bytes.into()),
        oid::NAME => match readable(bytes) {
            Ok(text) if text.len() < NAME_SIZE => Form::Text(text.into()),
            Ok(_) => Form::Invalid(PgError::new("42622", "identifier too long")),
            Err(e) => Form::Invalid(e),
        },
        other => match type_of(other) {
            Some(PgType::Int(width)) => {
                let form = read_binary(PgType::Int(width), bytes.into());
                match form {
                    Form::Int(read, _) if read == width => form,
                    _ => Form::Invalid(bad_binary()),
                }
            }
            Some(PgType::Uuid) if bytes.len() != 16 => Form::Invalid(bad_binary()),
            Some(t) => read_binary(t, bytes.into()),
            None => Form::Unknown,
        },
    }
}

fn bad_binary() -> PgError {
    // One of two, by whether too little or too much is there; both say that the bytes are no such value.
    PgError::new("22P03", "incorrect binary data format in bind parameter")
}

/// `NAMEDATALEN`: a name has one byte less.
const NAME_SIZE: usize = 64;

/// `namein`: as many whole characters as fit.
fn cut_name(text: &str) -> &str {
    let mut end = text.len().min(NAME_SIZE - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The type's input function.
fn read(t: PgType, text: Cow<'_, str>) -> Form<'_> {
    match t {
        PgType::Int(width) => match input::integer(&text, width) {
            Parsed::Value(v) => Form::Int(width, v),
            Parsed::Invalid(e) => Form::Invalid(e),
            Parsed::Unknown => Form::Unknown,
        },
        PgType::Numeric => match numeric::parse(&text) {
            Parsed::Value(v) => Form::Numeric(v),
            Parsed::Invalid(e) => Form::Invalid(e),
            Parsed::Unknown => Form::Unknown,
        },
        PgType::Uuid => match input::uuid(&text) {
            Parsed::Value(v) => Form::Uuid(v),
            Parsed::Invalid(e) => Form::Invalid(e),
            Parsed::Unknown => Form::Unknown,
        },
        PgType::Text => Form::Text(text),
    }
}

/// The same for a parameter of no declared type. That it is, say, no `bigint` is an error only if no
/// other numeric type would have taken it.
fn read_inferred(t: PgType, text: Cow<'_, str>) -> Form<'_> {
    let could_be_number = |text: &str| !matches!(numeric::parse(text), Parsed::Invalid(_));
    match read(t, text.clone()) {
        Form::Invalid(_) if t.is_number() && could_be_number(&text) => Form::Unknown,
        form => form,
    }
}

/// The type's receive function. An integer comes in the width that it has.
fn read_binary(t: PgType, bytes: Cow<'_, [u8]>) -> Form<'_> {
    match t {
        PgType::Int(_) => match bytes.len() {
            2 => Form::Int(Width::Int2, i16::from_be_bytes([bytes[0], bytes[1]]).into()),
            4 => Form::Int(
                Width::Int4,
                i32::from_be_bytes(*bytes.first_chunk().expect("four bytes")).into(),
            ),
            8 => Form::Int(
                Width::Int8,
                i64::from_be_bytes(*bytes.first_chunk().expect("eight bytes")),
            ),
            _ => Form::Unknown,
        },
        PgType::Numeric => numeric::from_binary(&bytes).map_or(Form::Unknown, Form::Numeric),
        PgType::Uuid => match <[u8; 16]>::try_from(&*bytes) {
            Ok(v) => Form::Uuid(v),
            Err(_) => Form::Unknown,
        },
        PgType::Text => {
            if bytes.contains(&0) {
                return Form::Invalid(bad_bytes());
            }
            match bytes {
                Cow::Borrowed(b) => match std::str::from_utf8(b) {
                    Ok(text) => Form::Text(text.into()),
                    Err(_) => Form::Invalid(bad_bytes()),
                },
                Cow::Owned(b) => match String::from_utf8(b) {
                    Ok(text) => Form::Text(text.into()),
                    Err(_) => Form::Invalid(bad_bytes()),
                },
            }
        }
    }
}

fn int_or_error(width: Width, v: i128) -> Form<'static> {
    match i64::try_from(v) {
        Ok(small) if width.holds(v) => Form::Int(width, small),
        _ => Form::Invalid(out_of_range(width)),
    }
}

/// Arithmetic on two values that both have types by now.
fn fold<'a>(op: char, left: Form<'a>, right: Form<'a>) -> Form<'a> {
    if left == Form::Unknown || right == Form::Unknown {
        return Form::Unknown;
    }
    let (left, right) = match (left, right) {
        (Form::Invalid(e), _) | (_, Form::Invalid(e)) => return Form::Invalid(e),
        both => both,
    };
    let result = match (left.pg_type(), right.pg_type()) {
        (Some(PgType::Int(a)), Some(PgType::Int(b))) => PgType::Int(a.max(b)),
        (Some(a), Some(b)) if a.is_number() && b.is_number() => PgType::Numeric,
        _ => return Form::Unknown,
    };
    match (left, right, result) {
        (Form::Null(_), _, t) | (_, Form::Null(_), t) => Form::Null(Some(t)),
        (Form::Int(_, a), Form::Int(_, b), PgType::Int(width)) => {
            let (a, b) = (i128::from(a), i128::from(b));
            int_or_error(
                width,
                match op {
                    '+' => a + b,
                    '-' => a - b,
                    _ => a * b,
                },
            )
        }
        (a, b, _) => match (a.cast(PgType::Numeric), b.cast(PgType::Numeric)) {
            (Form::Numeric(Numeric::Decimal(a)), Form::Numeric(Numeric::Decimal(b))) => a
                .arithmetic(op, &b)
                .map_or(Form::Unknown, |d| Form::Numeric(Numeric::Decimal(d))),
            _ => Form::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Folded<'_> {
        Folded::literal(LiteralClass::Integer, text)
    }

    fn quoted(text: &str) -> Folded<'_> {
        Folded::literal(LiteralClass::String, text)
    }

    fn bigint(v: i64) -> Outcome<'static> {
        Outcome::Value(KeyValue::Bigint(v))
    }

    fn code(outcome: Outcome<'_>) -> String {
        match outcome {
            Outcome::Invalid(e) => e.sqlstate.to_string(),
            other => panic!("{other:?} is no error"),
        }
    }

    #[test]
    fn arithmetic_overflows_in_the_type_of_its_operands() {
        let key = KeyType::Bigint;
        let sum = |a, b| digits(a).arithmetic('+', digits(b)).equals(key);
        assert_eq!(sum("40", "2"), bigint(42));
        assert_eq!(code(sum("2147483647", "1")), "22003");
        assert_eq!(sum("2147483648", "1"), bigint(2_147_483_649));
    }

    #[test]
    fn a_sign_is_part_of_the_constant() {
        let key = KeyType::Bigint;
        let lowest = digits("9223372036854775808").negate();
        assert_eq!(lowest.equals(key), bigint(i64::MIN));
        let cast_first = digits("9223372036854775808").cast("bigint").negate();
        assert_eq!(code(cast_first.equals(key)), "22003");
    }

    #[test]
    fn a_fraction_equals_no_key_but_is_rounded_when_stored() {
        let half = || Folded::literal(LiteralClass::Numeric, "42.5");
        assert_eq!(half().equals(KeyType::Bigint), Outcome::NoMatch);
        assert_eq!(half().assigned(KeyType::Bigint), bigint(43));
        let whole = Folded::literal(LiteralClass::Numeric, "4.2e1");
        assert_eq!(whole.equals(KeyType::Bigint), bigint(42));
    }

    #[test]
    fn newer_integer_syntax_is_not_guessed() {
        for text in ["0x1F", "1_000", "-0b1"] {
            assert_eq!(quoted(text).equals(KeyType::Bigint), Outcome::Unknown);
        }
    }

    #[test]
    fn a_parameter_without_a_type_is_not_called_wrong_when_another_type_would_take_it() {
        let text = |v: &'static str| Folded::parameter(0, Format::Text, Some(v.as_bytes()));
        assert_eq!(text(" 42 ").equals(KeyType::Bigint), bigint(42));
        assert_eq!(text("42.0").equals(KeyType::Bigint), Outcome::Unknown);
        assert_eq!(code(text("x").equals(KeyType::Bigint)), "22P02");
        assert_eq!(
            text("x").equals(KeyType::Text),
            Outcome::Value(KeyValue::text("x"))
        );
    }

    #[test]
    fn character_n_ignores_trailing_blanks_and_is_not_guessed() {
        let padded = Folded::parameter(oid::BPCHAR, Format::Text, Some(b"a  "));
        assert_eq!(padded.equals(KeyType::Text), Outcome::Unknown);
    }

    #[test]
    fn null_keeps_its_type() {
        let null = || Folded::literal(LiteralClass::Null, "NULL");
        assert_eq!(null().equals(KeyType::Uuid), Outcome::Null);
        let typed = null().cast("bigint");
        assert_eq!(code(typed.equals(KeyType::Uuid)), "42883");
    }
}
