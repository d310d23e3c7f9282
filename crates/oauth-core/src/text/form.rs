//! `application/x-www-form-urlencoded`, which forms and queries are made of.

use percent_encoding::percent_decode_str;

use crate::text::json;

/// A parameter's name as the most lenient of servers read it, for comparison with another.
///
/// Some ignore case. PHP skips white space in front, ends a name at a NUL, takes `client.id`, `client id` and `client[id` for
/// `client_id`, and `client_id[]` and `client_id[0]` for items of `client_id`. And a server behind a proxy may decode twice.
pub(crate) fn lenient_name(name: &str) -> String {
    let mut name = name.to_owned();
    for _ in 0..3 {
        name = percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned();
    }
    let name = name.split('\0').next().unwrap_or_default();
    let name = name.trim_matches(|character: char| character.is_whitespace() || character.is_control());
    let (before, behind) = name.split_once('[').unwrap_or((name, ""));
    // With its bracket closed, it is an item of what comes before the bracket.
    let name = if behind.contains(']') { before } else { name };
    name.trim_end()
        .to_uppercase()
        .chars()
        .map(|character| if character.is_alphanumeric() { character } else { '_' })
        .collect()
}

/// The parameters that only the library sends, to the token endpoint and nowhere else.
pub(crate) const SECRET_PARAMETERS: &[&str] = &["client_secret", "code_verifier", "client_assertion"];

/// Whether some server could take one parameter for the other.
pub(crate) fn is_same_parameter(one: &str, other: &str) -> bool {
    // Asked of each pair of a request's parameters. Their names are plain but for a few, and neither decoding nor trimming changes a
    // plain character or what comes before it, so that most pairs need no decoding.
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (one_bytes, other_bytes) = (one.as_bytes(), other.as_bytes());
    let pairs = one_bytes.iter().zip(other_bytes);
    let same = pairs.take_while(|(a, b)| is_plain(a) && a.eq_ignore_ascii_case(b)).count();
    match (one_bytes.get(same), other_bytes.get(same)) {
        (None, None) => true,
        (a, b) if a.is_none_or(is_plain) && b.is_none_or(is_plain) => false,
        _ => lenient_name(one) == lenient_name(other),
    }
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

/// Whether a text is what `resource` must be: an absolute URI without a fragment (RFC 8707 section 2).
pub(crate) fn check_resource(text: &str) -> Result<(), String> {
    match url::Url::parse(text).is_ok() && !text.contains('#') {
        true => Ok(()),
        false => Err(format!(
            "the resource {:?} must be an absolute URI without a fragment, such as https://api.example (RFC 8707 section 2)",
            text.split(['?', '#']).next().unwrap_or_default()
        )),
    }
}

/// A text, encoded for a form or a query.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_known_by_whatever_a_lenient_server_takes_for_its_name() {
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
        ] {
            assert!(is_same_parameter(name, "code"), "{name:?}");
        }
        for name in ["redirect.uri", "redirect[uri", "redirect+uri", "Redirect_URI[]", "redirect uri"] {
            assert!(is_same_parameter(name, "redirect_uri"), "{name:?}");
        }
        for name in ["redirect", "y", "cod", "", "code=a", "ＰＡ", "empty["] {
            assert!(!is_same_parameter(name, "code"), "{name:?}");
        }
    }

    #[test]
    fn two_names_are_one_parameter_if_they_are_read_alike() {
        let parts = [
            "", "a", "A", "b", "_", "1", ".", "%41", "%2541", "+", "\0", "[", "]", "[0]", "ä", "ß", "%",
            "%00",
        ];
        let names: Vec<String> = parts
            .iter()
            .flat_map(|first| parts.iter().map(move |second| format!("{first}{second}")))
            .collect();
        let alike: Vec<String> = names.iter().map(|name| lenient_name(name)).collect();
        for (one, one_alike) in names.iter().zip(&alike) {
            for (other, other_alike) in names.iter().zip(&alike) {
                assert_eq!(is_same_parameter(one, other), one_alike == other_alike, "{one:?} {other:?}");
            }
        }
    }
}
