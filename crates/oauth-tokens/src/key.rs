//! What a grant is stored under.

use std::{
    cmp::Ordering,
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Arc, LazyLock},
};

/// Identifies a grant by tenant, subject, provider, and a label where one subject has several grants at one provider.
///
/// All four may be any text. None is a secret: they appear in logs and in the store as they are. Two keys are equal if all
/// four parts are equal, character by character; nothing is trimmed, case-folded or normalized.
///
/// Cloning is cheap: it copies a pointer.
///
/// ```
/// use oauth_tokens::TokenKey;
///
/// let key = TokenKey::new("google", "user-17").with_tenant("acme").with_label("calendar");
/// assert_eq!((key.tenant(), key.subject(), key.provider(), key.label()), ("acme", "user-17", "google", "calendar"));
/// ```
#[derive(Clone, Eq)]
pub struct TokenKey {
    /// Tenant, subject, provider and label, one after the other.
    text: Arc<str>,
    /// Where the first three of them end.
    ends: [usize; 3],
    /// The hash of all four, computed once: keys are looked up far more often than they are made, and hashing them anew would
    /// take as long as the rest of `TokenManager::get`.
    hash_code: u64,
}

/// Seeded at random in each process, so that nobody can choose keys that collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl TokenKey {
    /// A key for the grant of a subject (a user, a machine) at a provider, without tenant and label.
    #[must_use]
    pub fn new(provider: impl AsRef<str>, subject: impl AsRef<str>) -> Self {
        Self::from_parts("", subject.as_ref(), provider.as_ref(), "")
    }

    /// A key from its four parts, for stores that read them back: in the order in which keys are sorted, which is not that of
    /// [`new`](Self::new).
    #[must_use]
    pub fn from_parts(tenant: &str, subject: &str, provider: &str, label: &str) -> Self {
        let text: Arc<str> = [tenant, subject, provider, label].concat().into();
        let ends = [tenant.len(), tenant.len() + subject.len(), text.len() - label.len()];
        let hash_code = HASHER.hash_one((tenant, subject, provider, label));
        Self { text, ends, hash_code }
    }

    /// Sets the tenant: a customer of the application with users of its own.
    #[must_use]
    pub fn with_tenant(&self, tenant: impl AsRef<str>) -> Self {
        Self::from_parts(tenant.as_ref(), self.subject(), self.provider(), self.label())
    }

    /// Sets the label, for a subject with several grants at one provider.
    #[must_use]
    pub fn with_label(&self, label: impl AsRef<str>) -> Self {
        Self::from_parts(self.tenant(), self.subject(), self.provider(), label.as_ref())
    }

    /// Returns the tenant; empty if there is none.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.part(0)
    }

    /// Returns the subject: the application's own identifier of whose grant it is.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.part(1)
    }

    /// Returns the name of the provider.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.part(2)
    }

    /// Returns the label; empty if there is none.
    #[must_use]
    pub fn label(&self) -> &str {
        self.part(3)
    }

    fn part(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = self.ends.get(index).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default()
    }

    fn parts(&self) -> [&str; 4] {
        [self.tenant(), self.subject(), self.provider(), self.label()]
    }
}

impl PartialEq for TokenKey {
    fn eq(&self, other: &Self) -> bool {
        // The hash first: it tells most different keys apart without a look at their text.
        self.hash_code == other.hash_code && self.ends == other.ends && self.text == other.text
    }
}

/// Orders by tenant, then subject, provider and label, so that the grants of a subject are together.
impl Ord for TokenKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for TokenKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for TokenKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash_code);
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey")
            .field("tenant", &self.tenant())
            .field("subject", &self.subject())
            .field("provider", &self.provider())
            .field("label", &self.label())
            .finish()
    }
}

/// Writes `provider/tenant/subject/label` without the empty parts, for logs; not meant to be parsed.
impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Control characters would break a log's lines, and any part may be what a stranger wrote.
        write!(f, "{}", self.provider().escape_debug())?;
        for part in [self.tenant(), self.subject(), self.label()] {
            if !part.is_empty() {
                write!(f, "/{}", part.escape_debug())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_read_alike_when_joined_are_different_keys() {
        let keys = [
            TokenKey::from_parts("ab", "c", "d", ""),
            TokenKey::from_parts("a", "bc", "d", ""),
            TokenKey::from_parts("a", "b", "cd", ""),
            TokenKey::from_parts("a", "b", "c", "d"),
            TokenKey::from_parts("", "", "", "abcd"),
        ];
        for (i, one) in keys.iter().enumerate() {
            for (j, other) in keys.iter().enumerate() {
                assert_eq!(one == other, i == j, "{one:?} {other:?}");
                assert_eq!(one.cmp(other) == Ordering::Equal, i == j, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn parts_of_any_script_come_back() {
        let key = TokenKey::from_parts("株式会社", "Zoë\u{0}/\n", "google", "🗓️");
        assert_eq!(key.parts(), ["株式会社", "Zoë\u{0}/\n", "google", "🗓️"]);
        assert_eq!(key.to_string(), "google/株式会社/Zoë\\0/\\n/🗓\u{fe0f}");
        assert_eq!(TokenKey::new("a\nb", "c").to_string(), "a\\nb/c");
    }

    #[test]
    fn the_keys_of_a_subject_stand_together() {
        let mut keys = [
            TokenKey::new("b", "2"),
            TokenKey::new("a", "2").with_tenant("t"),
            TokenKey::new("b", "1"),
            TokenKey::new("a", "2"),
            TokenKey::new("a", "2").with_label("x"),
        ];
        keys.sort();
        let shown: Vec<_> = keys.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["b/1", "a/2", "a/2/x", "b/2", "a/t/2"]);
    }
}
