//! By the crates of RustCrypto, which are Rust alone and so compile to WebAssembly without a C compiler. Keys are wiped by these crates
//! when they are dropped.

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use chacha20poly1305::ChaCha20Poly1305;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

use crate::crypto::aead::{Aead, NoRandomBytes, SealFailed};

/// Fills a slice from the operating system's random number generator, and on `wasm32-unknown-unknown` from `crypto.getRandomValues`.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomBytes> {
    getrandom::fill(bytes).map_err(|_| NoRandomBytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn sha512(bytes: &[u8]) -> [u8; 64] {
    Sha512::digest(bytes).into()
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    // A key as long as a block, which no length is wrong for: zeros behind a shorter one, and the hash of a longer one (RFC 2104
    // section 2).
    let mut block = [0; 64];
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block[..32].copy_from_slice(&sha256(key)),
    }
    Hmac::<Sha256>::new(&block.into()).chain_update(message).finalize().into_bytes().into()
}

/// A key as its algorithm uses it.
pub(crate) enum AeadKey {
    ChaCha20Poly1305(ChaCha20Poly1305),
    Aes256Gcm(Box<Aes256Gcm>),
}

impl AeadKey {
    /// `None` never; other libraries could refuse a key.
    #[expect(clippy::unnecessary_wraps, reason = "the other backends can fail")]
    pub(crate) fn new(aead: Aead, bytes: &[u8; 32]) -> Option<Self> {
        Some(match aead {
            Aead::ChaCha20Poly1305 => Self::ChaCha20Poly1305(ChaCha20Poly1305::new(bytes.into())),
            Aead::Aes256Gcm => Self::Aes256Gcm(Box::new(Aes256Gcm::new(bytes.into()))),
        })
    }

    /// Encrypts a text where it is, and returns the nonce and the tag.
    pub(crate) fn seal_in_place(
        &self,
        bound_to: &[u8],
        text: &mut [u8],
    ) -> Result<([u8; Aead::NONCE_LEN], [u8; Aead::TAG_LEN]), SealFailed> {
        let mut nonce = [0; Aead::NONCE_LEN];
        fill_random(&mut nonce)?;
        let tag = match self {
            Self::ChaCha20Poly1305(key) => key.encrypt_inout_detached((&nonce).into(), bound_to, text.into()),
            Self::Aes256Gcm(key) => key.encrypt_inout_detached((&nonce).into(), bound_to, text.into()),
        };
        Ok((nonce, tag.map_err(|_| SealFailed::Refused)?.into()))
    }

    /// Decrypts a text, behind which its tag is, where it is, and returns the length of the plain text. `None` if it was changed.
    pub(crate) fn open_in_place(
        &self,
        nonce: [u8; Aead::NONCE_LEN],
        bound_to: &[u8],
        text: &mut [u8],
    ) -> Option<usize> {
        let length = text.len().checked_sub(Aead::TAG_LEN)?;
        let (text, tag) = text.split_at_mut(length);
        let tag: [u8; Aead::TAG_LEN] = (&*tag).try_into().ok()?;
        let nonce = (&nonce).into();
        let opened = match self {
            Self::ChaCha20Poly1305(key) => {
                key.decrypt_inout_detached(nonce, bound_to, text.into(), (&tag).into())
            }
            Self::Aes256Gcm(key) => key.decrypt_inout_detached(nonce, bound_to, text.into(), (&tag).into()),
        };
        opened.ok().map(|()| length)
    }
}
