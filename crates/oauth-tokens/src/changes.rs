//! What an application does to a key's token: put, delete, revoke.

use std::sync::Arc;

use oauth_core::{ErrorClass, ErrorKind, OAuth2Token};
use tokio::time::{Instant, sleep};

use crate::{
    cache::Learned,
    core::Core,
    error::Error,
    key::TokenKey,
    state::State,
    store::{Acquired, Expected, Lease, Saved},
    timing::pause,
};

/// What a revocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// The provider revoked the token, or knows it no more, and it is deleted from the store.
    AtTheProvider,
    /// The provider has no revocation; the token is deleted from the store alone, and may be good until it expires.
    InTheStoreOnly,
    /// Nothing was stored.
    Nothing,
}

impl Core {
    pub(crate) async fn put(&self, key: &TokenKey, token: Arc<OAuth2Token>) -> Result<(), Error> {
        let state = State::fresh((*token).clone(), self.clock.now());
        let deadline = Instant::now() + self.timing.save_patience;
        for round in 0.. {
            let cause = match self.vault.save(key, &state, Expected::Any, None).await {
                Ok(Saved::Version(version)) => {
                    self.forget_unsaved(key, None).await;
                    let due_at = self.timing.milestones(key, &state).due_at;
                    let answer = self.answer(key, &token, &state, version, due_at);
                    self.cache.tell(key, Learned::Answer(answer));
                    return Ok(());
                }
                // Neither can be, for nothing was expected; a store that says so is asked again.
                Ok(Saved::Conflict(_) | Saved::Fenced) => None,
                Err(cause) => Some(cause),
            };
            if let Some(cause) = cause
                && (!cause.is_transient() || Instant::now() >= deadline)
            {
                return Err(Error::NotSaved { key: key.clone(), token, cause });
            }
            sleep(pause(round)).await;
        }
        Ok(())
    }

    pub(crate) async fn delete(&self, key: &TokenKey) -> Result<bool, Error> {
        let deleted = self.vault.store.delete(key).await;
        let deleted = deleted.map_err(|cause| Error::Store { key: key.clone(), cause })?;
        let was_unsaved = self.forget_unsaved(key, None).await;
        self.cache.tell(key, Learned::Gone);
        Ok(deleted || was_unsaved)
    }

    pub(crate) async fn revoke(&self, key: &TokenKey) -> Result<Revoked, Error> {
        let lease = self.lease(key).await?;
        let outcome = self.revoke_under_lease(key).await;
        self.hand_back(key, lease).await;
        outcome
    }

    async fn revoke_under_lease(&self, key: &TokenKey) -> Result<Revoked, Error> {
        // A token that is not even stored yet is the one to revoke.
        let _ = self.save_what_was_not(key).await;
        let found = self.vault.load(key).await?;
        let Some(token) = found.and_then(|found| found.state.token) else {
            self.delete(key).await?;
            return Ok(Revoked::Nothing);
        };
        let unknown = || Error::UnknownProvider { key: key.clone() };
        let source = self.sources.get(key.provider()).ok_or_else(unknown)?;
        let revoked = match source.tokens.revoke(&token).await {
            Ok(()) => Revoked::AtTheProvider,
            Err(error) => match (error.kind(), error.class()) {
                (ErrorKind::Unsupported(_), _) => Revoked::InTheStoreOnly,
                // It is worth nothing already.
                (_, ErrorClass::Reauthorize) => Revoked::AtTheProvider,
                _ => return Err(Error::RevokeFailed { key: key.clone(), cause: Arc::new(error) }),
            },
        };
        self.delete(key).await?;
        Ok(revoked)
    }

    async fn lease(&self, key: &TokenKey) -> Result<Lease, Error> {
        let began = Instant::now();
        // Long enough for the one request that is made under it.
        let lifetime = self.timing.lease_lifetime.max(self.timing.request_limit);
        if let Some(lease) = self.borrow_lease_of_unsaved(key) {
            // Whether it is still good matters little: the token to revoke is in this process's memory.
            let _ = self.vault.store.extend(key, &lease, lifetime).await;
            return Ok(lease);
        }
        for round in 0.. {
            match self.vault.acquire(key, &self.holder, lifetime).await? {
                Acquired::Granted(lease) => return Ok(lease),
                Acquired::Held { retry_in } => sleep(pause(round).min(retry_in)).await,
            }
            if began.elapsed() > self.timing.lease_patience {
                break;
            }
        }
        Err(Error::Busy { key: key.clone() })
    }
}
