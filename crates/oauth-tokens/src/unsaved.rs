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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        calendar::time,
        state::{DeadGrant, DeadReason},
    };

    fn key() -> TokenKey {
        TokenKey::new("p", "user-17")
    }

    fn lease(fence: u64) -> Lease {
        Lease::new(fence, "here")
    }

    fn token() -> Arc<OAuth2Token> {
        Arc::new(OAuth2Token::new("AT"))
    }

    fn unsaved(token: &Arc<OAuth2Token>, lease: Option<Lease>) -> Unsaved {
        Unsaved {
            token: Arc::clone(token),
            new: Arc::default(),
            before: Arc::default(),
            predecessor: Predecessor::absent(),
            lease,
            cause: StoreError::transient(StoreOperation::Save, "the store is down"),
            is_for_further: false,
        }
    }

    #[test]
    fn the_lease_of_an_unsaved_token_is_lent_to_one_at_a_time_and_comes_back() {
        let all = UnsavedTokens::default();
        assert_eq!(all.borrow_lease(&key()), None);
        assert_eq!(all.return_lease(&key(), lease(1)), Some(lease(1)), "the store gets it");
        all.insert(&key(), unsaved(&token(), Some(lease(2))));
        assert!(all.needs_lease(&key(), &lease(2)) && !all.needs_lease(&key(), &lease(1)));
        assert_eq!(all.return_lease(&key(), lease(3)), Some(lease(3)), "it has one");
        assert_eq!(all.borrow_lease(&key()), Some(lease(2)));
        assert_eq!(all.borrow_lease(&key()), None);
        assert!(!all.needs_lease(&key(), &lease(2)));
        assert_eq!(all.return_lease(&key(), lease(2)), None);
        assert!(all.needs_lease(&key(), &lease(2)));
    }

    #[test]
    fn an_unsaved_token_that_took_the_place_of_another_is_not_removed_as_that_one() {
        let all = UnsavedTokens::default();
        let (old, new) = (token(), token());
        all.insert(&key(), unsaved(&old, None));
        all.insert(&key(), unsaved(&new, None));
        assert!(all.remove(&key(), Some(&old)).is_none());
        assert_eq!(all.keys(), [key()]);
        assert!(all.remove(&key(), Some(&new)).is_some());
        assert!(!all.contains(&key()));
        all.insert(&key(), unsaved(&old, None));
        assert!(all.remove(&key(), None).is_some(), "whichever it is");
    }

    #[test]
    fn tokens_that_only_this_process_knows_are_handed_over_and_those_that_are_not_accepted_are_not() {
        let all = UnsavedTokens::default();
        let (being_saved, other) = (token(), key().with_label("other"));
        let in_hand = all.hold(&other, &being_saved);
        all.insert(&key(), unsaved(&token(), None));
        let handed_over = |all: &UnsavedTokens| {
            let key_of = |error| match error {
                TokenError::NotSaved { key, token, .. } if token.access_token() == "AT" => Some(key),
                _ => None,
            };
            let mut keys: Vec<_> = all.errors().into_iter().filter_map(key_of).collect();
            keys.sort();
            keys
        };
        assert_eq!(handed_over(&all), [key(), other.clone()]);
        drop(in_hand);
        assert_eq!(handed_over(&all), [key()]);
        let grant = DeadGrant { reason: DeadReason::NotAccepted { reason: "sub".to_owned() }, at: time(0) };
        let set_aside = TokenState::default().set_aside(OAuth2Token::new("AT"), &grant);
        all.insert(&key(), Unsaved { new: Arc::new(set_aside), ..unsaved(&token(), None) });
        assert_eq!(handed_over(&all), []);
        assert!(matches!(&*all.errors(), [TokenError::Dead { .. }]));
    }
}
