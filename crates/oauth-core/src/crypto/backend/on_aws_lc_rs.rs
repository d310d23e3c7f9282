//! By `aws-lc-rs`, and with the feature `fips` by its FIPS module. Only what the module's rules allow is used to seal: AES-256-GCM with
//! nonces that the module draws itself. Keys are wiped by AWS-LC when they are freed.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, RandomizedNonceKey, Tag, UnboundKey},
    digest, hmac, rand,
};

use crate::crypto::aead::{Aead, NoRandomBytes, SealFailed};

/// Whether the library is in its FIPS mode, here or because another crate of the program wants it.
pub(super) fn is_fips() -> bool {
    aws_lc_rs::try_fips_mode().is_ok()
}

/// Fills a slice from AWS-LC's random number generator, which is in the process, and seeds itself anew after a fork and, where the
/// system tells it, when a virtual machine is cloned.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomBytes> {
    rand::fill(bytes).map_err(|_| NoRandomBytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

pub(crate) fn sha512(bytes: &[u8]) -> [u8; 64] {
    let mut hash = [0; 64];
    hash.copy_from_slice(digest::digest(&digest::SHA512, bytes).as_ref());
    hash
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    tag.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    tag
}

/// A key as its algorithm uses it.
pub(crate) enum AeadKey {
    ChaCha20Poly1305(LessSafeKey),
    Aes256Gcm(RandomizedNonceKey),
}

impl AeadKey {
    /// `None` only if aws-lc-rs does not take 32 bytes.
    pub(crate) fn new(aead: Aead, bytes: &[u8; 32]) -> Option<Self> {
        Some(match aead {
            Aead::ChaCha20Poly1305 => {
                Self::ChaCha20Poly1305(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, bytes).ok()?))
            }
            Aead::Aes256Gcm => Self::Aes256Gcm(RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?),
        })
    }

    /// Encrypts a text where it is, and returns the nonce and the tag.
    pub(crate) fn seal_in_place(
        &self,
        bound_to: &[u8],
        text: &mut [u8],
    ) -> Result<([u8; Aead::NONCE_LEN], [u8; Aead::TAG_LEN]), SealFailed> {
        let (nonce, tag): (_, Tag) = match self {
            Self::ChaCha20Poly1305(key) => {
                let mut nonce = [0; Aead::NONCE_LEN];
                fill_random(&mut nonce)?;
                let unique = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(unique, Aad::from(bound_to), text);
                (nonce, tag.map_err(|_| SealFailed::Refused)?)
            }
            Self::Aes256Gcm(key) => {
                let sealed = key.seal_in_place_separate_tag(Aad::from(bound_to), text);
                let (nonce, tag) = sealed.map_err(|_| SealFailed::Refused)?;
                (*nonce.as_ref(), tag)
            }
        };
        Ok((nonce, tag.as_ref().try_into().map_err(|_| SealFailed::Refused)?))
    }

    /// Decrypts a text, behind which its tag is, where it is, and returns the length of the plain text. `None` if it was changed.
    pub(crate) fn open_in_place(
        &self,
        nonce: [u8; Aead::NONCE_LEN],
        bound_to: &[u8],
        text: &mut [u8],
    ) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = match self {
            Self::ChaCha20Poly1305(key) => key.open_in_place(nonce, Aad::from(bound_to), text),
            Self::Aes256Gcm(key) => key.open_in_place(nonce, Aad::from(bound_to), text),
        };
        plain.ok().map(|plain| plain.len())
    }
}
