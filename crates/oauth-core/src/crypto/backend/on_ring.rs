//! By `ring`, which the default TLS brings anyway.

use std::hint::black_box;

use ring::{
    aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};

use crate::crypto::aead::{Aead, NoRandomBytes, SealFailed};

/// Fills a slice from the operating system's random number generator.
///
/// There is no generator in the process, which would give out bytes twice after a fork or when a virtual machine is cloned;
/// the kernel's knows of both.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomBytes> {
    SystemRandom::new().fill(bytes).map_err(|_| NoRandomBytes)
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

/// A key as its algorithm uses it. It is wiped from memory when dropped, which ring does not do.
pub(crate) struct AeadKey {
    algorithm: &'static Algorithm,
    key: LessSafeKey,
}

impl AeadKey {
    /// `None` only if ring does not take 32 bytes.
    pub(crate) fn new(aead: Aead, bytes: &[u8; 32]) -> Option<Self> {
        let algorithm = match aead {
            Aead::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            Aead::Aes256Gcm => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, bytes).ok().map(LessSafeKey::new)?;
        Some(Self { algorithm, key })
    }

    /// Encrypts a text where it is, and returns the nonce and the tag.
    pub(crate) fn seal_in_place(
        &self,
        bound_to: &[u8],
        text: &mut [u8],
    ) -> Result<([u8; Aead::NONCE_LEN], [u8; Aead::TAG_LEN]), SealFailed> {
        let mut nonce = [0; Aead::NONCE_LEN];
        fill_random(&mut nonce)?;
        let unique = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(unique, Aad::from(bound_to), text);
        let tag = tag.ok().and_then(|tag| tag.as_ref().try_into().ok()).ok_or(SealFailed::Refused)?;
        Ok((nonce, tag))
    }

    /// Decrypts a text, behind which its tag is, where it is, and returns the length of the plain text. `None` if it was changed.
    pub(crate) fn open_in_place(
        &self,
        nonce: [u8; Aead::NONCE_LEN],
        bound_to: &[u8],
        text: &mut [u8],
    ) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self.key.open_in_place(nonce, Aad::from(bound_to), text).ok()?;
        Some(plain.len())
    }

    /// Overwrites it with a key that everybody knows.
    fn wipe(&mut self) {
        if let Some(zeros) = UnboundKey::new(self.algorithm, &[0; 32]).ok().map(LessSafeKey::new) {
            self.key = zeros;
        }
        // Without somebody to look at it, the compiler need not write what is about to be freed.
        black_box(&self.key);
    }
}

impl Drop for AeadKey {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wiped_key_is_one_that_everybody_knows() {
        for aead in [Aead::ChaCha20Poly1305, Aead::Aes256Gcm] {
            let sealed = |key: &AeadKey| {
                let mut text = *b"secret";
                let (nonce, tag) = key.seal_in_place(b"", &mut text).unwrap();
                (nonce, [&text[..], &tag[..]].concat())
            };
            let mut key = AeadKey::new(aead, &[1; 32]).unwrap();
            let (nonce, mut of_before) = sealed(&key);
            key.wipe();
            assert_eq!(key.open_in_place(nonce, b"", &mut of_before), None);
            let (nonce, mut of_everybody) = sealed(&AeadKey::new(aead, &[0; 32]).unwrap());
            assert_eq!(key.open_in_place(nonce, b"", &mut of_everybody), Some(6));
        }
    }
}
