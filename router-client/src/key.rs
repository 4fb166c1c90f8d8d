//! Sharding keys as an application has them.

use std::borrow::Cow;

use router_core::value::KeyValue;

/// A value of a sharding key: an integer, a text, the 16 bytes of a `uuid`, or a tuple of these for a key of several columns.
pub trait Key {
    /// The values of the key's columns, in their order.
    fn values(&self) -> Vec<KeyValue<'_>>;
}

/// A value of one column of a key.
pub trait KeyColumn {
    /// The value.
    fn value(&self) -> KeyValue<'_>;
}

macro_rules! integers {
    ($($t:ty),+) => { $(
        impl KeyColumn for $t {
            fn value(&self) -> KeyValue<'_> {
                KeyValue::Bigint((*self).into())
            }
        }
    )+ };
}

integers!(i64, i32, i16);

impl KeyColumn for str {
    fn value(&self) -> KeyValue<'_> {
        KeyValue::text(self)
    }
}

impl KeyColumn for String {
    fn value(&self) -> KeyValue<'_> {
        KeyValue::text(self)
    }
}

impl KeyColumn for Cow<'_, str> {
    fn value(&self) -> KeyValue<'_> {
        KeyValue::text(self)
    }
}

impl KeyColumn for [u8; 16] {
    fn value(&self) -> KeyValue<'_> {
        KeyValue::Uuid(*self)
    }
}

impl<T: KeyColumn + ?Sized> KeyColumn for &T {
    fn value(&self) -> KeyValue<'_> {
        (**self).value()
    }
}

impl<T: KeyColumn + ?Sized> Key for T {
    fn values(&self) -> Vec<KeyValue<'_>> {
        vec![self.value()]
    }
}

macro_rules! tuples {
    ($($name:ident $at:tt),+) => {
        impl<$($name: KeyColumn),+> Key for ($($name,)+) {
            fn values(&self) -> Vec<KeyValue<'_>> {
                vec![$(self.$at.value()),+]
            }
        }
    };
}

tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
