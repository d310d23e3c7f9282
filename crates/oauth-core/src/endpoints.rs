use std::borrow::Cow;

use crate::{
    error::{Error, Result},
    spec::Spec,
};

/// The URLs of one provider. All of them can be moved at once: see [`at`](Self::at) and [`map`](Self::map).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The authorization endpoint, to which the browser is sent.
    pub authorize: Cow<'static, str>,
    /// The token endpoint.
    pub token: Cow<'static, str>,
    /// Where tokens are refreshed.
    pub refresh: Option<Cow<'static, str>>,
    /// Where tokens are revoked.
    pub revoke: Option<Cow<'static, str>>,
    /// Where tokens are introspected.
    pub introspect: Option<Cow<'static, str>>,
    /// Where a device asks for a code.
    pub device_authorization: Option<Cow<'static, str>>,
    /// Where the user's profile is read.
    pub profile: Option<Cow<'static, str>>,
    /// Where the provider's keys stand.
    pub jwks: Option<Cow<'static, str>>,
    /// Where a browser is sent to sign out.
    pub end_session: Option<Cow<'static, str>>,
    /// Endpoints that only this provider has, by name.
    pub others: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl Endpoints {
    pub(crate) fn of(spec: &Spec) -> Self {
        Self {
            authorize: spec.authorize.into(),
            token: spec.token.into(),
            refresh: spec.refresh.map(Into::into),
            revoke: spec.revoke.map(Into::into),
            introspect: spec.introspect.map(Into::into),
            device_authorization: spec.device_authorization.map(Into::into),
            profile: spec.profile.map(Into::into),
            jwks: spec.jwks.map(Into::into),
            end_session: spec.end_session.map(Into::into),
            others: spec.others.iter().map(|&(name, url)| (name.into(), url.into())).collect(),
        }
    }

    /// The same paths and queries at another origin, such as `https://oauth-gateway.example` or
    /// `https://proxy.example/google`. A path in the origin stands in front of each endpoint's own.
    #[must_use]
    pub fn at(self, origin: &str) -> Self {
        let origin = origin.trim_end_matches('/');
        self.map(|url| {
            let path = &url[origin_of(url).len()..];
            format!("{origin}{path}")
        })
    }

    /// Each endpoint as the function gives it back. Those that are not known yet, because discovery is to find them, stay so.
    #[must_use]
    pub fn map(mut self, mut moved: impl FnMut(&str) -> String) -> Self {
        self.move_all(&mut moved);
        self
    }

    fn move_all(&mut self, moved: &mut dyn FnMut(&str) -> String) {
        for url in self.all_mut() {
            if !url.is_empty() {
                *url = moved(url).into();
            }
        }
    }

    /// Each endpoint below one base URL moved below another, such as `https://gitlab.com` to an installation's own.
    #[must_use]
    pub fn rebased(self, from: &str, to: &str) -> Self {
        self.map(|url| match url.strip_prefix(from) {
            // `https://github.community` does not stand below `https://github.com`.
            Some(path) if path.is_empty() || path.starts_with('/') => format!("{to}{path}"),
            _ => url.to_owned(),
        })
    }

    /// An endpoint that only this provider has.
    ///
    /// # Errors
    ///
    /// A configuration error when there is none of that name.
    pub fn other(&self, name: &str) -> Result<&str> {
        self.others
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, url)| &**url)
            .ok_or_else(|| Error::configuration("oauth2", format!("there is no endpoint named {name}")))
    }

    /// These endpoints, and for those that are not known the other's.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let known = |url: Cow<'static, str>, other| if url.is_empty() { other } else { url };
        let mut others = self.others;
        others.extend(other.others);
        Self {
            authorize: known(self.authorize, other.authorize),
            token: known(self.token, other.token),
            refresh: self.refresh.or(other.refresh),
            revoke: self.revoke.or(other.revoke),
            introspect: self.introspect.or(other.introspect),
            device_authorization: self.device_authorization.or(other.device_authorization),
            profile: self.profile.or(other.profile),
            jwks: self.jwks.or(other.jwks),
            end_session: self.end_session.or(other.end_session),
            others,
        }
    }

    /// All that are there.
    pub(crate) fn all(&self) -> Vec<&str> {
        let mut all = vec![&*self.authorize, &*self.token];
        for url in [
            &self.refresh,
            &self.revoke,
            &self.introspect,
            &self.device_authorization,
            &self.profile,
            &self.jwks,
            &self.end_session,
        ]
        .into_iter()
        .flatten()
        {
            all.push(url);
        }
        for (_, url) in &self.others {
            all.push(url);
        }
        all
    }

    /// The same, to be changed.
    fn all_mut(&mut self) -> Vec<&mut Cow<'static, str>> {
        let mut all = vec![&mut self.authorize, &mut self.token];
        for url in [
            &mut self.refresh,
            &mut self.revoke,
            &mut self.introspect,
            &mut self.device_authorization,
            &mut self.profile,
            &mut self.jwks,
            &mut self.end_session,
        ]
        .into_iter()
        .flatten()
        {
            all.push(url);
        }
        for (_, url) in &mut self.others {
            all.push(url);
        }
        all
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
            "the endpoint {} is plain http, which would show secrets to everybody on the way; use https",
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
/// default port, a fragment, or the slash that stands for an empty path (RFC 3986 section 6.2). A text that is no URL stays.
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

pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
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
    fn only_what_stands_below_a_base_url_moves_below_another() {
        let endpoints = Endpoints {
            authorize: "https://as.example/auth".into(),
            token: "https://as.example".into(),
            profile: Some("https://as.example.org/me".into()),
            ..Endpoints::default()
        };
        let moved = endpoints.rebased("https://as.example", "https://as.example.com/p");
        assert_eq!(moved.authorize, "https://as.example.com/p/auth");
        assert_eq!(moved.token, "https://as.example.com/p");
        assert_eq!(moved.profile.as_deref(), Some("https://as.example.org/me"));
    }

    #[test]
    fn all_endpoints_move_together() {
        let endpoints = Endpoints {
            authorize: "https://a.example/auth?x=1".into(),
            token: "https://b.example".into(),
            profile: Some("https://c.example/me".into()),
            others: vec![("emails".into(), "https://c.example/emails".into())],
            ..Endpoints::default()
        };
        let moved = endpoints.at("http://127.0.0.1:9/p/");
        assert_eq!(moved.authorize, "http://127.0.0.1:9/p/auth?x=1");
        assert_eq!(moved.token, "http://127.0.0.1:9/p");
        assert_eq!(moved.profile.as_deref(), Some("http://127.0.0.1:9/p/me"));
        assert_eq!(moved.other("emails").unwrap(), "http://127.0.0.1:9/p/emails");
    }
}
