//! The endpoint at which a provider notifies the client (CIBA sections 10.2, 10.3 and 12), for any web framework.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{
    Clock, Error, ErrorKind, LoginError, OAuth2Token, OAuthError, Operation, Result, SharedCache,
    SystemClock,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    parse_json,
    provider_kit::check_media_type,
};
use serde_json::{Map, Value};

use super::attempt::{CibaAttempt, CibaDelivery, hash};

/// The method [`Ciba::accept`](crate::Ciba::accept), in errors.
pub const ACCEPT_PUSH: Operation = Operation::new("accept_ciba_push");
/// The method [`CibaEndpoint::expect`], in errors.
pub const EXPECT_NOTIFICATION: Operation = Operation::new("expect_ciba_notification");

/// The most bytes of a notification: tokens have a few thousand.
const MOST_BYTES: usize = 128 * 1024;
/// The most characters of a token of RFC 6750 section 2.1 that is looked at. The library's own have 43.
const MOST_TOKEN_CHARACTERS: usize = 1024;

/// The client's notification endpoint: it judges what is posted to it, and says once for each request what has happened.
///
/// What is expected is kept in a [`SharedCache`], so that the process that the provider reaches need not be the one that asked. No secret
/// is kept there.
///
/// ```
/// use std::sync::Arc;
///
/// use oauth_fapi::{Ciba, CibaEndpoint, CibaNotification, oauth_core::{MemoryCache, Provider, http::{HeaderMap, StatusCode}}};
///
/// # async fn f(provider: &dyn Provider, headers: HeaderMap, body: &[u8]) -> Result<(), oauth_fapi::oauth_core::Error> {
/// let endpoint = CibaEndpoint::new(Arc::new(MemoryCache::new()));
/// // In the handler of POST requests:
/// let answer = endpoint.receive(&headers, body).await;
/// if let Some(CibaNotification::Ping(attempt)) = &answer.notification {
///     // In a task of its own, because the provider waits for the answer.
///     let login = Ciba::new(provider).redeem(attempt).await?;
/// }
/// let status: StatusCode = answer.status;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CibaEndpoint {
    expected: Arc<dyn SharedCache>,
    clock: Arc<dyn Clock>,
}

/// What to answer a notification with, and what it says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CibaAnswer {
    /// The HTTP status, to be sent with an empty body: 204 for what was understood, else a reason why not.
    pub status: StatusCode,
    /// What happened; `None` if the notification is not one, is for nobody, or came before.
    pub notification: Option<CibaNotification>,
}

/// What a provider says of an attempt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CibaNotification {
    /// The user has decided: [redeem](crate::Ciba::redeem) the attempt.
    Ping(CibaAttempt),
    /// The tokens, unverified: have them [accepted](crate::Ciba::accept).
    Push(CibaAttempt, PushedTokens),
    /// The user has refused, or something else went wrong (section 12): [`refusal`](Self::refusal) says what to do. It comes in push mode
    /// only.
    Refused(CibaAttempt, OAuthError),
}

impl CibaNotification {
    /// A refusal as an error, whose class says what to do: another attempt, or the same one later. `None` for whatever is none.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        match self {
            Self::Refused(_, error) => {
                let kind = ErrorKind::Login(LoginError::Refused(error.clone()));
                Some(Error::new(ACCEPT_PUSH, "ciba", kind))
            }
            Self::Ping(_) | Self::Push(..) => None,
        }
    }
}

/// Tokens that a provider has pushed. Nothing of them is verified before [`Ciba::accept`](crate::Ciba::accept).
#[derive(Clone)]
pub struct PushedTokens(pub(super) OAuth2Token);

impl CibaEndpoint {
    /// An endpoint that keeps in this cache what it expects: a [`MemoryCache`](oauth_core::MemoryCache) where the application is one
    /// process.
    #[must_use]
    pub fn new(expected: Arc<dyn SharedCache>) -> Self {
        Self { expected, clock: Arc::new(SystemClock) }
    }

    /// Takes the time from this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Expects a notification of this attempt, until it expires. Call it as soon as the attempt has [begun](crate::Ciba::start): the
    /// provider may be fast.
    ///
    /// # Errors
    ///
    /// A configuration error when the attempt is one of poll mode, or the cache cannot be asked.
    pub async fn expect(&self, attempt: &CibaAttempt) -> Result<()> {
        let wrong =
            |problem: String| Error::new(EXPECT_NOTIFICATION, "ciba", ErrorKind::Configuration(problem));
        if attempt.delivery == CibaDelivery::Poll {
            return Err(wrong("in poll mode the provider notifies nobody".to_owned()));
        }
        let kept = serde_json::to_vec(&attempt.without_id()).map_err(|error| wrong(error.to_string()))?;
        let lifetime = self.kept_for(attempt);
        let put = self.expected.put(&name(attempt.auth_req_id().expose()), kept.into(), lifetime).await;
        put.map_err(|cause| wrong(format!("the cache cannot be asked: {cause}")))
    }

    /// Judges a notification: the headers and the body of a POST request. Cap the body while reading it; one of more than 128 KiB is
    /// refused here.
    pub async fn receive(&self, headers: &HeaderMap, body: &[u8]) -> CibaAnswer {
        match self.judge(headers, body).await {
            Ok(notification) => CibaAnswer { status: StatusCode::NO_CONTENT, notification },
            Err(status) => CibaAnswer { status, notification: None },
        }
    }

    async fn judge(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<CibaNotification>, StatusCode> {
        let token = bearer(headers).ok_or(StatusCode::UNAUTHORIZED)?;
        if body.len() > MOST_BYTES {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        check_media_type(headers, "application/json").map_err(|_| StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
        let Ok(Value::Object(members)) = parse_json(body) else { return Err(StatusCode::BAD_REQUEST) };
        let id = members.get("auth_req_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or(StatusCode::BAD_REQUEST)?;
        // Nobody can tell whose the token is, so an unknown request is answered as a wrong token is.
        let attempt = self.expected_attempt(id).await?.filter(|attempt| attempt.is_notified_by(token));
        let attempt = attempt.ok_or(StatusCode::UNAUTHORIZED)?;
        if self.clock.now() >= attempt.expires_at() {
            return Ok(None);
        }
        let notification = read(attempt.clone(), &members).ok_or(StatusCode::BAD_REQUEST)?;
        // Of several that come at the same time, one counts.
        let mark = format!("{}-done", name(id));
        let is_first = self.expected.put_new(&mark, "".into(), self.kept_for(&attempt)).await;
        match is_first {
            Ok(is_first) => Ok(is_first.then_some(notification)),
            Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    async fn expected_attempt(&self, id: &str) -> Result<Option<CibaAttempt>, StatusCode> {
        let kept = self.expected.get(&name(id)).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let attempt = kept.and_then(|kept| serde_json::from_slice::<CibaAttempt>(&kept).ok());
        Ok(attempt.map(|attempt| attempt.with_id(id)))
    }

    /// A little longer than the attempt lives, so that what comes late is known for what it is.
    fn kept_for(&self, attempt: &CibaAttempt) -> Duration {
        attempt.lifetime_at(self.clock.now()).saturating_add(Duration::from_secs(60))
    }
}

/// What the body says, if it is what the mode of the attempt allows.
fn read(attempt: CibaAttempt, members: &Map<String, Value>) -> Option<CibaNotification> {
    match attempt.delivery {
        CibaDelivery::Ping => Some(CibaNotification::Ping(attempt)),
        CibaDelivery::Push => {
            if let Some(code) = members.get("error") {
                let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
                let code = code.as_str().filter(|code| !code.is_empty())?.to_owned();
                let description = text("error_description");
                let error = OAuthError { code, description, uri: text("error_uri") };
                return Some(CibaNotification::Refused(attempt, error));
            }
            let mut members = members.clone();
            members.remove("auth_req_id");
            // These would be taken for what this library has stored.
            for stored in ["expires_at", "expires_at_of_provider", "cnf", "refresh_cnf"] {
                members.remove(stored);
            }
            let token = serde_json::from_value(Value::Object(members)).ok()?;
            Some(CibaNotification::Push(attempt, PushedTokens(token)))
        }
        CibaDelivery::Poll => None,
    }
}

/// The bearer token of a request that has exactly one `Authorization` header (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let is_token = !token.is_empty() && token.len() <= MOST_TOKEN_CHARACTERS && !token.contains(' ');
    (scheme.eq_ignore_ascii_case("Bearer") && is_token).then_some(token)
}

/// Under which name an attempt is kept. The id itself is a secret.
fn name(auth_req_id: &str) -> String {
    format!("ciba-{}", hash(auth_req_id))
}

impl fmt::Debug for PushedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PushedTokens").field(&self.0).finish()
    }
}
