//! How a token's key becomes keys of Redis.

use std::fmt::Write;

use oauth_tokens::{Filter, StoreError, StoreOperation, TokenKey};

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

    /// The index of all records, and that of refreshes that were begun, with a hash that tells who noted each. A tag of their own
    /// keeps the three in one slot; no other tag is without a slash.
    pub(crate) fn indexes(&self) -> Indexes {
        let named = |name: &str| format!("{}:{{index}}:{name}", self.0);
        Indexes { all: named("all"), begun: named("begun"), noted: named("noted") }
    }

    /// What all records match, in the words of `SCAN`, and little else.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::new();
        for character in self.0.chars() {
            if "*?[]^-\\".contains(character) {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern + ":{*}:*"
    }

    /// Reads the Redis key of a record back; `None` for other keys.
    pub(crate) fn read_record(&self, name: &str) -> Option<TokenKey> {
        let (owner, member) = name.strip_prefix(&*self.0)?.strip_prefix(":{")?.split_once("}:")?;
        read_entry(&format!("{owner}:{member}"))
    }

    /// The Redis key of a record that an index names.
    pub(crate) fn record_of_entry(&self, entry: &str) -> Option<String> {
        let (owner, member) = entry.split_once(':')?;
        Some(format!("{}:{{{owner}}}:{member}", self.0))
    }

    /// A value of the cache. It begins as no record does, because a tag is in braces.
    pub(crate) fn cached(&self, name: &str) -> String {
        format!("{}:cache:{}", self.0, Encoded(name))
    }
}

/// The Redis keys of the indexes.
#[derive(Debug)]
pub(crate) struct Indexes {
    pub(crate) all: String,
    pub(crate) begun: String,
    pub(crate) noted: String,
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

/// A token in the indexes: `TENANT/SUBJECT:PROVIDER/LABEL`.
pub(crate) fn entry(key: &TokenKey) -> String {
    format!("{}/{}:{}", Encoded(key.tenant()), Encoded(key.subject()), member(key))
}

/// Reads [`entry`] back.
pub(crate) fn read_entry(entry: &str) -> Option<TokenKey> {
    let (owner, member) = entry.split_once(':')?;
    let (tenant, subject) = owner.split_once('/')?;
    let (provider, label) = read_member(member)?;
    Some(TokenKey::from_parts(&decode(tenant)?, &decode(subject)?, &provider, &label))
}

/// Where the entries of a filter begin and end in an index, in the words of `ZRANGEBYLEX`. In the order of bytes, `0` comes right
/// after `/`, and `;` after `:`.
pub(crate) fn range(filter: &Filter) -> (String, String) {
    match (&filter.tenant, &filter.subject) {
        (Some(tenant), Some(subject)) => {
            let owner = format!("{}/{}", Encoded(tenant), Encoded(subject));
            (format!("[{owner}:"), format!("({owner};"))
        }
        (Some(tenant), None) => (format!("[{}/", Encoded(tenant)), format!("({}0", Encoded(tenant))),
        _ => ("-".to_owned(), "+".to_owned()),
    }
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
                assert_eq!(read_entry(&entry(&key)).as_ref(), Some(&key));
                assert_eq!(prefix.record_of_entry(&entry(&key)), Some(prefix.record(&key)));
                assert_eq!(prefix.read_record(&prefix.record(&key)).as_ref(), Some(&key));
                let record = prefix.record(&key);
                assert_eq!(record.matches(['{', '}']).count(), 2, "{record}");
                assert!(seen.insert(record));
            }
        }
    }

    #[test]
    fn a_range_has_the_entries_of_its_filter_and_no_others() {
        let texts = ["", "a", "a/", "a0", "a:", "a;", "ab", "A", "~", "é"];
        for (tenant, subject) in texts.iter().flat_map(|one| texts.iter().map(move |other| (*one, *other))) {
            let of_tenant = range(&Filter::all().with_tenant(tenant));
            let of_user = range(&Filter::all().with_tenant(tenant).with_subject(subject));
            for (other_tenant, other_subject) in
                texts.iter().flat_map(|one| texts.iter().map(move |other| (*one, *other)))
            {
                let entry = entry(&TokenKey::from_parts(other_tenant, other_subject, "p", "l"));
                let is_in = |(from, to): &(String, String)| entry[..] >= from[1..] && entry[..] < to[1..];
                assert_eq!(is_in(&of_tenant), tenant == other_tenant, "{tenant} {entry}");
                let is_same = tenant == other_tenant && subject == other_subject;
                assert_eq!(is_in(&of_user), is_same, "{tenant} {subject} {entry}");
            }
        }
    }

    #[test]
    fn a_prefix_with_braces_would_move_the_tag() {
        let error = Prefix::parse("app:{x}").unwrap_err();
        assert!(error.to_string().contains("without braces"), "{error}");
        assert_eq!(Prefix::parse("app").unwrap().cached("a b"), "app:cache:a%20b");
        let odd = Prefix::parse("a*[b]?\\").unwrap();
        assert_eq!(odd.pattern(), r"a\*\[b\]\?\\:{*}:*");
        assert_eq!(odd.read_record(&odd.indexes().all), None);
        assert_eq!(odd.read_record("oauth:{a/b}:p/l"), None);
    }
}
