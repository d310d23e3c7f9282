//! The newest token of a key that this process has seen, for the case that the store goes back behind it.

use std::sync::Arc;

use oauth_core::{OAuth2Token, WantedScopes};

use crate::{
    sealed_store::StoredState,
    state::{Lineage, StoredUser, TokenState},
};

/// The newest token of a key that this process has seen in the store, with what is needed to write it there again.
#[derive(Clone)]
pub(crate) struct NewestToken {
    pub(crate) token: Arc<OAuth2Token>,
    version: u64,
    obtained_at: i64,
    expires_at: Option<i64>,
    lineage: Option<Lineage>,
    owner: Option<Arc<Owner>>,
}

/// Whose token it is and what it is for, where that is known.
struct Owner {
    user: Option<StoredUser>,
    client_id: Option<String>,
    refresh_scopes: Option<Vec<String>>,
    earlier_scopes: Option<Vec<String>>,
    wanted_scopes: Option<WantedScopes>,
}

impl NewestToken {
    /// What is known after this state was found or saved under this version.
    pub(crate) fn new(token: &Arc<OAuth2Token>, state: &TokenState, version: u64) -> Self {
        let is_known = state.user.is_some()
            || state.client_id.is_some()
            || state.refresh_scopes.is_some()
            || state.earlier_scopes.is_some()
            || state.wanted_scopes.is_some();
        let owner = is_known.then(|| {
            Arc::new(Owner {
                user: state.user.clone(),
                client_id: state.client_id.clone(),
                refresh_scopes: state.refresh_scopes.clone(),
                earlier_scopes: state.earlier_scopes.clone(),
                wanted_scopes: state.wanted_scopes.clone(),
            })
        });
        Self {
            token: Arc::clone(token),
            version,
            obtained_at: state.obtained_at,
            expires_at: state.expires_at,
            lineage: state.lineage,
            owner,
        }
    }

    /// Whether the store has lost this token: what it holds now is older.
    ///
    /// Of one login, the number of refreshes tells. Of two logins, a store that was restored has a version below the one that was
    /// seen, and the token that was obtained earlier; one that was emptied and counts anew has the later one.
    pub(crate) fn is_newer_than(&self, found: &StoredState) -> bool {
        match (self.lineage, found.state.lineage) {
            (Some(known), Some(found)) if known.is_of_the_same_login(found) => found.is_older_than(known),
            _ => found.version < self.version && found.state.obtained_at < self.obtained_at,
        }
    }

    /// The state to write to the store again.
    pub(crate) fn state(&self) -> TokenState {
        let owner = self.owner.as_deref();
        TokenState {
            token: Some((*self.token).clone()),
            obtained_at: self.obtained_at,
            expires_at: self.expires_at,
            lineage: self.lineage,
            user: owner.and_then(|owner| owner.user.clone()),
            client_id: owner.and_then(|owner| owner.client_id.clone()),
            refresh_scopes: owner.and_then(|owner| owner.refresh_scopes.clone()),
            earlier_scopes: owner.and_then(|owner| owner.earlier_scopes.clone()),
            wanted_scopes: owner.and_then(|owner| owner.wanted_scopes.clone()),
            ..TokenState::default()
        }
    }
}
