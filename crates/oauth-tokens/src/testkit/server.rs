//! A provider in memory: it rotates refresh tokens, notices when one is used twice, and counts.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use oauth_core::{
    Callback, HttpClient, HttpError, HttpErrorKind, OAuth2, OAuth2Token, OffsetDateTime, Provider,
    async_trait,
    bytes::Bytes,
    http::{Request, Response, StatusCode},
    random_token,
    serde_json::{Value, json},
};

/// An OAuth 2.0 server without a network, as an [`HttpClient`]: it answers at every URL as a token endpoint does.
///
/// Each refresh replaces the refresh token, and one that comes twice ends the grant (RFC 9700 section 4.14.2), unless it comes
/// back within the grace that the server allows: then the answer is the same as the first time. A clone is the same server.
#[derive(Clone)]
pub struct RotatingServer(Arc<ServerInner>);

struct ServerInner {
    grace: Duration,
    latency: Duration,
    lifetime: u64,
    state: Mutex<ServerState>,
}

#[derive(Default)]
struct ServerState {
    requests: usize,
    refresh_tokens: HashMap<String, IssuedRefreshToken>,
    access_tokens: HashMap<String, usize>,
    /// Whether each grant is still good.
    grants: Vec<bool>,
    next: VecDeque<ServerFault>,
    always: Option<ServerFault>,
}

struct IssuedRefreshToken {
    grant: usize,
    /// When it was redeemed, and what for.
    redeemed: Option<(Instant, Value)>,
}

/// A fault of the [`RotatingServer`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerFault {
    /// It answers with this status, this body and this `Retry-After` in seconds, and does nothing.
    Reply(u16, &'static str, Option<u64>),
    /// It cannot be reached, or the connection breaks, and it has done nothing.
    NoReply(HttpErrorKind),
    /// It has done what it was asked, and the reply does not arrive.
    ReplyLost(HttpErrorKind),
    /// It does nothing and never answers.
    Hang,
}

impl RotatingServer {
    /// A server that allows no grace, answers at once, and whose access tokens live an hour.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Duration::ZERO, Duration::ZERO, Duration::from_secs(3600))
    }

    /// A server that answers a refresh token that comes back within a grace with the same tokens again, takes some time for
    /// each answer, and whose access tokens live for whole seconds.
    #[must_use]
    pub fn with(grace: Duration, latency: Duration, lifetime: Duration) -> Self {
        Self(Arc::new(ServerInner { grace, latency, lifetime: lifetime.as_secs(), state: Mutex::default() }))
    }

    /// A client of this server, of the name `testkit`.
    #[must_use]
    pub fn client(&self) -> OAuth2 {
        OAuth2::new("client", "secret", "https://as.example/authorize", "https://as.example/token")
            .with_refresh_endpoint("https://as.example/token")
            .with_revoke_endpoint("https://as.example/revoke")
            .with_http_client(self.clone())
            .with_name("testkit")
    }

    /// The token of a new grant, live.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system provides no random bytes.
    pub fn sign_in(&self) -> oauth_core::Result<OAuth2Token> {
        self.sign_in_until(
            OffsetDateTime::now_utc().unix_timestamp().saturating_add_unsigned(self.0.lifetime),
        )
    }

    /// The token of a new grant, expired long ago; its refresh token is good.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system provides no random bytes.
    pub fn sign_in_expired(&self) -> oauth_core::Result<OAuth2Token> {
        self.sign_in_until(1)
    }

    fn sign_in_until(&self, expires_at: i64) -> oauth_core::Result<OAuth2Token> {
        let mut reply = {
            let mut state = self.lock();
            state.grants.push(true);
            let grant = state.grants.len() - 1;
            state.issue(grant, self.0.lifetime)?
        };
        reply["expires_at"] = expires_at.into();
        oauth_core::serde_json::from_value(reply)
            .map_err(|error| oauth_core::Error::configuration("testkit", error.to_string()))
    }

    /// How many requests came to the token endpoint.
    #[must_use]
    pub fn token_requests(&self) -> usize {
        self.lock().requests
    }

    /// How many grants have ended.
    #[must_use]
    pub fn ended_grants(&self) -> usize {
        self.lock().grants.iter().filter(|is_good| !**is_good).count()
    }

    /// Whether an access token was issued by this server and its grant is good.
    #[must_use]
    pub fn knows(&self, access_token: &str) -> bool {
        let state = self.lock();
        state.access_tokens.get(access_token).is_some_and(|grant| state.grants[*grant])
    }

    /// Whether a refresh token can be redeemed for the first time.
    #[must_use]
    pub fn accepts(&self, refresh_token: &str) -> bool {
        let state = self.lock();
        let found = state.refresh_tokens.get(refresh_token);
        found.is_some_and(|token| token.redeemed.is_none() && state.grants[token.grant])
    }

    /// Every token that it has issued: none of them may appear in a log or a database.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let state = self.lock();
        state.access_tokens.keys().chain(state.refresh_tokens.keys()).cloned().collect()
    }

    /// Makes an access token invalid before it expires; its refresh token stays valid.
    pub fn withdraw(&self, access_token: &str) {
        self.lock().access_tokens.remove(access_token);
    }

    /// Makes the next request fail; a second call makes the one after it fail too.
    pub fn fail_next(&self, fault: ServerFault) {
        self.lock().next.push_back(fault);
    }

    /// Makes every request fail from now on, or none.
    pub fn fail_always(&self, fault: Option<ServerFault>) {
        self.lock().always = fault;
    }

    fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, form: &HashMap<String, String>) -> oauth_core::Result<(StatusCode, Value)> {
        let refused = |code: &str| Ok((StatusCode::BAD_REQUEST, json!({ "error": code })));
        let mut state = self.lock();
        match form.get("grant_type").map(String::as_str) {
            Some("refresh_token") => {}
            Some("client_credentials" | "urn:ietf:params:oauth:grant-type:jwt-bearer") => {
                state.grants.push(true);
                let grant = state.grants.len() - 1;
                let mut reply = state.issue(grant, self.0.lifetime)?;
                // RFC 6749 section 4.4.3.
                reply.as_object_mut().and_then(|reply| reply.remove("refresh_token"));
                return Ok((StatusCode::OK, reply));
            }
            _ => return refused("unsupported_grant_type"),
        }
        let presented = form.get("refresh_token").cloned().unwrap_or_default();
        let Some(token) = state.refresh_tokens.get(&presented) else { return refused("invalid_grant") };
        let grant = token.grant;
        match &token.redeemed {
            _ if !state.grants[grant] => return refused("invalid_grant"),
            Some((at, reply)) if at.elapsed() < self.0.grace => return Ok((StatusCode::OK, reply.clone())),
            Some(_) => {
                state.grants[grant] = false;
                return refused("invalid_grant");
            }
            None => {}
        }
        let mut reply = state.issue(grant, self.0.lifetime)?;
        if let Some(scope) = form.get("scope") {
            reply["scope"] = scope.as_str().into();
        }
        if let Some(token) = state.refresh_tokens.get_mut(&presented) {
            token.redeemed = Some((Instant::now(), reply.clone()));
        }
        Ok((StatusCode::OK, reply))
    }

    fn revoke(&self, form: &HashMap<String, String>) {
        let mut state = self.lock();
        let token = form.get("token").map(String::as_str).unwrap_or_default();
        let of_refresh = state.refresh_tokens.get(token).map(|token| token.grant);
        if let Some(grant) = of_refresh.or(state.access_tokens.get(token).copied()) {
            state.grants[grant] = false;
        }
    }
}

impl ServerState {
    fn issue(&mut self, grant: usize, lifetime: u64) -> oauth_core::Result<Value> {
        let (access_token, refresh_token) = (random_token()?, random_token()?);
        self.access_tokens.insert(access_token.clone(), grant);
        self.refresh_tokens.insert(refresh_token.clone(), IssuedRefreshToken { grant, redeemed: None });
        Ok(json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": lifetime,
            "refresh_token": refresh_token,
        }))
    }
}

#[async_trait]
impl HttpClient for RotatingServer {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let invalid = || HttpError::new(HttpErrorKind::InvalidRequest);
        let is_revocation = request.uri().path().ends_with("/revoke");
        let fault = {
            let mut state = self.lock();
            if !is_revocation {
                state.requests += 1;
            }
            state.next.pop_front().or_else(|| state.always.clone())
        };
        if !self.0.latency.is_zero() {
            tokio::time::sleep(self.0.latency).await;
        }
        let mut reply = match &fault {
            Some(ServerFault::Reply(status, body, retry_after)) => {
                let mut reply = Response::builder().status(*status);
                if let Some(seconds) = retry_after {
                    reply = reply.header("retry-after", *seconds);
                }
                return reply.body(Bytes::from_static(body.as_bytes())).map_err(|_| invalid());
            }
            Some(ServerFault::NoReply(kind)) => return Err(HttpError::new(*kind)),
            Some(ServerFault::Hang) => std::future::pending().await,
            Some(ServerFault::ReplyLost(_)) | None => Response::builder(),
        };
        // The parser of a posted callback is one of forms.
        let form = Callback::from_form(&String::from_utf8_lossy(request.body()));
        let form: HashMap<String, String> =
            form.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (status, body) = match is_revocation {
            true => {
                self.revoke(&form);
                (StatusCode::OK, json!({}))
            }
            false => self.answer(&form).map_err(|_| invalid())?,
        };
        if let Some(ServerFault::ReplyLost(kind)) = fault {
            return Err(HttpError::new(kind));
        }
        reply = reply.status(status).header("content-type", "application/json");
        reply.body(body.to_string().into()).map_err(|_| invalid())
    }
}

impl Default for RotatingServer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RotatingServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RotatingServer(…)")
    }
}
