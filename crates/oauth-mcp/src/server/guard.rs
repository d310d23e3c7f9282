//! Lets requests in that have a good access token, and tells the others what is missing.

use std::{sync::Arc, time::Duration};

use oauth_core::{
    Clock, SystemClock,
    bytes::Bytes,
    http::{
        HeaderMap, HeaderValue, Response, StatusCode, Uri,
        header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};

use super::{
    resource::ProtectedResource,
    verifier::{TokenInfo, TokenVerifier, VerifyError},
};

/// How far apart clocks may be.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Lets requests in that have a good access token for this resource.
///
/// It needs no web framework: give it the headers and the URI of each request, and send the reply of the [`Refusal`]. For axum, see
/// `oauth_mcp::server::axum` (feature `axum`).
#[derive(Clone, Debug)]
pub struct Guard {
    resource: ProtectedResource,
    verifier: Arc<dyn TokenVerifier>,
    audiences: Vec<String>,
    issuers: Vec<String>,
    scopes: Vec<String>,
    clock: Arc<dyn Clock>,
}

impl Guard {
    /// Takes tokens that this verifier vouches for and whose audience is the resource. Tokens that are bound to a key (`cnf`) are refused,
    /// because bearer tokens are what is checked here.
    #[must_use]
    pub fn new(resource: ProtectedResource, verifier: impl TokenVerifier + 'static) -> Self {
        let audiences = vec![resource.resource().to_owned()];
        Self {
            resource,
            verifier: Arc::new(verifier),
            audiences,
            issuers: Vec::new(),
            scopes: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Takes tokens for this audience as well, for an authorization server that names resources its own way, such as Microsoft's.
    #[must_use]
    pub fn accepting_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Takes no tokens but this issuer's. Can be called for several. Default: whatever the verifier vouches for.
    #[must_use]
    pub fn only_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Demands these scopes of every request.
    #[must_use]
    pub fn requiring<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Uses this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The resource that it guards.
    #[must_use]
    pub fn resource(&self) -> &ProtectedResource {
        &self.resource
    }

    /// Checks a request: its token comes in the `Authorization` header and nowhere else, is valid, is for this resource, and has the
    /// scopes that every request needs.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with.
    pub async fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<TokenInfo, Refusal> {
        let token = bearer(headers, uri)?;
        let info = match self.verifier.verify(token).await {
            Ok(info) => info,
            Err(VerifyError::Invalid(reason)) => {
                tracing::debug!(%reason, "an access token was refused");
                return Err(Refusal::InvalidToken);
            }
            Err(error @ VerifyError::Unavailable(_)) => {
                tracing::warn!(%error, "access tokens cannot be verified");
                return Err(Refusal::Unavailable);
            }
        };
        let is_for_us = info.audience.iter().any(|audience| self.audiences.contains(audience));
        let is_expired = info.expires_at.is_some_and(|at| at + CLOCK_SKEW <= self.clock.now());
        let is_of_issuer = self.issuers.is_empty()
            || info.issuer.as_ref().is_some_and(|issuer| self.issuers.contains(issuer));
        // A token that is bound to a key is worth nothing without the proof, which nothing here asks for (RFC 9449 section 7.1, RFC 8705
        // section 3).
        let is_bound = info.claims.get("cnf").is_some_and(|cnf| !cnf.is_null());
        if !is_for_us || is_expired || !is_of_issuer || is_bound {
            tracing::debug!(is_for_us, is_expired, is_of_issuer, is_bound, "an access token was refused");
            return Err(Refusal::InvalidToken);
        }
        self.require(&info, self.scopes.iter().map(String::as_str))?;
        Ok(info)
    }

    /// Demands scopes of one request, such as those of the tool that is called. The client can get them by another sign-in.
    ///
    /// # Errors
    ///
    /// [`Refusal::InsufficientScope`] that names them.
    pub fn require<'a>(
        &self,
        info: &TokenInfo,
        scopes: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Refusal> {
        let wanted: Vec<&str> = scopes.into_iter().collect();
        match info.has_scopes(wanted.iter().copied()) {
            true => Ok(()),
            false => Err(Refusal::InsufficientScope(wanted.into_iter().map(str::to_owned).collect())),
        }
    }

    /// The reply to a request that is not let in: a status, and a challenge that says what a client needs.
    #[must_use]
    pub fn reply(&self, refusal: &Refusal) -> Response<Bytes> {
        let mut reply = Response::new(Bytes::new());
        *reply.status_mut() = refusal.status();
        let headers = reply.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match refusal {
            Refusal::Unavailable => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("5"))),
            refusal => {
                if let Ok(challenge) = HeaderValue::try_from(self.challenge(refusal)) {
                    headers.insert(WWW_AUTHENTICATE, challenge);
                }
            }
        }
        reply
    }

    /// The challenge of a reply (RFC 6750 section 3, RFC 9728 section 5.1).
    #[must_use]
    pub fn challenge(&self, refusal: &Refusal) -> String {
        let mut params = Vec::new();
        // Who sent no token made no mistake (RFC 6750 section 3.1).
        if let Some(error) = refusal.error() {
            params.push(("error", error.to_owned()));
        }
        let scopes = match refusal {
            Refusal::InsufficientScope(scopes) => scopes,
            _ => &self.scopes,
        };
        if !scopes.is_empty() {
            params.push(("scope", scopes.join(" ")));
        }
        params.push(("resource_metadata", self.resource.metadata_url().to_owned()));
        let params: Vec<_> = params.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        format!("Bearer {}", params.join(", "))
    }
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no token.
    #[error("the request has no access token")]
    NoToken,
    /// Its token comes twice, in another way than the `Authorization` header, or in a form that none has.
    #[error("the request's access token is not where it belongs")]
    InvalidRequest,
    /// Its token is not good here: unknown, expired, or for another resource. Which of these is nobody's business.
    #[error("the access token is not valid")]
    InvalidToken,
    /// Its token lacks a scope.
    #[error("the access token lacks one of the scopes {}", .0.join(" "))]
    InsufficientScope(Vec<String>),
    /// Nobody can say whether its token is good.
    #[error("access tokens cannot be verified now")]
    Unavailable,
}

impl Refusal {
    /// The HTTP status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error(&self) -> Option<&'static str> {
        match self {
            Self::NoToken | Self::Unavailable => None,
            Self::InvalidRequest => Some("invalid_request"),
            Self::InvalidToken => Some("invalid_token"),
            Self::InsufficientScope(_) => Some("insufficient_scope"),
        }
    }
}

/// The bearer token of a request.
fn bearer<'h>(headers: &'h HeaderMap, uri: &Uri) -> Result<&'h str, Refusal> {
    // URLs end up in logs.
    let names_token =
        |pair: &str| pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("access_token"));
    if uri.query().is_some_and(|query| query.split('&').any(names_token)) {
        return Err(Refusal::InvalidRequest);
    }
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(Refusal::NoToken) };
    if values.next().is_some() {
        return Err(Refusal::InvalidRequest);
    }
    let value = value.to_str().map_err(|_| Refusal::InvalidRequest)?;
    let Some((scheme, token)) = value.trim().split_once(' ') else { return Err(Refusal::NoToken) };
    // Another scheme is somebody else's.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::NoToken);
    }
    let token = token.trim();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    match !token.is_empty() && token.chars().all(is_token) {
        true => Ok(token),
        false => Err(Refusal::InvalidRequest),
    }
}

/// A quoted string (RFC 9110 section 5.6.4). What no header can carry is left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
