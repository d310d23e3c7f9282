//! Events: what observers, `tracing` and `metrics` are told. One vocabulary, no secrets.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::OffsetDateTime;
#[cfg(any(feature = "metrics", feature = "tracing"))]
use oauth_core::telemetry;

use crate::{error::TokenError, key::TokenKey, put::Put, revoked::Revoked, state::DeadGrant};

/// Something that happened to a key's token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The key.
    pub key: TokenKey,
    /// What happened.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// What happened to a key's token. The names are the same for observers, `tracing` and `metrics`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// This process obtained a new token from the provider and saved it.
    Refreshed {
        /// Its version in the store.
        version: u64,
        /// When the new access token expires, if it does.
        expires_at: Option<OffsetDateTime>,
        /// Why the ID token that came with it was not accepted, if it was not. The token keeps its earlier ID token then.
        rejected_id_token: Option<String>,
        /// The scopes that the application cannot do without and that the new token lacks; see
        /// [`PutOptions::with_scopes`](crate::PutOptions::with_scopes).
        missing_scopes: Vec<String>,
    },
    /// This process obtained a [further access token](crate::TokenManager::get_for) of the grant and saved it.
    FurtherToken {
        /// The version of the record in the store.
        version: u64,
        /// When the access token expires, if it does.
        expires_at: Option<OffsetDateTime>,
    },
    /// This process found a newer token in the store, from another process or a new login.
    Adopted {
        /// Its version in the store.
        version: u64,
    },
    /// The store held an older token of the same grant than this process knew, as after a failover that lost the last writes. The
    /// newer one was written back.
    Restored {
        /// Its version in the store.
        version: u64,
    },
    /// This process goes on with a refresh that another one had begun and not ended, because it crashed.
    TakenOver,
    /// The record was sealed anew with the first key of the ring.
    Resealed {
        /// Its version in the store.
        version: u64,
    },
    /// The grant is dead, because the provider has ended it or the application [marked](crate::TokenManager::mark_dead) it, and the store has a
    /// note of it.
    Dead(DeadGrant),
    /// Something failed for a reason that may pass; [`trouble`](Self::trouble) says where.
    Transient(TokenError),
    /// What had failed works again: the provider has answered after it failed for this key, or the store has answered after it
    /// failed for any key of this process.
    Recovered(Trouble),
    /// The token of a login was stored, or a grant was imported.
    Put(Put),
    /// The token was deleted from the store.
    Deleted,
    /// The token was revoked.
    Revoked(Revoked),
    /// A dead grant was given another chance.
    Revived,
}

/// Where something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// The provider did not answer as it should, or could not be looked up.
    Provider,
    /// The store did not answer, refused, or holds what cannot be read.
    Store,
    /// Another process has held the lease for longer than the manager waits.
    Waiting,
}

impl Trouble {
    /// Returns the name: `provider`, `store` or `waiting`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Store => "store",
            Self::Waiting => "waiting",
        }
    }

    fn of(error: &TokenError) -> Self {
        match error {
            TokenError::Busy { .. } => Self::Waiting,
            TokenError::RefreshFailed { .. }
            | TokenError::NotGranted { .. }
            | TokenError::RevokeFailed { .. }
            | TokenError::SourceLookup { .. } => Self::Provider,
            _ => Self::Store,
        }
    }
}

impl Outcome {
    /// Returns the outcome's name: `refreshed`, `further_token`, `adopted`, `restored`, `taken_over`, `resealed`, `dead`, `transient`,
    /// `recovered`, `put`, `deleted`, `revoked` or `revived`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refreshed { .. } => "refreshed",
            Self::FurtherToken { .. } => "further_token",
            Self::Adopted { .. } => "adopted",
            Self::Restored { .. } => "restored",
            Self::TakenOver => "taken_over",
            Self::Resealed { .. } => "resealed",
            Self::Dead(_) => "dead",
            Self::Transient(_) => "transient",
            Self::Recovered(_) => "recovered",
            Self::Put(_) => "put",
            Self::Deleted => "deleted",
            Self::Revoked(_) => "revoked",
            Self::Revived => "revived",
        }
    }

    /// Returns where something failed or works again, if that is the outcome.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Transient(error) => Some(Trouble::of(error)),
            Self::Recovered(trouble) => Some(*trouble),
            _ => None,
        }
    }
}

/// Receives every [`Event`], in the task that caused it: start another task for whatever takes long.
///
/// A closure that takes `&Event` is an observer.
pub trait Observer: Send + Sync {
    /// Called for each event.
    fn on_event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

#[derive(Clone, Default)]
pub(crate) struct Observers(pub(crate) Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn notify(&self, key: &TokenKey, outcome: Outcome, took: Duration) {
        let event = Event { key: key.clone(), outcome, took };
        #[cfg(feature = "tracing")]
        trace(&event);
        #[cfg(feature = "metrics")]
        count(&event);
        for observer in &self.0 {
            observer.on_event(&event);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}

/// Tells `tracing` of the event. The span `oauth_tokens.refresh` is the current one for the ends of refreshes; whoever changes a
/// token may have a span of their own, so that the event names the key, but for its subject, which is often an e-mail address: observers
/// are given that.
#[cfg(feature = "tracing")]
fn trace(event: &Event) {
    let outcome = event.outcome.name();
    let key = &event.key;
    macro_rules! tell {
        ($level:ident $(, $($fields:tt)+)?) => {
            tracing::$level!(
                { telemetry::EVENT_NAME } = event_name(&event.outcome),
                outcome,
                provider = key.provider(),
                tenant = key.tenant(),
                label = key.label(),
                $($($fields)+)?
            )
        };
    }
    match &event.outcome {
        Outcome::Refreshed { .. }
        | Outcome::FurtherToken { .. }
        | Outcome::Adopted { .. }
        | Outcome::Dead(_)
        | Outcome::Transient(_) => {
            tracing::Span::current().record("outcome", outcome);
        }
        _ => {}
    }
    match &event.outcome {
        Outcome::Refreshed { version, rejected_id_token: Some(reason), .. } => {
            tell!(warn, version, rejected_id_token = %reason);
        }
        Outcome::Refreshed { version, missing_scopes, .. } if !missing_scopes.is_empty() => {
            tell!(warn, version, missing_scopes = ?missing_scopes);
        }
        Outcome::Refreshed { version, .. } => tell!(info, version),
        Outcome::FurtherToken { version, .. } => tell!(info, version),
        Outcome::Adopted { version } => tell!(debug, version),
        Outcome::Restored { version } => tell!(warn, version),
        Outcome::TakenOver => tell!(warn),
        Outcome::Resealed { version } => tell!(debug, version),
        Outcome::Dead(grant) => tell!(warn, reason = %grant.reason),
        Outcome::Transient(error) => {
            tell!(warn, trouble = Trouble::of(error).name(), error = %without_key(error, key))
        }
        Outcome::Recovered(trouble) => tell!(info, trouble = trouble.name()),
        Outcome::Put(put) => tell!(info, put = ?put),
        Outcome::Revoked(revoked) => tell!(info, revoked = ?revoked),
        Outcome::Deleted | Outcome::Revived => tell!(info),
    }
}

/// The error's text, with the provider's name in place of the key.
#[cfg(feature = "tracing")]
fn without_key(error: &TokenError, key: &TokenKey) -> String {
    error.to_string().replace(&key.to_string(), &key.provider().escape_debug().to_string())
}

#[cfg(feature = "tracing")]
fn event_name(outcome: &Outcome) -> &'static str {
    use telemetry::event;

    match outcome {
        Outcome::Refreshed { .. } => event::TOKENS_REFRESHED,
        Outcome::FurtherToken { .. } => event::TOKENS_FURTHER_TOKEN,
        Outcome::Adopted { .. } => event::TOKENS_ADOPTED,
        Outcome::Restored { .. } => event::TOKENS_RESTORED,
        Outcome::TakenOver => event::TOKENS_TAKEN_OVER,
        Outcome::Resealed { .. } => event::TOKENS_RESEALED,
        Outcome::Dead(_) => event::TOKENS_DEAD,
        Outcome::Transient(_) => event::TOKENS_TRANSIENT,
        Outcome::Recovered(_) => event::TOKENS_RECOVERED,
        Outcome::Put(_) => event::TOKENS_PUT,
        Outcome::Deleted => event::TOKENS_DELETED,
        Outcome::Revoked(_) => event::TOKENS_REVOKED,
        Outcome::Revived => event::TOKENS_REVIVED,
    }
}

/// Counts the event as `oauth_tokens_total`, and its time as `oauth_tokens_seconds`, by provider and outcome; trouble also as
/// `oauth_tokens_trouble_total`, by provider and where it is. No subject is among the labels, so that they are few.
#[cfg(feature = "metrics")]
fn count(event: &Event) {
    let provider = || ("provider", event.key.provider().to_owned());
    let labels = [provider(), ("outcome", event.outcome.name().to_owned())];
    metrics::counter!(telemetry::metric::TOKENS, &labels).increment(1);
    metrics::histogram!(telemetry::metric::TOKENS_SECONDS, &labels).record(event.took.as_secs_f64());
    if let Outcome::Transient(error) = &event.outcome {
        let labels = [provider(), ("trouble", Trouble::of(error).name().to_owned())];
        metrics::counter!(telemetry::metric::TOKENS_TROUBLE, &labels).increment(1);
    }
}

/// Shows as `oauth_tokens_unsaved` how many new tokens of this process the store has not taken.
pub(crate) fn show_unsaved(_count: usize) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(telemetry::metric::TOKENS_UNSAVED).set(_count as f64);
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use super::*;

    #[test]
    fn a_log_does_not_name_the_subject() {
        let key = TokenKey::new("corp", "ada@example.com").with_tenant("acme").with_label("mail");
        let shown = without_key(&TokenError::NotFound { key: key.clone() }, &key);
        assert!(shown.contains("corp") && !shown.contains("ada"), "{shown}");
    }

    #[test]
    fn an_event_in_the_log_has_the_name_of_its_outcome() {
        let grant =
            DeadGrant { reason: crate::state::DeadReason::NoRefreshToken, at: crate::calendar::time(0) };
        for outcome in [
            Outcome::FurtherToken { version: 1, expires_at: None },
            Outcome::Adopted { version: 1 },
            Outcome::Restored { version: 1 },
            Outcome::TakenOver,
            Outcome::Resealed { version: 1 },
            Outcome::Dead(grant),
            Outcome::Transient(TokenError::Closed),
            Outcome::Recovered(Trouble::Store),
            Outcome::Deleted,
            Outcome::Revoked(Revoked::AtTheProvider),
            Outcome::Revived,
        ] {
            assert_eq!(event_name(&outcome), format!("oauth.tokens.{}", outcome.name()));
        }
    }
}
