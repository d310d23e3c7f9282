//! The encrypter of the feature `encryption`, by josekit.

use std::fmt;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwe::{
        self, JweEncrypter, JweHeader,
        alg::{ecdh_es::EcdhEsJweAlgorithm, rsaes::RsaesJweAlgorithm},
    },
    jwk::Jwk,
};
use oauth_core::{AuthenticationError, Error, Result};
use serde_json::Value;

use crate::encryption::Encrypter;

/// Encrypts request objects with a public key of the server's, by [josekit](https://docs.rs/josekit) on the system's OpenSSL.
///
/// | key | `alg` | `enc` |
/// | --- | --- | --- |
/// | RSA of 2048 bits or more | `RSA-OAEP-256`, `RSA-OAEP` | `A128GCM`, `A256GCM`, `A128CBC-HS256`, `A256CBC-HS512` |
/// | EC on P-256, P-384 or P-521 | `ECDH-ES`, `ECDH-ES+A128KW`, `ECDH-ES+A256KW` | the same |
#[derive(Clone)]
pub struct JoseEncrypter {
    encrypter: Box<dyn JweEncrypter>,
    key_id: Option<String>,
    content: &'static str,
}

impl JoseEncrypter {
    /// Encrypts with this public key (a JWK of the server's, whose `use` is `enc`), by these algorithms: those that were registered as
    /// `request_object_encryption_alg` and `request_object_encryption_enc`.
    ///
    /// # Errors
    ///
    /// A configuration error that says what is wrong with the key or the algorithms.
    pub fn new(public_key: &Value, alg: &str, enc: &str) -> Result<Self> {
        let wrong =
            |problem: &str| Error::configuration("fapi", format!("the key cannot encrypt: {problem}"));
        let jwk = public_key.as_object().ok_or_else(|| wrong("it is not an object"))?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|usage| usage != "enc") {
            return Err(wrong("its `use` is not `enc`"));
        }
        if text("alg").is_some_and(|own| own != alg) {
            return Err(wrong("its `alg` is another one"));
        }
        if let Some(modulus) = text("n") {
            let bytes = URL_SAFE_NO_PAD.decode(modulus).unwrap_or_default();
            if bytes.iter().skip_while(|byte| **byte == 0).count() < 256 {
                return Err(wrong("an RSA key must have 2048 bits or more"));
            }
        }
        let mut material = jwk.clone();
        for member in ["use", "key_ops", "alg", "kid", "x5c", "x5t", "x5t#S256", "x5u"] {
            material.remove(member);
        }
        let material = Jwk::from_map(material).map_err(|_| wrong("it is not a JWK"))?;
        let broken = |_| wrong("its numbers are not those of a public key for this algorithm");
        let rsa = |algorithm: RsaesJweAlgorithm| -> Result<Box<dyn JweEncrypter>> {
            Ok(Box::new(algorithm.encrypter_from_jwk(&material).map_err(broken)?))
        };
        let ec = |algorithm: EcdhEsJweAlgorithm| -> Result<Box<dyn JweEncrypter>> {
            Ok(Box::new(algorithm.encrypter_from_jwk(&material).map_err(broken)?))
        };
        let encrypter = match alg {
            "RSA-OAEP-256" => rsa(RsaesJweAlgorithm::RsaOaep256)?,
            "RSA-OAEP" => rsa(RsaesJweAlgorithm::RsaOaep)?,
            "ECDH-ES" => ec(EcdhEsJweAlgorithm::EcdhEs)?,
            "ECDH-ES+A128KW" => ec(EcdhEsJweAlgorithm::EcdhEsA128kw)?,
            "ECDH-ES+A256KW" => ec(EcdhEsJweAlgorithm::EcdhEsA256kw)?,
            _ => return Err(wrong("the algorithm is not one that is made here")),
        };
        let content =
            ["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"].into_iter().find(|own| *own == enc);
        let content = content.ok_or_else(|| wrong("the content encryption is not one that is made here"))?;
        Ok(Self { encrypter, key_id: text("kid").map(str::to_owned), content })
    }
}

#[async_trait]
impl Encrypter for JoseEncrypter {
    async fn encrypt(&self, jwt: &str) -> Result<String, AuthenticationError> {
        let mut header = JweHeader::new();
        header.set_content_encryption(self.content);
        header.set_content_type("JWT");
        if let Some(key_id) = &self.key_id {
            header.set_key_id(key_id);
        }
        Ok(jwe::serialize_compact(jwt.as_bytes(), &header, &*self.encrypter)?)
    }
}

impl fmt::Debug for JoseEncrypter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoseEncrypter").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
