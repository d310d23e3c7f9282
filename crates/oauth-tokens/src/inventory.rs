//! What a store knows of records besides their sealed bytes, and how records are found by it.

use std::{fmt, str::FromStr, sync::Arc};

use oauth_core::OffsetDateTime;

use crate::key::TokenKey;

/// What a store is told about a record in plain text, so that records can be found by it.
///
/// Whoever reads the store sees it. It holds no secret, but it tells when a grant was last refreshed and whether it is dead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// What state the grant is in.
    pub status: Status,
    /// When something is due, as a Unix time in seconds: the refresh of a token that expires, or another look at a refresh that
    /// was begun. `None` for a dead grant, and for one that needs no refresh or cannot be refreshed.
    pub due_at: Option<i64>,
    /// The id of the key that sealed the record.
    pub sealing_key: Option<Arc<str>>,
}

/// What state a grant is in, as far as its store was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The store was not told: an older version of the library saved the record.
    #[default]
    Unknown,
    /// The grant can be used.
    Alive,
    /// A refresh has begun, and nobody has noted yet how it ended. It may be under way, or its process may have crashed.
    Refreshing,
    /// A new login must replace the grant.
    Dead,
}

/// Which records to find. All conditions must hold.
///
/// ```
/// use oauth_tokens::{Filter, Status};
///
/// let dead_at_google = Filter::all().with_provider("google").with_status(Status::Dead);
/// let of_one_user = Filter::all().with_tenant("acme").with_subject("user-17");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Only records of this tenant.
    pub tenant: Option<String>,
    /// Only records of this subject.
    pub subject: Option<String>,
    /// Only records of this provider.
    pub provider: Option<String>,
    /// Only records of this status.
    pub status: Option<Status>,
    /// Only records that are due before this Unix time in seconds.
    pub due_before: Option<i64>,
    /// Only records that another key has sealed, or of which the store does not know which one did.
    pub not_sealed_with: Option<Arc<str>>,
    /// Only records on which nobody holds a lease now, by the store's clock.
    pub unleased: bool,
}

/// A record that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The record's key.
    pub key: TokenKey,
    /// The record's version.
    pub version: u64,
    /// What the store was told about this version.
    pub summary: Summary,
}

impl Summary {
    /// A summary without a due time and without a sealing key.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self { status, ..Self::default() }
    }

    /// Sets when something is due, as a Unix time in seconds.
    #[must_use]
    pub fn with_due_at(mut self, due_at: Option<i64>) -> Self {
        self.due_at = due_at;
        self
    }

    /// Sets the id of the key that sealed the record.
    #[must_use]
    pub fn with_sealing_key(mut self, id: impl Into<Arc<str>>) -> Self {
        self.sealing_key = Some(id.into());
        self
    }
}

impl Status {
    /// Returns the status as stores write it: `alive`, `refreshing` or `dead`, and nothing for [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Alive => "alive",
            Self::Refreshing => "refreshing",
            Self::Dead => "dead",
        }
    }
}

/// Reads what [`Status::as_str`] writes. Any other word is [`Status::Unknown`], for a newer version may have written it.
impl FromStr for Status {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "alive" => Self::Alive,
            "refreshing" => Self::Refreshing,
            "dead" => Self::Dead,
            _ => Self::Unknown,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            known => known.as_str(),
        })
    }
}

impl Filter {
    /// Finds every record.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Finds only records of this tenant; the empty text is that of keys without one.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Finds only records of this subject; name the tenant too, because two tenants may have the same subject.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Finds only records of this provider.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Finds only records of this status.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Finds only records that are due before this time. A dead grant is never due.
    #[must_use]
    pub fn with_due_before(mut self, time: OffsetDateTime) -> Self {
        self.due_before = Some(time.unix_timestamp());
        self
    }

    /// Finds only records that were not sealed with the key of this id, or of which the store does not know it.
    #[must_use]
    pub fn without_sealing_key(mut self, id: impl Into<Arc<str>>) -> Self {
        self.not_sealed_with = Some(id.into());
        self
    }

    /// Finds only records on which nobody holds a lease now.
    #[must_use]
    pub fn without_lease(mut self) -> Self {
        self.unleased = true;
        self
    }

    /// Whether a record meets all conditions, for stores that compare by themselves.
    #[must_use]
    pub fn matches(&self, key: &TokenKey, summary: &Summary, is_leased: bool) -> bool {
        let is = |wanted: &Option<String>, part: &str| wanted.as_deref().is_none_or(|wanted| wanted == part);
        is(&self.tenant, key.tenant())
            && is(&self.subject, key.subject())
            && is(&self.provider, key.provider())
            && self.status.is_none_or(|wanted| wanted == summary.status)
            && self.due_before.is_none_or(|time| summary.due_at.is_some_and(|due_at| due_at < time))
            && self.not_sealed_with.as_ref().is_none_or(|id| summary.sealing_key.as_ref() != Some(id))
            && !(self.unleased && is_leased)
    }
}

impl Found {
    /// A record as a store finds it.
    #[must_use]
    pub fn new(key: TokenKey, version: u64, summary: Summary) -> Self {
        Self { key, version, summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_it_is_written_and_one_of_a_newer_version_is_unknown() {
        let table = [
            (Status::Unknown, "", "unknown"),
            (Status::Alive, "alive", "alive"),
            (Status::Refreshing, "refreshing", "refreshing"),
            (Status::Dead, "dead", "dead"),
        ];
        for (status, written, shown) in table {
            assert_eq!(status.as_str(), written);
            assert_eq!(written.parse(), Ok(status));
            assert_eq!(status.to_string(), shown);
        }
        for other in ["unknown", "suspended", "Alive", " dead"] {
            assert_eq!(other.parse(), Ok(Status::Unknown), "{other:?}");
        }
    }

    #[test]
    fn all_conditions_of_a_filter_must_hold() {
        let key = TokenKey::new("google", "user-17").with_tenant("acme");
        let summary = Summary::new(Status::Alive).with_due_at(Some(100)).with_sealing_key("k1");
        let due_before = |time| Filter { due_before: Some(time), ..Filter::all() };
        let is_found = |filter: &Filter| filter.matches(&key, &summary, true);
        for (filter, expected) in [
            (Filter::all(), true),
            (Filter::all().with_tenant("acme"), true),
            (Filter::all().with_tenant(""), false),
            (Filter::all().with_subject("user-17"), true),
            (Filter::all().with_subject("user-1"), false),
            (Filter::all().with_provider("google"), true),
            (Filter::all().with_provider("Google"), false),
            (Filter::all().with_status(Status::Alive), true),
            (Filter::all().with_status(Status::Unknown), false),
            (due_before(101), true),
            (due_before(100), false),
            (Filter::all().without_sealing_key("k2"), true),
            (Filter::all().without_sealing_key("k1"), false),
            (Filter::all().without_lease(), false),
        ] {
            assert_eq!(is_found(&filter), expected, "{filter:?}");
        }
        let own = Filter::all().with_tenant("acme").with_subject("user-17").with_provider("google");
        assert!(is_found(&own) && !is_found(&own.clone().with_status(Status::Dead)));
        assert!(Filter::all().without_lease().matches(&key, &summary, false));
        // What is not known to be due is not, and what is not known to be sealed with a key is not either.
        let unknown = Summary::default();
        assert!(!due_before(i64::MAX).matches(&key, &unknown, false));
        assert!(Filter::all().without_sealing_key("k1").matches(&key, &unknown, false));
    }
}
