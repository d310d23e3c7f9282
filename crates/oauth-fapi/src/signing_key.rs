//! Private keys in the memory of this process.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_lc_rs::digest::{Algorithm as Hash, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::Secret;
use oauth_openid::Algorithm;
use serde_json::{Map, Value};

use crate::{
    key_error::KeyError,
    keys::{der, jwk, pem, private_key::PrivateKey},
    signing::{SignError, Signer},
    thumbprint::thumbprint,
    x509::Certificate,
};

/// A private key in the memory of this process: read from PEM, DER or a JWK, or generated.
///
/// Whatever makes the key unusable is an error when it is read: a public key, an encrypted one without its passphrase, an RSA key under
/// 2048 bits, a curve that nobody signs on, an algorithm that does not fit. Its `kid` is its [thumbprint](crate::thumbprint) unless
/// another one is [given](Self::with_key_id).
///
/// ```
/// use oauth_fapi::{Signer, SigningKey, oauth_openid::Algorithm};
///
/// # fn f(pem: &str) -> Result<(), oauth_fapi::KeyError> {
/// let key = SigningKey::from_pem(pem, Algorithm::PS256)?.with_key_id("2026-11");
/// assert_eq!(key.public_jwk()["kty"], "RSA");
/// # Ok(())
/// # }
/// let generated = SigningKey::generate(Algorithm::ES256)?;
/// let kept = generated.to_pem()?;
/// let read = SigningKey::from_pem(kept.expose(), Algorithm::ES256)?;
/// assert_eq!(read.key_id(), generated.key_id());
/// # Ok::<(), oauth_fapi::KeyError>(())
/// ```
///
/// It is wiped from memory when the last copy is dropped, and its `Debug` shows nothing of it. Copies share one key.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    key_id: Option<String>,
    public: Map<String, Value>,
    header: Map<String, Value>,
    key: Arc<PrivateKey>,
}

/// Making a key.
impl SigningKey {
    /// Reads a private key from PEM: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`). Certificates and
    /// parameters in the same text are passed over.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] that says why the key cannot be used.
    pub fn from_pem(pem: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::of(algorithm, pem::read(pem, None, algorithm)?)
    }

    /// Reads a private key from PEM that may be encrypted by a passphrase (`ENCRYPTED PRIVATE KEY`, RFC 5958 section 3). It needs the
    /// feature `encrypted-keys`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Passphrase`] when the passphrase is not that of the key; else as [`from_pem`](Self::from_pem).
    #[cfg(feature = "encrypted-keys")]
    pub fn from_encrypted_pem(pem: &str, passphrase: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::of(algorithm, pem::read(pem, Some(passphrase), algorithm)?)
    }

    /// Reads a private key in PKCS#8 (RFC 5958), in DER.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] that says why the key cannot be used.
    pub fn from_pkcs8_der(der: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::of(algorithm, der::read_pkcs8(der, algorithm)?)
    }

    /// Reads a private key from the text of a JWK (RFC 7517), whose `kid` is kept. Its `alg`, `use` and `key_ops` must allow the
    /// algorithm, where they are there.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] that says why the key cannot be used.
    pub fn from_jwk(jwk: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let (key, key_id) = jwk::read(jwk, algorithm)?;
        let key = Self::of(algorithm, key)?;
        Ok(match key_id {
            Some(key_id) => key.with_key_id(key_id),
            None => key,
        })
    }

    /// Generates a key: one of 3072 bits for RSA, else one on the algorithm's curve.
    ///
    /// # Errors
    ///
    /// [`KeyError::Algorithm`] for an algorithm whose key is a secret, and [`KeyError::Library`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::of(algorithm, PrivateKey::generate(algorithm)?)
    }

    /// Gives the key the name by which the server knows it (`kid`), in place of its thumbprint.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// Sends no `kid`, for a server that finds the key by something else.
    #[must_use]
    pub fn without_key_id(mut self) -> Self {
        self.key_id = None;
        self
    }

    /// Says `Ed25519` where it would say `EdDSA` (RFC 9864 section 2.2), for a server that knows the algorithm by its full name alone. A key
    /// for another algorithm stays as it is.
    #[must_use]
    pub fn with_full_algorithm_name(mut self) -> Self {
        if self.algorithm == Algorithm::EdDSA {
            self.header.insert("alg".to_owned(), "Ed25519".into());
            self.public.insert("alg".to_owned(), "Ed25519".into());
        }
        self
    }

    /// Names the key's certificate (PEM or DER) in the header of what is signed, by its SHA-256 (`x5t#S256`, RFC 7515 section 4.1.8).
    ///
    /// # Errors
    ///
    /// [`KeyError::Form`] when it is not a certificate, or that of another key.
    pub fn with_certificate(self, certificate: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        self.with_certificate_by("x5t#S256", &SHA256, certificate.as_ref())
    }

    /// Names the key's certificate (PEM or DER) by its SHA-1 (`x5t`, RFC 7515 section 4.1.7), for a server that looks for nothing else.
    ///
    /// # Errors
    ///
    /// As [`with_certificate`](Self::with_certificate).
    pub fn with_certificate_sha1(self, certificate: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        self.with_certificate_by("x5t", &SHA1_FOR_LEGACY_USE_ONLY, certificate.as_ref())
    }

    fn with_certificate_by(
        mut self,
        member: &str,
        hash: &'static Hash,
        certificate: &[u8],
    ) -> Result<Self, KeyError> {
        let certificate = Certificate::read(certificate)?;
        if certificate.public_key != self.key.public() {
            return Err(KeyError::Form("the certificate is that of another key".to_owned()));
        }
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(hash, &certificate.der));
        self.header.insert(member.to_owned(), thumbprint.into());
        Ok(self)
    }

    /// The private key as PKCS#8 in PEM, to be kept where only this application finds it: one that was generated has to be there after a
    /// restart, and in every process of the application.
    ///
    /// # Errors
    ///
    /// [`KeyError::Library`].
    pub fn to_pem(&self) -> Result<Secret, KeyError> {
        let base64 = self.key.to_base64()?;
        // As long as it will be, because a text that grows leaves copies behind.
        let mut pem = String::with_capacity(base64.len() + base64.len() / 64 + 64);
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = &**base64;
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = behind;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(Secret::new(pem))
    }

    fn of(algorithm: Algorithm, key: PrivateKey) -> Result<Self, KeyError> {
        let public = key.public_jwk(algorithm)?;
        let key_id = Some(thumbprint(&public)?);
        Ok(Self { algorithm, key_id, public, header: Map::new(), key: Arc::new(key) })
    }
}

#[async_trait]
impl Signer for SigningKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    fn public_jwk(&self) -> Map<String, Value> {
        self.public.clone()
    }

    fn header(&self) -> Map<String, Value> {
        self.header.clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.key.sign(message);
        signature.ok_or_else(|| SignError::Key("the cryptographic library refused to sign".to_owned()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}
