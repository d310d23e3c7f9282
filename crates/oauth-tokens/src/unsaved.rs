//! New tokens that the store has not taken yet. While one is here, its predecessor is not redeemed again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use oauth_core::OAuth2Token;

use crate::{
    error::Error,
    key::TokenKey,
    state::TokenState,
    store::{Expected, Lease, StoreError},
};

/// A new token that the store has not taken yet.
#[derive(Clone)]
pub(crate) struct Unsaved {
    pub(crate) token: Arc<OAuth2Token>,
    pub(crate) new: Arc<TokenState>,
    /// The state that it replaces.
    pub(crate) before: Arc<TokenState>,
    pub(crate) expected: Expected,
    /// The lease under which it was redeemed: while it is held, no other process redeems the predecessor. `None` while a
    /// revocation uses it, and where nobody is to be kept out.
    pub(crate) lease: Option<Lease>,
    /// Why the store did not take it.
    pub(crate) cause: StoreError,
}

impl Unsaved {
    /// The error that hands the token over; for tokens that were set aside, the error that says why they are not handed out.
    pub(crate) fn error(&self, key: &TokenKey) -> Error {
        if let Some(grant) = self.new.dead() {
            return Error::Dead { key: key.clone(), grant };
        }
        Error::NotSaved { key: key.clone(), token: Arc::clone(&self.token), cause: self.cause.clone() }
    }
}

/// All unsaved tokens of a manager. Whoever removes one gives its lease back.
#[derive(Default)]
pub(crate) struct UnsavedTokens(Mutex<HashMap<TokenKey, Unsaved>>);

impl UnsavedTokens {
    pub(crate) fn get(&self, key: &TokenKey) -> Option<Unsaved> {
        self.lock().get(key).cloned()
    }

    pub(crate) fn contains(&self, key: &TokenKey) -> bool {
        self.lock().contains_key(key)
    }

    pub(crate) fn insert(&self, key: &TokenKey, unsaved: Unsaved) {
        self.lock().insert(key.clone(), unsaved);
    }

    /// Removes a key's unsaved token; with a token given, only if it is that one.
    pub(crate) fn remove(&self, key: &TokenKey, token: Option<&Arc<OAuth2Token>>) -> Option<Unsaved> {
        let mut all = self.lock();
        let found = all.get(key)?;
        let is_meant = token.is_none_or(|token| Arc::ptr_eq(&found.token, token));
        if is_meant { all.remove(key) } else { None }
    }

    /// Whether a key's unsaved token still needs this lease.
    pub(crate) fn needs_lease(&self, key: &TokenKey, lease: &Lease) -> bool {
        self.lock().get(key).is_some_and(|unsaved| unsaved.lease.as_ref() == Some(lease))
    }

    /// Takes the lease of a key's unsaved token, to do something else under it.
    pub(crate) fn borrow_lease(&self, key: &TokenKey) -> Option<Lease> {
        self.lock().get_mut(key)?.lease.take()
    }

    /// Gives a lease back to a key's unsaved token; or returns it if there is none, or it has one.
    pub(crate) fn return_lease(&self, key: &TokenKey, lease: Lease) -> Option<Lease> {
        match self.lock().get_mut(key) {
            Some(unsaved) if unsaved.lease.is_none() => {
                unsaved.lease = Some(lease);
                None
            }
            _ => Some(lease),
        }
    }

    /// The errors that hand over all tokens.
    pub(crate) fn errors(&self) -> Vec<Error> {
        self.lock().iter().map(|(key, unsaved)| unsaved.error(key)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenKey, Unsaved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
