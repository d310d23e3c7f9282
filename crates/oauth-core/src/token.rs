//! The reply of a token endpoint, as it is used and stored.

pub(crate) mod scopes;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use time::OffsetDateTime;

use crate::{clock::system_time, secret::Secret, text::json::Strict};

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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Map<String, Value>", try_from = "Strict")]
pub struct OAuth2Token {
    access_token: Secret,
    token_type: Option<String>,
    /// As a Unix time in seconds, between 1970 and the end of 9999.
    expires_at: Option<i64>,
    refresh_token: Option<Secret>,
    id_token: Option<Secret>,
    /// Not stored, because it concerns one reply only.
    rejected_id_token: Option<RejectedIdToken>,
    /// Everything else, as it came; `scope` too, because providers disagree on its shape.
    others: Map<String, Value>,
}

/// An ID token that came with a refresh and was not accepted. The other tokens of the reply are good: the refresh token that they
/// replace is spent, so that they must not be lost with it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RejectedIdToken {
    /// The ID token; `None` where the provider sent something else in its place.
    pub id_token: Option<Secret>,
    /// Why it was not accepted, in a sentence without secrets.
    pub reason: String,
}

impl OAuth2Token {
    /// A token with nothing but its value, such as one that was stored without the rest.
    pub fn new(access_token: impl Into<Secret>) -> Self {
        Self {
            access_token: access_token.into(),
            token_type: None,
            expires_at: None,
            refresh_token: None,
            id_token: None,
            rejected_id_token: None,
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

    /// The ID token that came with a refresh and was taken out because it was not accepted, with the reason. The token has the ID
    /// token of its predecessor then.
    #[must_use]
    pub fn rejected_id_token(&self) -> Option<&RejectedIdToken> {
        self.rejected_id_token.as_ref()
    }

    /// When the access token expires; `None` when the provider did not say, or says that it never does. An `expires_in` of 0 or less has passed,
    /// unless the provider means "never" by it ([`TokenSpec::never_expires_in`](crate::provider_kit::TokenSpec::never_expires_in)).
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

    /// Keeps the refresh token of an older token, unless this one has its own.
    #[must_use]
    pub fn or_refresh_token_of(self, older: &Self) -> Self {
        match older.refresh_token() {
            Some(refresh_token) if self.refresh_token.is_none() => {
                self.or_refresh_token(refresh_token).with_refresh_confirmation(older.refresh_confirmation())
            }
            _ => self,
        }
    }

    /// Takes the refresh token of a newer token of the same grant, with what it is bound to.
    #[must_use]
    pub fn with_refresh_token_of(self, newer: &Self) -> Self {
        match newer.refresh_token() {
            Some(refresh_token) => {
                self.with_refresh_token(refresh_token).with_refresh_confirmation(newer.refresh_confirmation())
            }
            None => self,
        }
    }

    /// What the token is bound to, as an object of confirmation methods (RFC 7800 section 3.1): `jkt` for a key (RFC 9449 section
    /// 6.1), `x5t#S256` for a certificate (RFC 8705 section 3.1). It is stored with the token, as the member `cnf`.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Value> {
        self.others.get("cnf").filter(|cnf| cnf.is_object())
    }

    /// Notes what the token is bound to; see [`confirmation`](Self::confirmation).
    #[must_use]
    pub fn with_confirmation(mut self, cnf: Map<String, Value>) -> Self {
        self.others.insert("cnf".to_owned(), Value::Object(cnf));
        self
    }

    /// What the refresh token is bound to (RFC 9449 section 5, RFC 8705 section 4): the same as the access token, unless it was kept
    /// from an earlier login or the access token is not bound.
    #[must_use]
    pub fn refresh_confirmation(&self) -> Option<&Value> {
        match self.others.get(REFRESH_CONFIRMATION) {
            Some(cnf) => Some(cnf).filter(|cnf| cnf.is_object()),
            None => self.confirmation(),
        }
    }

    /// Notes what the refresh token is bound to, where it is not what the access token is; see
    /// [`refresh_confirmation`](Self::refresh_confirmation).
    #[must_use]
    pub fn with_refresh_confirmation(mut self, cnf: Option<&Value>) -> Self {
        match cnf {
            same if same == self.confirmation() => self.others.remove(REFRESH_CONFIRMATION),
            Some(cnf) => self.others.insert(REFRESH_CONFIRMATION.to_owned(), cnf.clone()),
            // The access token is bound, and the refresh token is not.
            None => self.others.insert(REFRESH_CONFIRMATION.to_owned(), Value::Null),
        };
        self
    }

    /// Makes the access token the refresh token too, for a provider without any other ([`RefreshBy::AccessToken`](crate::provider_kit::RefreshBy)).
    pub(crate) fn refreshed_by_access_token(mut self) -> Self {
        self.refresh_token = Some(self.access_token.clone());
        self
    }

    /// Keeps the refresh token of the token that it replaces, unless it brought its own (RFC 6749 section 6).
    pub(crate) fn or_refresh_token(mut self, old: &str) -> Self {
        self.refresh_token.get_or_insert_with(|| old.into());
        self
    }

    /// Fills in the scope that a reply may leave out (RFC 6749 sections 5.1 and 6): the one that was asked for, or else that of the token
    /// it replaces, which may be less than the user was once asked for.
    pub(crate) fn or_scope(mut self, asked: Option<&[&str]>, old: &Self) -> Self {
        if self.others.get("scope").is_none_or(Value::is_null) {
            let asked = asked.filter(|scopes| !scopes.is_empty()).map(|scopes| scopes.join(" ").into());
            if let Some(scope) = asked.or_else(|| old.others.get("scope").cloned()) {
                self.others.insert("scope".to_owned(), scope);
            }
        }
        self
    }

    /// Says how long the access token lives from now on, where the provider did not say it.
    #[must_use]
    pub fn or_lifetime(mut self, lifetime: Duration) -> Self {
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self.expires_at.get_or_insert_with(|| clamped(unix_now().saturating_add(lifetime)));
        self
    }

    /// Puts a refresh token in place of the one that it has.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: impl Into<Secret>) -> Self {
        self.refresh_token = Some(refresh_token.into());
        self
    }

    /// Takes out the refresh token and the ID token, so that nothing but the access token and its description is left.
    #[must_use]
    pub fn access_token_only(mut self) -> Self {
        (self.refresh_token, self.id_token, self.rejected_id_token) = (None, None, None);
        self
    }

    /// Puts an ID token in place of the one that it has. Nothing verifies it here.
    #[must_use]
    pub fn with_id_token(mut self, id_token: impl Into<Secret>) -> Self {
        self.id_token = Some(id_token.into());
        self
    }

    /// Keeps an earlier ID token, unless the token brought its own.
    pub(crate) fn or_id_token(mut self, old: Option<&str>) -> Self {
        self.id_token = self.id_token.or_else(|| old.map(Into::into));
        self
    }

    /// Removes the ID token because it was not accepted: what a [`Participant`](crate::Participant) does in a refresh, where an
    /// error would lose the new refresh token. The reason must show no secret.
    #[must_use]
    pub fn with_rejected_id_token(mut self, reason: impl Into<String>) -> Self {
        self.rejected_id_token =
            Some(RejectedIdToken { id_token: self.id_token.take(), reason: reason.into() });
        self
    }

    /// Reads the token in a token reply (RFC 6749 section 5.1).
    ///
    /// The server has redeemed by now, so nothing but the access token is indispensable: a field of another type than it should
    /// have counts as absent. `expires_in` decides when the token expires. An `expires_at` is the provider's own, in seconds,
    /// milliseconds or from now on, and counts only where there is no `expires_in` and it can be nothing but a Unix time.
    pub(crate) fn from_reply(mut fields: Map<String, Value>) -> Result<Self, String> {
        let now = unix_now();
        let from_now = |lifetime: i64| clamped(now.saturating_add(lifetime));
        let expires_in = fields.get("expires_in").and_then(seconds).map(from_now);
        let given = fields.get("expires_at").and_then(seconds);
        if given.is_some() || fields.get("expires_at").is_some_and(Value::is_null) {
            // Stored beside ours, it would be taken for ours.
            fields.remove("expires_at");
        }
        // These are members of stored tokens.
        for ours in [REFRESH_CONFIRMATION, PROVIDERS_EXPIRES_AT] {
            fields.remove(ours);
        }
        let expires_at = expires_in.or(given.filter(|at| (now - A_YEAR..now + 100 * A_YEAR).contains(at)));
        Self::of(fields, expires_at)
    }

    /// Reads a token that was stored, by this library or by httpx-oauth: `expires_at` is ours.
    fn from_stored(mut fields: Map<String, Value>) -> Result<Self, String> {
        let refresh_confirmation = fields.remove(REFRESH_CONFIRMATION);
        let providers = fields.remove(PROVIDERS_EXPIRES_AT);
        let mut token = match fields.get("expires_at").and_then(seconds) {
            Some(at) => {
                fields.remove("expires_at");
                Self::of(fields, Some(clamped(at)))?
            }
            None => Self::from_reply(fields)?,
        };
        token.others.extend(refresh_confirmation.map(|cnf| (REFRESH_CONFIRMATION.to_owned(), cnf)));
        // A number would be taken for ours.
        let providers =
            providers.filter(|at| token.expires_at.is_some() && !at.is_null() && seconds(at).is_none());
        token.others.extend(providers.map(|at| ("expires_at".to_owned(), at)));
        Ok(token)
    }

    fn of(mut fields: Map<String, Value>, expires_at: Option<i64>) -> Result<Self, String> {
        let access_token = match fields.remove("access_token") {
            Some(Value::String(token)) if token.is_empty() => return Err("access_token is empty".to_owned()),
            Some(Value::String(token)) => token,
            None | Some(Value::Null) => return Err("there is no access_token".to_owned()),
            Some(_) => return Err("access_token is not a string".to_owned()),
        };
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let (token_type, refresh_token) = (text("token_type"), text("refresh_token"));
        let (id_token, rejected_id_token) = match fields.remove("id_token") {
            None | Some(Value::Null) => (None, None),
            Some(Value::String(text)) if text.is_empty() => (None, None),
            Some(Value::String(text)) => (Some(text.into()), None),
            Some(_) => {
                let reason = "the reply's id_token is not a text".to_owned();
                (None, Some(RejectedIdToken { id_token: None, reason }))
            }
        };
        Ok(Self {
            access_token: access_token.into(),
            token_type,
            expires_at,
            refresh_token: refresh_token.map(Into::into),
            id_token,
            rejected_id_token,
            others: fields,
        })
    }
}

impl TryFrom<Strict> for OAuth2Token {
    type Error = String;

    fn try_from(Strict(stored): Strict) -> Result<Self, String> {
        match stored {
            Value::Object(fields) => Self::from_stored(fields),
            _ => Err("a token is an object".to_owned()),
        }
    }
}

impl From<OAuth2Token> for Map<String, Value> {
    fn from(token: OAuth2Token) -> Self {
        let mut fields = token.others.clone();
        if token.expires_at.is_some() {
            let providers = fields.remove("expires_at");
            fields.extend(providers.map(|at| (PROVIDERS_EXPIRES_AT.to_owned(), at)));
        }
        for field in ["access_token", "token_type", "refresh_token", "id_token", "expires_at"] {
            if let Some(value) = token.get(field) {
                fields.insert(field.to_owned(), value);
            }
        }
        fields
    }
}

/// The member with what the refresh token is bound to, where the access token is bound to something else.
const REFRESH_CONFIRMATION: &str = "refresh_cnf";

/// The member of a stored token with the provider's own `expires_at`, such as a date in words, where the member of that name is ours.
const PROVIDERS_EXPIRES_AT: &str = "expires_at_of_provider";

/// In seconds.
const A_YEAR: i64 = 365 * 24 * 60 * 60;

/// A number of seconds in any of the shapes in which servers send it.
pub(crate) fn seconds(value: &Value) -> Option<i64> {
    let number: Number = match value {
        Value::String(text) => {
            text.trim().parse::<i64>().map(Into::into).or_else(|_| text.trim().parse()).ok()?
        }
        Value::Number(number) => number.clone(),
        _ => return None,
    };
    number.as_i64().or_else(|| number.as_f64().map(whole))
}

/// Whether a Unix time as servers write it lies before another one. What is not a number never passes, nor does zero, by which
/// some mean that there is no end.
pub(crate) fn has_passed(time: &Value, now: i64) -> bool {
    seconds(time).is_some_and(|at| at != 0 && at < now)
}

/// The seconds that have passed in full. `as` saturates, so that no size overflows.
#[expect(clippy::cast_possible_truncation, reason = "huge numbers saturate")]
fn whole(seconds: f64) -> i64 {
    seconds.floor() as i64
}

/// The last second of the year 9999, as a Unix time.
pub(crate) const END_OF_9999: i64 = 253_402_300_799;

/// A Unix time in seconds, moved into the years that can be written down: 1970 to 9999.
fn clamped(unix: i64) -> i64 {
    unix.clamp(0, END_OF_9999)
}

fn unix_now() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// What the clock says, as the time since 1970, before which it never is.
fn since_1970() -> Duration {
    system_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

// It can be another user's.
impl fmt::Debug for RejectedIdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedIdToken").field("reason", &self.reason).finish_non_exhaustive()
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(extra: &Value) -> Result<OAuth2Token, String> {
        let mut fields = Map::from_iter([("access_token".to_owned(), json!("AT"))]);
        fields.extend(extra.as_object().unwrap().clone());
        OAuth2Token::from_reply(fields)
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
    }

    #[test]
    fn an_expiry_that_is_nonsense_is_unknown_and_costs_no_token() {
        for nonsense in ["never", "soon", "NaN", "inf", "1e400", "1_000", "0x10", "1 2", "1,5", "-", "."] {
            assert_eq!(lifetime(json!(nonsense)), None, "{nonsense}");
        }
        for nonsense in [json!(true), json!([]), json!({"seconds": 3600})] {
            assert_eq!(lifetime(nonsense), None);
        }
    }

    #[test]
    fn an_odd_field_costs_neither_access_token_nor_refresh_token() {
        for odd in [json!({ "token_type": ["bearer"] }), json!({ "id_token": {} }), json!({ "scope": 7 })] {
            let mut reply = json!({ "refresh_token": "RT", "expires_in": 3600 });
            reply.as_object_mut().unwrap().extend(odd.as_object().unwrap().clone());
            let token = token(&reply).unwrap();
            assert_eq!((token.access_token(), token.refresh_token()), ("AT", Some("RT")), "{odd}");
            assert!(!token.is_expired());
        }
    }

    #[test]
    fn a_stored_expires_at_wins_and_survives_serialization() {
        let stored = r#"{"access_token":"AT","expires_at":1700000000,"expires_in":3600,"n":[1]}"#;
        let token: OAuth2Token = serde_json::from_str(stored).unwrap();
        assert!(token.is_expired());
        assert_eq!(serde_json::to_string(&token).unwrap(), stored);
    }

    #[test]
    fn a_providers_expires_at_never_beats_expires_in() {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        for at in
            [json!(3600), json!((now + 7200) * 1000), json!(now + 7200), json!("3600"), json!(0), json!(-1)]
        {
            let token = token(&json!({ "expires_at": at, "expires_in": 3600 })).unwrap();
            let stored = serde_json::to_string(&token).unwrap();
            for token in [token, serde_json::from_str(&stored).unwrap()] {
                let left = token.expires_at().unwrap().unix_timestamp() - now;
                assert!((3600..=3602).contains(&left), "{at}: {left}");
            }
        }
        // By itself it counts where it can be nothing else.
        for (at, expected) in
            [(now + 7200, Some(now + 7200)), (3600, None), ((now + 7200) * 1000, None), (0, None)]
        {
            let token = token(&json!({ "expires_at": at })).unwrap();
            assert_eq!(token.expires_at().map(OffsetDateTime::unix_timestamp), expected);
            let stored = serde_json::to_string(&token).unwrap();
            assert_eq!(serde_json::from_str::<OAuth2Token>(&stored).unwrap(), token);
        }
    }

    #[test]
    fn what_is_wrong_with_a_stored_token_is_named_without_quoting_it() {
        for (text, reason) in [
            (r#"{"access_token":17}"#, "access_token is not a string"),
            (r#"{"access_token":["SECRET"]}"#, "access_token is not a string"),
            (r#"{"access_token":""}"#, "access_token is empty"),
            (r#"{"token_type":"SECRET"}"#, "there is no access_token"),
            (r#"{"access_token":null}"#, "there is no access_token"),
            ("\"SECRET\"", "a token is an object"),
            ("[\"SECRET\"]", "a token is an object"),
            ("null", "a token is an object"),
        ] {
            let found = serde_json::from_str::<OAuth2Token>(text).unwrap_err().to_string();
            assert!(found.starts_with(reason), "{found}");
            assert!(!found.contains("SECRET"), "{found}");
        }
    }

    #[test]
    fn tk_21_a_member_named_twice_is_refused() {
        for twice in [
            r#"{"access_token":"A","access_token":"B"}"#,
            r#"{"access_token":"A","token_type":null,"token_type":"bearer"}"#,
            r#"{"access_token":"A","team":1,"team":1}"#,
            r#"{"access_token":"A","expires_at":1,"expires_at":1}"#,
            r#"{"access_token":"A","team":{"id":1,"id":2}}"#,
        ] {
            let found = serde_json::from_str::<OAuth2Token>(twice).unwrap_err().to_string();
            assert!(found.starts_with(crate::text::json::DUPLICATE), "{twice}");
        }
    }

    #[test]
    fn an_expiry_that_is_a_date_is_kept_as_it_is() {
        let token = token(&json!({ "expires_at": "2030-01-01T00:00:00Z", "expires_in": 60 })).unwrap();
        assert!(token.expires_within(Duration::from_secs(61)));
        assert_eq!(token.others()["expires_at"], "2030-01-01T00:00:00Z");
        let stored = serde_json::to_value(&token).unwrap();
        assert!(stored["expires_at"].is_i64());
        assert_eq!(serde_json::from_value::<OAuth2Token>(stored).unwrap(), token);
    }

    #[test]
    fn a_token_without_an_expiry_keeps_what_its_refresh_token_is_bound_to() {
        let token = token(&json!({ "refresh_token": "RT" })).unwrap();
        let token = token.with_refresh_confirmation(Some(&json!({ "jkt": "x" })));
        let stored = serde_json::to_string(&token).unwrap();
        assert_eq!(serde_json::from_str::<OAuth2Token>(&stored).unwrap(), token);
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
        for said in ["Secret(…)", "token_type", "api_key"] {
            assert!(shown.contains(said), "{said}: {shown}");
        }
        let rejected = token.with_rejected_id_token("its signature is wrong");
        let shown = format!("{:?}", rejected.rejected_id_token().unwrap());
        assert!(shown.contains("its signature is wrong") && !shown.contains("IT"), "{shown}");
    }

    #[test]
    fn every_member_of_a_reply_is_read_by_its_name() {
        let reply = json!({
            "token_type": "bearer", "refresh_token": "RT", "id_token": "IT", "scope": "a b", "expires_at": "soon",
        });
        let token = token(&reply).unwrap();
        assert_eq!((token.token_type(), token.id_token()), (Some("bearer"), Some("IT")));
        for (name, value) in reply.as_object().unwrap() {
            assert_eq!(token.get(name).as_ref(), Some(value), "{name}");
        }
        assert_eq!((token.get("access_token"), token.get("nonce")), (Some(json!("AT")), None));
        // Once the expiry is known, the member of its name is ours.
        let token = token.or_lifetime(Duration::from_secs(60));
        let expires_at = token.expires_at().map(|at| json!(at.unix_timestamp()));
        assert_eq!(token.get("expires_at"), expires_at);
        assert!(!token.is_expired() && token.expires_within(Duration::from_secs(60)));
    }

    #[test]
    fn an_empty_member_is_absent_and_an_odd_id_token_rejected() {
        let token_ = token(&json!({ "token_type": "", "refresh_token": "", "id_token": "" })).unwrap();
        assert_eq!((token_.token_type(), token_.refresh_token(), token_.id_token()), (None, None, None));
        assert!(token_.rejected_id_token().is_none());
        let token = token(&json!({ "id_token": {} })).unwrap();
        assert_eq!(token.id_token(), None);
        assert_eq!(token.rejected_id_token().unwrap().reason, "the reply's id_token is not a text");
    }

    #[test]
    fn what_a_refresh_token_is_bound_to_is_noted_if_it_differs() {
        let (one, other) = (json!({ "jkt": "one" }), json!({ "jkt": "other" }));
        let bound = || token(&json!({ "cnf": one, "refresh_token": "RT" })).unwrap();
        assert_eq!(bound().confirmation(), Some(&one));
        assert_eq!(token(&json!({ "cnf": "no object" })).unwrap().confirmation(), None);
        for (noted, expected, is_written) in
            [(Some(&one), Some(&one), false), (Some(&other), Some(&other), true), (None, None, true)]
        {
            let token = bound().with_refresh_confirmation(Some(&other)).with_refresh_confirmation(noted);
            assert_eq!(token.refresh_confirmation(), expected);
            assert_eq!(token.others().contains_key(REFRESH_CONFIRMATION), is_written, "{noted:?}");
            let stored = serde_json::to_string(&token).unwrap();
            let read: OAuth2Token = serde_json::from_str(&stored).unwrap();
            assert_eq!(read.refresh_confirmation(), expected, "{stored}");
        }
        let unbound = token(&json!({})).unwrap().with_refresh_confirmation(None);
        assert!(!unbound.others().contains_key(REFRESH_CONFIRMATION));
        // No reply can write what is ours.
        let hostile = token(&json!({ "cnf": one, (REFRESH_CONFIRMATION): other })).unwrap();
        assert_eq!(hostile.refresh_confirmation(), Some(&one));
    }

    #[test]
    fn a_providers_expires_at_counts_within_a_century() {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        for (at, counts) in [
            (now + 99 * A_YEAR, true),
            (now + 101 * A_YEAR, false),
            (now - A_YEAR + 60, true),
            (now - A_YEAR - 60, false),
        ] {
            let token = token(&json!({ "expires_at": at })).unwrap();
            assert_eq!(token.expires_at().map(OffsetDateTime::unix_timestamp), counts.then_some(at), "{at}");
        }
    }

    #[test]
    fn only_words_are_kept_as_the_providers_own_expiry() {
        for (kept, is_kept) in
            [(json!("2030-01-01"), true), (json!(1_900_000_000), false), (Value::Null, false)]
        {
            let stored =
                json!({ "access_token": "AT", "expires_at": 1_800_000_000, (PROVIDERS_EXPIRES_AT): kept });
            let token: OAuth2Token = serde_json::from_value(stored).unwrap();
            assert_eq!(token.others().contains_key("expires_at"), is_kept, "{kept}");
            assert_eq!(token.expires_at().unwrap().unix_timestamp(), 1_800_000_000);
        }
        let stored = json!({ "access_token": "AT", (PROVIDERS_EXPIRES_AT): "2030-01-01" });
        let token: OAuth2Token = serde_json::from_value(stored).unwrap();
        assert_eq!((token.expires_at(), token.others().len()), (None, 0));
    }
}
