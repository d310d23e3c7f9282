//! A session, and the cookie that holds it.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, time::Duration as CookieDuration};
use http::{HeaderMap, HeaderValue};
use oauth_core::{
    Error, OffsetDateTime, Sealer, random_token,
    serde_json::{self, Value},
};
use oauth_tokens::TokenKey;
use oauth_web::web_kit;
use serde::{Deserialize, Serialize};

const NAME: &str = "bff-session";
const HOST_NAME: &str = "__Host-bff-session";

/// The most bytes of a cookie's name and value; browsers drop what is larger, without a word.
const MOST_BYTES: usize = 4096;

/// Browsers keep no cookie longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Who is signed in, in which session. `Debug` does not show what is known about the user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    id: String,
    /// Tenant, subject, provider and label.
    key: [String; 4],
    #[serde(default)]
    user: Value,
    /// A Unix time in milliseconds.
    begun: i64,
    /// A Unix time in seconds.
    until: i64,
    /// The memory of ended sessions, where it is that of one process alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<String>,
    /// What tells it from the sessions that were there when all of this key were ended, if that happened before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

/// What [`Bff::on_sign_in`](crate::Bff::on_sign_in) makes of a user who signed in.
#[derive(Clone, Debug)]
#[must_use]
pub struct NewSession {
    pub(crate) key: TokenKey,
    pub(crate) user: Value,
}

/// With which requests browsers send the session's cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameSite {
    /// With those of this site's own pages only. The default.
    #[default]
    Strict,
    /// Also when a link of another site leads here, for pages that the server renders, and for [`SignIn::linking`](oauth_web::SignIn::linking).
    Lax,
}

impl NewSession {
    /// Creates a session of the user whose tokens are stored under this key. One user may have several sessions.
    pub fn new(key: TokenKey) -> Self {
        Self { key, user: Value::Null }
    }

    /// The key that users have unless [`Bff::on_sign_in`](crate::Bff::on_sign_in) gives them another: that of the provider's name, and of issuer and
    /// subject of their identity.
    #[must_use]
    pub fn default_key(provider: &str, issuer: &str, subject: &str) -> TokenKey {
        TokenKey::new(provider, serde_json::json!([issuer, subject]).to_string())
    }

    /// Sets what `GET /session` says about the user. It travels in the cookie, encrypted, so that it has to be small, and keeps its value until
    /// the session ends.
    pub fn user(mut self, user: impl Into<Value>) -> Self {
        self.user = user.into();
        self
    }
}

impl Session {
    /// `memory` names the memory of ended sessions that knows when it ends, unless all processes share it.
    pub(crate) fn begin(
        new: NewSession,
        lifetime: Duration,
        memory: Option<&str>,
        epoch: Option<String>,
    ) -> Result<Self, Error> {
        let now = OffsetDateTime::now_utc();
        let seconds = i64::try_from(lifetime.min(LONGEST).as_secs()).unwrap_or_default();
        let key = [new.key.tenant(), new.key.subject(), new.key.provider(), new.key.label()];
        Ok(Self {
            id: random_token()?,
            key: key.map(str::to_owned),
            user: new.user,
            begun: milliseconds(now),
            until: now.unix_timestamp().saturating_add(seconds),
            memory: memory.map(str::to_owned),
            epoch,
        })
    }

    /// The session's own id: random, and different for each sign-in.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key of the user's tokens.
    #[must_use]
    pub fn key(&self) -> TokenKey {
        let [tenant, subject, provider, label] = &self.key;
        TokenKey::from_parts(tenant, subject, provider, label)
    }

    /// What the application said about the user when the session began.
    #[must_use]
    pub fn user(&self) -> &Value {
        &self.user
    }

    /// When the session ends.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.until).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    pub(crate) fn begun(&self) -> i64 {
        self.begun
    }

    pub(crate) fn until(&self) -> i64 {
        self.until
    }

    pub(crate) fn memory(&self) -> Option<&str> {
        self.memory.as_deref()
    }

    pub(crate) fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }
}

/// A Unix time in milliseconds.
pub(crate) fn milliseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("key", &self.key())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// What a request's cookies say about a session.
pub(crate) enum FoundSession {
    /// There is no cookie of a session.
    Nothing,
    /// There is one that does not count: it has expired, was changed, or was sealed elsewhere.
    Invalid,
    Session(Box<Session>),
}

/// Reads the session of a request.
pub(crate) fn read(headers: &HeaderMap, sealer: &Sealer, site: &str) -> FoundSession {
    let name = name(site);
    let mut found = web_kit::cookies(headers).filter(|(other, _)| *other == name.as_bytes());
    let Some((_, sealed)) = found.next() else { return FoundSession::Nothing };
    // A browser has one. Whoever sends two hopes that two readers disagree.
    if found.next().is_some() || sealed.len() > MOST_BYTES {
        return FoundSession::Invalid;
    }
    let opened = URL_SAFE_NO_PAD.decode(sealed).ok();
    let opened = opened.and_then(|sealed| sealer.open_bytes(&sealed, &context(site)).ok());
    let session = opened.and_then(|opened| serde_json::from_slice::<Session>(&opened.plain).ok());
    match session {
        Some(session) if OffsetDateTime::now_utc().unix_timestamp() < session.until => {
            FoundSession::Session(Box::new(session))
        }
        _ => FoundSession::Invalid,
    }
}

/// The cookie of a session; an error says why there is none.
pub(crate) fn cookie(
    session: &Session,
    sealer: &Sealer,
    site: &str,
    same_site: SameSite,
) -> Result<HeaderValue, String> {
    let plain = serde_json::to_vec(session).map_err(|error| error.to_string())?;
    let sealed = sealer.seal_bytes(&plain, &context(site)).map_err(|error| error.to_string())?;
    let sealed = URL_SAFE_NO_PAD.encode(sealed);
    if name(site).len() + sealed.len() > MOST_BYTES {
        return Err("the session's cookie would have more than 4096 bytes, and browsers keep no such cookie; say less \
             about the user in NewSession::user"
            .to_owned());
    }
    let lifetime = session.until - OffsetDateTime::now_utc().unix_timestamp();
    header(sealed, CookieDuration::seconds(lifetime), site, same_site)
}

/// Removes the cookie.
pub(crate) fn cleared(site: &str, same_site: SameSite) -> Option<HeaderValue> {
    header(String::new(), CookieDuration::ZERO, site, same_site).ok()
}

fn header(
    value: String,
    age: CookieDuration,
    site: &str,
    same_site: SameSite,
) -> Result<HeaderValue, String> {
    let cookie = Cookie::build((name(site), value))
        .path("/")
        .http_only(true)
        .secure(is_https(site))
        .same_site(match same_site {
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::Lax => cookie::SameSite::Lax,
        })
        .max_age(age);
    HeaderValue::try_from(cookie.to_string()).map_err(|error| error.to_string())
}

/// On https no other name is looked at, because any site of the domain can set it.
fn name(site: &str) -> &'static str {
    if is_https(site) { HOST_NAME } else { NAME }
}

fn is_https(site: &str) -> bool {
    site.starts_with("https://")
}

/// A session counts at the site where it began, and nothing else that the key sealed is one.
fn context(site: &str) -> Vec<u8> {
    ["oauth-bff session\0".as_bytes(), site.as_bytes()].concat()
}
