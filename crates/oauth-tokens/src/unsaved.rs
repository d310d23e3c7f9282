//! New tokens that the store has not taken yet. While one is here, its predecessor is not redeemed again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use oauth_core::OAuth2Token;

use crate::{
    error::TokenError,
    event::show_unsaved,
    key::TokenKey,
    sealed_store::Predecessor,
    state::TokenState,
    store::{Lease, StoreError, StoreOperation},
};

/// A new token that the store has not taken yet.
#[derive(Clone)]
pub(crate) struct Unsaved {
    pub(crate) token: Arc<OAuth2Token>,
    pub(crate) new: Arc<TokenState>,
    /// The state that it replaces.
    pub(crate) before: Arc<TokenState>,
    pub(crate) predecessor: Predecessor,
    /// The lease under which it was redeemed: while it is held, no other process redeems the predecessor. `None` while a
    /// revocation uses it, and where nobody is to be kept out.
    pub(crate) lease: Option<Lease>,
    /// Why the store did not take it.
    pub(crate) cause: StoreError,
    /// Whether the refresh was for a further access token.
    pub(crate) is_for_further: bool,
}

impl Unsaved {
    /// The error that hands the token over; for tokens that were set aside, the error that says why they are not handed out.
    pub(crate) fn error(&self, key: &TokenKey) -> TokenError {
        if let Some(grant) = self.new.dead() {
            return TokenError::Dead { key: key.clone(), grant };
        }
        TokenError::NotSaved { key: key.clone(), token: Arc::clone(&self.token), cause: self.cause.clone() }
    }
}

/// All unsaved tokens of a manager. Whoever removes one gives its lease back.
#[derive(Default)]
pub(crate) struct UnsavedTokens {
    all: Mutex<HashMap<TokenKey, Unsaved>>,
    /// New tokens that are being saved for the first time.
    in_hand: Mutex<HashMap<TokenKey, Arc<OAuth2Token>>>,
}

/// Keeps a token among those in hand.
pub(crate) struct InHand<'a> {
    tokens: &'a UnsavedTokens,
    key: &'a TokenKey,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.tokens.hands().remove(self.key);
    }
}

impl UnsavedTokens {
    pub(crate) fn get(&self, key: &TokenKey) -> Option<Unsaved> {
        self.lock().get(key).cloned()
    }

    pub(crate) fn contains(&self, key: &TokenKey) -> bool {
        self.lock().contains_key(key)
    }

    pub(crate) fn insert(&self, key: &TokenKey, unsaved: Unsaved) {
        let mut all = self.lock();
        all.insert(key.clone(), unsaved);
        show_unsaved(all.len());
    }

    /// Removes a key's unsaved token; with a token given, only if it is that one.
    pub(crate) fn remove(&self, key: &TokenKey, token: Option<&Arc<OAuth2Token>>) -> Option<Unsaved> {
        let mut all = self.lock();
        let found = all.get(key)?;
        let is_meant = token.is_none_or(|token| Arc::ptr_eq(&found.token, token));
        let removed = if is_meant { all.remove(key) } else { None };
        show_unsaved(all.len());
        removed
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

    /// Notes that a token is being saved for the first time, while the answer exists.
    pub(crate) fn hold<'a>(&'a self, key: &'a TokenKey, token: &Arc<OAuth2Token>) -> InHand<'a> {
        self.hands().insert(key.clone(), Arc::clone(token));
        InHand { tokens: self, key }
    }

    /// The errors that hand over all tokens, those included that are being saved.
    pub(crate) fn errors(&self) -> Vec<TokenError> {
        let mut errors: Vec<_> = self.lock().iter().map(|(key, unsaved)| unsaved.error(key)).collect();
        for (key, token) in &*self.hands() {
            let cause = StoreError::transient(StoreOperation::Save, "the store has not answered yet");
            errors.push(TokenError::NotSaved { key: key.clone(), token: Arc::clone(token), cause });
        }
        errors
    }

    /// The keys of all tokens that the store has not taken.
    pub(crate) fn keys(&self) -> Vec<TokenKey> {
        self.lock().keys().cloned().collect()
    }

    fn hands(&self) -> MutexGuard<'_, HashMap<TokenKey, Arc<OAuth2Token>>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenKey, Unsaved>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
