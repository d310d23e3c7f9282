//! What is stored is read and written by hand. To compile `serde_derive` takes two seconds of processor time, and nothing else in
//! a program with a plain provider needs it.
//!
//! Enums list their names once, by [`names!`]. Objects are read as [`Members`], and are therefore written as maps: a format that
//! writes a struct without the names of its fields could not be read again. What makes something of members is `#[inline]`, so that
//! it is compiled in the programs that use it, as derived code would be, and not with the core.

use std::{fmt, mem};

use serde::{
    Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{
    json::{DUPLICATE, refuse},
    secret::Secret,
};

/// The members of an object, taken out one after the other by their names. Texts that nobody took are wiped in the end, because a
/// secret may be among them.
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// Reads an object, and makes something of its members. What a member holds is not in the error.
    pub(crate) fn read<'de, D: Deserializer<'de>, T>(
        deserializer: D,
        make: fn(&mut Self) -> Result<T, String>,
    ) -> Result<T, D::Error> {
        let mut members = deserializer.deserialize_any(MembersVisitor)?;
        make(&mut members).map_err(D::Error::custom)
    }

    /// A member that must be there.
    pub(crate) fn required<T: Member>(&mut self, name: &str) -> Result<T, String> {
        self.0.remove(name).map_or_else(|| Err(format!("{name} is missing")), |value| read(name, value))
    }

    /// A member that may be missing or null.
    pub(crate) fn optional<T: Member>(&mut self, name: &str) -> Result<Option<T>, String> {
        self.0.remove(name).filter(|value| !value.is_null()).map(|value| read(name, value)).transpose()
    }

    /// A member that may be missing, but is not null.
    pub(crate) fn or_default<T: Member + Default>(&mut self, name: &str) -> Result<T, String> {
        self.0.remove(name).map_or_else(|| Ok(T::default()), |value| read(name, value))
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for (_, value) in mem::take(&mut self.0) {
            drop(Secret::of(value));
        }
    }
}

struct MembersVisitor;

impl MembersVisitor {
    fn refuse<E: Error>(self) -> Result<Members, E> {
        Err(E::custom("it is not an object"))
    }
}

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members(Map::new());
        while let Some(name) = map.next_key::<String>()? {
            if members.0.contains_key(&name) {
                return Err(A::Error::custom(DUPLICATE));
            }
            members.0.insert(name, map.next_value()?);
        }
        Ok(members)
    }

    fn visit_unit<E: Error>(self) -> Result<Members, E> {
        self.refuse()
    }

    refuse!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

/// What a member of an object can be.
pub(crate) trait Member: Sized {
    /// How an error calls it: `scopes is not a list of texts`.
    const KIND: &'static str;

    /// `None` if the value is something else.
    fn of(value: Value) -> Option<Self>;
}

fn read<T: Member>(name: &str, value: Value) -> Result<T, String> {
    T::of(value).ok_or_else(|| format!("{name} is not {}", T::KIND))
}

impl Member for Value {
    const KIND: &'static str = "a value";

    fn of(value: Value) -> Option<Self> {
        Some(value)
    }
}

impl Member for String {
    const KIND: &'static str = "a text";

    fn of(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl Member for Secret {
    const KIND: &'static str = String::KIND;

    fn of(value: Value) -> Option<Self> {
        String::of(value).map(Self::new)
    }
}

impl Member for Vec<String> {
    const KIND: &'static str = "a list of texts";

    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Array(items) => items.into_iter().map(String::of).collect(),
            _ => None,
        }
    }
}

impl Member for u64 {
    const KIND: &'static str = "a whole number from 0 on";

    fn of(value: Value) -> Option<Self> {
        value.as_u64()
    }
}

impl Member for i64 {
    const KIND: &'static str = "a whole number";

    fn of(value: Value) -> Option<Self> {
        value.as_i64()
    }
}

/// The names by which the variants of an enum are stored: `names! { Pet { Cat = "cat", Dog = "dog" } }`. It makes a private
/// method `name`, and what reads and writes such a name, by itself or as a [`Member`].
macro_rules! names {
    ($Enum:ident { $First:ident = $first:literal $(, $Variant:ident = $name:literal)* $(,)? }) => {
        impl $Enum {
            fn name(self) -> &'static str {
                match self {
                    Self::$First => $first,
                    $(Self::$Variant => $name,)*
                }
            }

            fn of_name(name: &str) -> Option<Self> {
                match name {
                    $first => Some(Self::$First),
                    $($name => Some(Self::$Variant),)*
                    _ => None,
                }
            }
        }

        impl serde::Serialize for $Enum {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Enum {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;

                let name = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::of_name(&name).ok_or_else(|| D::Error::unknown_variant(&name, &[$first $(, $name)*]))
            }
        }

        impl $crate::members::Member for $Enum {
            const KIND: &'static str = concat!("one of ", $first $(, ", ", $name)*);

            fn of(value: serde_json::Value) -> Option<Self> {
                Self::of_name(value.as_str()?)
            }
        }
    };
}

pub(crate) use names;
