//! Claims at read time: strict checks are over, so texts are taken for booleans and numbers where a type wants them.

use std::fmt;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Email, EmailVerification, OffsetDateTime,
    provider_kit::text_at,
    serde_json::{self, Map, Value},
};
use serde::{
    Deserializer,
    de::{DeserializeOwned, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::StringDeserializer},
};

use crate::members::Claim;

/// Why claims do not fit a type. It tells what was expected, and not what stood there, which is personal data.
#[derive(Debug)]
pub struct ClaimsError(String);

impl ClaimsError {
    fn of(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        Self(match text.rsplit_once(", expected ") {
            // "invalid type: string "…", expected u8": the value stands in quotes or backticks.
            Some((found, expected)) => {
                let kind = found.split(['"', '`']).next().unwrap_or_default();
                format!("{}, expected {expected}", kind.trim_end())
            }
            None => text,
        })
    }
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the claims do not fit the type that they were asked for as: {}", self.0)
    }
}

impl std::error::Error for ClaimsError {}

/// The claims of OpenID Connect Core section 5.1. Those of another type than the specification's are left out.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct StandardClaims {
    /// The full name.
    pub name: Option<String>,
    /// The given name or names.
    pub given_name: Option<String>,
    /// The surname or surnames.
    pub family_name: Option<String>,
    /// The middle name or names.
    pub middle_name: Option<String>,
    /// The casual name.
    pub nickname: Option<String>,
    /// The name that the user wants to be called by. It is not unique, and changes.
    pub preferred_username: Option<String>,
    /// The URL of the profile page.
    pub profile: Option<String>,
    /// The URL of a picture.
    pub picture: Option<String>,
    /// The URL of the user's own page.
    pub website: Option<String>,
    /// The e-mail address; see [`email`](Self::email).
    pub email: Option<String>,
    /// Whether the provider vouches for the address.
    pub email_verified: Option<bool>,
    /// The gender.
    pub gender: Option<String>,
    /// The birthday, as `YYYY-MM-DD`, with `0000` for a year that is not told, or as `YYYY`.
    pub birthdate: Option<String>,
    /// The time zone, such as `Europe/Paris`.
    pub zoneinfo: Option<String>,
    /// The language (BCP 47).
    pub locale: Option<String>,
    /// The telephone number.
    pub phone_number: Option<String>,
    /// Whether the provider vouches for the number.
    pub phone_number_verified: Option<bool>,
    /// The postal address (section 5.1.1). What a provider sends as a text stands in `formatted`.
    pub address: Option<Address>,
    /// When any of this was last changed.
    pub updated_at: Option<OffsetDateTime>,
}

/// A postal address (OpenID Connect Core section 5.1.1).
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// All of it, with line breaks, for a label.
    pub formatted: Option<String>,
    /// Street and house number, possibly on several lines.
    pub street_address: Option<String>,
    /// The city.
    pub locality: Option<String>,
    /// The state, province or region.
    pub region: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The country.
    pub country: Option<String>,
}

impl StandardClaims {
    /// Reads the claims of a token or of UserInfo.
    #[must_use]
    pub fn of(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let flag = |name: &str| match EmailVerification::of(claims.get(name)) {
            EmailVerification::Verified => Some(true),
            EmailVerification::Unverified => Some(false),
            EmailVerification::Unknown => None,
        };
        Self {
            name: text("name"),
            given_name: text("given_name"),
            family_name: text("family_name"),
            middle_name: text("middle_name"),
            nickname: text("nickname"),
            preferred_username: text("preferred_username"),
            profile: text("profile"),
            picture: text("picture"),
            website: text("website"),
            email: text("email"),
            email_verified: flag("email_verified"),
            gender: text("gender"),
            birthdate: text("birthdate"),
            zoneinfo: text("zoneinfo"),
            locale: text("locale"),
            phone_number: text("phone_number"),
            phone_number_verified: flag("phone_number_verified"),
            address: claims.get("address").and_then(Address::of),
            updated_at: claims.get("updated_at").map(Claim::from).and_then(moment),
        }
    }

    /// The address with what the provider says of it.
    #[must_use]
    pub fn email(&self) -> Option<Email> {
        let verification = match self.email_verified {
            Some(true) => EmailVerification::Verified,
            Some(false) => EmailVerification::Unverified,
            None => EmailVerification::Unknown,
        };
        self.email.as_ref().map(|address| Email::new(address, verification))
    }
}

impl Address {
    fn of(claim: &Value) -> Option<Self> {
        let text = |name: &str| text_at(claim, &format!("/{name}"));
        match claim {
            Value::String(formatted) => Some(Self { formatted: Some(formatted.clone()), ..Self::default() }),
            Value::Object(_) => Some(Self {
                formatted: text("formatted"),
                street_address: text("street_address"),
                locality: text("locality"),
                region: text("region"),
                postal_code: text("postal_code"),
                country: text("country"),
            }),
            _ => None,
        }
    }
}

// Personal data has no place in logs.
impl fmt::Debug for StandardClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandardClaims").finish_non_exhaustive()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

/// A moment, be it a number of seconds, such a number as a text, or nothing that can be read.
pub(crate) fn moment(claim: Claim<'_>) -> Option<OffsetDateTime> {
    let seconds = match claim {
        Claim::Text(text) => text.trim().parse::<f64>().ok()?,
        Claim::Other(other) => other.as_f64()?,
    };
    // `as` saturates, and a moment that cannot be written down is none.
    #[expect(clippy::cast_possible_truncation, reason = "parts of a second do not matter here")]
    OffsetDateTime::from_unix_timestamp(seconds.floor() as i64).ok()
}

/// The SHA-256 of a text, in hexadecimal digits and as base64url.
pub(crate) fn sha256(text: &str) -> [String; 2] {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let hex = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    [hex, URL_SAFE_NO_PAD.encode(hash)]
}

/// Claims as any type.
pub(crate) fn read<T: DeserializeOwned>(claims: &Value) -> Result<T, ClaimsError> {
    T::deserialize(Tolerant(claims)).map_err(|error| ClaimsError::of(&error))
}

/// Hands a JSON value to serde, and texts as booleans or numbers where these are wanted.
struct Tolerant<'v>(&'v Value);

impl Tolerant<'_> {
    /// The value that a text stands for, if it is of the kind that is wanted.
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

struct Items<'v>(std::slice::Iter<'v, Value>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = serde_json::Error;

    fn next_element_seed<S: serde::de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Self::Error> {
        self.0.next().map(|item| seed.deserialize(Tolerant(item))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
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

        let claims: Claims = read(&json!({
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
            read::<HashMap<String, bool>>(&json!({ "flag": bad })).unwrap_err();
        }
        read::<HashMap<String, u8>>(&json!({"number": "256"})).unwrap_err();
    }

    #[test]
    fn id_24_standard_claims_are_tolerant() {
        let of = |claims: Value| StandardClaims::of(claims.as_object().unwrap());
        let claims = of(json!({
            "name": "Ada", "locale": 5, "updated_at": "1700000000", "address": "1 Road", "email_verified": "false",
            "email": "a@b.example", "phone_number_verified": 1, "website": null,
        }));
        assert_eq!(claims.name.as_deref(), Some("Ada"));
        assert_eq!((claims.locale.as_ref(), claims.website.as_ref()), (None, None));
        assert_eq!(claims.updated_at.map(OffsetDateTime::unix_timestamp), Some(1_700_000_000));
        assert_eq!(claims.address.clone().unwrap().formatted.as_deref(), Some("1 Road"));
        assert_eq!(claims.email().unwrap().verification, EmailVerification::Unverified);
        assert_eq!(claims.phone_number_verified, Some(true));
        let address = of(json!({"address": {"locality": "Paris", "postal_code": 75001}})).address.unwrap();
        assert_eq!(
            (address.locality.as_deref(), address.postal_code.as_deref()),
            (Some("Paris"), Some("75001"))
        );
        assert_eq!(of(json!({"updated_at": 1e300})).updated_at, None);
    }

    #[test]
    fn id_11_moments_may_have_fractions() {
        assert_eq!(
            moment(Claim::from(&json!(1_795_449_929.051_649))).unwrap().unix_timestamp(),
            1_795_449_929
        );
        for none in [json!(1e308), json!("soon"), json!([]), json!(-1e300)] {
            assert_eq!(moment(Claim::from(&none)), None, "{none}");
        }
    }
}
