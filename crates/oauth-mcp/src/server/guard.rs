//! Lets requests in that have a good access token, and tells the others what is missing.

use std::{sync::Arc, time::Duration};

use oauth_core::{
    Clock, SystemClock,
    bytes::Bytes,
    http::{
        HeaderMap, HeaderValue, Method, Response, Uri,
        header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    telemetry::{EVENT_NAME, event},
};

#[cfg(feature = "dpop")]
use super::proofs::{Proofs, ProvenRequest};
use super::{
    refusal::Refusal,
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
    #[cfg(feature = "dpop")]
    proofs: Option<Proofs>,
}

impl Guard {
    /// Takes tokens that this verifier vouches for and whose audience is the resource. Tokens that are bound to a key (`cnf`) are refused,
    /// unless the feature `dpop` and its `with_dpop` have their proofs verified.
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
            #[cfg(feature = "dpop")]
            proofs: None,
        }
    }

    /// Takes tokens that are bound to a key as well, which come by the scheme `DPoP` with a proof (RFC 9449 section 7). The proof must be made
    /// for the request's path at the resource's origin, as [`check_request`](Self::check_request) gets it. Tokens that are bound to
    /// nothing still come as bearer tokens.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use oauth_fapi::DpopProofVerifier;
    /// use oauth_mcp::{oauth_core::MemoryCache, server::Guard};
    ///
    /// fn with_proofs(guard: Guard) -> Guard {
    ///     // Where several processes serve the resource, a cache that they share.
    ///     guard.with_dpop(DpopProofVerifier::new(Arc::new(MemoryCache::new())))
    /// }
    /// ```
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn with_dpop(mut self, proofs: oauth_fapi::DpopProofVerifier) -> Self {
        self.proofs = Some(Proofs::new(proofs));
        self
    }

    /// Demands of each proof the nonce that this returns at the time, and sends it with every reply to a request that is not let in
    /// (RFC 9449 section 9). It has an effect after [`with_dpop`](Self::with_dpop).
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn with_dpop_nonce(mut self, nonce: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.proofs = self.proofs.map(|proofs| proofs.with_nonce(nonce));
        self
    }

    /// Takes no tokens but those that are bound to a key. It has an effect after [`with_dpop`](Self::with_dpop).
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn requiring_dpop(mut self) -> Self {
        if let Some(proofs) = &mut self.proofs {
            proofs.is_demanded = true;
        }
        self
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
    /// scopes that every request needs. Tokens that are bound to a key need [`check_request`](Self::check_request).
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with.
    pub async fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<TokenInfo, Refusal> {
        self.check_by(None, headers, uri).await
    }

    /// Checks a request as [`check`](Self::check) does, and the proof of a token that is bound to a key, which is for one method and one URL.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] to answer with.
    pub async fn check_request(
        &self,
        method: &Method,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<TokenInfo, Refusal> {
        self.check_by(Some(method), headers, uri).await
    }

    async fn check_by(
        &self,
        method: Option<&Method>,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<TokenInfo, Refusal> {
        let (scheme, token) = credentials(headers, uri)?;
        if scheme == Scheme::Dpop && !self.takes_proofs() {
            return Err(Refusal::NoToken);
        }
        let info = match self.verifier.verify(token).await {
            Ok(info) => info,
            Err(VerifyError::Invalid(reason)) => {
                tracing::debug!(
                    { EVENT_NAME } = event::ACCESS_TOKEN_REFUSED,
                    %reason,
                    "an access token was refused"
                );
                return Err(Refusal::InvalidToken);
            }
            Err(error @ VerifyError::Unavailable(_)) => {
                tracing::warn!(
                    { EVENT_NAME } = event::ACCESS_TOKEN_UNVERIFIED,
                    %error,
                    "access tokens cannot be verified"
                );
                return Err(Refusal::Unavailable);
            }
        };
        let is_for_us = info.audience.iter().any(|audience| self.audiences.contains(audience));
        // A sum could lie after the end of the calendar.
        let is_expired = info.expires_at.is_some_and(|at| at <= self.clock.now() - CLOCK_SKEW);
        let is_of_issuer = self.issuers.is_empty()
            || info.issuer.as_ref().is_some_and(|issuer| self.issuers.contains(issuer));
        // A token that is bound to a key is worth nothing without the proof (RFC 9449 section 7.1, RFC 8705 section 3).
        let is_bound = info.claims.get("cnf").is_some_and(|cnf| !cnf.is_null());
        let is_unproven = scheme == Scheme::Bearer && (is_bound || self.demands_proofs());
        if !is_for_us || is_expired || !is_of_issuer || is_unproven {
            let reason = match (is_for_us, is_expired, is_of_issuer) {
                (false, ..) => "it is for another audience",
                (_, true, _) => "it has expired",
                (.., false) => "it is another issuer's",
                _ => "it is bound to a key, and no proof came with it",
            };
            tracing::debug!(
                { EVENT_NAME } = event::ACCESS_TOKEN_REFUSED,
                reason,
                "an access token was refused"
            );
            return Err(Refusal::InvalidToken);
        }
        if scheme == Scheme::Dpop {
            self.check_proof(method, headers, uri, token, &info).await?;
        }
        self.require(&info, self.scopes.iter().map(String::as_str))?;
        Ok(info)
    }

    #[cfg(feature = "dpop")]
    async fn check_proof(
        &self,
        method: Option<&Method>,
        headers: &HeaderMap,
        uri: &Uri,
        token: &str,
        info: &TokenInfo,
    ) -> Result<(), Refusal> {
        let (Some(proofs), Some(method)) = (&self.proofs, method) else { return Err(Refusal::InvalidProof) };
        let request = ProvenRequest { method, headers, uri, resource: self.resource.resource() };
        proofs.check(&request, token, info).await
    }

    #[cfg(not(feature = "dpop"))]
    #[expect(clippy::unused_async, reason = "with the feature it asks a cache")]
    async fn check_proof(
        &self,
        _method: Option<&Method>,
        _headers: &HeaderMap,
        _uri: &Uri,
        _token: &str,
        _info: &TokenInfo,
    ) -> Result<(), Refusal> {
        Err(Refusal::InvalidProof)
    }

    fn takes_proofs(&self) -> bool {
        #[cfg(feature = "dpop")]
        let takes = self.proofs.is_some();
        #[cfg(not(feature = "dpop"))]
        let takes = false;
        takes
    }

    fn demands_proofs(&self) -> bool {
        #[cfg(feature = "dpop")]
        let demands = self.proofs.as_ref().is_some_and(|proofs| proofs.is_demanded);
        #[cfg(not(feature = "dpop"))]
        let demands = false;
        demands
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
                let challenges =
                    self.schemes(refusal).iter().map(|scheme| self.challenge_by(scheme, refusal));
                for challenge in challenges.filter_map(|challenge| HeaderValue::try_from(challenge).ok()) {
                    headers.append(WWW_AUTHENTICATE, challenge);
                }
            }
        }
        #[cfg(feature = "dpop")]
        if let Some(nonce) = self.proofs.as_ref().and_then(Proofs::nonce)
            && let Ok(nonce) = HeaderValue::try_from(nonce)
        {
            headers.insert("dpop-nonce", nonce);
        }
        reply
    }

    /// The challenge of a reply (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1). A server that takes tokens by both schemes has
    /// two, of which this is the first: see [`reply`](Self::reply).
    #[must_use]
    pub fn challenge(&self, refusal: &Refusal) -> String {
        self.challenge_by(self.schemes(refusal)[0], refusal)
    }

    /// The schemes by which a client may try again.
    fn schemes(&self, refusal: &Refusal) -> &'static [&'static str] {
        match (refusal, self.takes_proofs(), self.demands_proofs()) {
            (_, false, _) => &["Bearer"],
            (Refusal::InvalidProof | Refusal::UseNonce, ..) | (_, _, true) => &["DPoP"],
            _ => &["Bearer", "DPoP"],
        }
    }

    fn challenge_by(&self, scheme: &str, refusal: &Refusal) -> String {
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
        format!("{scheme} {}", params.join(", "))
    }
}

/// How a token comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

/// The token of a request.
fn credentials<'h>(headers: &'h HeaderMap, uri: &Uri) -> Result<(Scheme, &'h str), Refusal> {
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
    let scheme = match scheme {
        bearer if bearer.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        dpop if dpop.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        // Another scheme is somebody else's.
        _ => return Err(Refusal::NoToken),
    };
    let token = token.trim();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    match !token.is_empty() && token.chars().all(is_token) {
        true => Ok((scheme, token)),
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
