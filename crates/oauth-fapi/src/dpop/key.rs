//! The keys that tokens are bound to.

use std::{fmt, sync::Arc};

use oauth_core::{Error, Result, Secret};
use oauth_openid::Algorithm;
use serde_json::{Map, Value};

use crate::{signing::Signer, signing_key::SigningKey, thumbprint::thumbprint};

/// A private key that tokens are bound to (RFC 9449): one in memory, or whatever a [`Signer`] signs with.
///
/// It is another key than that of client authentication. Cloning it is cheap.
#[derive(Clone)]
pub struct DpopKey {
    signer: Arc<dyn Signer>,
    public_jwk: Arc<Map<String, Value>>,
    thumbprint: Arc<str>,
    /// The key itself, of one that is in memory.
    own: Option<SigningKey>,
}

impl DpopKey {
    /// Generates a key for `ES256`, which every server takes.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn generate() -> Result<Self> {
        Self::in_memory(SigningKey::generate(Algorithm::ES256)?)
    }

    /// Reads a private key in PEM, such as one that [`to_pem`](Self::to_pem) wrote.
    ///
    /// # Errors
    ///
    /// A configuration error that says why the key cannot be used.
    pub fn from_pem(pem: &str, algorithm: Algorithm) -> Result<Self> {
        Self::in_memory(SigningKey::from_pem(pem, algorithm)?)
    }

    /// The key that a signer signs with; it can be one that never leaves an HSM or a KMS.
    ///
    /// # Errors
    ///
    /// A configuration error when its algorithm is symmetric (RFC 9449 section 4.2), or its public key lacks a member.
    pub fn new(signer: impl Signer + 'static) -> Result<Self> {
        if signer.algorithm().is_symmetric() {
            let problem = "a proof is signed with a private key, and not with a shared secret";
            return Err(Error::configuration("dpop", problem));
        }
        let public_jwk = public_members(&signer.public_jwk());
        let thumbprint = thumbprint(&public_jwk)?.into();
        Ok(Self { signer: Arc::new(signer), public_jwk: Arc::new(public_jwk), thumbprint, own: None })
    }

    fn in_memory(key: SigningKey) -> Result<Self> {
        Ok(Self { own: Some(key.clone()), ..Self::new(key)? })
    }

    /// The SHA-256 thumbprint of the public key (RFC 7638), which servers call `jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The algorithm that the key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.signer.algorithm()
    }

    /// The public key, as proofs carry it: what makes the key, and nothing else.
    #[must_use]
    pub fn public_jwk(&self) -> &Map<String, Value> {
        &self.public_jwk
    }

    /// The private key in PEM, to be kept where only this application finds it; `None` of a key that a [`Signer`] holds.
    ///
    /// # Errors
    ///
    /// A configuration error when the cryptographic library cannot write it down.
    pub fn to_pem(&self) -> Result<Option<Secret>> {
        Ok(self.own.as_ref().map(SigningKey::to_pem).transpose()?)
    }

    pub(crate) fn signer(&self) -> &dyn Signer {
        &*self.signer
    }
}

/// What makes a public key (RFC 7638 section 3.2), without any private member, whatever a signer says of itself.
fn public_members(jwk: &Map<String, Value>) -> Map<String, Value> {
    const PUBLIC: [&str; 6] = ["crv", "e", "kty", "n", "x", "y"];
    let is_public = |name: &&String| PUBLIC.contains(&name.as_str());
    jwk.iter()
        .filter(|(name, _)| is_public(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey")
            .field("algorithm", &self.algorithm())
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}
