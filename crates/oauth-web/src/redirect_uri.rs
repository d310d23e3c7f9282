//! A redirect URI that is registered, where it is not the address of the callback's route.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::origin::Origin;

const PROVIDER: &str = "{provider}";

/// What a browser leaves as it is in a segment of a path (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A redirect URI, with the place of the provider's name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedirectUri(String);

impl RedirectUri {
    pub(crate) fn new(uri: &str) -> Result<Self, &'static str> {
        let plain = uri.replacen(PROVIDER, "provider", 1);
        Origin::fixed(&plain)?;
        if plain.contains(['{', '}']) {
            return Err("it has braces that are not those of one {provider}");
        }
        if !path_of(uri).contains(PROVIDER) && uri.contains(PROVIDER) {
            return Err("it has {provider} in its host");
        }
        Ok(Self(uri.to_owned()))
    }

    /// The redirect URI of a provider.
    pub(crate) fn of(&self, provider: &str) -> String {
        self.0.replacen(PROVIDER, &utf8_percent_encode(provider, ENCODED).to_string(), 1)
    }

    /// The provider's name in the path of a request, as it is written there; empty where the redirect URI does not name it. `None` if the
    /// path is not that of the redirect URI.
    pub(crate) fn provider_in<'p>(&self, path: &'p str) -> Option<&'p str> {
        let own = path_of(&self.0);
        let Some((before, after)) = own.split_once(PROVIDER) else { return (path == own).then_some("") };
        let name = path.strip_prefix(before)?.strip_suffix(after)?;
        (!name.is_empty() && !name.contains('/')).then_some(name)
    }

    /// Whether the redirect URI names the provider.
    pub(crate) fn names_provider(&self) -> bool {
        self.0.contains(PROVIDER)
    }
}

fn path_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.find('/').map_or("/", |start| &rest[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_put_in_and_found_again() {
        let uri = RedirectUri::new("https://auth.example/r/{provider}/callback").unwrap();
        assert_eq!(uri.of("github"), "https://auth.example/r/github/callback");
        assert_eq!(uri.of("a/../b"), "https://auth.example/r/a%2F..%2Fb/callback");
        assert_eq!(uri.provider_in("/r/github/callback"), Some("github"));
        for path in ["/r//callback", "/r/a/b/callback", "/r/github/callbacks", "/github/callback", "/"] {
            assert_eq!(uri.provider_in(path), None, "{path}");
        }
        let one = RedirectUri::new("https://app.example/callback").unwrap();
        assert_eq!(
            (one.of("github"), one.provider_in("/callback")),
            ("https://app.example/callback".into(), Some(""))
        );
        assert_eq!(one.provider_in("/callback/"), None);
    }

    #[test]
    fn what_is_no_redirect_uri_is_refused() {
        for bad in [
            "",
            "/callback",
            "https://{provider}.example/callback",
            "https://a.example/{provider}/{provider}",
            "https://a.example/{tenant}/callback",
            "https://a.example/callback?x=1",
            "https://a.example/callback#x",
            "https://a.example/../callback",
            "https://u@a.example/callback",
            "ftp://a.example/callback",
        ] {
            assert!(RedirectUri::new(bad).is_err(), "{bad}");
        }
    }
}
