//! `application/x-www-form-urlencoded`, which forms and queries are made of.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::json;

/// A form in the making.
#[derive(Default)]
pub(crate) struct Form {
    text: String,
    /// The names in it, as [`lenient_name`] has them.
    names: Vec<String>,
}

impl Form {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn push(&mut self, name: &str, value: &str) {
        push_pair(&mut self.text, name, value);
        self.names.push(lenient_name(name));
    }

    /// Whether there is a pair that some server could take for one of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(&lenient_name(name))
    }

    /// The form as it is sent.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// A parameter's name as the most lenient of servers read it, for comparison with another.
///
/// Some ignore case. PHP skips white space in front, ends a name at a NUL, takes `client.id`, `client id` and `client[id` for
/// `client_id`, and `client_id[]` and `client_id[0]` for items of `client_id`. And what stands behind a proxy may decode twice.
pub(crate) fn lenient_name(name: &str) -> String {
    let mut name = name.to_owned();
    for _ in 0..3 {
        name = percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned();
    }
    let name = name.split('\0').next().unwrap_or_default();
    let name = name.trim_matches(|character: char| character.is_whitespace() || character.is_control());
    let (before, behind) = name.split_once('[').unwrap_or((name, ""));
    // With its bracket closed, it is an item of what stands before it.
    let name = if behind.contains(']') { before } else { name };
    name.trim_end()
        .to_uppercase()
        .chars()
        .map(|character| if character.is_alphanumeric() { character } else { '_' })
        .collect()
}

/// What only the library sends, to the token endpoint and nowhere else.
pub(crate) const SECRET_PARAMETERS: &[&str] = &["client_secret", "code_verifier", "client_assertion"];

/// Whether some server could take one parameter for the other.
pub(crate) fn is_same_parameter(one: &str, other: &str) -> bool {
    one == other || lenient_name(one) == lenient_name(other)
}

/// Whether a text is what `authorization_details` must be: a JSON array of objects, each with a string `type` (RFC 9396 section 2).
pub(crate) fn check_authorization_details(text: &str) -> Result<(), String> {
    let details = json::parse(text.as_bytes()).unwrap_or_default();
    let items = details.as_array().filter(|items| !items.is_empty());
    match items.is_some_and(|items| items.iter().all(|item| item["type"].is_string())) {
        true => Ok(()),
        false => Err(
            "authorization_details must be a JSON array of objects with a string `type` (RFC 9396 section 2)"
                .to_owned(),
        ),
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
        for name in [
            "CODE",
            "Code",
            "co%64e",
            "co%2564e",
            " code",
            "\tcode",
            "code ",
            "+code",
            "code\0x",
            "code[]",
            "code[0]",
            "code[a][b]",
            "redirect_uri",
            "redirect.uri",
            "redirect[uri",
            "redirect+uri",
            "Redirect_URI[]",
            "ＰＡ",
            "empty[",
        ] {
            let is_there = !["ＰＡ", "empty["].contains(&name);
            assert_eq!(form.has(name), is_there, "{name:?}");
        }
        let expected = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        assert_eq!([form.finish(), query], [expected.clone(), expected]);
    }
}
