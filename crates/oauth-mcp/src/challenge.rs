//! The challenges of `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750 section 3).

use std::collections::BTreeMap;

use oauth_core::http::{HeaderMap, header::WWW_AUTHENTICATE};

/// One challenge of a `WWW-Authenticate` header: a scheme and its parameters.
///
/// All of it is text that a server chose: escape it before it enters a page or a terminal.
///
/// ```
/// use oauth_mcp::Challenge;
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
    params: BTreeMap<String, String>,
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
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
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
                    if let Some(challenge) = all.last_mut() {
                        challenge.add(word, value);
                    }
                    rest = behind;
                }
                None => {
                    all.push(Self { scheme: word.to_owned(), params: BTreeMap::new() });
                    rest = behind;
                }
            }
        }
    }

    fn add(&mut self, name: &str, value: String) {
        // The first counts: what comes behind it may have been put there by somebody else.
        self.params.entry(name.to_ascii_lowercase()).or_insert(value);
    }

    /// The scheme, as the server wrote it.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// A parameter's value, without its quotes. Names are compared without regard to case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.get(&name.to_ascii_lowercase()).map(String::as_str)
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

/// A parameter's value and what follows it. Without quotes, a URL is taken as well, which is no token but is sent all the same.
fn parameter_value(text: &str) -> (String, &str) {
    if let Some(text) = text.strip_prefix('"') {
        return quoted(text);
    }
    let end = text.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (value.to_owned(), rest)
}

/// The text up to the closing quote, with its escapes undone, and what follows it. Without a closing quote, all of it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}
