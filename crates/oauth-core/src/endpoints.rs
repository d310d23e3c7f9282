//! The URLs of one provider, by what they are for.

pub mod parameter;

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    error::{Error, Result},
    http_client::public_address::is_loopback,
};

/// What a URL of a provider is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The authorization endpoint, to which the browser is sent (RFC 6749 section 3.1).
    Authorization,
    /// The token endpoint (RFC 6749 section 3.2).
    Token,
    /// Where tokens are refreshed, which is the token endpoint for most; a provider without it has no refresh tokens.
    Refresh,
    /// Where tokens are revoked (RFC 7009).
    Revocation,
    /// Where tokens are introspected (RFC 7662).
    Introspection,
    /// The device authorization endpoint (RFC 8628).
    DeviceAuthorization,
    /// Where authorization requests are pushed (RFC 9126).
    PushedAuthorization,
    /// The backchannel authentication endpoint (OpenID Connect CIBA 1.0 section 7).
    BackchannelAuthentication,
    /// Where clients register (RFC 7591).
    Registration,
    /// Where the user's profile is read: UserInfo for OpenID Connect, else the provider's own API.
    Profile,
    /// The keys with which the provider signs (RFC 7517), for OpenID Connect without discovery.
    Jwks,
    /// Where a browser is sent to sign out (OpenID Connect RP-Initiated Logout 1.0).
    EndSession,
    /// An endpoint that only this provider has, by a name of its crate's choosing.
    Other(&'static str),
}

impl Endpoint {
    /// The member of a provider's metadata that has the URL (RFC 8414 section 2, OpenID Connect Discovery section 3).
    #[must_use]
    pub const fn metadata_name(self) -> Option<&'static str> {
        match self {
            Self::Authorization => Some("authorization_endpoint"),
            Self::Token | Self::Refresh => Some("token_endpoint"),
            Self::Revocation => Some("revocation_endpoint"),
            Self::Introspection => Some("introspection_endpoint"),
            Self::DeviceAuthorization => Some("device_authorization_endpoint"),
            Self::PushedAuthorization => Some("pushed_authorization_request_endpoint"),
            Self::BackchannelAuthentication => Some("backchannel_authentication_endpoint"),
            Self::Registration => Some("registration_endpoint"),
            Self::Profile => Some("userinfo_endpoint"),
            Self::Jwks => Some("jwks_uri"),
            Self::EndSession => Some("end_session_endpoint"),
            Self::Other(_) => None,
        }
    }
}

/// The URLs of one provider. All of them can be moved at once: see [`at`](Self::at) and [`map`](Self::map).
///
/// ```
/// use oauth_core::{Endpoint, Endpoints};
///
/// let endpoints = Endpoints::from_iter([(Endpoint::Token, "https://as.example/token")]);
/// assert_eq!(endpoints.at("https://gateway.example").get(Endpoint::Token), Some("https://gateway.example/token"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints(BTreeMap<Endpoint, Cow<'static, str>>);

impl Endpoints {
    /// The URL of an endpoint, if it is known.
    #[must_use]
    pub fn get(&self, endpoint: Endpoint) -> Option<&str> {
        self.0.get(&endpoint).map(|url| &**url)
    }

    /// The URL of the token endpoint; empty until it is known, which for a client with discovery is when it is ready.
    #[must_use]
    pub fn token(&self) -> &str {
        self.get(Endpoint::Token).unwrap_or_default()
    }

    /// The URL of the authorization endpoint; empty until it is known.
    #[must_use]
    pub fn authorization(&self) -> &str {
        self.get(Endpoint::Authorization).unwrap_or_default()
    }

    /// The URL of an endpoint that only this provider has.
    ///
    /// # Errors
    ///
    /// A configuration error when there is none of that name.
    pub fn other(&self, name: &'static str) -> Result<&str> {
        self.get(Endpoint::Other(name))
            .ok_or_else(|| Error::configuration("oauth2", format!("there is no endpoint named {name}")))
    }

    /// Adds an endpoint, or replaces its URL.
    #[must_use]
    pub fn with(mut self, endpoint: Endpoint, url: impl Into<Cow<'static, str>>) -> Self {
        self.set(endpoint, url);
        self
    }

    /// Removes an endpoint.
    #[must_use]
    pub fn without(mut self, endpoint: Endpoint) -> Self {
        self.0.remove(&endpoint);
        self
    }

    pub(crate) fn set(&mut self, endpoint: Endpoint, url: impl Into<Cow<'static, str>>) {
        self.0.insert(endpoint, url.into());
    }

    /// Moves every endpoint to another origin, such as `https://oauth-gateway.example` or `https://proxy.example/google`, and keeps its
    /// path and query. A path in the origin comes before each endpoint's own.
    #[must_use]
    pub fn at(self, origin: &str) -> Self {
        let origin = origin.trim_end_matches('/');
        self.map(|url| {
            let path = &url[origin_of(url).len()..];
            format!("{origin}{path}")
        })
    }

    /// Replaces each endpoint's URL with what the function makes of it. Endpoints that discovery has yet to find are left out.
    #[must_use]
    pub fn map(self, mut moved: impl FnMut(&str) -> String) -> Self {
        Self(self.0.into_iter().map(|(endpoint, url)| (endpoint, moved(&url).into())).collect())
    }

    /// Moves each endpoint below one base URL to another one, such as from `https://gitlab.com` to an installation's own.
    #[must_use]
    pub fn rebased(self, from: &str, to: &str) -> Self {
        self.map(|url| match url.strip_prefix(from) {
            // `https://github.community` is not below `https://github.com`.
            Some(path) if path.is_empty() || path.starts_with('/') => format!("{to}{path}"),
            _ => url.to_owned(),
        })
    }

    /// Adds the endpoints of another set that are not known in this one.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (endpoint, url) in other.0 {
            self.0.entry(endpoint).or_insert(url);
        }
        self
    }

    /// Every endpoint that is known, with its URL.
    pub fn iter(&self) -> impl Iterator<Item = (Endpoint, &str)> {
        self.0.iter().map(|(&endpoint, url)| (endpoint, &**url))
    }
}

impl<U: Into<Cow<'static, str>>> FromIterator<(Endpoint, U)> for Endpoints {
    fn from_iter<I: IntoIterator<Item = (Endpoint, U)>>(endpoints: I) -> Self {
        Self(endpoints.into_iter().map(|(endpoint, url)| (endpoint, url.into())).collect())
    }
}

/// The URL, if a credential may be sent there.
///
/// # Errors
///
/// What is wrong with it: not https (unless the host is this machine, or plain http was allowed), a fragment, user
/// information, no host, or a parameter that nobody filled in.
pub(crate) fn check_url(url: &str, allow_http: bool) -> Result<http::Uri, String> {
    // A provider's metadata can be long, and an error is one line.
    let shown = || url.split(['?', '#']).next().unwrap_or_default().chars().take(200).collect::<String>();
    // One look for what hardly any URL has.
    if url.bytes().any(|byte| matches!(byte, b'{' | b'@' | b'#')) {
        if let Some(parameter) = shown().split('{').nth(1).and_then(|rest| rest.split('}').next()) {
            return Err(format!("the parameter {{{parameter}}} of {} was never set", shown()));
        }
        if origin_of(url).contains('@') {
            return Err("an endpoint has an @ in it, as user information in front of its host has".to_owned());
        }
        if url.contains('#') {
            let problem = "has a fragment (RFC 6749 section 3.1 forbids it)";
            return Err(format!("the endpoint {} {problem}", shown()));
        }
    }
    let uri: http::Uri =
        url.parse().map_err(|_| format!("the endpoint {:?} is not an absolute URL", shown()))?;
    let host = uri.host().unwrap_or_default();
    if host.is_empty() {
        return Err(format!("the endpoint {:?} has no host", shown()));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if allow_http || is_loopback(host) => Ok(uri),
        Some("http") => Err(format!(
            "the endpoint {} is plain http, which would show secrets to everybody on the way; use https, or, in a test network, \
             dangerously_allow_plain_http",
            shown()
        )),
        _ => Err(format!("the endpoint {:?} is not an https URL", shown())),
    }
}

/// Scheme, host and port of a URL.
pub(crate) fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// A URL in the one spelling by which two can be compared: scheme and host in lower case, without a dot at the host's end, a
/// default port, a fragment, or the slash of an empty path (RFC 3986 section 6.2). A text that is not a URL stays.
pub(crate) fn normalized(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return text.to_owned() };
    url.set_fragment(None);
    if let Some(host) = url.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
        // What cannot be a host without its dot keeps it.
        let _ = url.set_host(Some(&host));
    }
    match (url.path(), url.query()) {
        ("/", None) => url.as_str().trim_end_matches('/').to_owned(),
        _ => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in
            ["https://as.example/token", "http://127.0.0.1:8080/t", "http://localhost/t", "http://[::1]:1/t"]
        {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://as.example/token",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "https://as.example/token#f",
            "https://as.example/{tenant}/token",
            "https://user@as.example/token",
            "ftp://as.example/",
            "/token",
            "",
            "https://",
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
        assert!(check_url("http://as.example/token", true).is_ok());
    }

    #[test]
    fn two_spellings_of_one_url_are_one() {
        for (spelling, normal) in [
            ("https://as.example", "https://as.example"),
            ("HTTPS://AS.Example:443/", "https://as.example"),
            ("https://as.example.:443/Tenant/token#x", "https://as.example/Tenant/token"),
            ("http://[::1]:80/t?p=A", "http://[::1]/t?p=A"),
            ("https://as.example:8443/a/../b", "https://as.example:8443/b"),
            ("no URL", "no URL"),
            ("", ""),
        ] {
            assert_eq!(normalized(spelling), normal);
        }
    }

    #[test]
    fn only_what_is_below_a_base_url_moves_below_another() {
        let endpoints = Endpoints::from_iter([
            (Endpoint::Authorization, "https://as.example/auth"),
            (Endpoint::Token, "https://as.example"),
            (Endpoint::Profile, "https://as.example.org/me"),
        ]);
        let moved = endpoints.rebased("https://as.example", "https://as.example.com/p");
        assert_eq!(moved.authorization(), "https://as.example.com/p/auth");
        assert_eq!(moved.token(), "https://as.example.com/p");
        assert_eq!(moved.get(Endpoint::Profile), Some("https://as.example.org/me"));
    }

    #[test]
    fn all_endpoints_move_together() {
        let endpoints = Endpoints::from_iter([
            (Endpoint::Authorization, "https://a.example/auth?x=1"),
            (Endpoint::Token, "https://b.example"),
            (Endpoint::Profile, "https://c.example/me"),
            (Endpoint::Other("emails"), "https://c.example/emails"),
        ]);
        let moved = endpoints.at("http://127.0.0.1:9/p/");
        assert_eq!(moved.authorization(), "http://127.0.0.1:9/p/auth?x=1");
        assert_eq!(moved.token(), "http://127.0.0.1:9/p");
        assert_eq!(moved.get(Endpoint::Profile), Some("http://127.0.0.1:9/p/me"));
        assert_eq!(moved.other("emails").unwrap(), "http://127.0.0.1:9/p/emails");
    }

    #[test]
    fn an_origin_ends_where_the_path_or_the_query_begins() {
        for (url, origin) in [
            ("https://as.example", "https://as.example"),
            ("https://as.example:8443/realms/x", "https://as.example:8443"),
            ("https://a.b/c/d", "https://a.b"),
            ("https://as.example?next=https://evil.example/", "https://as.example"),
            ("as.example/path", "as.example"),
            ("/path", ""),
        ] {
            assert_eq!(origin_of(url), origin, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_endpoint_is_said_without_its_query() {
        for (url, problem) in [
            (
                "http://as.example/token?key=SECRET",
                "the endpoint http://as.example/token is plain http, which",
            ),
            ("ftp://as.example/token?key=SECRET", "is not an https URL"),
            ("https://as.example/token?key=SECRET#f", "the endpoint https://as.example/token has a fragment"),
            ("https://SECRET@as.example/token", "an endpoint has an @ in it"),
            (
                "https://as.example/{tenant}/token",
                "the parameter {tenant} of https://as.example/{tenant}/token was never set",
            ),
            ("token?key=SECRET", "is not an absolute URL"),
        ] {
            let found = check_url(url, false).unwrap_err();
            assert!(found.contains(problem) && !found.contains("SECRET"), "{url}: {found}");
        }
        // An @ behind the host is nobody's password.
        assert!(check_url("https://as.example/@tenant/token", false).is_ok());
    }

    #[test]
    fn an_endpoint_that_is_set_again_replaces_the_first() {
        let mut endpoints = Endpoints::from_iter([(Endpoint::Token, "https://a.example/token")]);
        endpoints.set(Endpoint::Token, "https://b.example/token");
        endpoints.set(Endpoint::Other("emails"), "https://b.example/emails");
        assert_eq!(endpoints.token(), "https://b.example/token");
        assert_eq!(endpoints.other("emails").unwrap(), "https://b.example/emails");
    }
}
