//! The members of a token's header and its claims: a JSON object, with accessors for the types that checks ask for.

use std::fmt;

use oauth_core::{
    OffsetDateTime, StrictJson, TWICE_IN_JSON, parse_json, parse_json_as,
    serde_json::{Map, Value},
};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};

/// The claims of a token, in which no object names a member twice.
pub(crate) type Claims = Map<String, Value>;

/// The event that makes a token a logout token (OpenID Connect Back-Channel Logout section 2.4).
pub(crate) const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The end of the year 9999, in seconds since 1970.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Reads a JSON text; `None` if it is not an object.
///
/// # Errors
///
/// What is wrong with the text, by position and never by content; also that an object names a member twice.
pub(crate) fn parse_object(json: &[u8]) -> Result<Option<Claims>, String> {
    match parse_json(json)? {
        Value::Object(claims) => Ok(Some(claims)),
        _ => Ok(None),
    }
}

/// As [`parse_object`], but this member may be there several times if it says the same each time: then all readers agree.
pub(crate) fn parse_object_repeating(json: &[u8], member: &str) -> Result<Option<Claims>, String> {
    match parse_object(json) {
        Err(problem) => parse_json_as(json, Repeating(member)).map(Some).map_err(|_| problem),
        read => read,
    }
}

/// Reads an object in which one member may be repeated.
struct Repeating<'m>(&'m str);

impl<'de> DeserializeSeed<'de> for Repeating<'_> {
    type Value = Claims;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Claims, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Repeating<'_> {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claims, A::Error> {
        let mut object = Map::new();
        while let Some((name, StrictJson(value))) = members.next_entry::<String, StrictJson>()? {
            let is_same = name == self.0 && object.get(&name) == Some(&value);
            if object.insert(name, value).is_some() && !is_same {
                return Err(A::Error::custom(TWICE_IN_JSON));
            }
        }
        Ok(object)
    }
}

/// Typed access to claims.
pub(crate) trait ClaimsExt {
    /// A claim that is a string.
    fn text(&self, name: &str) -> Option<&str>;

    /// A claim that is a NumericDate (RFC 7519 section 2), which may have a fraction, between 1970 and 9999. A number beyond is
    /// a mistake, such as milliseconds, or a trick, and not a date.
    fn date(&self, name: &str) -> Option<f64>;

    /// The audiences, if `aud` is what the specification allows: a text, or a list of texts. A text that is listed twice is one
    /// audience.
    fn audiences(&self) -> Option<Vec<&str>>;
}

impl ClaimsExt for Claims {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    fn date(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds))
    }

    fn audiences(&self) -> Option<Vec<&str>> {
        match self.get("aud")? {
            Value::String(one) => Some(vec![one]),
            Value::Array(several) => {
                let mut audiences = Vec::new();
                for audience in several {
                    let audience = audience.as_str()?;
                    if !audiences.contains(&audience) {
                        audiences.push(audience);
                    }
                }
                Some(audiences)
            }
            _ => None,
        }
    }
}

/// Seconds since 1970, as the claims of a token have them.
pub(crate) fn seconds(moment: OffsetDateTime) -> f64 {
    (moment - OffsetDateTime::UNIX_EPOCH).as_seconds_f64()
}

/// The moment that a number of seconds means, or a text that is such a number; `None` for anything else.
pub(crate) fn moment(claim: &Value) -> Option<OffsetDateTime> {
    let seconds = match claim {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        other => other.as_f64()?,
    };
    // `as` saturates, and a moment that cannot be written down is none.
    #[expect(clippy::cast_possible_truncation, reason = "parts of a second do not matter here")]
    OffsetDateTime::from_unix_timestamp(seconds.floor() as i64).ok()
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;

    #[test]
    fn tk_21_a_member_that_is_there_twice_is_refused() {
        for twice in [r#"{"a":1,"a":2}"#, r#"{"a":{"b":1,"b":1}}"#, r#"{"a":[{"b":1,"\u0062":1}]}"#] {
            assert!(parse_object(twice.as_bytes()).unwrap_err().contains("twice"), "{twice}");
        }
        assert_eq!(parse_object(b"[]"), Ok(None));
        assert!(parse_object(b"{").is_err());
    }

    #[test]
    fn tk_21_a_member_that_may_be_repeated_says_the_same_each_time() {
        let read = |json: &str| parse_object_repeating(json.as_bytes(), "iss");
        let once = read(r#"{"iss":"a","aud":"b"}"#);
        for good in
            [r#"{"iss":"a","aud":"b","iss":"a"}"#, r#"{"iss":"a","aud":"b","\u0069ss":"\u0061","iss":"a"}"#]
        {
            assert_eq!(read(good), once, "{good}");
        }
        for bad in [
            r#"{"iss":"a","iss":"b"}"#,
            r#"{"iss":"a","iss":"b","iss":"a"}"#,
            r#"{"iss":"a","iss":null}"#,
            r#"{"aud":"a","aud":"a"}"#,
            r#"{"iss":"a","iss":"a","x":{"iss":"a","iss":"a"}}"#,
            r#"[{"iss":"a","iss":"a"}]"#,
        ] {
            assert_eq!(read(bad).unwrap_err(), TWICE_IN_JSON, "{bad}");
        }
    }

    #[test]
    fn id_12_a_date_lies_in_the_calendar() {
        let of = |date: Value| json!({"exp": date}).as_object().unwrap().date("exp");
        assert_eq!(of(json!(1_700_000_000.5)), Some(1_700_000_000.5));
        for none in [json!(-1), json!(1_700_000_000_000_i64), json!("1700000000"), json!(null), json!([1])] {
            assert_eq!(of(none.clone()), None, "{none}");
        }
    }

    #[test]
    fn id_05_an_audience_that_is_listed_twice_is_one() {
        let of = |aud: Value| json!({"aud": aud}).as_object().unwrap().audiences().map(|all| all.len());
        assert_eq!(of(json!("a")), Some(1));
        assert_eq!(of(json!(["a", "a"])), Some(1));
        assert_eq!(of(json!(["a", "b", "a"])), Some(2));
        assert_eq!(of(json!(["a", 1])), None);
        assert_eq!(of(json!({})), None);
    }

    #[test]
    fn id_11_moments_may_have_fractions() {
        assert_eq!(moment(&json!(1_795_449_929.051_649)).unwrap().unix_timestamp(), 1_795_449_929);
        for none in [json!(1e308), json!("soon"), json!([]), json!(-1e300)] {
            assert_eq!(moment(&none), None, "{none}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_member_that_is_there_twice() {
        let problem = parse_object_repeating(b"{", "iss").unwrap_err();
        assert_ne!(problem, TWICE_IN_JSON);
        assert_eq!(parse_object_repeating(b"[]", "iss"), Ok(None));
    }
}
