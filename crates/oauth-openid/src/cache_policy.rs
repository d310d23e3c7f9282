//! For how long metadata and keys are kept.

use std::time::Duration;

use oauth_core::{Response, http::header};

/// For how long a document of the provider is kept.
// Applications write it out, so it is not `non_exhaustive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachePolicy {
    /// It is fresh at least this long, whatever its headers say.
    pub at_least: Duration,
    /// It is fresh at most this long, whatever its headers say.
    pub at_most: Duration,
    /// It is fresh this long when its headers say nothing.
    pub unless_told: Duration,
    /// Once it is no longer fresh, it is used this long all the same, unless the provider answers at once (in a quarter of a second).
    /// It is read anew meanwhile. One that is older is not used, and a call waits at most five seconds for a new one.
    pub stale: Duration,
}

impl CachePolicy {
    /// For metadata: five minutes to a day, an hour unless told, and a day more while the provider does not answer at once.
    pub const METADATA: Self = Self {
        at_least: Duration::from_secs(5 * 60),
        at_most: Duration::from_secs(24 * 60 * 60),
        unless_told: Duration::from_secs(60 * 60),
        stale: Duration::from_secs(24 * 60 * 60),
    };

    /// For keys: five to fifteen minutes, because a key that was taken out must not be trusted for long, and four hours more while the
    /// provider does not answer at once.
    pub const KEYS: Self = Self {
        at_least: Duration::from_secs(5 * 60),
        at_most: Duration::from_secs(15 * 60),
        unless_told: Duration::from_secs(10 * 60),
        stale: Duration::from_secs(4 * 60 * 60),
    };

    pub(crate) fn fresh_for(&self, reply: &Response) -> Duration {
        let told = reply.header(header::CACHE_CONTROL).and_then(|directives| {
            let mut directives = directives.split(',').map(|directive| directive.trim().to_ascii_lowercase());
            directives.find_map(|directive| match &*directive {
                "no-store" | "no-cache" => Some(0),
                _ => directive.strip_prefix("max-age=")?.trim_matches('"').parse::<u64>().ok(),
            })
        });
        let age = reply.header(header::AGE).and_then(|age| age.trim().parse::<u64>().ok()).unwrap_or(0);
        let told = told.map(|told| Duration::from_secs(told.saturating_sub(age)));
        told.unwrap_or(self.unless_told).clamp(self.at_least, self.longest())
    }

    pub(crate) fn longest(&self) -> Duration {
        self.at_most.max(self.at_least)
    }
}
