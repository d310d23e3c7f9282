use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};
use time::OffsetDateTime;

use crate::{
    error::{Error, ErrorKind, Operation, Result},
    reply::shown,
    secret::Secret,
};

/// What a token endpoint answered: the tokens, when they expire, and every other field of the reply.
///
/// It serializes to the JSON object that people store in databases, with `expires_at` as a Unix time in seconds, and it
/// reads what httpx-oauth stored. Whoever stores it stores secrets. Its `Debug` shows none.
///
/// ```
/// use oauth_core::OAuth2Token;
///
/// let token: OAuth2Token = serde_json::from_str(
///     r#"{"access_token": "AT", "token_type": "bearer", "expires_at": 1700000000, "team": "T1"}"#,
/// )?;
/// assert_eq!(token.access_token(), "AT");
/// assert_eq!(token.get("team").unwrap(), "T1");
/// assert!(token.is_expired());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct OAuth2Token {
    access_token: Secret,
    token_type: Option<String>,
    /// As a Unix time in seconds, between 1970 and the end of 9999.
    expires_at: Option<i64>,
    refresh_token: Option<Secret>,
    id_token: Option<Secret>,
    /// Everything else, as it came; `scope` too, because providers disagree on its shape.
    others: Map<String, Value>,
}

/// What a token reply holds, by type.
pub(crate) struct Fields {
    pub(crate) access_token: Option<String>,
    pub(crate) token_type: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) id_token: Option<String>,
    pub(crate) expires_at: Option<Value>,
    pub(crate) others: Map<String, Value>,
}

impl OAuth2Token {
    /// A token of which nothing is known but its value, such as one that was stored bare.
    pub fn new(access_token: impl Into<Secret>) -> Self {
        Self {
            access_token: access_token.into(),
            token_type: None,
            expires_at: None,
            refresh_token: None,
            id_token: None,
            others: Map::new(),
        }
    }

    /// The access token (RFC 6749 section 1.4).
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.access_token.expose()
    }

    /// How the access token is used; `None` when the provider did not say, which means `Bearer`.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// The access token, if it is one to put behind `Authorization: Bearer` (RFC 6750).
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token is of another type, such as `DPoP`.
    pub fn bearer(&self) -> Result<&str> {
        match self.token_type() {
            None => Ok(self.access_token()),
            Some(kind) if kind.eq_ignore_ascii_case("bearer") => Ok(self.access_token()),
            Some(kind) => Err(Error::new(
                Operation::GET_IDENTITY,
                "oauth2",
                ErrorKind::Unsupported(format!(
                    "a token of type {:?} cannot be used as a bearer token",
                    shown(kind)
                )),
            )),
        }
    }

    /// The refresh token (RFC 6749 section 1.5).
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(Secret::expose)
    }

    /// The ID token, unverified (OpenID Connect Core section 2).
    #[must_use]
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_ref().map(Secret::expose)
    }

    /// When the access token expires; `None` when the provider did not say.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())
    }

    /// Whether the access token has expired. A token without a known expiry has not.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.expires_within(Duration::ZERO)
    }

    /// Whether the access token has expired or will within the margin, so that it is time to refresh it.
    #[must_use]
    pub fn expires_within(&self, margin: Duration) -> bool {
        let by_then = since_1970().saturating_add(margin);
        self.expires_at.is_some_and(|at| Duration::from_secs(at.unsigned_abs()) <= by_then)
    }

    /// The scopes that were granted; `None` when the provider did not say, which means those that were asked for
    /// (RFC 6749 section 5.1). Providers that send a list or put commas between them are understood.
    #[must_use]
    pub fn scopes(&self) -> Option<Vec<&str>> {
        match self.others.get("scope")? {
            Value::String(scopes) => {
                Some(scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).collect())
            }
            Value::Array(scopes) => Some(scopes.iter().filter_map(Value::as_str).collect()),
            _ => None,
        }
    }

    /// Any field of the reply by its name, as the original's `token["access_token"]`.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<Value> {
        match field {
            "access_token" => Some(self.access_token().into()),
            "token_type" => self.token_type().map(Into::into),
            "refresh_token" => self.refresh_token().map(Into::into),
            "id_token" => self.id_token().map(Into::into),
            "expires_at" if self.expires_at.is_some() => self.expires_at.map(Into::into),
            _ => self.others.get(field).cloned(),
        }
    }

    /// The fields of the reply that have no method of their own.
    #[must_use]
    pub fn others(&self) -> &Map<String, Value> {
        &self.others
    }

    /// The same token with the refresh token that it replaces, unless it brought its own (RFC 6749 section 6).
    pub(crate) fn or_refresh_token(mut self, old: &str) -> Self {
        self.refresh_token.get_or_insert_with(|| old.into());
        self
    }

    /// The same token with the scope that it has without saying so (RFC 6749 sections 5.1 and 6): the one that was asked for, or
    /// else that of the token it replaces, which may be less than the user was once asked for.
    pub(crate) fn or_scope(mut self, asked: Option<&[&str]>, old: &Self) -> Self {
        if self.others.get("scope").is_none_or(Value::is_null) {
            let asked = asked.filter(|scopes| !scopes.is_empty()).map(|scopes| scopes.join(" ").into());
            if let Some(scope) = asked.or_else(|| old.others.get("scope").cloned()) {
                self.others.insert("scope".to_owned(), scope);
            }
        }
        self
    }

    /// The same token with this ID token, unless it brought its own.
    pub(crate) fn or_id_token(mut self, old: Option<&str>) -> Self {
        self.id_token = self.id_token.or_else(|| old.map(Into::into));
        self
    }

    /// The same token without its ID token: for whoever could not verify it.
    #[must_use]
    pub fn without_id_token(mut self) -> Self {
        self.id_token = None;
        self
    }

    /// A token of what a reply holds.
    pub(crate) fn of(fields: Fields) -> Result<Self, String> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let access_token = fields.access_token.ok_or("there is no access_token")?;
        if access_token.is_empty() {
            return Err("access_token is empty".to_owned());
        }
        let mut others = fields.others;
        let known = fields.expires_at.as_ref().and_then(|at| seconds(at).ok().flatten());
        // Some providers write a date here; it stays among the other fields, and `expires_in` counts.
        if let (None, Some(date)) = (known, fields.expires_at) {
            others.insert("expires_at".to_owned(), date);
        }
        let expires_at = match known {
            Some(at) => Some(clamped(at)),
            None => others.get("expires_in").map(seconds).transpose()?.flatten().map(|lifetime| {
                let now = i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX);
                clamped(now.saturating_add(lifetime))
            }),
        };
        Ok(Self {
            access_token: access_token.into(),
            token_type: filled(fields.token_type),
            expires_at,
            refresh_token: filled(fields.refresh_token).map(Into::into),
            id_token: filled(fields.id_token).map(Into::into),
            others,
        })
    }

    fn to_fields(&self) -> Map<String, Value> {
        let mut fields = self.others.clone();
        for field in ["access_token", "token_type", "refresh_token", "id_token", "expires_at"] {
            if let Some(value) = self.get(field) {
                fields.insert(field.to_owned(), value);
            }
        }
        fields
    }
}

/// A number of seconds in any of the shapes in which servers send it. `None` for null and the empty string.
fn seconds(value: &Value) -> Result<Option<i64>, String> {
    let number: Option<Number> = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        // As JSON has it: the standard library's reader of fractions would be in the program for this alone.
        Value::String(text) => {
            text.trim().parse::<i64>().map(Into::into).or_else(|_| text.trim().parse()).ok()
        }
        Value::Number(number) => Some(number.clone()),
        _ => None,
    };
    number
        .and_then(|number| number.as_i64().or_else(|| number.as_f64().map(whole)))
        .map(Some)
        .ok_or_else(|| "the expiry is not a number of seconds".to_owned())
}

/// Whether a Unix time as servers write it lies before another one. What is no number never passes, nor does zero, by which
/// some mean that there is no end.
pub(crate) fn has_passed(time: &Value, now: i64) -> bool {
    matches!(seconds(time), Ok(Some(at)) if at != 0 && at < now)
}

/// The seconds that have passed in full. `as` saturates, so that no size overflows.
#[expect(clippy::cast_possible_truncation, reason = "huge numbers saturate")]
fn whole(seconds: f64) -> i64 {
    seconds.floor() as i64
}

/// A Unix time in seconds, moved into the years that can be written down: 1970 to 9999.
fn clamped(unix: i64) -> i64 {
    const END_OF_9999: i64 = 253_402_300_799;
    unix.clamp(0, END_OF_9999)
}

/// What the clock says, as the time since 1970, before which it never is.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

impl fmt::Debug for OAuth2Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Token")
            .field("access_token", &self.access_token)
            .field("token_type", &self.token_type)
            .field("expires_at", &self.expires_at)
            .field("refresh_token", &self.refresh_token)
            .field("id_token", &self.id_token)
            // Only names: a provider can put a secret under any of them.
            .field("others", &self.others.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Serialize for OAuth2Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_fields().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token_reader::of_fields;

    fn token(extra: &Value) -> Result<OAuth2Token, String> {
        let mut fields = Map::from_iter([("access_token".to_owned(), json!("AT"))]);
        fields.extend(extra.as_object().unwrap().clone());
        of_fields(fields)
    }

    fn lifetime(expires_in: Value) -> Option<i64> {
        let token = token(&json!({ "expires_in": expires_in })).unwrap();
        token.expires_at().map(|at| at.unix_timestamp() - OffsetDateTime::now_utc().unix_timestamp())
    }

    #[test]
    fn tk_13_every_shape_of_expires_in_is_read_without_overflow() {
        for shape in [
            json!(3600),
            json!("3600"),
            json!("+3600"),
            json!("003600"),
            json!(3600.0),
            json!("3600.0"),
            json!(" 3600.7 "),
            json!("3.6e3"),
        ] {
            assert!(lifetime(shape.clone()).is_some_and(|left| (3598..=3600).contains(&left)), "{shape}");
        }
        for unknown in [Value::Null, json!("")] {
            assert_eq!(lifetime(unknown), None);
        }
        for huge in [json!(u64::MAX), json!(i64::MAX), json!(1e300), json!("1e300"), json!("9".repeat(99))] {
            assert!(!token(&json!({ "expires_in": huge })).unwrap().is_expired());
        }
        for past in [json!(-1), json!(i64::MIN), json!(-1e300), json!("-1e300"), json!("-0.5"), json!(0)] {
            assert!(token(&json!({ "expires_in": past })).unwrap().is_expired());
        }
        for nonsense in ["soon", "NaN", "inf", "1e400", "1_000", "0x10", "1 2", "1,5", "-", "."] {
            assert!(token(&json!({ "expires_in": nonsense })).is_err(), "{nonsense}");
        }
        for nonsense in [json!(true), json!([]), json!({})] {
            assert!(token(&json!({ "expires_in": nonsense })).is_err());
        }
    }

    #[test]
    fn expires_at_wins_and_survives_serialization() {
        let token = token(&json!({ "expires_at": 1_700_000_000, "expires_in": 3600, "n": [1] })).unwrap();
        let stored = serde_json::to_string(&token).unwrap();
        assert_eq!(stored, r#"{"access_token":"AT","expires_at":1700000000,"expires_in":3600,"n":[1]}"#);
        assert_eq!(serde_json::from_str::<OAuth2Token>(&stored).unwrap(), token);
    }

    #[test]
    fn an_expiry_that_is_a_date_is_kept_as_it_is() {
        let token = token(&json!({ "expires_at": "2030-01-01T00:00:00Z", "expires_in": 60 })).unwrap();
        assert!(token.expires_within(Duration::from_secs(61)));
        assert_eq!(token.others()["expires_at"], "2030-01-01T00:00:00Z");
    }

    #[test]
    fn a_margin_moves_the_expiry_forward() {
        let token = token(&json!({ "expires_in": 60 })).unwrap();
        assert!(!token.is_expired());
        assert!(!token.expires_within(Duration::from_secs(30)));
        assert!(token.expires_within(Duration::from_secs(90)));
    }

    #[test]
    fn scopes_are_read_in_every_shape() {
        for shape in [json!("a b"), json!("a,b"), json!(["a", "b"]), json!("a, b")] {
            assert_eq!(token(&json!({ "scope": shape })).unwrap().scopes(), Some(vec!["a", "b"]));
        }
        assert_eq!(token(&json!({})).unwrap().scopes(), None);
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = token(&json!({ "refresh_token": "RT", "id_token": "IT", "api_key": "KEY" })).unwrap();
        let shown = format!("{token:?}");
        for secret in ["AT", "\"RT", "\"IT", "KEY"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
