//! What the manager tells of its doings: to observers, to `tracing`, to `metrics`. One vocabulary, no secrets.

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::OffsetDateTime;

use crate::{error::Error, key::TokenKey, state::DeadGrant};

/// Something that happened to a key's token.
#[derive(Clone, Debug)]
pub struct Event {
    /// The key.
    pub key: TokenKey,
    /// What happened.
    pub outcome: Outcome,
    /// How long it took from when the manager set about it.
    pub took: Duration,
}

/// How an attempt to have a live token ended. There are these four, under these names, wherever they are told.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// This process got a new token from the provider, and the store has it.
    Refreshed {
        /// Its version in the store.
        version: u64,
        /// When the new access token expires, if it does.
        expires_at: Option<OffsetDateTime>,
    },
    /// Another process, or a new login, had put a newer token into the store.
    Adopted {
        /// Its version in the store.
        version: u64,
    },
    /// The grant was found dead, and the store knows.
    Dead(DeadGrant),
    /// No new token for a reason that may pass: the provider, the store, or a lease that another process holds.
    Transient(Error),
}

impl Outcome {
    /// The outcome's name: `refreshed`, `adopted`, `dead` or `transient`.
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

/// Is told of every [`Event`], in the task that caused it: whatever takes long belongs into another task.
///
/// A closure that takes `&Event` is one.
pub trait Observer: Send + Sync {
    /// Takes notice.
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
    pub(crate) fn tell(&self, key: &TokenKey, outcome: Outcome, took: Duration) {
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

/// Into the span `oauth_tokens.refresh`, which is the current one.
#[cfg(feature = "tracing")]
fn trace(event: &Event) {
    let name = event.outcome.name();
    tracing::Span::current().record("outcome", name);
    match &event.outcome {
        Outcome::Refreshed { version, .. } => tracing::info!(outcome = name, version),
        Outcome::Adopted { version } => tracing::debug!(outcome = name, version),
        Outcome::Dead(grant) => tracing::warn!(outcome = name, reason = %grant.reason),
        Outcome::Transient(error) => tracing::warn!(outcome = name, error = %error),
    }
}

/// `oauth_tokens_total` by provider and outcome, and how long they took. The labels are few: no subject is among them.
#[cfg(feature = "metrics")]
fn count(event: &Event) {
    let labels =
        [("provider", event.key.provider().to_owned()), ("outcome", event.outcome.name().to_owned())];
    metrics::counter!("oauth_tokens_total", &labels).increment(1);
    metrics::histogram!("oauth_tokens_seconds", &labels).record(event.took.as_secs_f64());
}
