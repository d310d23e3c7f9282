//! How a key of any text becomes columns.

use std::borrow::Cow;

use oauth_core::sha256;
use oauth_tokens::TokenKey;

/// A key as the table has it.
///
/// Rows are found by a hash, so that keys of any length fit into an index, and no collation of the database takes two keys
/// for one. The texts are there for people, and for `list`.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    #[cfg(feature = "mysql")]
    pub(crate) key: &'a TokenKey,
    pub(crate) id: Vec<u8>,
    pub(crate) owner: Vec<u8>,
    pub(crate) tenant: Cow<'a, str>,
    pub(crate) subject: Cow<'a, str>,
    pub(crate) provider: Cow<'a, str>,
    pub(crate) label: Cow<'a, str>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(key: &'a TokenKey) -> Self {
        Self {
            #[cfg(feature = "mysql")]
            key,
            id: id(key),
            owner: owner(key.tenant(), key.subject()),
            tenant: escape(key.tenant()),
            subject: escape(key.subject()),
            provider: escape(key.provider()),
            label: escape(key.label()),
        }
    }
}

/// By which a key's row is found.
pub(crate) fn id(key: &TokenKey) -> Vec<u8> {
    hash(&[key.tenant(), key.subject(), key.provider(), key.label()])
}

/// By which all rows of a subject are found.
pub(crate) fn owner(tenant: &str, subject: &str) -> Vec<u8> {
    hash(&[tenant, subject])
}

/// Reads the columns of [`Columns`] back.
pub(crate) fn key(tenant: &str, subject: &str, provider: &str, label: &str) -> TokenKey {
    TokenKey::from_parts(&unescape(tenant), &unescape(subject), &unescape(provider), &unescape(label))
}

/// The length precedes each part, so that no two lists of parts are the same bytes.
pub(crate) fn hash(parts: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    sha256(&text).to_vec()
}

/// PostgreSQL's texts hold every character but NUL.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    match text.contains(['\0', '\\']) {
        true => text.replace('\\', "\\\\").replace('\0', "\\0").into(),
        false => text.into(),
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' if characters.next() == Some('0') => '\0',
            other => other,
        });
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for text in ["", "user-17", "株式会社 🗓️", "\0", "\\", "\\0", "\\\\0\0\\", "a\nb"] {
            let escaped = escape(text);
            assert!(!escaped.contains('\0'), "{text:?}");
            assert_eq!(unescape(&escaped), text);
        }
    }

    #[test]
    fn parts_that_read_alike_when_joined_have_different_rows() {
        let keys = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")];
        let hashes: std::collections::BTreeSet<_> = keys.iter().map(|(a, b)| owner(a, b)).collect();
        assert_eq!(hashes.len(), keys.len());
    }
}
