//! The key with which applications sign their client secrets at Apple.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, jwk::Jwk};

use crate::{crypto, keys::KeyFailure};

/// A team's key at Apple, as its developer gets it: what the applications of the emulator sign their client secrets with.
///
/// Its `Debug` does not show the key.
#[derive(Clone)]
#[non_exhaustive]
pub struct AppleKey {
    /// The team, which the secret's claim `iss` names.
    pub team_id: String,
    /// The key, which the secret's header `kid` names.
    pub key_id: String,
    /// The text of the `.p8` file: PKCS #8 as PEM.
    pub private_key_pem: String,
    pub(crate) public: DecodingKey,
}

impl AppleKey {
    pub(crate) fn make() -> Result<Self, KeyFailure> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyFailure::Make)?;
        let document = pair.to_pkcs8v1().map_err(|_| KeyFailure::Make)?;
        let private = EncodingKey::from_ec_der(document.as_ref());
        Ok(Self {
            team_id: "EMULATOR01".to_owned(),
            key_id: "EMULATEKEY".to_owned(),
            private_key_pem: crypto::pem("PRIVATE KEY", document.as_ref()),
            public: DecodingKey::from_jwk(&Jwk::from_encoding_key(&private, Algorithm::ES256)?)?,
        })
    }
}

impl fmt::Debug for AppleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppleKey")
            .field("team_id", &self.team_id)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}
