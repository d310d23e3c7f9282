//! Which redirect URIs a provider refuses to register, and so refuses in a request.

use serde::Deserialize;
use url::{Host, Url};

/// The field `redirect_uris` of a provider's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RedirectUris {
    /// No source says.
    #[default]
    Any,
    /// https on its usual port, and nothing on this machine.
    HttpsOnly,
    /// https, or http on this machine.
    HttpsOrLocalhost,
    /// https with a public name and no address, or anything on this machine.
    PublicOrLocalhost,
}

/// Says why a provider of this rule refuses a redirect URI, if it does.
pub(crate) fn check(rule: RedirectUris, text: &str, uri: &Url) -> Result<(), String> {
    let is_https = uri.scheme() == "https";
    let problem = match rule {
        RedirectUris::Any => return Ok(()),
        // Applications on a phone or a desktop have a scheme of their own, which no rule of this file is about.
        _ if !["http", "https"].contains(&uri.scheme()) => return Ok(()),
        RedirectUris::HttpsOnly if !is_https => "is not https",
        RedirectUris::HttpsOnly if is_this_machine(uri) => "is on this machine",
        RedirectUris::HttpsOnly if uri.port().is_some() => "has a port",
        RedirectUris::HttpsOrLocalhost | RedirectUris::PublicOrLocalhost
            if !is_https && !is_this_machine(uri) =>
        {
            "is plain http"
        }
        RedirectUris::PublicOrLocalhost if !is_this_machine(uri) && !has_public_name(uri) => {
            "has no public domain"
        }
        RedirectUris::PublicOrLocalhost if !uri.username().is_empty() || uri.password().is_some() => {
            "has a user name"
        }
        // Looked for in the text, because a parsed URL has none left.
        RedirectUris::PublicOrLocalhost if text.split(['/', '\\', '?']).any(|segment| segment == "..") => {
            "has a dot segment"
        }
        _ => return Ok(()),
    };
    Err(format!("{text:?} {problem}, which this provider refuses."))
}

fn is_this_machine(uri: &Url) -> bool {
    match uri.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether the host is a name that can be one of the public internet's. The names of documentation (`.example`) count, because tests
/// use them.
fn has_public_name(uri: &Url) -> bool {
    const PRIVATE: &[&str] = &[
        "local",
        "localdomain",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "svc",
        "test",
        "invalid",
        "arpa",
        "localhost",
    ];
    match uri.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name.rsplit_once('.').is_some_and(|(_, top)| !PRIVATE.contains(&top))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(rule: RedirectUris, uri: &str) -> bool {
        check(rule, uri, &Url::parse(uri).unwrap()).is_ok()
    }

    #[test]
    fn each_rule_refuses_what_the_services_refuse() {
        use RedirectUris::{Any, HttpsOnly, HttpsOrLocalhost, PublicOrLocalhost};
        for (uri, accepted_by) in [
            ("https://app.example/cb", &[Any, HttpsOnly, HttpsOrLocalhost, PublicOrLocalhost][..]),
            ("https://app.example:8443/cb", &[Any, HttpsOrLocalhost, PublicOrLocalhost]),
            ("http://app.example/cb", &[Any]),
            ("http://localhost:3000/cb", &[Any, HttpsOrLocalhost, PublicOrLocalhost]),
            ("http://127.0.0.1:3000/cb", &[Any, HttpsOrLocalhost, PublicOrLocalhost]),
            ("http://[::1]:3000/cb", &[Any, HttpsOrLocalhost, PublicOrLocalhost]),
            ("https://localhost/cb", &[Any, HttpsOrLocalhost, PublicOrLocalhost]),
            ("http://localhost.example/cb", &[Any]),
            ("https://192.168.1.7/cb", &[Any, HttpsOnly, HttpsOrLocalhost]),
            ("https://203.0.113.7/cb", &[Any, HttpsOnly, HttpsOrLocalhost]),
            ("https://intranet/cb", &[Any, HttpsOnly, HttpsOrLocalhost]),
            ("https://build.corp/cb", &[Any, HttpsOnly, HttpsOrLocalhost]),
            ("https://app.example/a/../cb", &[Any, HttpsOnly, HttpsOrLocalhost]),
            ("https://user@app.example/cb", &[Any, HttpsOnly, HttpsOrLocalhost]),
            ("com.example.app:/cb", &[Any, HttpsOnly, HttpsOrLocalhost, PublicOrLocalhost]),
        ] {
            for rule in [Any, HttpsOnly, HttpsOrLocalhost, PublicOrLocalhost] {
                assert_eq!(accepts(rule, uri), accepted_by.contains(&rule), "{rule:?} {uri}");
            }
        }
    }
}
