//! A login that the provider begins.

use std::fmt;

use oauth_core::{Callback, LoginOptions, Provider};
use url::Url;

/// A request to begin a login, from the provider's own page of applications or a portal (OpenID Connect Core section 4).
///
/// ```
/// use oauth_openid::{InitiatedLogin, OpenID};
///
/// # fn f(client: OpenID) {
/// let asked = InitiatedLogin::from_query("iss=https%3A%2F%2Flogin.example.com&login_hint=ada");
/// if asked.is_for(&client) {
///     let options = asked.options();
///     // Start the login with these options, and keep `asked.target(&["https://app.example/"])` to go to afterwards.
/// }
/// # }
/// ```
///
/// The login starts afresh, with a state of its own: nothing that comes with the request is trusted. Refuse to be shown in a frame
/// (`X-Frame-Options: DENY`).
#[derive(Clone, PartialEq, Eq)]
pub struct InitiatedLogin {
    issuer: Option<String>,
    login_hint: Option<String>,
    target: Option<String>,
}

impl InitiatedLogin {
    /// Reads the query of a GET.
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        Self::of(&Callback::from_query(query))
    }

    /// Reads the form of a POST.
    #[must_use]
    pub fn from_form(body: &str) -> Self {
        Self::of(&Callback::from_form(body))
    }

    fn of(parameters: &Callback) -> Self {
        // A parameter that is there twice says nothing.
        let once = |name: &str| {
            let mut values = parameters.pairs().filter(|(other, _)| *other == name).map(|(_, value)| value);
            match (values.next(), values.next()) {
                (Some(value), None) if !value.is_empty() => Some(value.to_owned()),
                _ => None,
            }
        };
        Self { issuer: once("iss"), login_hint: once("login_hint"), target: once("target_link_uri") }
    }

    /// Whether it names this provider's issuer, byte for byte. Of a client that was given the URL of its document, the issuer is
    /// known once it is [ready](oauth_core::OAuth2::ready). A request for an issuer that the application has no client of
    /// must be refused.
    #[must_use]
    pub fn is_for(&self, provider: &dyn Provider) -> bool {
        self.issuer.is_some() && self.issuer.as_deref() == provider.oauth2().issuer()
    }

    /// Who is going to sign in, in the provider's words.
    #[must_use]
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }

    /// Where the user wants to go afterwards, unchecked: see [`target`](Self::target).
    #[must_use]
    pub fn target_link_uri(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Options with the hint of who is going to sign in.
    pub fn options(&self) -> LoginOptions {
        match &self.login_hint {
            Some(hint) => LoginOptions::new().login_hint(hint),
            None => LoginOptions::new(),
        }
    }

    /// Where the user wants to go afterwards, if that lies under one of these addresses: the same scheme, host and port, and a
    /// path that begins with theirs. Anything else would make an open redirect.
    #[must_use]
    pub fn target(&self, allowed: &[&str]) -> Option<&str> {
        let target = self.target.as_deref()?;
        // A browser, a header and the parser here read these in different ways.
        if target.contains(|character: char| character <= ' ' || character == '\u{7f}' || character == '\\') {
            return None;
        }
        let url = Url::parse(target)
            .ok()
            .filter(|url| target.starts_with(&format!("{}://", url.scheme())))
            .filter(|url| url.username().is_empty() && url.password().is_none())?;
        let lies_under = |base: &&str| {
            Url::parse(base).is_ok_and(|base| {
                let path = base.path();
                let below = url
                    .path()
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.is_empty() || path.ends_with('/') || rest.starts_with('/'));
                base.scheme() == url.scheme()
                    && base.host_str() == url.host_str()
                    && base.port_or_known_default() == url.port_or_known_default()
                    && below
            })
        };
        allowed.iter().any(lies_under).then_some(target)
    }
}

impl fmt::Debug for InitiatedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The hint is most often an address.
        f.debug_struct("InitiatedLogin").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenID;

    #[test]
    fn az_21_only_a_configured_issuer_and_an_allowed_target_count() {
        let client = OpenID::lazy("id", "secret", "https://op.example").unwrap();
        let of = InitiatedLogin::from_query;
        assert!(of("iss=https%3A%2F%2Fop.example").is_for(&client));
        for bad in [
            "",
            "iss=",
            "iss=https://op.example/",
            "iss=https://evil.example",
            "iss=https://op.example&iss=x",
        ] {
            assert!(!of(bad).is_for(&client), "{bad}");
        }
        let allowed = &["https://app.example/in", "https://other.example/"];
        let target = |target: &str| {
            let query: String = form_urlencoded(target);
            of(&query).target(allowed).is_some()
        };
        for good in ["https://app.example/in", "https://app.example/in/side?x=1", "https://other.example/a"] {
            assert!(target(good), "{good}");
        }
        for bad in [
            "https://evil.example/in",
            "https://app.example/inside",
            "https://app.example/",
            "http://app.example/in",
            "https://app.example:444/in",
            "https://app.example.evil.example/in",
            "https://app.example@evil.example/in",
            "https://user@app.example/in",
            "https://app.example/in/../out",
            "javascript:alert(1)",
            "//evil.example",
            "/in",
        ] {
            assert!(!target(bad), "{bad}");
        }
    }

    fn form_urlencoded(target: &str) -> String {
        oauth_core::provider_kit::form_encoded(&[("target_link_uri", target)])
    }

    #[test]
    fn az_21_a_hint_is_there_once_or_not_at_all() {
        let of = InitiatedLogin::from_query;
        let hint = of("login_hint=alice&target_link_uri=%2Fa");
        assert_eq!((hint.login_hint(), hint.target_link_uri()), (Some("alice"), Some("/a")));
        assert_eq!(InitiatedLogin::from_form("login_hint=alice").login_hint(), Some("alice"));
        for none in ["", "login_hint=", "login_hint=alice&login_hint=alice"] {
            assert_eq!(of(none).login_hint(), None, "{none}");
        }
        let shown = format!("{:?}", of("iss=https://op.example&login_hint=alice"));
        assert!(shown.contains("https://op.example") && !shown.contains("alice"), "{shown}");
    }
}
