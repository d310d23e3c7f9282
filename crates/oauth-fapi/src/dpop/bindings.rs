//! Which codes and tokens of this process are bound to which keys.
//!
//! Providers are asked with the text of a token alone, while the [`OAuth2Token`](oauth_core::OAuth2Token) says what it is bound to. So
//! what a whole token says is noted when it is checked, and found again by the text.

use std::{
    collections::HashMap,
    hash::Hash,
    mem,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

/// How a key is found again: by its thumbprint, and by the sealed key itself where that travels with the token.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyReference {
    thumbprint: String,
    sealed_key: Option<String>,
}

const THUMBPRINT: &str = "jkt";
const SEALED_KEY: &str = "sealed_key";

impl KeyReference {
    /// A key that its thumbprint is enough to find.
    #[must_use]
    pub fn new(thumbprint: impl Into<String>) -> Self {
        Self { thumbprint: thumbprint.into(), sealed_key: None }
    }

    /// Has the private key travel with the token, encrypted, so that whoever can decrypt it has the key.
    #[must_use]
    pub fn with_sealed_key(mut self, sealed_key: impl Into<String>) -> Self {
        self.sealed_key = Some(sealed_key.into());
        self
    }

    /// The SHA-256 thumbprint of the key (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The encrypted private key, where it travels with the token.
    #[must_use]
    pub fn sealed_key(&self) -> Option<&str> {
        self.sealed_key.as_deref()
    }

    /// What a confirmation (`cnf`, RFC 7800 section 3.1) says of a key.
    pub(crate) fn of(confirmation: Option<&Value>) -> Option<Self> {
        let confirmation = confirmation?;
        let text = |name: &str| confirmation.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { thumbprint: text(THUMBPRINT)?, sealed_key: text(SEALED_KEY) })
    }

    pub(crate) fn from_note(note: &str) -> Option<Self> {
        Self::of(serde_json::from_str(note).ok().as_ref())
    }

    pub(crate) fn to_note(&self) -> String {
        Value::Object(self.in_confirmation(Map::new())).to_string()
    }

    /// The confirmation with this key, and with what else it holds.
    pub(crate) fn in_confirmation(&self, mut confirmation: Map<String, Value>) -> Map<String, Value> {
        confirmation.remove(SEALED_KEY);
        confirmation.insert(THUMBPRINT.to_owned(), self.thumbprint.as_str().into());
        if let Some(sealed_key) = &self.sealed_key {
            confirmation.insert(SEALED_KEY.to_owned(), sealed_key.as_str().into());
        }
        confirmation
    }
}

impl std::fmt::Debug for KeyReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyReference").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

/// What is known of a code or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KnownBinding {
    /// It is bound to this key.
    Key {
        reference: KeyReference,
        /// Whether the server takes another key in its place.
        may_change: bool,
    },
    /// It is bound to the one key that the client has.
    OnlyKey,
    /// It is bound to no key.
    Unbound,
}

/// The bindings of the codes and tokens that were seen last, by their hashes.
#[derive(Debug, Default)]
pub(crate) struct Bindings(Recent<[u8; 32], KnownBinding>);

impl Bindings {
    pub(crate) fn note(&self, credential: &str, binding: KnownBinding) {
        self.0.insert(hashed(credential), binding);
    }

    pub(crate) fn get(&self, credential: &str) -> Option<KnownBinding> {
        self.0.get(&hashed(credential))
    }
}

fn hashed(credential: &str) -> [u8; 32] {
    digest(&SHA256, credential.as_bytes()).as_ref().try_into().unwrap_or_default()
}

/// What was used last: at least [`HALF`] entries, and at most twice as many.
#[derive(Debug)]
pub(crate) struct Recent<K, V>(Mutex<Generations<K, V>>);

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

const HALF: usize = 16 * 1024;

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    pub(crate) fn insert(&self, key: K, value: V) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = all.young.get(key) {
            return Some(value.clone());
        }
        let value = all.old.remove(key)?;
        all.insert(key.clone(), value.clone());
        Some(value)
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= HALF && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest() {
        let recent = Recent::default();
        for number in 0..5 * HALF {
            recent.insert(number, number);
            assert_eq!(recent.get(&7), (number >= 7).then_some(7), "what is used is kept");
        }
        assert_eq!(recent.get(&8), None);
        assert_eq!(recent.get(&(5 * HALF - 1)), Some(5 * HALF - 1));
        let all = recent.0.lock().unwrap();
        assert!(all.young.len() <= HALF && all.old.len() <= HALF);
    }

    #[test]
    fn a_reference_survives_a_confirmation_with_other_members() {
        let reference = KeyReference::new("T").with_sealed_key("S");
        let other = Map::from_iter([("x5t#S256".to_owned(), "X".into()), ("jkt".to_owned(), "old".into())]);
        let confirmation = reference.in_confirmation(other);
        assert_eq!(confirmation["x5t#S256"], "X");
        assert_eq!(KeyReference::of(Some(&Value::Object(confirmation))), Some(reference.clone()));
        assert_eq!(KeyReference::from_note(&reference.to_note()), Some(reference));
        assert_eq!(KeyReference::of(Some(&Value::Null)), None);
    }
}
