//! Encryption of what the browser or a database keeps.

use std::{borrow::Cow, fmt, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use crate::{
    crypto::{
        aead::Aead,
        backend::{AeadKey, CryptoBackend, fill_random, sha256},
    },
    error::{Error, Operation, Result},
    login::attempt::LoginAttempt,
};

/// Turns a [`LoginAttempt`] into an encrypted and authenticated string and back, so that the browser can keep it in a
/// cookie and the server needs no session.
///
/// The AEAD is ChaCha20-Poly1305 (RFC 8439) with a random nonce for each seal, or AES-256-GCM where
/// [`with_aead`](Self::with_aead) chooses it and in a build in FIPS mode; both are opened everywhere. What is sealed names its
/// provider, its redirect URI and its time, and [`open`](Self::open) compares all three.
///
/// Keys form a ring: the first one seals, all of them open. To rotate, add the new key as an old one everywhere first, so
/// that every machine can open what it will seal; then move it to the front; and take the old one out after the lifetime of
/// a login, or once nothing is stored that it has sealed. Every machine needs the same keys.
///
/// ```
/// use oauth_core::{LoginOptions, OAuth2, Provider, Sealer, SealingKey};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token");
/// let sealer = Sealer::new(SealingKey::from_base64("5RqPqvrbSrF4AsdeKiDfTmdKtF6HNrXAcGhIKqQZXxM=")?);
/// let started = client.start_login("https://app.example/callback", LoginOptions::new()).await?;
/// let cookie = sealer.seal(&started.attempt)?;
///
/// let attempt = sealer.open(&cookie, "oauth2", "https://app.example/callback")?;
/// assert_eq!(attempt.state(), started.attempt.state());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sealer {
    /// Never empty; the first one seals.
    keys: Vec<SealingKey>,
    /// With which it seals. The byte of what is sealed says by which one it opens.
    aead: Aead,
}

/// 256 bits that only the application's own machines know.
#[derive(Clone)]
pub struct SealingKey {
    /// The key as each AEAD uses it. It is made once, because to make it takes a tenth of the time that it takes to decrypt an attempt.
    chacha20_poly1305: Option<Arc<AeadKey>>,
    aes_256_gcm: Option<Arc<AeadKey>>,
    id: [u8; KEY_ID_LEN],
}

/// Why a sealed attempt does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It is not a sealed attempt, was changed on its way, or was made up by somebody without the key.
    #[error("the sign-in's cookie is damaged; start the sign-in again")]
    Damaged,
    /// It was sealed with a key that is not, or no longer, in the ring.
    #[error("the sign-in's cookie was made with a key that is no longer used; start the sign-in again")]
    UnknownKey,
    /// It is older than a sign-in may take.
    #[error("the sign-in took too long; start it again")]
    Expired,
    /// It belongs to a sign-in at another provider.
    #[error("the sign-in's cookie belongs to another provider; start the sign-in again")]
    OtherProvider,
    /// It belongs to a sign-in with another redirect URI.
    #[error("the sign-in's cookie belongs to another address; start the sign-in again")]
    OtherRedirectUri,
}

/// What [`Sealer::open_bytes`] found.
#[non_exhaustive]
pub struct Opened {
    /// What was sealed; wiped from memory when dropped.
    pub plain: Zeroizing<Vec<u8>>,
    /// Whether the ring's first key sealed it, with the AEAD that seals now. If not, it is time to seal it again.
    pub is_current: bool,
}

// version ‖ AEAD ‖ key id ‖ nonce ‖ ciphertext and tag; an attempt as base64url. All before the nonce is authenticated too, and
// what bytes are bound to. The version says which of the two it is, so that neither can be taken for the other.
const ATTEMPT: u8 = 5;
const BYTES: u8 = 6;

// The versions before them, which are opened and no longer made: they have no byte for the AEAD. 1 and 3 were forms of an
// attempt that nobody has any more.
const ATTEMPT_4: u8 = 4;
const BYTES_2: u8 = 2;

const KEY_ID_LEN: usize = 4;

/// The bytes before the ciphertext.
struct Head<'s> {
    version: u8,
    aead: Aead,
    /// All before the nonce.
    authenticated: &'s [u8],
    key_id: &'s [u8],
    nonce: [u8; Aead::NONCE_LEN],
    ciphertext: &'s [u8],
}

impl<'s> Head<'s> {
    /// Takes apart what has one of these versions.
    fn of(sealed: &'s [u8], versions: [u8; 2]) -> Result<Self, SealError> {
        let parts = || {
            let version = *sealed.first().filter(|version| versions.contains(version))?;
            let (aead, key_at) = match version {
                ATTEMPT_4 | BYTES_2 => (Aead::ChaCha20Poly1305, 1),
                _ => (Aead::of_byte(*sealed.get(1)?)?, 2),
            };
            let (authenticated, rest) = sealed.split_at_checked(key_at + KEY_ID_LEN)?;
            let (&nonce, ciphertext) = rest.split_first_chunk()?;
            Some(Self { version, aead, authenticated, key_id: &authenticated[key_at..], nonce, ciphertext })
        };
        parts().ok_or(SealError::Damaged)
    }
}

impl Sealer {
    /// Seals and opens with this key.
    #[must_use]
    pub fn new(key: SealingKey) -> Self {
        Self { keys: vec![key], aead: approved(Aead::ChaCha20Poly1305).unwrap_or(Aead::Aes256Gcm) }
    }

    /// Seals with this algorithm. Whatever it is, what was sealed with the other one is opened too.
    ///
    /// Processes that share what is sealed should agree on it. A version of this library that lacks this method opens
    /// ChaCha20-Poly1305 only, so update all of them first.
    ///
    /// # Errors
    ///
    /// A configuration error for [`Aead::ChaCha20Poly1305`] in a build in FIPS mode, which may not seal with it.
    pub fn with_aead(mut self, aead: Aead) -> Result<Self> {
        self.aead = approved(aead).ok_or_else(|| {
            let problem = format!("{aead} is not approved by FIPS 140-3: seal with {}", Aead::Aes256Gcm);
            Error::configuration("sealer", problem)
        })?;
        Ok(self)
    }

    /// Opens with this key as well: one that sealed until lately, or that another machine seals with already.
    #[must_use]
    pub fn with_old_key(mut self, key: SealingKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Returns the id of the key that seals, in hexadecimal digits, and behind it `-aes256gcm` where it seals with AES-256-GCM. It tells
    /// keys apart and does not tell the key.
    #[must_use]
    pub fn key_id(&self) -> String {
        key_id(&self.keys[0].id, self.aead)
    }

    /// Reads which key sealed these bytes, as [`key_id`](Self::key_id) writes it; `None` if no key did.
    #[must_use]
    pub fn key_id_of(sealed: &[u8]) -> Option<String> {
        Head::of(sealed, [BYTES, BYTES_2]).ok().map(|head| key_id(head.key_id, head.aead))
    }

    /// Seals an attempt, as characters that a cookie and a URL can carry.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn seal(&self, attempt: &LoginAttempt) -> Result<String> {
        let failed = |what: String| {
            Error::configuration(attempt.provider().to_owned(), what).during(Operation::START_LOGIN)
        };
        let plain =
            attempt.to_cbor().ok_or_else(|| failed("the attempt cannot be written as CBOR".to_owned()))?;
        let sealed = self.seal_as(ATTEMPT, &plain, &[]).map_err(failed)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Seals any bytes, bound to a context that must be the same when they are opened: the name of the place where they
    /// are kept, so that what is sealed cannot be moved to another.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn seal_bytes(&self, plain: &[u8], context: &[u8]) -> Result<Vec<u8>> {
        self.seal_as(BYTES, plain, context).map_err(|what| Error::configuration("sealer", what))
    }

    /// Opens what [`seal_bytes`](Self::seal_bytes) sealed.
    ///
    /// # Errors
    ///
    /// A [`SealError`] that says whether it was changed or moved, or sealed with an unknown key.
    pub fn open_bytes(&self, sealed: &[u8], context: &[u8]) -> Result<Opened, SealError> {
        let (plain, is_current) = self.open_as(&Head::of(sealed, [BYTES, BYTES_2])?, context)?;
        Ok(Opened { plain, is_current })
    }

    /// Opens a sealed attempt of this provider and this redirect URI.
    ///
    /// # Errors
    ///
    /// A [`SealError`] that says what is wrong with it.
    pub fn open(&self, sealed: &str, provider: &str, redirect_uri: &str) -> Result<LoginAttempt, SealError> {
        let attempt = self.open_any(sealed)?;
        if attempt.provider() != provider {
            Err(SealError::OtherProvider)
        } else if attempt.redirect_uri() != redirect_uri {
            Err(SealError::OtherRedirectUri)
        } else {
            Ok(attempt)
        }
    }

    /// Opens a sealed attempt of whatever provider, to see which one it belongs to.
    ///
    /// # Errors
    ///
    /// A [`SealError`] that says what is wrong with it.
    pub fn open_any(&self, sealed: &str) -> Result<LoginAttempt, SealError> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealError::Damaged)?;
        let head = Head::of(&sealed, [ATTEMPT, ATTEMPT_4])?;
        let (plain, _) = self.open_as(&head, &[])?;
        let attempt = match head.version {
            ATTEMPT_4 => LoginAttempt::from_version_4(&plain),
            _ => LoginAttempt::from_cbor(&plain),
        };
        match attempt {
            None => Err(SealError::Damaged),
            Some(attempt) if attempt.is_expired() => Err(SealError::Expired),
            Some(attempt) => Ok(attempt),
        }
    }

    fn seal_as(&self, version: u8, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, String> {
        let key = &self.keys[0];
        let head = [&[version, self.aead.byte()], &key.id[..]].concat();
        let start = head.len() + Aead::NONCE_LEN;
        let mut sealed = Vec::with_capacity(start + plain.len() + Aead::TAG_LEN);
        sealed.extend_from_slice(&head);
        sealed.resize(start, 0);
        // It is encrypted where it is, so that no copy of the secret is left behind.
        sealed.extend_from_slice(plain);
        let ready = key.ready_for(self.aead).ok_or("the sealing key is not valid")?;
        let (nonce, tag) = ready
            .seal_in_place(&bound_to(&head, context), &mut sealed[start..])
            .map_err(|failed| failed.to_string())?;
        sealed[head.len()..start].copy_from_slice(&nonce);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Decrypts, and says whether it would be sealed the same way now.
    fn open_as(&self, head: &Head<'_>, context: &[u8]) -> Result<(Zeroizing<Vec<u8>>, bool), SealError> {
        let mut outcome = Err(SealError::UnknownKey);
        // Usually there is one. The short ids of two keys can be the same.
        for (index, key) in self.keys.iter().enumerate().filter(|(_, key)| key.id == head.key_id) {
            outcome = Err(SealError::Damaged);
            let mut plain = Zeroizing::new(head.ciphertext.to_vec());
            let ready = key.ready_for(head.aead);
            let bound_to = bound_to(head.authenticated, context);
            let opened = ready.and_then(|ready| ready.open_in_place(head.nonce, &bound_to, &mut plain));
            if let Some(length) = opened {
                plain.truncate(length);
                return Ok((plain, index == 0 && head.aead == self.aead));
            }
        }
        outcome
    }
}

/// The algorithm, if this build may seal with it.
fn approved(aead: Aead) -> Option<Aead> {
    (aead == Aead::Aes256Gcm || CryptoBackend::current() != CryptoBackend::AwsLcRsFips).then_some(aead)
}

/// What is sealed otherwise has another id, so that a store finds it when it is to be sealed anew.
fn key_id(id: &[u8], aead: Aead) -> String {
    let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    match aead {
        Aead::ChaCha20Poly1305 => digits,
        Aead::Aes256Gcm => digits + "-aes256gcm",
    }
}

/// What is authenticated beside the secret.
fn bound_to<'a>(head: &'a [u8], context: &[u8]) -> Cow<'a, [u8]> {
    match context {
        [] => Cow::Borrowed(head),
        _ => Cow::Owned([head, context].concat()),
    }
}

impl SealingKey {
    /// A key for this process alone: attempts do not survive a restart, and no other machine opens them.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes).map_err(|cause| Error::configuration("sealer", cause.to_string()))?;
        Ok(Self::from_bytes(bytes))
    }

    /// A key of 32 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&sha256(&*bytes)[..KEY_ID_LEN]);
        let ready = |aead| AeadKey::new(aead, &bytes).map(Arc::new);
        Self { chacha20_poly1305: ready(Aead::ChaCha20Poly1305), aes_256_gcm: ready(Aead::Aes256Gcm), id }
    }

    /// A key of 32 random bytes in base64, such as `openssl rand -base64 32` prints.
    ///
    /// # Errors
    ///
    /// A configuration error when it is something else.
    pub fn from_base64(text: &str) -> Result<Self> {
        let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self::from_bytes).ok_or_else(|| {
            Error::configuration(
                "sealer",
                "a sealing key is 32 bytes in base64; `openssl rand -base64 32` makes one",
            )
        })
    }

    fn ready_for(&self, aead: Aead) -> Option<&AeadKey> {
        match aead {
            Aead::ChaCha20Poly1305 => self.chacha20_poly1305.as_deref(),
            Aead::Aes256Gcm => self.aes_256_gcm.as_deref(),
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.keys.len()).field("aead", &self.aead).finish()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("is_current", &self.is_current).finish_non_exhaustive()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{LoginOptions, OAuth2};

    const REDIRECT_URI: &str = "https://www.application.example/auth/provider/callback";

    fn attempt(data: &str) -> LoginAttempt {
        let mut client =
            OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token");
        client.set_issuer("https://accounts.provider.example");
        let options =
            LoginOptions::new().scopes(["openid", "email", "profile", "offline_access"]).data(json!(data));
        client.new_attempt(REDIRECT_URI, &options).unwrap()
    }

    fn key(byte: u8) -> SealingKey {
        SealingKey::from_bytes([byte; 32])
    }

    #[test]
    fn what_is_sealed_opens_again_and_shows_nothing() {
        let sealer = Sealer::new(key(1));
        let attempt = attempt("return-to");
        let sealed = sealer.seal(&attempt).unwrap();
        let opened = sealer.open(&sealed, "oauth2", REDIRECT_URI).unwrap();
        assert_eq!(serde_json::to_value(&opened).unwrap(), serde_json::to_value(&attempt).unwrap());
        assert_ne!(sealer.seal(&attempt).unwrap(), sealed);
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for secret in [attempt.state(), "return-to", "oauth2"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }

    #[test]
    fn what_is_sealed_tells_which_key_sealed_it() {
        let sealer = Sealer::new(key(2)).with_old_key(key(1));
        let sealed = sealer.seal_bytes(b"secret", b"row 1").unwrap();
        assert_eq!(Sealer::key_id_of(&sealed), Some(sealer.key_id()));
        assert_eq!(sealer.key_id(), Sealer::new(key(2)).key_id());
        let old = Sealer::new(key(1));
        assert_ne!(old.key_id(), sealer.key_id());
        assert_eq!(Sealer::key_id_of(&old.seal_bytes(b"", b"").unwrap()), Some(old.key_id()));
        assert_eq!(Sealer::key_id_of(b"nonsense, longer than a head"), None);
    }

    #[test]
    fn three_attempts_with_data_fit_well_into_a_browsers_cookies() {
        let sealed = Sealer::new(key(1)).seal(&attempt(&"x".repeat(200))).unwrap();
        assert!(sealed.len() * 3 < 3000, "{}", sealed.len());
    }

    #[test]
    fn any_changed_character_is_damage() {
        let sealer = Sealer::new(key(1));
        let sealed = sealer.seal(&attempt("")).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let error = sealer.open(&changed, "oauth2", REDIRECT_URI).unwrap_err();
            assert!(matches!(error, SealError::Damaged | SealError::UnknownKey), "{at}: {error:?}");
        }
        for short in ["", "A", "AQ", "not base64!", &sealed[..40], &format!("{sealed}=")] {
            let error = sealer.open_any(short).unwrap_err();
            assert!(matches!(error, SealError::Damaged | SealError::UnknownKey), "{short}: {error:?}");
        }
    }

    #[test]
    fn keys_rotate() {
        let before = Sealer::new(key(1));
        let after = Sealer::new(key(2)).with_old_key(key(1));
        let sealed = before.seal(&attempt("")).unwrap();
        assert!(after.open(&sealed, "oauth2", REDIRECT_URI).is_ok());
        let resealed = after.seal(&attempt("")).unwrap();
        assert_eq!(before.open_any(&resealed).unwrap_err(), SealError::UnknownKey);
    }

    #[test]
    fn bytes_open_where_they_belong_and_nowhere_else() {
        let old = Sealer::new(key(1));
        let ring = Sealer::new(key(2)).with_old_key(key(1));
        let sealed = old.seal_bytes(b"secret", b"row 1").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));

        let opened = ring.open_bytes(&sealed, b"row 1").unwrap();
        assert_eq!((&**opened.plain, opened.is_current), (&b"secret"[..], false));
        assert!(old.open_bytes(&sealed, b"row 1").unwrap().is_current);
        assert_eq!(ring.open_bytes(&sealed, b"row 2").unwrap_err(), SealError::Damaged);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ring.open_bytes(&changed, b"row 1").is_err(), "{at}");
            assert!(ring.open_bytes(&sealed[..at], b"row 1").is_err(), "{at}");
        }
        // Neither kind can be taken for the other.
        assert_eq!(old.open_any(&URL_SAFE_NO_PAD.encode(&sealed)).unwrap_err(), SealError::Damaged);
        let attempt = URL_SAFE_NO_PAD.decode(old.seal(&attempt("")).unwrap()).unwrap();
        assert_eq!(old.open_bytes(&attempt, b"").unwrap_err(), SealError::Damaged);
    }

    #[test]
    fn a_foreign_or_old_attempt_has_its_own_error() {
        let sealer = Sealer::new(key(1));
        let attempt = attempt("");
        let sealed = sealer.seal(&attempt).unwrap();
        assert_eq!(sealer.open(&sealed, "github", REDIRECT_URI).unwrap_err(), SealError::OtherProvider);
        let elsewhere = "https://evil.example/callback";
        assert_eq!(sealer.open(&sealed, "oauth2", elsewhere).unwrap_err(), SealError::OtherRedirectUri);

        let mut old = serde_json::to_value(&attempt).unwrap();
        old["started_at"] = json!(old["started_at"].as_i64().unwrap() - 601);
        let old: LoginAttempt = serde_json::from_value(old).unwrap();
        assert_eq!(sealer.open_any(&sealer.seal(&old).unwrap()).unwrap_err(), SealError::Expired);
    }

    /// What was sealed with a valid key, but never by `seal`.
    fn sealed_as_attempt(sealer: &Sealer, plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(sealer.seal_as(ATTEMPT, plain, &[]).unwrap())
    }

    fn plain(attempt: &LoginAttempt) -> Vec<u8> {
        attempt.to_cbor().unwrap().to_vec()
    }

    #[test]
    fn mutated_contents_under_a_valid_key_never_panic() {
        let sealer = Sealer::new(key(1));
        let seeds = [plain(&attempt("return-to")), plain(&attempt(""))];
        // Xorshift, so that a failure can be repeated.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let (mut opened, mut damaged) = (0, 0);
        for round in 0..20_000 {
            let mut bytes = seeds[round % seeds.len()].clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len().max(1));
                match random(6) {
                    0 if !bytes.is_empty() => bytes[at] ^= 1 << random(8),
                    1 if !bytes.is_empty() => bytes[at] = [0, 0x7f, 0x80, 0xff][random(4)],
                    2 if !bytes.is_empty() => drop(bytes.remove(at)),
                    3 => bytes.insert(at.min(bytes.len()), random(256) as u8),
                    4 => bytes.truncate(at),
                    _ => bytes.extend(vec![random(256) as u8; random(20)]),
                }
            }
            match sealer.open_any(&sealed_as_attempt(&sealer, &bytes)) {
                Ok(attempt) => {
                    opened += 1;
                    // What was read is an attempt like any other: it can be sealed, and opened again.
                    let again = sealer.open_any(&sealer.seal(&attempt).unwrap()).unwrap();
                    assert_eq!(
                        serde_json::to_value(&again).unwrap(),
                        serde_json::to_value(&attempt).unwrap()
                    );
                }
                Err(SealError::Damaged | SealError::Expired) => damaged += 1,
                Err(other) => panic!("{round}: {other:?}"),
            }
        }
        assert!(opened > 100 && damaged > 10_000, "{opened} and {damaged}");
    }

    #[test]
    fn what_was_sealed_with_either_aead_opens_and_says_whether_it_is_current() {
        let Ok(of_chacha) = Sealer::new(key(1)).with_aead(Aead::ChaCha20Poly1305) else {
            assert_eq!(CryptoBackend::current(), CryptoBackend::AwsLcRsFips);
            return;
        };
        let of_aes = Sealer::new(key(1)).with_aead(Aead::Aes256Gcm).unwrap();
        for (sealer, other, byte) in [(&of_chacha, &of_aes, 1), (&of_aes, &of_chacha, 2)] {
            let bytes = sealer.seal_bytes(b"secret", b"row 1").unwrap();
            assert_eq!(bytes[..2], [BYTES, byte]);
            let (own, others) =
                (sealer.open_bytes(&bytes, b"row 1").unwrap(), other.open_bytes(&bytes, b"row 1").unwrap());
            assert_eq!((&**own.plain, own.is_current), (&b"secret"[..], true));
            assert_eq!((&**others.plain, others.is_current), (&b"secret"[..], false));
            assert_eq!(Sealer::key_id_of(&bytes), Some(sealer.key_id()));
            assert_ne!(sealer.key_id(), other.key_id());
            assert_eq!(other.open_bytes(&bytes, b"row 2").unwrap_err(), SealError::Damaged);
            let attempt = sealer.seal(&attempt("return-to")).unwrap();
            assert!(other.open(&attempt, "oauth2", REDIRECT_URI).is_ok());
            // Neither can be taken for the other.
            for aead in [0, 3 - byte, 3, 255] {
                let mut changed = bytes.clone();
                changed[1] = aead;
                assert_eq!(sealer.open_bytes(&changed, b"row 1").unwrap_err(), SealError::Damaged, "{aead}");
            }
        }
    }

    #[test]
    fn in_fips_mode_only_what_is_approved_seals_and_both_open() {
        let is_fips = CryptoBackend::current() == CryptoBackend::AwsLcRsFips;
        let sealed = Sealer::new(key(1)).seal_bytes(b"secret", b"").unwrap();
        assert_eq!(sealed[1], if is_fips { 2 } else { 1 });
        let chosen = Sealer::new(key(1)).with_aead(Aead::ChaCha20Poly1305);
        match chosen {
            Ok(_) => assert!(!is_fips),
            Err(error) => {
                assert!(is_fips);
                let text = error.to_string();
                assert!(text.contains("ChaCha20-Poly1305 is not approved by FIPS 140-3"), "{text}");
            }
        }
    }

    #[test]
    fn aes_256_gcm_matches_nist_test_case_14() {
        // A key, a nonce and a text of zeros.
        let ready = AeadKey::new(Aead::Aes256Gcm, &[0; 32]).unwrap();
        let mut text = vec![
            0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18,
            0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19,
        ];
        assert_eq!(ready.open_in_place([0; 12], b"", &mut text), Some(16));
        assert_eq!(text[..16], [0; 16]);
    }

    #[test]
    fn cbor_that_is_no_attempt_is_damage() {
        let sealer = Sealer::new(key(1));
        let attempt = attempt("return-to");
        let good = plain(&attempt);
        let map = |members: &[(&str, Value)]| {
            let mut value = serde_json::to_value(&attempt).unwrap();
            for (name, member) in members {
                value[*name] = member.clone();
            }
            cbor4ii::serde::to_vec(Vec::new(), &value).unwrap()
        };
        assert!(sealer.open_any(&sealed_as_attempt(&sealer, &map(&[]))).is_ok());
        let members = usize::from(good[0] & 0x1f);
        let twice = [&[0xa0 | (members as u8 + 1)], &good[1..], b"\x65state\x61s"].concat();
        let list = |value: &Value| {
            let items: Vec<_> = value.as_object().unwrap().values().collect();
            cbor4ii::serde::to_vec(Vec::new(), &items).unwrap()
        };
        for (what, cbor) in [
            ("a member twice", twice),
            ("a member that is not known", map(&[("restriction", json!("org_A"))])),
            ("a list", list(&serde_json::to_value(&attempt).unwrap())),
            ("bytes behind it", [&good[..], b"x"].concat()),
            (
                "a text of 2^62 bytes",
                vec![0xa1, 0x65, b's', b't', b'a', b't', b'e', 0x7b, 0x40, 0, 0, 0, 0, 0, 0, 0],
            ),
            ("a map of 2^62 members", vec![0xbb, 0x40, 0, 0, 0, 0, 0, 0, 0]),
            ("lists in lists", [&b"\xa1\x64data"[..], &[0x81; 1 << 20]].concat()),
            ("maps in maps", b"\xa1\x61a".repeat(1 << 20)),
            ("endless lists", [0x9f].repeat(1 << 20)),
        ] {
            assert_eq!(
                sealer.open_any(&sealed_as_attempt(&sealer, &cbor)).unwrap_err(),
                SealError::Damaged,
                "{what}"
            );
        }
    }

    #[test]
    fn an_attempt_with_times_that_no_calendar_has_is_expired() {
        let sealer = Sealer::new(key(1));
        for (name, value) in [
            ("started_at", json!(-377_705_116_800_i64)),
            ("started_at", json!(i64::MIN)),
            ("started_at", json!(i64::MAX)),
            ("lifetime", json!(u64::MAX)),
            ("lifetime", json!(i64::MAX)),
        ] {
            let mut stored = serde_json::to_value(attempt("")).unwrap();
            stored[name] = value;
            let hostile: LoginAttempt = serde_json::from_value(stored).unwrap();
            assert_eq!(sealer.open_any(&sealer.seal(&hostile).unwrap()).unwrap_err(), SealError::Expired);
        }
    }

    #[test]
    fn garbage_of_any_size_is_damage() {
        let sealer = Sealer::new(key(1));
        let million = "A".repeat(1 << 20);
        assert_eq!(sealer.open_any(&million).unwrap_err(), SealError::Damaged);
        assert_eq!(sealer.open_any(&"ä".repeat(1 << 19)).unwrap_err(), SealError::Damaged);
        let zeros = sealed_as_attempt(&sealer, &vec![0; 1 << 20]);
        assert_eq!(sealer.open_any(&zeros).unwrap_err(), SealError::Damaged);
        assert_eq!(sealer.open_any(&sealed_as_attempt(&sealer, b"")).unwrap_err(), SealError::Damaged);
        // The form of an earlier version.
        let json = serde_json::to_vec(&attempt("")).unwrap();
        assert_eq!(sealer.open_any(&sealed_as_attempt(&sealer, &json)).unwrap_err(), SealError::Damaged);
        // A large attempt is not damage.
        let large = sealer.seal(&attempt(&"x".repeat(1 << 20))).unwrap();
        assert_eq!(sealer.open_any(&large).unwrap().data().as_str().map(str::len), Some(1 << 20));
    }

    #[test]
    fn keys_with_the_same_short_id_are_tried_one_after_the_other() {
        let first = key(1);
        let second = SealingKey { id: first.id, ..key(2) };
        let ring = Sealer::new(first).with_old_key(second.clone());
        let old = Sealer::new(second);
        assert!(ring.open(&old.seal(&attempt("")).unwrap(), "oauth2", REDIRECT_URI).is_ok());
        let sealed = old.seal_bytes(b"secret", b"row 1").unwrap();
        assert_eq!(&**ring.open_bytes(&sealed, b"row 1").unwrap().plain, b"secret");
        let other = Sealer::new(SealingKey { id: key(1).id, ..key(3) });
        assert_eq!(ring.open_any(&other.seal(&attempt("")).unwrap()).unwrap_err(), SealError::Damaged);
    }

    #[test]
    fn a_ring_that_is_dropped_leaves_the_keys_of_its_copies_alone() {
        let sealer = Sealer::new(key(1));
        let sealed = sealer.seal_bytes(b"secret", b"").unwrap();
        let copy = sealer.clone();
        drop(sealer);
        assert_eq!(&**copy.open_bytes(&sealed, b"").unwrap().plain, b"secret");
    }

    #[test]
    fn a_key_is_32_bytes_and_does_not_print() {
        assert!(SealingKey::from_base64("c2hvcnQ=").is_err());
        assert!(SealingKey::from_base64("not base64").is_err());
        assert_eq!(format!("{:?}", key(7)), "SealingKey(…)");
    }

    #[test]
    fn what_is_printed_of_a_ring_and_of_what_it_opened_is_no_secret() {
        let sealer = Sealer::new(key(1)).with_old_key(key(2)).with_aead(Aead::Aes256Gcm).unwrap();
        let shown = format!("{sealer:?}");
        assert!(shown.contains("keys: 2") && shown.contains("Aes256Gcm"), "{shown}");
        let sealed = sealer.seal_bytes(b"secret", b"").unwrap();
        let shown = format!("{:?}", sealer.open_bytes(&sealed, b"").unwrap());
        assert_eq!(shown, "Opened { is_current: true, .. }");
    }
}
