//! The proof itself: a JWT that is signed anew for each request (RFC 9449 section 4.2).

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{OffsetDateTime, http::Method, random_token};
use serde_json::{Map, Value, json};

use super::key::DpopKey;
use crate::signing::{SignError, TIME_LIMIT, within};

/// What a DPoP proof is for (RFC 9449 section 4.2): one request, with or without an access token.
///
/// [`Dpop`](crate::Dpop) makes the proofs of a client's own requests; this is for those that something else sends.
///
/// ```
/// use oauth_fapi::{DpopKey, Proof};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let key = DpopKey::generate()?;
/// let proof = Proof::new("GET", "https://api.example/accounts?page=2")?.with_access_token("AT");
/// println!("DPoP: {}", key.prove(&proof).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Proof {
    method: String,
    target: ProofTarget,
    ath: Option<String>,
    nonce: Option<String>,
    at: Option<OffsetDateTime>,
}

impl Proof {
    /// A proof for a request by this method to this URL. The query and the fragment are left out of what is signed.
    ///
    /// # Errors
    ///
    /// A configuration error when the URL is not an absolute one as it is sent.
    pub fn new(method: &str, url: &str) -> oauth_core::Result<Self> {
        let target =
            ProofTarget::of(url).map_err(|problem| oauth_core::Error::configuration("dpop", problem))?;
        Ok(Self::at_target(method.to_owned(), target))
    }

    pub(crate) fn at_target(method: String, target: ProofTarget) -> Self {
        Self { method, target, ath: None, nonce: None, at: None }
    }

    /// Ties the proof to the access token that it is sent with (`ath`).
    pub fn with_access_token(mut self, access_token: &str) -> Self {
        self.ath = Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, access_token.as_bytes())));
        self
    }

    /// Adds the nonce that the server gave.
    pub fn with_nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Says that it is made at this time, in place of the operating system's.
    pub fn made_at(mut self, at: OffsetDateTime) -> Self {
        self.at = Some(at);
        self
    }

    fn claims(&self) -> Result<Map<String, Value>, SignError> {
        let jti = random_token().map_err(|error| SignError::Key(error.to_string()))?;
        let at = self.at.unwrap_or_else(OffsetDateTime::now_utc);
        let mut claims = Map::new();
        claims.insert("jti".to_owned(), jti.into());
        claims.insert("htm".to_owned(), self.method.as_str().into());
        claims.insert("htu".to_owned(), self.target.url().into());
        claims.insert("iat".to_owned(), at.unix_timestamp().into());
        if let Some(ath) = &self.ath {
            claims.insert("ath".to_owned(), ath.as_str().into());
        }
        if let Some(nonce) = &self.nonce {
            claims.insert("nonce".to_owned(), nonce.as_str().into());
        }
        Ok(claims)
    }
}

impl DpopKey {
    /// Signs a proof, with a `jti` that no other has. A signer gets 10 seconds for it.
    ///
    /// # Errors
    ///
    /// That of the signer, or [`SignError::Timeout`].
    pub async fn prove(&self, proof: &Proof) -> Result<String, SignError> {
        // Nothing but what section 4.2 names: a `kid` or a certificate would say more of the client than the server needs.
        let header = json!({"typ": "dpop+jwt", "alg": self.algorithm().as_str(), "jwk": self.public_jwk()});
        let claims = Value::Object(proof.claims()?);
        let mut jwt = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature = within(TIME_LIMIT, self.signer().sign(jwt.as_bytes())).await?;
        jwt.push('.');
        jwt.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(jwt)
    }
}

/// A URL without query and fragment, as both sides of a proof write it (RFC 9449 section 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProofTarget {
    url: String,
    /// How much of it is the origin: scheme, host and port.
    origin: usize,
}

impl ProofTarget {
    /// Scheme and host in lower case, without a default port; the path as it is sent.
    pub(crate) fn of(url: &str) -> Result<Self, String> {
        let url = url.split(['?', '#']).next().unwrap_or_default();
        let problem = || "a proof is for an absolute http or https URL as it is sent".to_owned();
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(problem());
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(problem)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match &*scheme {
            "https" => "443",
            "http" => "80",
            _ => return Err(problem()),
        };
        let authority = authority.to_ascii_lowercase();
        let authority = match authority.rsplit_once(':') {
            // Not the colons in an IPv6 address.
            Some((host, port)) if !port.contains(']') && (port.is_empty() || port == default_port) => host,
            _ => &authority,
        };
        if authority.is_empty() || authority.contains('@') {
            return Err(problem());
        }
        let origin = format!("{scheme}://{authority}");
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { url: format!("{origin}{path}"), origin: origin.len() })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        &self.url[..self.origin]
    }
}

/// The method as a proof names it: that of the request, which is in upper case unless it is one of somebody's own.
pub(crate) fn method_name(method: &Method) -> String {
    method.as_str().to_owned()
}
