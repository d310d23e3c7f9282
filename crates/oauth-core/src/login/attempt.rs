//! What one login has to remember until its callback arrives.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::{
    authorization::{ResponseMode, ResponseType, pkce::CodeVerifier},
    crypto::random_token,
    error::Result,
    secret::Secret,
    spec::restriction::RestrictedTo,
    text::json,
    token::END_OF_9999,
};

mod legacy;

/// Everything that the callback of one login is checked against, in one value.
///
/// It serializes, for a session on the server. It holds the code verifier, so whoever puts it into the browser must
/// encrypt and authenticate it, as [`Sealer`](crate::Sealer) does.
///
/// What is read back must have been written by this library: a member that is not known or named twice is an error, so that an
/// older version does not finish an attempt with a restriction that it does not know. An attempt whose times are
/// outside the years 1970 to 9999 counts as expired.
// The order of the members is the order in which they are stored. A new one is optional and left out when it is empty, so that
// what was stored before it existed can still be read; `tests/data/attempts.json` holds one of each kind.
#[derive(Clone, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct LoginAttempt {
    pub(crate) provider: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    pub(crate) redirect_uri: String,
    #[serde(serialize_with = "exposed")]
    pub(crate) state: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "exposed_verifier")]
    pub(crate) code_verifier: Option<CodeVerifier>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "exposed_option")]
    pub(crate) nonce: Option<Secret>,
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "settled_mode")]
    pub(crate) response_mode: ResponseMode,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) response_type: ResponseType,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) required_acr: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) restricted_to: Vec<RestrictedTo>,
    /// The resources that were asked for (RFC 8707).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    /// The resource that the first access token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_resource: Option<String>,
    /// The details that were asked for, as JSON (RFC 9396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_details: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// Which client began it: two servers can go by one name.
    pub(crate) client: String,
    /// A Unix time in seconds.
    pub(crate) started_at: i64,
    /// In seconds.
    pub(crate) lifetime: u64,
    #[serde(default, skip_serializing_if = "Value::is_null", serialize_with = "with_null")]
    pub(crate) data: Value,
    /// What participants keep, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) notes: BTreeMap<String, String>,
}

impl LoginAttempt {
    /// The name of the provider it was started at.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The redirect URI, which the code exchange repeats.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The state by which a callback finds its attempt.
    #[must_use]
    pub fn state(&self) -> &str {
        self.state.expose()
    }

    /// The code verifier, unless the provider takes none.
    #[must_use]
    pub fn code_verifier(&self) -> Option<&CodeVerifier> {
        self.code_verifier.as_ref()
    }

    /// The nonce that the ID token must hold, where one is asked for.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_ref().map(Secret::expose)
    }

    /// Expects this nonce in the ID token, for a provider that sends one without being asked by the scope `openid`. Its
    /// `start_login` sets it before the URL is built.
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<Secret>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Adds a random nonce, unless there is one.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn with_random_nonce(self) -> Result<Self> {
        match self.nonce() {
            Some(_) => Ok(self),
            None => {
                let nonce = random_token().map_err(|error| error.at(self.provider().to_owned()))?;
                Ok(self.with_nonce(nonce))
            }
        }
    }

    /// Adds a scope to those that are asked for.
    #[must_use]
    pub fn with_scope(mut self, scope: &str) -> Self {
        if !self.scopes().flat_map(|scopes| scopes.split(' ')).any(|other| other == scope) {
            self.scopes.insert(0, scope.to_owned());
        }
        self
    }

    /// Whether the callback must arrive as a form that another site's page posts, and not in the query of a URL (OAuth 2.0
    /// Form Post Response Mode). A cookie comes with it only if it is `SameSite=None`.
    #[must_use]
    pub fn is_form_post(&self) -> bool {
        self.response_mode.carrier() == ResponseMode::FormPost
    }

    /// The way in which the callback must arrive.
    #[must_use]
    pub fn response_mode(&self) -> ResponseMode {
        self.response_mode
    }

    /// Expects the callback by this mode, for a [`Participant`](crate::Participant) that asks for it.
    #[must_use]
    pub fn with_response_mode(mut self, mode: ResponseMode) -> Self {
        self.response_mode = mode.settled(self.response_type);
        self
    }

    /// The resources that were asked for (RFC 8707 section 2.1).
    pub fn resources(&self) -> impl Iterator<Item = &str> + Clone {
        self.resources.iter().map(String::as_str)
    }

    /// The resource that the first access token is for, out of those that were asked for (RFC 8707 section 2.2).
    #[must_use]
    pub fn token_resource(&self) -> Option<&str> {
        self.token_resource.as_deref()
    }

    /// The authorization details that were asked for by
    /// [`LoginOptions::authorization_details`](crate::LoginOptions::authorization_details), as JSON.
    #[must_use]
    pub fn authorization_details(&self) -> Option<&str> {
        self.authorization_details.as_deref()
    }

    /// What was asked for at the authorization endpoint.
    #[must_use]
    pub fn response_type(&self) -> ResponseType {
        self.response_type
    }

    /// The scopes that were asked for.
    pub fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        self.scopes.iter().map(String::as_str)
    }

    /// How long ago the user may have been authenticated, if it matters.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age.map(Duration::from_secs)
    }

    /// The authentication contexts, one of which the ID token must name; empty if any will do.
    #[must_use]
    pub fn required_acr(&self) -> &[String] {
        &self.required_acr
    }

    /// What the login is restricted to, such as an organization or a domain: by the client, and by
    /// [`LoginOptions`](crate::LoginOptions).
    #[must_use]
    pub fn restricted_to(&self) -> &[RestrictedTo] {
        &self.restricted_to
    }

    /// The issuer that the callback and the ID token must name, where it is known.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The attempt for a login whose end is not brought by a browser.
    pub(crate) fn of_device(self) -> Self {
        let (response_mode, response_type) = (ResponseMode::default(), ResponseType::default());
        Self { code_verifier: None, nonce: None, response_mode, response_type, ..self }
    }

    /// The attempt for a login that an application began by itself, with a nonce of its own.
    pub(crate) fn of_app(self, nonce: Option<Secret>) -> Self {
        Self { nonce, ..self.of_device() }
    }

    /// Which client began it: two servers can go by one name.
    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> OffsetDateTime {
        // What was stored may be any number, and arithmetic with the time must not overflow.
        let possible = self.started_at.clamp(0, END_OF_9999);
        OffsetDateTime::from_unix_timestamp(possible).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The application's own data, from [`LoginOptions::data`](crate::LoginOptions::data).
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// What a [`Participant`](crate::Participant) keeps until the end of the login, under a name of its own. It is as secret as the
    /// attempt.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }

    /// Keeps something until the end of the login, for a [`Participant`](crate::Participant).
    #[must_use]
    pub fn with_note(mut self, name: impl Into<String>, note: impl Into<String>) -> Self {
        self.notes.insert(name.into(), note.into());
        self
    }

    /// How long the login may take, counted from its beginning.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime)
    }

    /// Whether it took longer than a sign-in may.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.is_expired_at(OffsetDateTime::now_utc())
    }

    pub(crate) fn is_expired_at(&self, now: OffsetDateTime) -> bool {
        self.is_expired_after(now.unix_timestamp(), now.nanosecond())
    }

    /// Whether the attempt is expired so many seconds and nanoseconds after 1970.
    fn is_expired_after(&self, seconds: i64, nanoseconds: u32) -> bool {
        // An attempt from the future was made by a clock that is wrong, or by somebody who wants it to live for ever.
        const CLOCK_SKEW: i64 = -60;
        if !self.has_possible_times() {
            return true;
        }
        let age = seconds.saturating_sub(self.started_at);
        match u64::try_from(age) {
            Ok(age) => age > self.lifetime || (age == self.lifetime && nanoseconds > 0),
            Err(_) => age < CLOCK_SKEW,
        }
    }

    /// Whether it began after 1970 and ends before the year 10000, as every attempt does that this library makes.
    fn has_possible_times(&self) -> bool {
        (0..=END_OF_9999).contains(&self.started_at)
            && self.started_at.checked_add_unsigned(self.lifetime).is_some_and(|end| end <= END_OF_9999)
    }
}

impl fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAttempt")
            .field("provider", &self.provider())
            .field("redirect_uri", &self.redirect_uri())
            .field("scopes", &self.scopes().collect::<Vec<_>>())
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

impl Serialize for LoginAttempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for LoginAttempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Strictly first: what is derived would take a list of values for an object.
        let json::Strict(value) = json::Strict::deserialize(deserializer)?;
        if !value.is_object() {
            return Err(D::Error::custom("a login attempt is an object"));
        }
        Self::deserialize(value).map_err(|error| D::Error::custom(json::unquoted(&error)))
    }
}

impl LoginAttempt {
    /// Writes the form that [`Sealer`](crate::Sealer) encrypts: CBOR (RFC 8949) with the names that JSON has. `None` if it cannot
    /// be written.
    pub(crate) fn to_cbor(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Room for most, because a vector that grows leaves copies of what it held behind.
        let room = Vec::with_capacity(2048);
        cbor4ii::serde::to_vec(room, self).ok().map(Zeroizing::new)
    }

    /// Reads what [`to_cbor`](Self::to_cbor) wrote; `None` if it is anything else, or more, or less.
    pub(crate) fn from_cbor(mut cbor: &[u8]) -> Option<Self> {
        let attempt = cbor4ii::serde::from_reader(&mut cbor).ok()?;
        cbor.is_empty().then_some(attempt)
    }
}

/// The way in which the callback arrives; `jwt`, which leaves it to the type of the response, is none.
fn settled_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ResponseMode, D::Error> {
    match ResponseMode::deserialize(deserializer)? {
        ResponseMode::Jwt => Err(D::Error::custom("the response mode jwt is not that of an attempt")),
        mode => Ok(mode),
    }
}

fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn exposed_option<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

fn exposed_verifier<S: Serializer>(
    verifier: &Option<CodeVerifier>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    verifier.as_ref().map(CodeVerifier::expose).serialize(serializer)
}

/// Writes a value whose null is serde's none. `serde_json` writes null as serde's unit, which `cbor4ii` takes for an empty list.
fn with_null<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    struct WithNull<'v>(&'v Value);

    impl Serialize for WithNull<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            with_null(self.0, serializer)
        }
    }

    match value {
        Value::Null => serializer.serialize_none(),
        Value::Array(items) => serializer.collect_seq(items.iter().map(WithNull)),
        Value::Object(members) => {
            serializer.collect_map(members.iter().map(|(name, value)| (name, WithNull(value))))
        }
        other => other.serialize(serializer),
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    /// Attempts in which each part is there, is not there, or is unusual.
    fn attempts() -> Vec<LoginAttempt> {
        let least = json!({
            "provider": "oauth2", "redirect_uri": "https://app.example/callback", "state": "s", "scopes": [],
            "client": "0123456789abcdef", "started_at": 1_700_000_000, "lifetime": 600,
        });
        let variations = [
            json!({}),
            json!({"issuer": "https://as.example"}),
            json!({"issuer": ""}),
            json!({"nonce": "n-0S6_WzA2Mj"}),
            json!({"nonce": ""}),
            json!({"code_verifier": VERIFIER}),
            json!({"code_verifier": "~".repeat(128)}),
            json!({"response_mode": "form_post", "response_type": "code id_token"}),
            json!({"response_mode": "fragment"}),
            json!({"max_age": 0}),
            json!({"max_age": u64::MAX, "lifetime": END_OF_9999, "started_at": 0}),
            json!({"started_at": END_OF_9999, "lifetime": 0}),
            json!({"required_acr": ["phr", "", "urn:ä"]}),
            json!({"scopes": ["openid", "a b", "", "ü", "x".repeat(300)]}),
            json!({"provider": "", "redirect_uri": "", "state": "", "client": "läuft"}),
            json!({"data": "/where/the/user/was?page=2"}),
            json!({"data": ""}),
            json!({"data": "null"}),
            json!({"data": "\"\u{0}ß\n"}),
            json!({"data": {"return_to": "/", "n": [1, 2.5, null, true]}}),
            json!({"data": [], "issuer": "i", "nonce": "n", "code_verifier": VERIFIER, "required_acr": ["a"],
                   "scopes": ["openid"], "max_age": 1, "response_mode": "fragment"}),
            json!({"data": false}),
        ];
        let with = |variation: &Value| {
            let mut whole = least.clone();
            whole.as_object_mut().unwrap().extend(variation.as_object().unwrap().clone());
            let attempt: LoginAttempt = serde_json::from_value(whole.clone()).unwrap();
            assert_eq!(serde_json::to_value(&attempt).unwrap(), whole);
            attempt
        };
        variations.iter().map(with).collect()
    }

    #[test]
    fn an_attempt_lives_for_its_lifetime_and_a_minute_before() {
        let attempts = attempts();
        let attempt = &attempts[0];
        let start = attempt.started_at;
        for (seconds, nanoseconds, expired) in [
            (start, 0, false),
            (start + 600, 0, false),
            (start + 600, 1, true),
            (start + 601, 0, true),
            (start - 60, 0, false),
            (start - 61, 999_999_999, true),
            (i64::MAX, 0, true),
            (i64::MIN, 0, true),
        ] {
            assert_eq!(attempt.is_expired_after(seconds, nanoseconds), expired, "{seconds}.{nanoseconds}");
        }
        // Times that no clock shows.
        assert!(
            attempts.iter().filter(|attempt| attempt.started_at == END_OF_9999).all(LoginAttempt::is_expired)
        );
        assert!(attempt.is_expired());
    }

    #[test]
    fn a_nonce_and_a_scope_can_be_added() {
        let attempt = attempts().pop().unwrap().with_nonce("other").with_scope("openid").with_scope("email");
        assert_eq!(attempt.nonce(), Some("other"));
        assert_eq!(attempt.scopes().collect::<Vec<_>>(), ["email", "openid"]);
        assert_eq!((attempt.state(), attempt.issuer()), ("s", None));
        let attempt = attempt.with_random_nonce().unwrap();
        assert_eq!(attempt.nonce(), Some("other"));
        assert_eq!(attempts()[0].clone().with_random_nonce().unwrap().nonce().map(str::len), Some(43));
    }

    #[test]
    fn az_15_an_attempt_is_written_in_its_own_words_and_order() {
        let attempts = attempts();
        assert_eq!(
            serde_json::to_string(&attempts[0]).unwrap(),
            r#"{"provider":"oauth2","redirect_uri":"https://app.example/callback","state":"s","scopes":[],"client":"0123456789abcdef","started_at":1700000000,"lifetime":600}"#
        );
        let full = format!(
            r#"{{"provider":"p","issuer":"i","redirect_uri":"https://app.example/callback","state":"s","code_verifier":"{VERIFIER}","nonce":"n","response_mode":"form_post","response_type":"code id_token","max_age":1,"required_acr":["a","b"],"scopes":["openid","email"],"client":"c","started_at":1,"lifetime":600,"data":{{"a":1}}}}"#
        );
        let attempt: LoginAttempt = serde_json::from_str(&full).unwrap();
        assert_eq!(serde_json::to_string(&attempt).unwrap(), full);
    }

    #[test]
    fn an_attempt_that_is_damaged_is_refused_without_quoting_its_secrets() {
        let whole = serde_json::to_value(attempts().pop().unwrap()).unwrap();
        let read = |text: &str| serde_json::from_str::<LoginAttempt>(text);
        for missing in ["provider", "redirect_uri", "state", "scopes", "client", "started_at", "lifetime"] {
            let mut damaged = whole.clone();
            damaged.as_object_mut().unwrap().remove(missing);
            let error = read(&damaged.to_string()).unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
        for (name, wrong) in [
            ("provider", json!(null)),
            ("issuer", json!(1)),
            ("state", json!(null)),
            ("state", json!(["SECRET"])),
            ("nonce", json!({"SECRET": 1})),
            ("code_verifier", json!("SECRET")),
            ("code_verifier", json!(["SECRET"])),
            ("response_mode", json!(null)),
            ("response_mode", json!("FormPost")),
            ("response_type", json!("token")),
            ("response_type", json!(0)),
            ("max_age", json!(-1)),
            ("max_age", json!("1")),
            ("required_acr", json!(null)),
            ("required_acr", json!([1])),
            ("scopes", json!(null)),
            ("scopes", json!("openid")),
            ("scopes", json!([null])),
            ("started_at", json!(1.5)),
            ("started_at", json!(u64::MAX)),
            ("started_at", json!("SECRET")),
            ("lifetime", json!(-1)),
            ("lifetime", json!(600.0)),
            ("required_acr", json!("SECRET, expected SECRET")),
            ("restriction", json!("SECRET")),
            ("SECRET", json!(1)),
        ] {
            let mut damaged = whole.clone();
            damaged[name] = wrong;
            let error = read(&damaged.to_string()).map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
        let twice = whole.to_string().replacen('{', r#"{"state":"SECRET","#, 1);
        assert!(!read(&twice).map(|_| ()).unwrap_err().to_string().contains("SECRET"));
        let listed: Vec<_> = whole.as_object().unwrap().values().collect();
        let listed = serde_json::to_string(&listed).unwrap();
        for other in ["null", "\"\"", "{}", "[]", &listed] {
            assert!(read(other).is_err(), "{other}");
        }
        // What is null is not there.
        let mut more = whole.clone();
        for name in ["issuer", "max_age", "data"] {
            more[name] = Value::Null;
        }
        let attempt = read(&more.to_string()).unwrap();
        assert_eq!((attempt.issuer(), attempt.max_age(), attempt.data()), (None, None, &Value::Null));
    }
}
