//! Reads a token out of JSON in one pass. What harms nobody is tolerated, for all providers alike; see `docs/architecture.md`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{
    json::{DUPLICATE, Strict, refuse},
    token::{Fields, OAuth2Token},
};

impl<'de> Deserialize<'de> for OAuth2Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TokenVisitor)
    }
}

struct TokenVisitor;

impl TokenVisitor {
    fn refuse<E: Error>(self) -> Result<OAuth2Token, E> {
        Err(E::custom("a token reply is an object"))
    }
}

impl<'de> Visitor<'de> for TokenVisitor {
    type Value = OAuth2Token;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token reply, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<OAuth2Token, A::Error> {
        let mut found = Found::default();
        while let Some(member) = members.next_key()? {
            let is_new = match member {
                Member::Text(place) => found.text(place, members.next_value_seed(Text(TEXTS[place]))?),
                member => found.other(member, members.next_value::<Strict>()?.0),
            };
            if !is_new {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        found.token().map_err(A::Error::custom)
    }

    fn visit_unit<E: Error>(self) -> Result<OAuth2Token, E> {
        self.refuse()
    }

    refuse!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

/// The members that are texts, if they are anything.
const TEXTS: [&str; 4] = ["access_token", "token_type", "refresh_token", "id_token"];

/// The name of a member.
enum Member {
    /// Its place among [`TEXTS`].
    Text(usize),
    ExpiresAt,
    Other(String),
}

impl Member {
    #[inline]
    fn of(name: &str) -> Self {
        match TEXTS.iter().position(|known| *known == name) {
            Some(place) => Self::Text(place),
            None if name == "expires_at" => Self::ExpiresAt,
            None => Self::Other(name.to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(MemberVisitor)
    }
}

struct MemberVisitor;

impl Visitor<'_> for MemberVisitor {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Member, E> {
        Ok(Member::of(name))
    }
}

/// The value of a member that is a text or null. Errors name the member, and never quote the value.
struct Text(&'static str);

impl Text {
    fn refuse<E: Error>(self) -> Result<Option<String>, E> {
        Err(E::custom(self.problem()))
    }

    fn problem(&self) -> String {
        format!("{} is not a string", self.0)
    }
}

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    refuse!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.refuse()
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    texts: [Option<Option<String>>; TEXTS.len()],
    expires_at: Option<Value>,
    others: Map<String, Value>,
}

// Inlined where a token is read: as calls, they take 2 % more of it.
impl Found {
    /// Whether the text was not there yet.
    #[inline]
    fn text(&mut self, place: usize, text: Option<String>) -> bool {
        self.texts[place].replace(text).is_none()
    }

    /// Whether the member was not there yet.
    #[inline]
    fn other(&mut self, member: Member, value: Value) -> bool {
        match member {
            Member::Other(name) => self.others.insert(name, value).is_none(),
            _ => self.expires_at.replace(value).is_none(),
        }
    }

    #[inline]
    fn token(self) -> Result<OAuth2Token, String> {
        let Self { texts, expires_at, others } = self;
        let [access_token, token_type, refresh_token, id_token] = texts.map(Option::flatten);
        OAuth2Token::of(Fields { access_token, token_type, refresh_token, id_token, expires_at, others })
    }
}

/// Reads a token reply of which nothing else is to be known. `None` sends the caller to the long way, which finds out what is
/// wrong with it: it may be a form, an error, or no token.
pub(crate) fn read(body: &[u8]) -> Option<OAuth2Token> {
    // To check all of the text at once takes less than to check string by string.
    let token: OAuth2Token = serde_json::from_str(std::str::from_utf8(body).ok()?).ok()?;
    (!token.others().contains_key("error")).then_some(token)
}

/// The same for fields that were read before.
///
/// # Errors
///
/// What is wrong with them.
pub(crate) fn of_fields(fields: Map<String, Value>) -> Result<OAuth2Token, String> {
    let mut found = Found::default();
    for (name, value) in fields {
        match (Member::of(&name), value) {
            (Member::Text(place), Value::String(text)) => found.text(place, Some(text)),
            (Member::Text(place), Value::Null) => found.text(place, None),
            (Member::Text(place), _) => return Err(Text(TEXTS[place]).problem()),
            (member, value) => found.other(member, value),
        };
    }
    found.token()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        serde_json::from_str::<OAuth2Token>(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named_without_quoting_it() {
        for (text, reason) in [
            (r#"{"access_token":17}"#, "access_token is not a string"),
            (r#"{"access_token":["SECRET"]}"#, "access_token is not a string"),
            (r#"{"access_token":{"a":"SECRET"}}"#, "access_token is not a string"),
            (r#"{"access_token":"SECRET","id_token":true}"#, "id_token is not a string"),
            (r#"{"access_token":""}"#, "access_token is empty"),
            (r#"{"token_type":"bearer"}"#, "there is no access_token"),
            (r#"{"access_token":null}"#, "there is no access_token"),
            (r#"{"access_token":"SECRET","expires_in":"soon"}"#, "the expiry is not a number of seconds"),
        ] {
            let found = problem(text);
            assert!(found.starts_with(reason), "{found}");
            assert!(!found.contains("SECRET"), "{found}");
        }
    }

    #[test]
    fn what_is_no_object_is_no_token() {
        for text in ["null", "true", "-1", "1", "1.5", "\"SECRET\"", "[\"SECRET\"]"] {
            assert_eq!(problem(text).split(" at line").next(), Some("a token reply is an object"), "{text}");
        }
    }

    #[test]
    fn tk_21_a_member_that_stands_twice_is_refused() {
        for twice in [
            r#"{"access_token":"A","access_token":"B"}"#,
            r#"{"access_token":"A","token_type":null,"token_type":"bearer"}"#,
            r#"{"access_token":"A","team":1,"team":1}"#,
            r#"{"access_token":"A","expires_at":1,"expires_at":1}"#,
            r#"{"access_token":"A","team":{"id":1,"id":2}}"#,
        ] {
            assert!(problem(twice).starts_with(DUPLICATE), "{twice}");
        }
    }

    #[test]
    fn the_short_way_takes_tokens_only() {
        assert_eq!(read(br#"{"access_token":"A","n":1}"#).unwrap().access_token(), "A");
        for other in [
            &br#"{"access_token":"A","error":"invalid_grant"}"#[..],
            br#"{"error":"invalid_grant"}"#,
            b"access_token=A",
            b"{",
            b"[]",
        ] {
            assert!(read(other).is_none());
        }
    }
}
