//! The cryptographic primitives, by `ring`, which the default TLS brings anyway. No other file of this crate names it, so that another
//! library can take its place: this interface is all that the others use.

use std::hint::black_box;

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};

/// The operating system has no random bytes to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct NoRandomBytes;

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

/// An algorithm that encrypts and authenticates (RFC 5116), by a key of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aead {
    /// RFC 8439.
    ChaCha20Poly1305,
}

impl Aead {
    pub(crate) const NONCE_LEN: usize = 12;
    pub(crate) const TAG_LEN: usize = 16;

    /// The byte that names it in what is sealed.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::ChaCha20Poly1305 => 1,
        }
    }

    /// The algorithm that a byte names, if it is one of these.
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        [Self::ChaCha20Poly1305].into_iter().find(|aead| aead.byte() == byte)
    }

    fn algorithm(self) -> &'static ring::aead::Algorithm {
        match self {
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        }
    }
}

/// A key as its algorithm uses it. It is wiped from memory when dropped, which ring does not do.
pub(crate) struct AeadKey {
    aead: Aead,
    key: LessSafeKey,
}

impl AeadKey {
    /// `None` only if ring does not take 32 bytes.
    pub(crate) fn new(aead: Aead, bytes: &[u8; 32]) -> Option<Self> {
        let key = UnboundKey::new(aead.algorithm(), bytes).ok().map(LessSafeKey::new)?;
        Some(Self { aead, key })
    }

    /// Encrypts a text where it is, and returns the tag. `None` if the text is too long.
    pub(crate) fn seal_in_place(
        &self,
        nonce: [u8; Aead::NONCE_LEN],
        bound_to: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; Aead::TAG_LEN]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(bound_to), text).ok()?;
        tag.as_ref().try_into().ok()
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
    pub(crate) fn wipe(&mut self) {
        if let Some(zeros) = UnboundKey::new(self.aead.algorithm(), &[0; 32]).ok().map(LessSafeKey::new) {
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
