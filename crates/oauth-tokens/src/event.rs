//! Events: what observers, `tracing` and `metrics` are told. One vocabulary, no secrets.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::OffsetDateTime;

use crate::{error::Error, key::TokenKey, state::DeadGrant};

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

/// How an attempt to get a live token ended. The four outcomes have the same names for observers, `tracing` and `metrics`.
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
    },
    /// This process found a newer token in the store, from another process or a new login.
    Adopted {
        /// Its version in the store.
        version: u64,
    },
    /// The provider has ended the grant, and the store has a note of it.
    Dead(DeadGrant),
    /// There is no new token for a reason that may pass: the provider, the store, or a lease that another process holds.
    Transient(Error),
}

impl Outcome {
    /// Returns the outcome's name: `refreshed`, `adopted`, `dead` or `transient`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refreshed { .. } => "refreshed",
            Self::Adopted { .. } => "adopted",
            Self::Dead(_) => "dead",
            Self::Transient(_) => "transient",
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

/// Records the event in the span `oauth_tokens.refresh`, which is the current one.
#[cfg(feature = "tracing")]
fn trace(event: &Event) {
    let name = event.outcome.name();
    tracing::Span::current().record("outcome", name);
    match &event.outcome {
        Outcome::Refreshed { version, rejected_id_token: Some(reason), .. } => {
            tracing::warn!(outcome = name, version, rejected_id_token = %reason);
        }
        Outcome::Refreshed { version, .. } => tracing::info!(outcome = name, version),
        Outcome::Adopted { version } => tracing::debug!(outcome = name, version),
        Outcome::Dead(grant) => tracing::warn!(outcome = name, reason = %grant.reason),
        Outcome::Transient(error) => tracing::warn!(outcome = name, error = %error),
    }
}

/// Counts the event as `oauth_tokens_total`, and its time as `oauth_tokens_seconds`, by provider and outcome. No subject is
/// among the labels, so that they are few.
#[cfg(feature = "metrics")]
fn count(event: &Event) {
    let labels =
        [("provider", event.key.provider().to_owned()), ("outcome", event.outcome.name().to_owned())];
    metrics::counter!("oauth_tokens_total", &labels).increment(1);
    metrics::histogram!("oauth_tokens_seconds", &labels).record(event.took.as_secs_f64());
}
