//! The challenges of `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750 section 3).

use std::collections::BTreeMap;

use http::{HeaderMap, header::WWW_AUTHENTICATE};

/// One challenge of a `WWW-Authenticate` header: a scheme and its parameters.
///
/// Every part of the library reads challenges by this one type. It is tolerant: what cannot be read is left out, and the challenges before
/// and after it count.
///
/// All of it is text that a server chose: escape it before it enters a page or a terminal.
///
/// ```
/// use oauth_core::Challenge;
///
/// let challenges = Challenge::parse(r#"Basic realm="a, b", Bearer scope="read write", resource_metadata="https://mcp.example/prm""#);
/// assert_eq!(challenges[1].scheme(), "Bearer");
/// assert_eq!(challenges[1].scopes(), Some(vec!["read", "write"]));
/// assert_eq!(challenges[1].get("resource_metadata"), Some("https://mcp.example/prm"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    /// By their names in lower case: a list would have to be searched for each of the many that a hostile server can send.
    params: BTreeMap<String, Param>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Param {
    value: String,
    is_repeated: bool,
}

impl Challenge {
    /// All challenges of a reply, in their order: of several headers, and of several schemes in one header.
    #[must_use]
    pub fn all(headers: &HeaderMap) -> Vec<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        values.flat_map(|value| Self::parse(&String::from_utf8_lossy(value.as_bytes()))).collect()
    }

    /// The challenge that says how to get a token: the first Bearer or DPoP one with `resource_metadata`, or else the first of either
    /// scheme. `None` if there is neither.
    #[must_use]
    pub fn of_reply(headers: &HeaderMap) -> Option<Self> {
        let all = Self::all(headers).into_iter().filter(Self::is_for_tokens);
        let mut first = None;
        for challenge in all {
            if challenge.resource_metadata().is_some() {
                return Some(challenge);
            }
            first = first.or(Some(challenge));
        }
        first
    }

    /// The challenges in one header's value. What cannot be read is left out: a challenge that can be read counts, whatever is beside it.
    #[must_use]
    pub fn parse(value: &str) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut rest = value;
        loop {
            let Some(first) = rest.chars().next() else { return all };
            let (word, behind) = split_token(rest);
            if word.is_empty() {
                // Nothing begins with this.
                rest = match first {
                    '"' => quoted(&rest[1..]).1,
                    other => &rest[other.len_utf8()..],
                };
                continue;
            }
            match behind.trim_start().strip_prefix('=') {
                Some(value) => {
                    let (value, behind) = parameter_value(value.trim_start());
                    if let (Some(challenge), Some(value)) = (all.last_mut(), value) {
                        challenge.add(word, value);
                    }
                    rest = behind;
                }
                None => {
                    all.push(Self { scheme: word.to_owned(), params: BTreeMap::new() });
                    rest = behind_token68(behind).unwrap_or(behind);
                }
            }
        }
    }

    fn add(&mut self, name: &str, value: String) {
        // The first counts: what comes behind it may have been put there by somebody else.
        let param = self.params.entry(name.to_ascii_lowercase());
        param.and_modify(|first| first.is_repeated = true).or_insert(Param { value, is_repeated: false });
    }

    /// The scheme, as the server wrote it.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// A parameter's value, without its quotes; the first if there are several. Names are compared without regard to case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.get(&name.to_ascii_lowercase()).map(|param| &*param.value)
    }

    /// A parameter's value as [`get`](Self::get) has it, but `None` if the challenge repeats it, which RFC 6750 section 3 forbids.
    #[must_use]
    pub fn get_once(&self, name: &str) -> Option<&str> {
        let param = self.params.get(&name.to_ascii_lowercase())?;
        (!param.is_repeated).then_some(&*param.value)
    }

    /// Whether its scheme is Bearer (RFC 6750) or DPoP (RFC 9449).
    #[must_use]
    pub fn is_for_tokens(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer") || self.scheme.eq_ignore_ascii_case("dpop")
    }

    /// Where the server's protected resource metadata is (RFC 9728 section 5.1).
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.get("resource_metadata").filter(|url| !url.is_empty())
    }

    /// The scopes that the request needs; `None` if the challenge does not say.
    #[must_use]
    pub fn scopes(&self) -> Option<Vec<&str>> {
        let scopes: Vec<_> = self.get("scope")?.split_ascii_whitespace().collect();
        (!scopes.is_empty()).then_some(scopes)
    }

    /// `error`, such as `invalid_token` or `insufficient_scope`.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.get("error").filter(|code| !code.is_empty())
    }
}

/// Splits a token (RFC 9110 section 5.6.2) from what follows it.
fn split_token(text: &str) -> (&str, &str) {
    let is_in_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_in_token(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// What follows the token68 (RFC 9110 section 11.2) behind a scheme, as Negotiate has it in place of parameters; `None` if there is none. It is
/// skipped, because a part of it can look like a scheme.
fn behind_token68(text: &str) -> Option<&str> {
    let text = text.strip_prefix(' ')?.trim_start_matches(' ');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"-._~+/".contains(c)).unwrap_or(text.len());
    let behind = text[end..].trim_start_matches('=').trim_start();
    // Anything else than the next challenge means that it was a parameter, or a scheme without a comma before it.
    (behind.is_empty() || behind.starts_with(',')).then_some(behind)
}

/// A parameter's value and what follows it. Without quotes, a URL is taken as well, which is not a token but is sent all the same.
fn parameter_value(text: &str) -> (Option<String>, &str) {
    if let Some(text) = text.strip_prefix('"') {
        return quoted(text);
    }
    let end = text.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (Some(value.to_owned()), rest)
}

/// The text up to the closing quote, with its escapes undone, and what follows it; `None` without a closing quote: who knows what is missing.
fn quoted(text: &str) -> (Option<String>, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (Some(value), &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (None, "")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

    use super::Challenge;

    fn schemes(value: &str) -> Vec<String> {
        Challenge::parse(value).iter().map(|challenge| challenge.scheme().to_owned()).collect()
    }

    #[test]
    fn a_token68_is_no_scheme_and_ends_no_list() {
        for value in [
            "Negotiate",
            "Negotiate TlRMTVNTUAAB",
            "Negotiate TlRMTVNTUAAB==",
            "Negotiate a/Bearer+DPoP==",
            "Negotiate   abc",
        ] {
            assert_eq!(schemes(value), ["Negotiate"], "{value}");
            let all = Challenge::parse(&format!("{value} , Bearer error=\"invalid_token\", NTLM YQ=="));
            assert_eq!(all.len(), 3, "{value}: {all:?}");
            assert_eq!(all[1].error(), Some("invalid_token"));
        }
        assert_eq!(schemes("Basic Bearer error=x"), ["Basic", "Bearer"]);
        assert_eq!(schemes("Basic, Bearer"), ["Basic", "Bearer"]);
    }

    #[test]
    fn what_cannot_be_read_costs_no_other_challenge() {
        for odd in ["<>", "Basic realm=", "Digest \"x\"", "=", "é", "@ @", "Basic realm=\"é\"", "A b=c d e=f"]
        {
            let all = Challenge::parse(&format!("{odd}, Bearer error=\"invalid_token\""));
            let bearer = all.iter().find(|one| one.scheme() == "Bearer").unwrap();
            assert_eq!(bearer.error(), Some("invalid_token"), "{odd}");
        }
    }

    #[test]
    fn a_value_that_breaks_off_is_left_out() {
        let challenge = Challenge::parse("Bearer scope=a, error=\"invalid_tok").pop().unwrap();
        assert_eq!((challenge.get("scope"), challenge.error()), (Some("a"), None));
    }

    #[test]
    fn a_repeated_parameter_is_known_for_one() {
        let challenge = Challenge::parse("Bearer error=a, ERROR=b, scope=c").pop().unwrap();
        assert_eq!((challenge.get("error"), challenge.get_once("error")), (Some("a"), None));
        assert_eq!(challenge.get_once("scope"), Some("c"));
    }

    #[test]
    fn a_text_in_quotes_that_belongs_to_nothing_is_skipped_whole() {
        assert_eq!(schemes("\"Basic realm=x, Digest\" , Bearer error=x"), ["Bearer"]);
    }

    #[test]
    fn the_challenge_that_says_where_tokens_come_from_is_first() {
        let of_reply = |values: &[&'static str]| {
            let values = values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_static(value)));
            Challenge::of_reply(&values.collect::<HeaderMap>()).map(|challenge| challenge.params)
        };
        let params = |value| Challenge::parse(value).pop().unwrap().params;
        for (values, expected) in [
            (&["Basic realm=x", "Bearer scope=a", "dpop scope=b"][..], Some("Bearer scope=a")),
            (
                &["bearer scope=a, DPoP resource_metadata=\"https://rs.example/m\""],
                Some("DPoP resource_metadata=\"https://rs.example/m\""),
            ),
            (&["Bearer resource_metadata=\"\", Bearer scope=b"], Some("Bearer resource_metadata=\"\"")),
            (&["Basic resource_metadata=\"https://rs.example/m\"", "Negotiate"], None),
            (&[], None),
        ] {
            assert_eq!(of_reply(values), expected.map(params), "{values:?}");
        }
    }

    #[test]
    fn scopes_that_are_not_named_are_not_an_empty_list() {
        for (value, scopes) in [
            ("Bearer scope=\" a  b \"", Some(vec!["a", "b"])),
            ("Bearer scope=\" \"", None),
            ("Bearer scope=\"\", error=\"\"", None),
            ("Bearer error=invalid_token", None),
        ] {
            assert_eq!(Challenge::parse(value)[0].scopes(), scopes, "{value}");
        }
        assert_eq!(Challenge::parse("Bearer error=\"\"")[0].error(), None);
    }
}
