//! Proofs of possession as a resource server checks them (RFC 9449 section 4.3).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{Clock, JwtCheck, SharedCache, SystemClock, http::Uri, parse_json, same_secret};
use oauth_openid::{Algorithm, JwkSet};
use serde_json::{Map, Value, json};

use crate::thumbprint::thumbprint;

/// Checks the `DPoP` header of requests to a resource server.
///
/// What was used is remembered in a [`SharedCache`], so that a proof that somebody has overheard is of no use.
#[derive(Clone, Debug)]
pub struct DpopProofVerifier {
    used: Arc<dyn SharedCache>,
    algorithms: Vec<Algorithm>,
    lifetime: Duration,
    nonce: Option<String>,
    clock: Arc<dyn Clock>,
}

/// A proof that passed all checks.
#[derive(Clone, Debug)]
pub struct DpopProof {
    thumbprint: String,
}

/// Why a proof was refused. A resource server answers it with 401 and `WWW-Authenticate: DPoP error="…"`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The proof is not valid.
    #[error("the proof is not valid: {0}")]
    Invalid(String),
    /// The proof lacks the nonce that the server demands, or has another one.
    #[error("the proof does not have the nonce that is demanded")]
    Nonce,
    /// The proof was used before.
    #[error("the proof was used before")]
    Replayed,
    /// It could not be found out whether the proof was used before.
    #[error("the cache of used proofs cannot be asked: {0}")]
    Cache(#[source] oauth_core::SharedCacheError),
}

impl ProofError {
    /// The error code for the challenge (RFC 9449 sections 7.1 and 9).
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nonce => "use_dpop_nonce",
            _ => "invalid_dpop_proof",
        }
    }
}

/// The members of a JWK that only the owner of a private key has (RFC 7518 section 6).
const PRIVATE_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// How far a client's clock may be ahead.
const LEEWAY: Duration = Duration::from_secs(10);
/// A proof that lives longer does not prove possession now.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The most characters of a proof.
const MOST_CHARACTERS: usize = 16 * 1024;
/// The most characters of a `jti`, which is remembered.
const MOST_ID_CHARACTERS: usize = 1024;

impl DpopProofVerifier {
    /// A verifier that remembers here which proofs were used: a [`MemoryCache`](oauth_core::MemoryCache) where the resource server is one
    /// process. A proof is good for a minute from when it was made.
    #[must_use]
    pub fn new(used: Arc<dyn SharedCache>) -> Self {
        Self {
            used,
            algorithms: Algorithm::WITH_PUBLIC_KEYS.to_vec(),
            lifetime: Duration::from_secs(60),
            nonce: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Accepts these algorithms only. One whose key is a secret is never accepted.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect();
        self
    }

    /// Accepts proofs that are not older than this.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.min(LONGEST_LIFETIME);
        self
    }

    /// Demands this nonce, which the server hands out in the header `DPoP-Nonce` and changes now and then (RFC 9449 section 9).
    #[must_use]
    pub fn with_nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Takes the time from this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Verifies the only `DPoP` header of a request: that it was made for this method, this URL as the client sees it, and this access
    /// token.
    ///
    /// Verify the token first: whoever has a good one may have proofs remembered, and nobody else.
    ///
    /// # Errors
    ///
    /// A [`ProofError`] that says what is wrong.
    pub async fn verify(
        &self,
        proof: &str,
        method: &str,
        url: &str,
        access_token: &str,
    ) -> Result<DpopProof, ProofError> {
        let invalid = |problem: &str| ProofError::Invalid(problem.to_owned());
        let jwk = self.key(proof).map_err(ProofError::Invalid)?;
        let thumbprint = thumbprint(&jwk).map_err(|error| ProofError::Invalid(error.to_string()))?;
        let claims = self.claims(proof, &jwk).map_err(ProofError::Invalid)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("htm") != method {
            return Err(invalid("its htm is another method"));
        }
        if comparable(text("htu")).is_none_or(|htu| Some(htu) != comparable(url)) {
            return Err(invalid("its htu is another URL"));
        }
        let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, access_token.as_bytes()));
        if !same_secret(text("ath"), &hash) {
            return Err(invalid("its ath is not the hash of this access token"));
        }
        let now = self.clock.now();
        let made = claims.get("iat").and_then(crate::token_claims::date);
        let made = made.ok_or_else(|| invalid("it has no iat that is a date"))?;
        if made > now + LEEWAY || made + self.lifetime < now {
            return Err(invalid("its iat is too long ago or in the future"));
        }
        if let Some(nonce) = &self.nonce
            && !same_secret(text("nonce"), nonce)
        {
            return Err(ProofError::Nonce);
        }
        let id = text("jti");
        if id.is_empty() || id.len() > MOST_ID_CHARACTERS {
            return Err(invalid("its jti is missing or too long"));
        }
        // A `jti` is one of its key's, and must not be forgotten before the proof has expired.
        let name = digest::digest(&digest::SHA256, format!("{thumbprint} {id}").as_bytes());
        let name = format!("dpop-{}", URL_SAFE_NO_PAD.encode(name));
        let is_new = self.used.put_new(&name, "".into(), self.lifetime + LEEWAY * 2).await;
        match is_new.map_err(ProofError::Cache)? {
            true => Ok(DpopProof { thumbprint }),
            false => Err(ProofError::Replayed),
        }
    }

    /// The public key in the header, if the header is that of a proof.
    fn key(&self, proof: &str) -> Result<Map<String, Value>, String> {
        if proof.len() > MOST_CHARACTERS {
            return Err("it is too long".to_owned());
        }
        let header = proof.split('.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| "its header is not base64url".to_owned())?;
        let header = parse_json(&header)?;
        if header["typ"] != "dpop+jwt" {
            return Err("its typ is not dpop+jwt".to_owned());
        }
        let Some(jwk) = header["jwk"].as_object() else { return Err("its header has no jwk".to_owned()) };
        if PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
            return Err("its jwk is a private or a secret key".to_owned());
        }
        // The key is the only one, whatever it is for by its own words and whatever the proof calls it.
        let mut jwk = jwk.clone();
        for name in ["kid", "use", "key_ops", "alg"] {
            jwk.remove(name);
        }
        if let Some(id) = header.get("kid") {
            jwk.insert("kid".to_owned(), id.clone());
        }
        Ok(jwk)
    }

    fn claims(&self, proof: &str, jwk: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let keys = JwkSet::new(&json!({ "keys": [jwk] })).map_err(|error| error.to_string())?;
        keys.verify(proof, &self.algorithms).map_err(|(check, reason)| match check {
            JwtCheck::Signature => "its signature is not that of the key in it".to_owned(),
            _ => reason,
        })
    }
}

impl DpopProof {
    /// The thumbprint of the key that the proof was made with (RFC 7638), which `jkt` of the access token must be.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }
}

/// A URL as two are compared: without query and fragment, scheme and host in lower case, without a default port (RFC 9449 section 4.3).
fn comparable(url: &str) -> Option<String> {
    let url = url.split(['?', '#']).next()?;
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let host = uri.host()?.to_ascii_lowercase();
    let usual = match &*scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let port = uri.port_u16().unwrap_or(usual);
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    Some(format!("{scheme}://{host}:{port}{path}"))
}
