//! What a worker process is told, and what it says.

use std::{collections::BTreeMap, time::Duration};

use oauth_core::{OAuth2, Provider, Sealer, SealingKey};
use oauth_tokens::TokenKey;
use serde::{Deserialize, Serialize};

/// Which store and which provider; the first line of a worker's input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The address of the store.
    pub store: String,
    /// Its table, or what its keys begin with.
    pub table: String,
    /// The origin of the emulator, as the provider's endpoints are reached there.
    pub token_endpoint: String,
    /// How long a reply of the provider takes on its way, in milliseconds. A process that is killed meanwhile loses it.
    pub reply_takes: u64,
}

/// A further line of a worker's input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Get the token of a subject in so many tasks at once, and report.
    Get {
        /// Whose token.
        subject: String,
        /// In how many tasks.
        tasks: usize,
    },
    /// Get the tokens of the subjects `0` up to this number, in so many tasks, until killed.
    Hammer {
        /// How many subjects.
        subjects: usize,
        /// In how many tasks.
        tasks: usize,
    },
    /// List all grants, seal them anew, and refresh what is due, so many at a time, as a process does that has nothing else to do.
    Maintain {
        /// How many grants are worked on at the same time.
        at_once: usize,
    },
}

/// A line of a worker's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The store is open.
    Ready,
    /// What [`Order::Get`] got.
    Got {
        /// The access tokens, and how many tasks got each.
        tokens: BTreeMap<String, usize>,
        /// The errors, and how many tasks got each.
        errors: BTreeMap<String, usize>,
    },
    /// What [`Order::Maintain`] did.
    Maintained {
        /// How many grants it listed.
        listed: u64,
        /// How many it has sealed anew, and how many are left that another key has sealed.
        resealed: (u64, u64),
        /// How many it has refreshed, and how many are still due.
        refreshed: (u64, u64),
        /// How many refreshes failed, and why the first one did.
        failed: (u64, Option<String>),
        /// How many requests the provider got.
        requests: u64,
        /// How long each of the three took, in milliseconds.
        took: [u128; 3],
        /// The most memory that the process had before and after, in KiB; 0 where the system does not tell.
        memory: (u64, u64),
    },
    /// A refresh token is about to be sent.
    Redeems {
        /// Whose token.
        subject: String,
        /// When, in microseconds since 1970.
        at: u128,
    },
    /// A new token was obtained and saved.
    Refreshed {
        /// Whose token.
        subject: String,
        /// When, in microseconds since 1970.
        at: u128,
    },
    /// The store has taken a record.
    Saved {
        /// Whose token.
        subject: String,
    },
    /// The lease was lost, after this process had stood still for longer than it lasts.
    Stalled {
        /// Whose lease.
        subject: String,
    },
    /// A grant is dead.
    Dead {
        /// Whose grant.
        subject: String,
        /// Since when, as a Unix time.
        at: i64,
        /// Whether it is reported as lost between a request and its save.
        lost_in_refresh: bool,
        /// The reason, in words.
        reason: String,
    },
    /// Another error than a dead grant, while hammering.
    Failed {
        /// What it says.
        error: String,
    },
}

/// Microseconds since 1970.
#[must_use]
pub fn microseconds() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_micros()
}

/// The client of the emulator's generic provider.
#[must_use]
pub fn provider(token_endpoint: &str) -> OAuth2 {
    OAuth2::new(
        "oauth2-client-id",
        "oauth2-client-secret",
        "https://oauth2.example/authorize",
        token_endpoint.to_owned(),
    )
    .with_refresh_endpoint(token_endpoint.to_owned())
    .with_name("oauth2")
}

/// The key of a subject's grant there.
#[must_use]
pub fn key(subject: &str) -> TokenKey {
    TokenKey::new("oauth2", subject).with_tenant("storm")
}

/// What all processes seal with.
#[must_use]
pub fn sealer() -> Sealer {
    Sealer::new(SealingKey::from_bytes(*b"what every process of a test has"))
}

/// What sealed the grants that a worker is to seal anew.
#[must_use]
pub fn old_key() -> SealingKey {
    SealingKey::from_bytes([7; 32])
}

/// How long the emulator allows a refresh token to come again where the provider is to be a lenient one. Okta's default.
pub const GRACE: Duration = Duration::from_secs(30);
