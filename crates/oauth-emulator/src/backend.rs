//! What every request to the emulator shares.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{apple_key::AppleKey, facts::EmulatedProvider, keys::KeyRing, state::EmulatorState};

/// What every request to the emulator shares: the providers, their keys, and all that the emulator remembers.
pub(crate) struct Backend {
    pub(crate) origin: String,
    pub(crate) providers: Vec<Arc<EmulatedProvider>>,
    pub(crate) apple_key: AppleKey,
    state: Mutex<EmulatorState>,
    keys: Mutex<KeyRing>,
}

impl Backend {
    pub(crate) fn new(
        origin: String,
        providers: Vec<Arc<EmulatedProvider>>,
        apple_key: AppleKey,
        state: EmulatorState,
        keys: KeyRing,
    ) -> Self {
        Self { origin, providers, apple_key, state: Mutex::new(state), keys: Mutex::new(keys) }
    }

    /// A panic while the lock was held leaves data that is still good enough for a test.
    pub(crate) fn state(&self) -> MutexGuard<'_, EmulatorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Apart from the state, because making a key takes a while. Never taken while the state is locked.
    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyRing> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a provider's real URL is served.
    pub(crate) fn local(&self, url: &str) -> String {
        match url.strip_prefix("https://") {
            Some(rest) => format!("{}/{rest}", self.origin),
            None => url.to_owned(),
        }
    }

    pub(crate) fn provider(&self, name: &str) -> Option<&EmulatedProvider> {
        self.providers.iter().find(|provider| provider.name == name).map(Arc::as_ref)
    }

    pub(crate) fn known(&self, family: &str) -> Result<(), UnknownProvider> {
        if self.providers.iter().any(|provider| provider.family == family) {
            return Ok(());
        }
        let mut known: Vec<_> = self.providers.iter().map(|provider| provider.family.clone()).collect();
        known.dedup();
        Err(UnknownProvider { name: family.to_owned(), known })
    }
}

/// No provider of that name is among those that the emulator plays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no provider {name:?}; the emulator plays {}", known.join(", "))]
#[non_exhaustive]
pub struct UnknownProvider {
    /// The name that was asked for.
    pub name: String,
    /// The names that exist.
    pub known: Vec<String>,
}
