//! Storing the token of a login, and which refresh token it keeps.

use oauth_core::{Identity, WantedScopes};

use crate::state::{StoredUser, TokenState};

/// How to store the token of a login; see [`TokenManager::put_with`](crate::TokenManager::put_with).
///
/// ```
/// use oauth_tokens::{Put, PutOptions, TokenKey, TokenManager};
///
/// # async fn f(tokens: TokenManager, login: oauth_core::Login, identity: oauth_core::Identity) -> Result<(), oauth_tokens::TokenError> {
/// let options = PutOptions::new().with_identity(&identity);
/// let stored = tokens.put_with(&TokenKey::new("github", "user-17"), &login.token, options).await?;
/// if let Put::WithoutRefreshToken(reason) = stored {
///     println!("the user must sign in again once the token expires: {reason}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PutOptions {
    identity: Option<(String, String)>,
    wanted_scopes: Option<WantedScopes>,
    declines: bool,
}

/// What [`TokenManager::put`](crate::TokenManager::put) has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Put {
    /// The token with the refresh token that it came with.
    WithOwnRefreshToken,
    /// The token with the refresh token that was stored before.
    WithStoredRefreshToken,
    /// The token without a refresh token: once it expires, the user must sign in again.
    WithoutRefreshToken(NotKept),
}

/// Why a token was stored without the refresh token of an earlier login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotKept {
    /// There was no refresh token.
    #[error("no refresh token was stored")]
    NothingStored,
    /// The earlier grant is dead.
    #[error("the stored grant is dead")]
    Dead,
    /// Nobody knows whether the earlier login was that of the same user: it takes an ID token or an
    /// [identity](PutOptions::with_identity) at both.
    #[error("it is not known whether both logins are of the same user; give `put_with` the identity")]
    UnknownUser,
    /// The earlier login was that of another user.
    #[error("the stored refresh token belongs to another user")]
    OtherUser,
    /// Nobody knows which client the refresh token was issued to.
    #[error("it is not known which client the stored refresh token was issued to")]
    UnknownClient,
    /// The refresh token was issued to another client.
    #[error("the stored refresh token was issued to another client")]
    OtherClient,
    /// The stored record cannot be read.
    #[error("the stored record cannot be read")]
    Unreadable,
    /// The application did not want it.
    #[error("the application declined it")]
    Declined,
}

impl PutOptions {
    /// The defaults: a stored refresh token is kept if it is safe to do so.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whose token it is. Without it, the user is that of the token's ID token, if it has one.
    pub fn with_identity(mut self, identity: &Identity) -> Self {
        self.identity = Some((identity.issuer.clone(), identity.subject.clone()));
        self
    }

    /// Says which scopes the application wants. After each refresh, [`Stored::scopes`](crate::Stored::scopes) and the event say which
    /// of them the token has. Without it, those of the earlier login count.
    pub fn with_scopes(mut self, wanted: WantedScopes) -> Self {
        self.wanted_scopes = Some(wanted);
        self
    }

    /// Keeps no refresh token of an earlier login: what is stored is replaced whole.
    pub fn without_stored_refresh_token(mut self) -> Self {
        self.declines = true;
        self
    }

    pub(crate) fn user(&self) -> Option<StoredUser> {
        let (issuer, subject) = self.identity.clone()?;
        Some(StoredUser { issuer, subject })
    }

    /// Adds the stored refresh token to the state of a login where that is wanted and safe, and what is known of the scopes.
    pub(crate) fn combine(&self, login: &TokenState, stored: Option<&TokenState>) -> (TokenState, Put) {
        let wanted = self.wanted_scopes.clone().or_else(|| stored?.wanted_scopes.clone());
        let set_aside = stored.map(|stored| stored.set_aside.clone()).unwrap_or_default();
        let mut login = TokenState { wanted_scopes: wanted, set_aside, ..login.clone() };
        if let Some(stored) = stored
            && let (Some(one), Some(other)) = (login.user(), stored.user())
            && is_same(&one, &other)
            && login.client_id() == stored.client_id()
        {
            login = login.with_scopes_of(stored);
        }
        if login.refresh_token().is_some() {
            return (login, Put::WithOwnRefreshToken);
        }
        match self.check(&login, stored) {
            Ok(stored) => (login.with_refresh_token_of(stored), Put::WithStoredRefreshToken),
            Err(reason) => (login, Put::WithoutRefreshToken(reason)),
        }
    }

    fn check<'a>(
        &self,
        login: &TokenState,
        stored: Option<&'a TokenState>,
    ) -> Result<&'a TokenState, NotKept> {
        let stored = stored.filter(|stored| stored.refresh_token().is_some());
        let stored = stored.ok_or(NotKept::NothingStored)?;
        if self.declines {
            return Err(NotKept::Declined);
        }
        if stored.dead().is_some() {
            return Err(NotKept::Dead);
        }
        match (login.client_id(), stored.client_id()) {
            (Some(one), Some(other)) if one == other => {}
            (Some(_), Some(_)) => return Err(NotKept::OtherClient),
            _ => return Err(NotKept::UnknownClient),
        }
        match (login.user(), stored.user()) {
            (Some(one), Some(other)) if is_same(&one, &other) => Ok(stored),
            (Some(_), Some(_)) => Err(NotKept::OtherUser),
            _ => Err(NotKept::UnknownUser),
        }
    }
}

/// Whether both are the same user. Google writes its issuer with and without the scheme.
fn is_same(one: &StoredUser, other: &StoredUser) -> bool {
    let issuer = |user: &StoredUser| user.issuer.trim_start_matches("https://").to_owned();
    one.subject == other.subject && issuer(one) == issuer(other)
}
