//! Where the keys come from: one for a client, several in turn, or one for each grant.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{Error, Sealer, async_trait};
use oauth_openid::Algorithm;

use super::{bindings::KeyReference, key::DpopKey};
use crate::signing::SignError;

/// Where the keys of [`Dpop`](crate::Dpop) come from. It may wait, so that keys can be kept in an HSM, a KMS or a database.
///
/// A [`DpopKey`] is a source with one key for all grants, a [`DpopKeyRing`] one with a current key and earlier ones, and
/// [`SealedDpopKeys`] one with a key for each grant.
#[async_trait]
pub trait DpopKeys: fmt::Debug + Send + Sync {
    /// The algorithm of new keys.
    fn algorithm(&self) -> Algorithm;

    /// The key that the next grant is bound to: a new one, or the one that all share.
    ///
    /// # Errors
    ///
    /// A [`SignError`] that shows no secret.
    async fn key_for_grant(&self) -> Result<DpopKey, SignError>;

    /// The key of a grant that another process may have begun; `None` if it is lost.
    ///
    /// # Errors
    ///
    /// A [`SignError`] when nobody can say whether it is.
    async fn find(&self, reference: &KeyReference) -> Result<Option<DpopKey>, SignError>;

    /// What travels with the tokens that are bound to a key, by which [`find`](Self::find) finds it again.
    ///
    /// # Errors
    ///
    /// A [`SignError`] when that cannot be made.
    fn reference(&self, key: &DpopKey) -> Result<KeyReference, SignError> {
        Ok(KeyReference::new(key.thumbprint()))
    }

    /// Whether each grant has a key of its own. Then a request with the text of a token alone cannot be proved, because nothing tells
    /// the key.
    fn is_per_grant(&self) -> bool {
        true
    }

    /// Whether the key of a reference is known to be lost, where that can be told at once.
    fn is_lost(&self, _reference: &KeyReference) -> bool {
        false
    }
}

/// One key for all grants of a client.
#[async_trait]
impl DpopKeys for DpopKey {
    fn algorithm(&self) -> Algorithm {
        Self::algorithm(self)
    }

    async fn key_for_grant(&self) -> Result<DpopKey, SignError> {
        Ok(self.clone())
    }

    async fn find(&self, reference: &KeyReference) -> Result<Option<DpopKey>, SignError> {
        Ok((!self.is_lost(reference)).then(|| self.clone()))
    }

    fn is_per_grant(&self) -> bool {
        false
    }

    fn is_lost(&self, reference: &KeyReference) -> bool {
        reference.thumbprint() != self.thumbprint()
    }
}

/// A current key, and earlier ones whose tokens are still around.
///
/// To rotate, put a new key in front. An earlier one can go when the last refresh token that is bound to it is dead: at a public client
/// they stay bound to the key that they were issued to (RFC 9449 section 5).
#[derive(Clone, Debug)]
pub struct DpopKeyRing {
    current: DpopKey,
    earlier: Vec<DpopKey>,
}

impl DpopKeyRing {
    /// A ring with one key.
    #[must_use]
    pub fn new(current: DpopKey) -> Self {
        Self { current, earlier: Vec::new() }
    }

    /// Adds a key that tokens were bound to until lately.
    #[must_use]
    pub fn with_earlier_key(mut self, key: DpopKey) -> Self {
        self.earlier.push(key);
        self
    }

    fn get(&self, reference: &KeyReference) -> Option<&DpopKey> {
        let mut all = [&self.current].into_iter().chain(&self.earlier);
        all.find(|key| key.thumbprint() == reference.thumbprint())
    }
}

#[async_trait]
impl DpopKeys for DpopKeyRing {
    fn algorithm(&self) -> Algorithm {
        self.current.algorithm()
    }

    async fn key_for_grant(&self) -> Result<DpopKey, SignError> {
        Ok(self.current.clone())
    }

    async fn find(&self, reference: &KeyReference) -> Result<Option<DpopKey>, SignError> {
        Ok(self.get(reference).cloned())
    }

    fn is_per_grant(&self) -> bool {
        false
    }

    fn is_lost(&self, reference: &KeyReference) -> bool {
        self.get(reference).is_none()
    }
}

/// A key for each grant, generated here, that travels with the tokens that are bound to it: encrypted, so that every process with the
/// sealer has the key, and nobody else who sees the token does.
///
/// Whoever steals a token from one user's browser or from a log has no use for it, and there is no key whose loss ends all grants.
#[derive(Clone)]
pub struct SealedDpopKeys {
    sealer: Sealer,
}

impl SealedDpopKeys {
    /// Encrypts the keys with this sealer, which every process that shares the grants needs.
    ///
    /// The key of a grant is encrypted anew when the grant is refreshed, and at no other time: `TokenManager::reseal_all` encrypts the record
    /// around it. So an old key of the sealer must stay in the ring until every grant was refreshed under the new one. Taken out before, it
    /// takes the DPoP keys that it encrypted along.
    #[must_use]
    pub fn new(sealer: Sealer) -> Self {
        Self { sealer }
    }

    /// What a key is sealed for, so that it cannot be put in another one's place.
    fn context(thumbprint: &str) -> Vec<u8> {
        format!("dpop key {thumbprint}").into_bytes()
    }
}

#[async_trait]
impl DpopKeys for SealedDpopKeys {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }

    async fn key_for_grant(&self) -> Result<DpopKey, SignError> {
        DpopKey::generate().map_err(|error| SignError::Key(error.to_string()))
    }

    async fn find(&self, reference: &KeyReference) -> Result<Option<DpopKey>, SignError> {
        let Some(sealed) = reference.sealed_key() else { return Ok(None) };
        let Ok(sealed) = URL_SAFE_NO_PAD.decode(sealed) else { return Ok(None) };
        let Ok(opened) = self.sealer.open_bytes(&sealed, &Self::context(reference.thumbprint())) else {
            return Ok(None);
        };
        let pem = std::str::from_utf8(&opened.plain).unwrap_or_default();
        let key = DpopKey::from_pem(pem, self.algorithm()).ok();
        Ok(key.filter(|key| key.thumbprint() == reference.thumbprint()))
    }

    fn reference(&self, key: &DpopKey) -> Result<KeyReference, SignError> {
        let reference = KeyReference::new(key.thumbprint());
        // A key from elsewhere does not travel.
        let failed = |error: Error| SignError::Key(error.to_string());
        let Some(pem) = key.to_pem().map_err(failed)? else { return Ok(reference) };
        let sealed = self.sealer.seal_bytes(pem.expose().as_bytes(), &Self::context(key.thumbprint()));
        let sealed = sealed.map_err(failed)?;
        Ok(reference.with_sealed_key(URL_SAFE_NO_PAD.encode(sealed)))
    }
}

impl fmt::Debug for SealedDpopKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedDpopKeys")
    }
}

#[async_trait]
impl<K: DpopKeys + ?Sized> DpopKeys for Arc<K> {
    fn algorithm(&self) -> Algorithm {
        (**self).algorithm()
    }

    async fn key_for_grant(&self) -> Result<DpopKey, SignError> {
        (**self).key_for_grant().await
    }

    async fn find(&self, reference: &KeyReference) -> Result<Option<DpopKey>, SignError> {
        (**self).find(reference).await
    }

    fn reference(&self, key: &DpopKey) -> Result<KeyReference, SignError> {
        (**self).reference(key)
    }

    fn is_per_grant(&self) -> bool {
        (**self).is_per_grant()
    }

    fn is_lost(&self, reference: &KeyReference) -> bool {
        (**self).is_lost(reference)
    }
}
