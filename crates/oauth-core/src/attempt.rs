use std::{
    fmt, iter,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    authorization::{ResponseMode, ResponseType},
    crypto::random_token,
    error::Result,
    members::Members,
    pkce::CodeVerifier,
    secret::Secret,
};

mod packed;

/// Everything that the callback of one login is checked against, in one value.
///
/// It serializes, for a session on the server. It holds the code verifier, so whoever puts it into the browser must
/// encrypt and authenticate it.
#[derive(Clone)]
pub struct LoginAttempt {
    pub(crate) texts: Texts,
    pub(crate) response_mode: ResponseMode,
    pub(crate) response_type: ResponseType,
    /// In seconds, as the lifetime.
    pub(crate) max_age: Option<u64>,
    pub(crate) required_acr: Vec<String>,
    pub(crate) started_at: i64,
    pub(crate) lifetime: u64,
    pub(crate) data: Value,
    /// A copy of the text, for who asks for one.
    pub(crate) code_verifier: OnceLock<CodeVerifier>,
}

impl LoginAttempt {
    /// The name of the provider it was started at.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.texts.get(PROVIDER)
    }

    /// The redirect URI, which the code exchange repeats.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        self.texts.get(REDIRECT_URI)
    }

    /// The state by which a callback finds its attempt.
    #[must_use]
    pub fn state(&self) -> &str {
        self.texts.get(STATE)
    }

    /// The code verifier, unless the provider takes none.
    #[must_use]
    pub fn code_verifier(&self) -> Option<&CodeVerifier> {
        self.verifier().map(|verifier| self.code_verifier.get_or_init(|| CodeVerifier::known(verifier)))
    }

    /// The code verifier where it stands.
    pub(crate) fn verifier(&self) -> Option<&str> {
        self.texts.has_verifier.then(|| self.texts.get(VERIFIER))
    }

    /// The nonce that the ID token must hold, where one is asked for.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.texts.has_nonce.then(|| self.texts.get(NONCE))
    }

    /// Expects this nonce in the ID token, for a provider that sends one without being asked by the scope `openid`. Its
    /// `start_login` sets it before the URL is built.
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<Secret>) -> Self {
        let nonce = nonce.into();
        let named = Named { nonce: Some(nonce.expose()), ..self.texts.named() };
        self.texts = Texts::of(named, self.texts.scopes());
        self
    }

    /// The same with a nonce, if it has none yet.
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

    /// The same with this scope among those that are asked for.
    #[must_use]
    pub fn with_scope(mut self, scope: &str) -> Self {
        if !self.scopes().flat_map(|scopes| scopes.split(' ')).any(|other| other == scope) {
            self.texts = Texts::of(self.texts.named(), iter::once(scope).chain(self.texts.scopes()));
        }
        self
    }

    /// Whether the callback must arrive as a form that another site's page posts, and not in the query of a URL (OAuth 2.0
    /// Form Post Response Mode). A cookie comes with it only if it is `SameSite=None`.
    #[must_use]
    pub fn is_form_post(&self) -> bool {
        self.response_mode == ResponseMode::FormPost
    }

    /// The way in which the callback must arrive.
    #[must_use]
    pub fn response_mode(&self) -> ResponseMode {
        self.response_mode
    }

    /// What was asked for at the authorization endpoint.
    #[must_use]
    pub fn response_type(&self) -> ResponseType {
        self.response_type
    }

    /// The scopes that were asked for.
    pub fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        self.texts.scopes()
    }

    /// How long ago the user may have been authenticated, if it matters.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age.map(Duration::from_secs)
    }

    /// The authentication contexts of which the ID token must name one; any will do where this is empty.
    #[must_use]
    pub fn required_acr(&self) -> &[String] {
        &self.required_acr
    }

    /// The issuer that the callback and the ID token must name, where it is known.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.texts.has_issuer.then(|| self.texts.get(ISSUER))
    }

    /// Which client began it: two servers can go by one name.
    pub(crate) fn client(&self) -> &str {
        self.texts.get(CLIENT)
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.started_at).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The application's own data, from [`LoginOptions::data`](crate::LoginOptions::data).
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// How long it may take, from when it began.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime)
    }

    /// Whether it took longer than a sign-in may.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        // Seconds are compared; a calendar would take longer than the clock.
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(now) => i64::try_from(now.as_secs())
                .map_or(true, |seconds| self.is_expired_after(seconds, now.subsec_nanos())),
            Err(_) => true,
        }
    }

    pub(crate) fn is_expired_at(&self, now: OffsetDateTime) -> bool {
        self.is_expired_after(now.unix_timestamp(), now.nanosecond())
    }

    /// The same after so many seconds and nanoseconds since 1970.
    fn is_expired_after(&self, seconds: i64, nanoseconds: u32) -> bool {
        // An attempt from the future was made by a clock that is wrong, or by somebody who wants it to live for ever.
        const CLOCK_SKEW: i64 = -60;
        let age = seconds.saturating_sub(self.started_at);
        match u64::try_from(age) {
            Ok(age) => age > self.lifetime || (age == self.lifetime && nanoseconds > 0),
            Err(_) => age < CLOCK_SKEW,
        }
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

/// The texts of an attempt, one after the other in one piece of memory, which is wiped when it is dropped. A sealed attempt
/// that was decrypted is such a piece, so that nothing of it is copied.
#[derive(Clone)]
pub(crate) struct Texts {
    whole: Secret,
    /// Where the first of them starts in that piece. What stood before it is overwritten; to move all of them to the front
    /// would take longer.
    start: usize,
    /// Where each of them ends, counted from there: those with a name, then the scopes.
    ends: Vec<usize>,
    has_issuer: bool,
    has_nonce: bool,
    has_verifier: bool,
}

/// The texts of an attempt that have names.
#[derive(Clone, Copy)]
pub(crate) struct Named<'t> {
    pub(crate) provider: &'t str,
    pub(crate) redirect_uri: &'t str,
    pub(crate) client: &'t str,
    pub(crate) state: &'t str,
    pub(crate) issuer: Option<&'t str>,
    pub(crate) nonce: Option<&'t str>,
    pub(crate) verifier: Option<&'t str>,
}

// Their places among the texts.
const PROVIDER: usize = 0;
const REDIRECT_URI: usize = 1;
const CLIENT: usize = 2;
const STATE: usize = 3;
const ISSUER: usize = 4;
const NONCE: usize = 5;
const VERIFIER: usize = 6;
const NAMED: usize = 7;

impl Texts {
    pub(crate) fn of<'t>(named: Named<'t>, scopes: impl Iterator<Item = &'t str> + Clone) -> Self {
        let (mut count, mut length) = (0, 0);
        for scope in scopes.clone() {
            count += 1;
            length += scope.len();
        }
        let mut texts = Self::with_room(named, count, length);
        for scope in scopes {
            texts.push(scope);
        }
        texts
    }

    /// Those with a name, and room for so many more of this length. It has the right size from the start, because a text that
    /// grows leaves a copy behind.
    fn with_room(named: Named<'_>, count: usize, length: usize) -> Self {
        let Named { provider, redirect_uri, client, state, issuer, nonce, verifier } = named;
        let [issuer_text, nonce_text, verifier_text] =
            [issuer, nonce, verifier].map(Option::unwrap_or_default);
        // The order of their places.
        let named: [&str; NAMED] =
            [provider, redirect_uri, client, state, issuer_text, nonce_text, verifier_text];
        let mut all = length;
        for text in named {
            all += text.len();
        }
        let mut texts = Self {
            whole: Secret::with_capacity(all),
            start: 0,
            ends: Vec::with_capacity(NAMED + count),
            has_issuer: issuer.is_some(),
            has_nonce: nonce.is_some(),
            has_verifier: verifier.is_some(),
        };
        for text in named {
            texts.push(text);
        }
        texts
    }

    fn push(&mut self, text: &str) {
        self.ends.push(self.whole.push(text));
    }

    fn named(&self) -> Named<'_> {
        Named {
            provider: self.get(PROVIDER),
            redirect_uri: self.get(REDIRECT_URI),
            client: self.get(CLIENT),
            state: self.get(STATE),
            issuer: self.has_issuer.then(|| self.get(ISSUER)),
            nonce: self.has_nonce.then(|| self.get(NONCE)),
            verifier: self.has_verifier.then(|| self.get(VERIFIER)),
        }
    }

    fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        (NAMED..self.ends.len()).map(|place| self.get(place))
    }

    /// The text at a place; all of them stand within the whole, and between characters.
    fn get(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.all()[start..self.ends[place]]
    }

    /// All of them, one after the other.
    fn all(&self) -> &str {
        &self.whole.expose()[self.start..]
    }

    fn lengths(&self) -> impl Iterator<Item = usize> {
        (0..self.ends.len()).map(|place| self.get(place).len())
    }
}

impl Serialize for LoginAttempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("provider", self.provider())?;
        if let Some(issuer) = self.issuer() {
            members.serialize_entry("issuer", issuer)?;
        }
        members.serialize_entry("redirect_uri", self.redirect_uri())?;
        members.serialize_entry("state", self.state())?;
        if let Some(verifier) = self.verifier() {
            members.serialize_entry("code_verifier", verifier)?;
        }
        if let Some(nonce) = self.nonce() {
            members.serialize_entry("nonce", nonce)?;
        }
        if self.response_mode != ResponseMode::default() {
            members.serialize_entry("response_mode", &self.response_mode)?;
        }
        if self.response_type != ResponseType::default() {
            members.serialize_entry("response_type", &self.response_type)?;
        }
        if let Some(max_age) = self.max_age {
            members.serialize_entry("max_age", &max_age)?;
        }
        if !self.required_acr.is_empty() {
            members.serialize_entry("required_acr", &self.required_acr)?;
        }
        members.serialize_entry("scopes", &self.scopes().collect::<Vec<_>>())?;
        members.serialize_entry("client", self.client())?;
        members.serialize_entry("started_at", &self.started_at)?;
        members.serialize_entry("lifetime", &self.lifetime)?;
        if !self.data.is_null() {
            members.serialize_entry("data", &self.data)?;
        }
        members.end()
    }
}

impl<'de> Deserialize<'de> for LoginAttempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members::read(deserializer, Self::read)
    }
}

impl LoginAttempt {
    #[inline]
    fn read(members: &mut Members) -> Result<Self, String> {
        let (provider, redirect_uri, client): (String, String, String) =
            (members.required("provider")?, members.required("redirect_uri")?, members.required("client")?);
        let (issuer, nonce): (Option<String>, Option<Secret>) =
            (members.optional("issuer")?, members.optional("nonce")?);
        let (state, scopes): (Secret, Vec<String>) =
            (members.required("state")?, members.required("scopes")?);
        let verifier: Option<Secret> = members.optional("code_verifier")?;
        let verifier = verifier.map(|verifier| CodeVerifier::new(verifier.expose())).transpose();
        let verifier = verifier.map_err(|error| error.to_string())?;
        let named = Named {
            provider: &provider,
            redirect_uri: &redirect_uri,
            client: &client,
            state: state.expose(),
            issuer: issuer.as_deref(),
            nonce: nonce.as_ref().map(Secret::expose),
            verifier: verifier.as_ref().map(CodeVerifier::expose),
        };
        Ok(Self {
            texts: Texts::of(named, scopes.iter().map(String::as_str)),
            response_mode: members.or_default("response_mode")?,
            response_type: members.or_default("response_type")?,
            max_age: members.optional("max_age")?,
            required_acr: members.or_default("required_acr")?,
            started_at: members.required("started_at")?,
            lifetime: members.required("lifetime")?,
            data: members.optional("data")?.unwrap_or_default(),
            code_verifier: OnceLock::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    /// Attempts in which each part is there, is not there, or is unusual.
    pub(super) fn attempts() -> Vec<LoginAttempt> {
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
            json!({"max_age": u64::MAX, "lifetime": u64::MAX, "started_at": i64::MIN}),
            json!({"started_at": i64::MAX, "lifetime": 0}),
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
            attempts.iter().filter(|attempt| attempt.started_at == i64::MAX).all(LoginAttempt::is_expired)
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
            r#"{{"provider":"p","issuer":"i","redirect_uri":"https://app.example/callback","state":"s","code_verifier":"{VERIFIER}","nonce":"n","response_mode":"form_post","response_type":"code id_token","max_age":1,"required_acr":["a","b"],"scopes":["openid","email"],"client":"c","started_at":-1,"lifetime":600,"data":{{"a":1}}}}"#
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
            ("lifetime", json!(-1)),
            ("lifetime", json!(600.0)),
        ] {
            let mut damaged = whole.clone();
            damaged[name] = wrong;
            let error = read(&damaged.to_string()).map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
        let twice = whole.to_string().replacen('{', r#"{"state":"SECRET","#, 1);
        assert!(!read(&twice).map(|_| ()).unwrap_err().to_string().contains("SECRET"));
        for other in ["null", "\"\"", "{}"] {
            assert!(read(other).is_err(), "{other}");
        }
        // What is null is not there, and what a later version may add is left alone.
        let mut more = whole.clone();
        for (name, value) in
            [("issuer", json!(null)), ("max_age", json!(null)), ("data", json!(null)), ("new", json!([1]))]
        {
            more[name] = value;
        }
        let attempt = read(&more.to_string()).unwrap();
        assert_eq!((attempt.issuer(), attempt.max_age(), attempt.data()), (None, None, &Value::Null));
    }
}
