//! The members of a token's header and its claims: a JSON object, with accessors for the types that checks ask for.

use oauth_core::{
    OffsetDateTime, parse_json,
    serde_json::{Map, Value},
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
}
