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
    refresh_id_token: Option<String>,
    earlier_scopes: Option<Vec<String>>,
    wanted_scopes: Option<WantedScopes>,
}

impl NewestToken {
    /// What is known after this state was found or saved under this version.
    pub(crate) fn new(token: &Arc<OAuth2Token>, state: &TokenState, version: u64) -> Self {
        let is_known = state.user.is_some()
            || state.client_id.is_some()
            || state.refresh_scopes.is_some()
            || state.refresh_id_token.is_some()
            || state.earlier_scopes.is_some()
            || state.wanted_scopes.is_some();
        let owner = is_known.then(|| {
            Arc::new(Owner {
                user: state.user.clone(),
                client_id: state.client_id.clone(),
                refresh_scopes: state.refresh_scopes.clone(),
                refresh_id_token: state.refresh_id_token.clone(),
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

    /// The state to write to the store again, in place of the older one that is there. What was set aside there is kept until it is
    /// revoked.
    pub(crate) fn state_over(&self, found: TokenState) -> TokenState {
        let owner = self.owner.as_deref();
        TokenState {
            token: Some((*self.token).clone()),
            obtained_at: self.obtained_at,
            expires_at: self.expires_at,
            lineage: self.lineage,
            user: owner.and_then(|owner| owner.user.clone()),
            client_id: owner.and_then(|owner| owner.client_id.clone()),
            refresh_scopes: owner.and_then(|owner| owner.refresh_scopes.clone()),
            refresh_id_token: owner.and_then(|owner| owner.refresh_id_token.clone()),
            earlier_scopes: owner.and_then(|owner| owner.earlier_scopes.clone()),
            wanted_scopes: owner.and_then(|owner| owner.wanted_scopes.clone()),
            set_aside: found.set_aside,
            ..TokenState::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::{from_value, json};

    use super::*;

    fn token(access_token: &str) -> Arc<OAuth2Token> {
        Arc::new(OAuth2Token::new(access_token))
    }

    fn state(access_token: &str, obtained_at: i64, lineage: Option<Lineage>) -> TokenState {
        let token = Some((*token(access_token)).clone());
        TokenState {
            token,
            obtained_at,
            expires_at: Some(obtained_at + 3600),
            lineage,
            ..TokenState::default()
        }
    }

    #[test]
    fn a_token_is_written_again_with_all_that_is_known_of_its_owner() {
        let of_user = StoredUser { issuer: "https://as.example".to_owned(), subject: "ada".to_owned() };
        let list = || Some(vec!["mail".to_owned()]);
        // Each of these alone is kept, and all of them together.
        let alone = [
            TokenState::default(),
            TokenState { user: Some(of_user), ..TokenState::default() },
            TokenState { client_id: Some("client".to_owned()), ..TokenState::default() },
            TokenState { refresh_scopes: list(), ..TokenState::default() },
            TokenState { refresh_id_token: Some("ID".to_owned()), ..TokenState::default() },
            TokenState { earlier_scopes: list(), ..TokenState::default() },
            TokenState {
                wanted_scopes: Some(from_value(json!({ "required": ["mail"] })).unwrap()),
                ..TokenState::default()
            },
        ];
        for owner in alone {
            let before = TokenState { set_aside: Vec::new(), ..owner };
            let state = TokenState { lineage: Some(Lineage::new()), ..merge(state("AT", 100, None), before) };
            let found =
                TokenState { set_aside: vec![OAuth2Token::new("another user's")], ..TokenState::default() };
            let again = NewestToken::new(&token("AT"), &state, 7).state_over(found.clone());
            let expected = TokenState { set_aside: found.set_aside, ..state };
            assert_eq!(written(&again), written(&expected));
        }
    }

    fn merge(of_token: TokenState, of_owner: TokenState) -> TokenState {
        TokenState {
            token: of_token.token,
            obtained_at: of_token.obtained_at,
            expires_at: of_token.expires_at,
            ..of_owner
        }
    }

    fn written(state: &TokenState) -> String {
        oauth_core::serde_json::to_string(state).unwrap()
    }

    #[test]
    fn a_store_has_lost_a_token_where_it_has_an_earlier_one() {
        let (one, other) = (Lineage::new(), Lineage::new());
        let known = |lineage| NewestToken::new(&token("AT-2"), &state("AT-2", 200, lineage), 7);
        let found =
            |version, obtained_at, lineage| StoredState::saved(version, state("AT-1", obtained_at, lineage));
        // Of one login, the number of refreshes tells, whatever clocks and versions say.
        for (version, obtained_at) in [(6, 100), (8, 300)] {
            assert!(known(Some(one.next())).is_newer_than(&found(version, obtained_at, Some(one))));
            assert!(!known(Some(one)).is_newer_than(&found(version, obtained_at, Some(one))));
            assert!(!known(Some(one)).is_newer_than(&found(version, obtained_at, Some(one.next()))));
        }
        // Of two logins, or where nobody knows, both the version and the time tell.
        for (known_from, found_from) in
            [(Some(one.next()), Some(other)), (None, Some(one)), (Some(one), None), (None, None)]
        {
            let is_newer_than = |version, obtained_at| {
                known(known_from).is_newer_than(&found(version, obtained_at, found_from))
            };
            assert!(is_newer_than(6, 199));
            assert!(!is_newer_than(7, 199) && !is_newer_than(8, 199) && !is_newer_than(6, 200));
            assert!(!is_newer_than(1, 300), "the store was emptied, and counts anew");
        }
    }
}
