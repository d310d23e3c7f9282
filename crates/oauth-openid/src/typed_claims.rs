//! Claims read as a type of the application's own.
//!
//! This deserializer is written by hand because a user would notice its absence: providers send `"true"` and `"1"` for booleans and
//! numbers, and no crate takes them for what they mean without an attribute on each field of the application's type. The claims
//! that decide something were checked strictly before.

use std::slice;

use oauth_core::serde_json::{self, Map, Value};
use serde::{
    Deserializer,
    de::{DeserializeOwned, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::StringDeserializer},
};

/// Why claims do not fit a type. It says what was expected, and never quotes what was found, which is personal data.
#[derive(Debug, thiserror::Error)]
#[error("the claims do not fit the type that they were asked for as: {0}")]
pub struct ClaimsError(String);

impl ClaimsError {
    fn of(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        Self(match text.rsplit_once(", expected ") {
            // "invalid type: string "…", expected u8": the value is in quotes or backticks.
            Some((found, expected)) => {
                let kind = found.split(['"', '`']).next().unwrap_or_default();
                format!("{}, expected {expected}", kind.trim_end())
            }
            None => text,
        })
    }
}

/// Reads claims as any type.
pub(crate) fn read<T: DeserializeOwned>(claims: Map<String, Value>) -> Result<T, ClaimsError> {
    T::deserialize(Tolerant(&Value::Object(claims))).map_err(|error| ClaimsError::of(&error))
}

/// Hands a JSON value to serde, and texts as booleans or numbers where these are wanted.
struct Tolerant<'v>(&'v Value);

impl Tolerant<'_> {
    /// The value that a text means, if it is of the kind that is wanted.
    fn meant<T: std::str::FromStr>(&self) -> Option<T> {
        self.0.as_str()?.trim().parse().ok()
    }
}

macro_rules! numbers {
    ($($deserialize:ident: $number:ty => $visit:ident),*) => {
        $(
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
                match self.meant::<$number>() {
                    Some(number) => visitor.$visit(number),
                    None => self.0.$deserialize(visitor),
                }
            }
        )*
    };
}

macro_rules! as_they_are {
    ($($deserialize:ident),*) => {
        $(
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
                self.0.$deserialize(visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Tolerant<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.iter())),
            Value::Object(members) => visitor.visit_map(Members { members: members.iter(), value: None }),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0.as_str() {
            Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => visitor.visit_bool(true),
            Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => visitor.visit_bool(false),
            _ => self.0.deserialize_bool(visitor),
        }
    }

    numbers!(
        deserialize_i8: i8 => visit_i8,
        deserialize_i16: i16 => visit_i16,
        deserialize_i32: i32 => visit_i32,
        deserialize_i64: i64 => visit_i64,
        deserialize_u8: u8 => visit_u8,
        deserialize_u16: u16 => visit_u16,
        deserialize_u32: u32 => visit_u32,
        deserialize_u64: u64 => visit_u64,
        deserialize_f32: f32 => visit_f32,
        deserialize_f64: f64 => visit_f64
    );

    as_they_are!(
        deserialize_char,
        deserialize_str,
        deserialize_string,
        deserialize_bytes,
        deserialize_byte_buf,
        deserialize_unit,
        deserialize_identifier,
        deserialize_ignored_any
    );

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }
}

struct Items<'v>(slice::Iter<'v, Value>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = serde_json::Error;

    fn next_element_seed<S: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Self::Error> {
        self.0.next().map(|item| seed.deserialize(Tolerant(item))).transpose()
    }
}

struct Members<'v> {
    members: serde_json::map::Iter<'v>,
    value: Option<&'v Value>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<S: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Self::Error> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.value = Some(value);
        let name: StringDeserializer<Self::Error> = name.clone().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Self::Error> {
        seed.deserialize(Tolerant(self.value.take().unwrap_or(&Value::Null)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use oauth_core::serde_json::json;
    use serde::Deserialize;

    use super::*;

    fn read<T: DeserializeOwned>(claims: Value) -> Result<T, ClaimsError> {
        super::read(claims.as_object().unwrap().clone())
    }

    #[test]
    fn texts_are_taken_for_booleans_and_numbers_where_these_are_wanted() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Plan {
            Free,
            Paid,
        }

        #[derive(Debug, PartialEq, Deserialize)]
        struct Inner {
            flag: bool,
        }

        #[derive(Debug, PartialEq, Deserialize)]
        struct Claims {
            email_verified: bool,
            level: Option<u8>,
            score: f64,
            missing: Option<bool>,
            groups: Vec<u32>,
            inner: Inner,
            by_name: HashMap<String, i64>,
            plan: Plan,
            zip: String,
            raw: Value,
        }

        let claims: Claims = read(json!({
            "email_verified": "true",
            "level": "7",
            "score": "0.5",
            "groups": ["1", 2],
            "inner": {"flag": "0"},
            "by_name": {"a": "-1"},
            "plan": "paid",
            "zip": "01234",
            "raw": {"true": "true"},
            "other": "ignored",
        }))
        .unwrap();
        assert_eq!(
            claims,
            Claims {
                email_verified: true,
                level: Some(7),
                score: 0.5,
                missing: None,
                groups: vec![1, 2],
                inner: Inner { flag: false },
                by_name: HashMap::from([("a".to_owned(), -1)]),
                plan: Plan::Paid,
                zip: "01234".to_owned(),
                raw: json!({"true": "true"}),
            }
        );
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in [json!("yes"), json!(""), json!(1), json!({})] {
            read::<HashMap<String, bool>>(json!({ "flag": bad })).unwrap_err();
        }
        read::<HashMap<String, u8>>(json!({"number": "256"})).unwrap_err();
    }

    #[test]
    fn a_claim_that_is_null_is_none_where_it_may_be() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Own {
            groups: Option<Vec<u8>>,
        }
        assert_eq!(read::<Own>(json!({"groups": null})).unwrap(), Own { groups: None });
        assert_eq!(read::<Own>(json!({"groups": ["1", 2]})).unwrap(), Own { groups: Some(vec![1, 2]) });
    }
}
