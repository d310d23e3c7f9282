//! How a token's key becomes keys of Redis.

use std::fmt::Write;

use oauth_tokens::{StoreError, StoreOperation, TokenKey};

/// What all keys begin with.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(String);

impl Prefix {
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        match text.contains(['{', '}']) {
            // A brace before the hash tag would be taken for it.
            true => Err(StoreError::permanent(
                StoreOperation::Open,
                format!("{text:?} cannot be a prefix of keys: use one without braces, such as `app:oauth`"),
            )),
            false => Ok(Self(text.to_owned())),
        }
    }

    /// The Redis key of a record. The part in braces decides the slot in a cluster: tenant and subject, so that the tokens of a
    /// subject and their index change together.
    pub(crate) fn record(&self, key: &TokenKey) -> String {
        self.record_of(key.tenant(), key.subject(), &member(key))
    }

    pub(crate) fn record_of(&self, tenant: &str, subject: &str, member: &str) -> String {
        format!("{}:{{{}/{}}}:{member}", self.0, Encoded(tenant), Encoded(subject))
    }

    /// The set of a subject's tokens.
    pub(crate) fn index(&self, tenant: &str, subject: &str) -> String {
        format!("{}:{{{}/{}}}", self.0, Encoded(tenant), Encoded(subject))
    }

    /// A value of the cache. It begins as no record does, because a tag is in braces.
    pub(crate) fn cached(&self, name: &str) -> String {
        format!("{}:cache:{}", self.0, Encoded(name))
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("oauth".to_owned())
    }
}

/// A token among those of its subject.
pub(crate) fn member(key: &TokenKey) -> String {
    format!("{}/{}", Encoded(key.provider()), Encoded(key.label()))
}

/// Reads [`member`] back: the provider and the label.
pub(crate) fn read_member(member: &str) -> Option<(String, String)> {
    let (provider, label) = member.split_once('/')?;
    Some((decode(provider)?, decode(label)?))
}

/// A text of which only letters, digits and `-._~@+` stand for themselves, and all other bytes as `%` and two digits (RFC 3986,
/// section 2.1), so that no two texts are the same key, and `redis-cli` shows all of them.
struct Encoded<'a>(&'a str);

impl std::fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0.bytes() {
            match byte.is_ascii_alphanumeric() || b"-._~@+".contains(&byte) {
                true => f.write_char(char::from(byte))?,
                false => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_well_and_share_their_subjects_tag() {
        let key = TokenKey::new("google", "ada@example.com").with_tenant("acme").with_label("my calendar");
        let prefix = Prefix::default();
        assert_eq!(prefix.record(&key), "oauth:{acme/ada@example.com}:google/my%20calendar");
        assert_eq!(prefix.index("acme", "ada@example.com"), "oauth:{acme/ada@example.com}");
    }

    #[test]
    fn every_key_comes_back_and_no_two_are_the_same() {
        let texts =
            ["", "a", "/", "}", "{", ":", "%", "%2F", "\0", "株式会社", "🗓️", "é", "e\u{301}", "A", "\r\n"];
        let prefix = Prefix::default();
        let mut seen = std::collections::BTreeSet::new();
        for tenant in texts {
            for label in texts {
                let key = TokenKey::from_parts(tenant, "x", "p", label);
                assert_eq!(read_member(&member(&key)), Some(("p".to_owned(), label.to_owned())));
                let record = prefix.record(&key);
                assert_eq!(record.matches(['{', '}']).count(), 2, "{record}");
                assert!(seen.insert(record));
            }
        }
    }

    #[test]
    fn a_prefix_with_braces_would_move_the_tag() {
        let error = Prefix::parse("app:{x}").unwrap_err();
        assert!(error.to_string().contains("without braces"), "{error}");
        assert_eq!(Prefix::parse("app").unwrap().cached("a b"), "app:cache:a%20b");
    }
}
