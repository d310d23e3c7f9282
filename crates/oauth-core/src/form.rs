//! `application/x-www-form-urlencoded`, which forms and queries are made of.

use std::borrow::Cow;

/// A text as it stands in a form or a query.
pub(crate) fn encoded(text: &str) -> Cow<'_, str> {
    // Most texts, such as random values in base64url, need no encoding.
    match text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(form_urlencoded::byte_serialize(text.as_bytes()).collect()),
    }
}

/// Adds a pair, behind an ampersand unless it is the first.
pub(crate) fn push_pair(to: &mut String, name: &str, value: &str) {
    if !to.is_empty() {
        to.push('&');
    }
    to.push_str(&encoded(name));
    to.push('=');
    to.push_str(&encoded(value));
}

/// Whether there is a pair of this name.
pub(crate) fn has(form: &str, name: &str) -> bool {
    let name = encoded(name);
    form.split('&').any(|pair| pair.split_once('=').is_some_and(|(other, _)| other == name))
}

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
        let mut form = String::new();
        pairs.into_iter().for_each(|(name, value)| push_pair(&mut form, name, value));
        assert_eq!(form, form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
        assert!(has(&form, "code") && has(&form, "redirect uri") && has(&form, "p"));
        assert!(!has(&form, "redirect") && !has(&form, "y") && !has("", "code"));
    }
}
