//! `application/x-www-form-urlencoded`, which forms and queries are made of.

use std::{borrow::Cow, ops::Range};

/// A form in the making.
#[derive(Default)]
pub(crate) struct Form {
    text: String,
    /// Where the names stand in the text.
    names: Vec<Range<usize>>,
    /// A bit for each name: where it is not set, the names need not be compared.
    seen: u64,
}

impl Form {
    pub(crate) fn new() -> Self {
        // A code exchange has about so much.
        Self { text: String::with_capacity(512), names: Vec::with_capacity(8), seen: 0 }
    }

    /// The bit of a name. Those of a token request have one each.
    fn bit(name: &str) -> u64 {
        let last = name.as_bytes().last().copied().unwrap_or_default();
        1 << ((9 * name.len() + usize::from(last)) % 64)
    }

    pub(crate) fn push(&mut self, name: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        let start = self.text.len();
        push_encoded(&mut self.text, name);
        self.names.push(start..self.text.len());
        self.seen |= Self::bit(name);
        self.text.push('=');
        push_encoded(&mut self.text, value);
    }

    /// Whether there is a pair of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        if self.seen & Self::bit(name) == 0 {
            return false;
        }
        let name = encoded(name);
        self.names.iter().any(|place| self.text[place.clone()] == *name)
    }

    /// The form as it is sent.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Adds a pair to a query, behind an ampersand unless it is the first.
pub(crate) fn push_pair(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    push_encoded(query, name);
    query.push('=');
    push_encoded(query, value);
}

/// Adds a text as it stands in a form or a query.
pub(crate) fn push_encoded(to: &mut String, text: &str) {
    match is_plain(text) {
        true => to.push_str(text),
        false => to.extend(form_urlencoded::byte_serialize(text.as_bytes())),
    }
}

/// A text as it stands in a form or a query.
pub(crate) fn encoded(text: &str) -> Cow<'_, str> {
    match is_plain(text) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(form_urlencoded::byte_serialize(text.as_bytes()).collect()),
    }
}

/// Whether nothing in a text needs to be encoded, as in most: names of parameters, random values in base64url.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| PLAIN[usize::from(byte)])
}

/// What stands for itself, by byte.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = matches!(byte as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        byte += 1;
    }
    plain
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_encoded_as_forms_are() {
        let pairs = [
            ("code", "a b"),
            ("redirect uri", "https://app.example/?x=1&y=ä"),
            ("empty", ""),
            ("p", "~*-._"),
        ];
        let (mut form, mut query) = (Form::new(), String::new());
        for (name, value) in pairs {
            form.push(name, value);
            push_pair(&mut query, name, value);
        }
        for name in ["code", "redirect uri", "p"] {
            assert!(form.has(name), "{name}");
        }
        for name in ["redirect", "y", "cod", "", "code=a"] {
            assert!(!form.has(name), "{name}");
        }
        let expected = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        assert_eq!([form.finish(), query], [expected.clone(), expected]);
    }
}
