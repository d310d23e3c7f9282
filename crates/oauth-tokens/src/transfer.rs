//! Grants on their way out of a store and into another one.

use std::fmt;

use oauth_core::{Identity, OAuth2Token, WantedScopes};
use serde::{Deserialize, Serialize};

use crate::{
    error::TokenError,
    event::Outcome,
    further::MOST_FURTHER,
    further_token::FurtherToken,
    inventory::Filter,
    key::TokenKey,
    manager::TokenManager,
    put::{NotKept, Put},
    state::{StoredDeadGrant, StoredUser, TokenState},
    store::{Expected, Saved},
};

/// A grant outside of a store, with its tokens in plain text: what [`TokenManager::export`] returns and
/// [`TokenManager::import`] takes.
///
/// As JSON it is an object with the members `tenant`, `subject`, `provider`, `label` and `token`, and what else is known, such as the
/// further access tokens of [`get_for`](TokenManager::get_for). Treat it as the secret that it is. Tokens that were set aside because
/// they belong to another user are not in it.
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlainGrant {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tenant: String,
    subject: String,
    provider: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    label: String,
    token: OAuth2Token,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    obtained_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<StoredUser>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_id_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    earlier_scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wanted_scopes: Option<WantedScopes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refreshing_since: Option<i64>,
    /// The further access tokens that are live.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    further: Vec<FurtherToken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead: Option<StoredDeadGrant>,
}

impl PlainGrant {
    /// A grant of which no more is known than its token, as an application has it in a table of its own.
    #[must_use]
    pub fn new(key: &TokenKey, token: OAuth2Token) -> Self {
        Self {
            tenant: key.tenant().to_owned(),
            subject: key.subject().to_owned(),
            provider: key.provider().to_owned(),
            label: key.label().to_owned(),
            token,
            obtained_at: None,
            expires_at: None,
            user: None,
            client_id: None,
            refresh_scopes: None,
            refresh_id_token: None,
            earlier_scopes: None,
            wanted_scopes: None,
            refreshing_since: None,
            further: Vec::new(),
            dead: None,
        }
    }

    /// Says whose grant it is, so that a later login of the same user that brings no refresh token keeps this one.
    #[must_use]
    pub fn with_identity(mut self, identity: &Identity) -> Self {
        self.user = Some(StoredUser { issuer: identity.issuer.clone(), subject: identity.subject.clone() });
        self
    }

    /// Says which client the refresh token was issued to; without that, a later login that brings none does not keep it.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Returns the grant's key.
    #[must_use]
    pub fn key(&self) -> TokenKey {
        TokenKey::from_parts(&self.tenant, &self.subject, &self.provider, &self.label)
    }

    /// Returns the grant's token.
    #[must_use]
    pub fn token(&self) -> &OAuth2Token {
        &self.token
    }
}

impl TokenManager {
    /// Opens the grants that meet the filter, page by page: those after the key `after`, at most so many; for a user who asks for
    /// their data, or for a move to another store. A page that is not full is the last one.
    ///
    /// A grant without a token is left out, and one that cannot be read is an error of its own in the page.
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched.
    pub async fn export(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Exported, TokenError> {
        let page = self.find(filter, after, limit).await?;
        let last = (page.len() >= limit).then(|| page.last().map(|found| found.key.clone())).flatten();
        let mut grants = Vec::new();
        for found in page {
            grants.extend(self.export_one(&found.key).await.transpose());
        }
        Ok(Exported { grants, next: last })
    }

    async fn export_one(&self, key: &TokenKey) -> Result<Option<PlainGrant>, TokenError> {
        let Some(found) = self.0.store.load(key).await? else { return Ok(None) };
        let state = found.state;
        let Some(token) = state.token.clone() else { return Ok(None) };
        Ok(Some(PlainGrant {
            obtained_at: Some(state.obtained_at),
            expires_at: state.expires_at,
            user: state.user.clone(),
            client_id: state.client_id.clone(),
            refresh_scopes: state.refresh_scopes.clone(),
            refresh_id_token: state.refresh_id_token.clone(),
            earlier_scopes: state.earlier_scopes.clone(),
            wanted_scopes: state.wanted_scopes.clone(),
            refreshing_since: state.refreshing_since,
            further: state.live_further(self.0.clock.now().unix_timestamp()),
            dead: state.dead.clone(),
            ..PlainGrant::new(key, token)
        }))
    }

    /// Stores a grant that comes from elsewhere, unless something is stored under its key already, and says whether it did. So an
    /// import can be repeated, and what was refreshed since the first one stays. Observers are told of a grant that was stored as they are
    /// of a [`put`](Self::put).
    ///
    /// Where the other place goes on refreshing the same grants, only one of the two may: a provider that rotates refresh tokens
    /// ends a grant when an old one comes again.
    ///
    /// # Errors
    ///
    /// [`TokenError::Store`] when the store does not answer or refuses.
    pub async fn import(&self, grant: &PlainGrant) -> Result<bool, TokenError> {
        let (key, began) = (grant.key(), self.0.runtime.now());
        let now = self.0.clock.now();
        let fresh = TokenState::fresh(grant.token.clone(), now);
        let state = TokenState {
            obtained_at: grant.obtained_at.unwrap_or(fresh.obtained_at),
            expires_at: grant.expires_at.or(fresh.expires_at),
            user: grant.user.clone(),
            client_id: grant.client_id.clone(),
            refresh_scopes: grant.refresh_scopes.clone(),
            refresh_id_token: grant.refresh_id_token.clone(),
            earlier_scopes: grant.earlier_scopes.clone(),
            wanted_scopes: grant.wanted_scopes.clone(),
            refreshing_since: grant.refreshing_since,
            further: grant.further.iter().take(MOST_FURTHER).cloned().collect(),
            dead: grant.dead.clone(),
            ..fresh
        };
        match self.0.store.save(&key, &state, Expected::Absent, None).await {
            Ok(Saved::Version(_)) => {
                let put = match grant.token.refresh_token() {
                    Some(_) => Put::WithOwnRefreshToken,
                    None => Put::WithoutRefreshToken(NotKept::NothingStored),
                };
                self.0.observers.notify(&key, Outcome::Put(put), self.0.elapsed(began));
                Ok(true)
            }
            Ok(Saved::Conflict(_) | Saved::Fenced) => Ok(false),
            Err(cause) => Err(TokenError::Store { key, cause }),
        }
    }
}

/// A page of grants that were exported.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exported {
    /// The grants, or why one could not be read.
    pub grants: Vec<Result<PlainGrant, TokenError>>,
    /// After which key the next page begins; `None` on the last one.
    pub next: Option<TokenKey>,
}

/// Shows no token.
impl fmt::Debug for PlainGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainGrant").field("key", &self.key()).finish_non_exhaustive()
    }
}
