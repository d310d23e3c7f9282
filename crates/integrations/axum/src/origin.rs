//! Under which address the browser sees this site.

use axum::{
    extract::OriginalUri,
    http::{HeaderMap, HeaderValue, header, request::Parts, uri::Authority},
};

use crate::error::SignInError;

/// Headers in which a proxy in front of the application says what the browser asked for.
///
/// Trust them only if the proxy sets them on every request, and nobody can reach the application without it: whoever sets
/// them chooses the redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeaders {
    /// `X-Forwarded-Proto` and `X-Forwarded-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Origin {
    /// Derived from the request's own `Host`.
    #[default]
    Host,
    /// Derived from a proxy's headers.
    Proxy(ForwardedHeaders),
    /// Configured: scheme, host, and where needed a path in front of what the application sees.
    Fixed(String),
}

impl Origin {
    /// A configured address. Whether it is https decides how cookies are named, so the scheme has one spelling.
    pub(crate) fn fixed(address: &str) -> Self {
        let address = address.trim_end_matches('/');
        Self::Fixed(match address.split_once("://") {
            Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
            None => address.to_owned(),
        })
    }

    /// Scheme, host and path prefix, without a slash at the end.
    pub(crate) fn of(&self, parts: &Parts) -> Result<String, SignInError> {
        // The lines of a header are one list (RFC 9110 section 5.3), and the nearest proxy may have added one to those that
        // came from outside.
        let text = |name: &str| parts.headers.get_all(name).iter().next_back()?.to_str().ok();
        // A request of HTTP/2 has the host in `:authority` instead (RFC 9113 section 8.3.1), which is part of its URI.
        let host = || text(header::HOST.as_str()).or(parts.uri.authority().map(Authority::as_str));
        let (scheme, host) = match self {
            Self::Fixed(origin) => return Ok(origin.clone()),
            Self::Host => (None, host()),
            Self::Proxy(ForwardedHeaders::XForwarded) => {
                (last(text("x-forwarded-proto")), last(text("x-forwarded-host")).or_else(host))
            }
            Self::Proxy(ForwardedHeaders::Forwarded) => {
                let element = last(text("forwarded")).unwrap_or_default();
                (parameter(element, "proto"), parameter(element, "host").or_else(host))
            }
        };
        let host = host.filter(|host| is_authority(host)).ok_or(SignInError::UnknownHost)?;
        match scheme.unwrap_or(if is_loopback(host) { "http" } else { "https" }) {
            scheme @ ("http" | "https") => Ok(format!("{scheme}://{host}")),
            _ => Err(SignInError::UnknownHost),
        }
    }
}

/// The redirect URI of the request's own route: `…/{provider}/callback`.
pub(crate) fn redirect_uri(origin: &Origin, parts: &Parts) -> Result<String, SignInError> {
    let path = parts.extensions.get::<OriginalUri>().map_or(parts.uri.path(), |original| original.path());
    let route = path.rsplit_once('/').map_or("", |(route, _)| route);
    Ok(format!("{}{route}/callback", origin.of(parts)?))
}

/// Whether a form was sent by a page of this site, and not by another one's in the same browser.
pub(crate) fn is_of_own_page(headers: &HeaderMap, site: &str) -> bool {
    let only = |name: &str| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none()).map(HeaderValue::as_bytes)
    };
    // No page can set this one (Fetch Metadata section 2.3). A sibling domain is `same-site`.
    match headers.contains_key("sec-fetch-site") {
        true => only("sec-fetch-site") == Some(b"same-origin"),
        // Browsers that do not have it yet, and plain http.
        false => only(header::ORIGIN.as_str()) == Some(origin_of(site).as_bytes()),
    }
}

/// Scheme and host of a site, without the path under which a proxy has it.
fn origin_of(site: &str) -> &str {
    let host = site.find("://").map_or(0, |at| at + 3);
    site[host..].find('/').map_or(site, |end| &site[..host + end])
}

/// Where to go after the login: a path of this site, or nothing.
///
/// Browsers read `//host` and `/\host` as another site, and drop tabs and line breaks before they look.
pub(crate) fn return_to(wanted: &str, origin: &str) -> Result<String, SignInError> {
    // The path under which a proxy has the site is part of the way there.
    let path = wanted.strip_prefix(origin_of(origin)).unwrap_or(wanted);
    let mut characters = path.chars();
    let is_path = characters.next() == Some('/') && !matches!(characters.next(), Some('/' | '\\'));
    let is_clean = !path.contains(|character: char| character.is_control() || character == '\\');
    if is_path && is_clean && path.len() <= 1024 { Ok(path.to_owned()) } else { Err(SignInError::ReturnTo) }
}

/// The last item of a list, which is what the nearest proxy wrote.
fn last(list: Option<&str>) -> Option<&str> {
    list?.rsplit(',').next().map(str::trim).filter(|item| !item.is_empty())
}

fn parameter<'h>(element: &'h str, name: &str) -> Option<&'h str> {
    element.split(';').find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim_matches('"'))
    })
}

fn is_authority(host: &str) -> bool {
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte))
        && host.parse::<Authority>().is_ok()
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn request(uri: &str, headers: &[(&'static str, &'static str)]) -> Parts {
        let request = headers
            .iter()
            .fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> Parts {
        request("/auth/acme/login", pairs)
    }

    #[test]
    fn a_site_is_derived_only_from_what_the_application_trusts() {
        let sent = headers(&[
            ("host", "app.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=1.2.3.4;host=evil.example;proto=http"),
        ]);
        assert_eq!(Origin::Host.of(&sent).unwrap(), "https://app.example");
        assert_eq!(Origin::Fixed("https://x.example".into()).of(&sent).unwrap(), "https://x.example");
        let proxy = Origin::Proxy(ForwardedHeaders::XForwarded);
        assert_eq!(proxy.of(&sent).unwrap(), "http://evil.example");
        let appended =
            headers(&[("x-forwarded-host", "evil.example, app.example"), ("x-forwarded-proto", "https")]);
        assert_eq!(proxy.of(&appended).unwrap(), "https://app.example");
        let added = headers(&[
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "app.example"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "host=evil.example;proto=http"),
            ("forwarded", "host=app.example;proto=https"),
        ]);
        for proxy in [ForwardedHeaders::XForwarded, ForwardedHeaders::Forwarded] {
            assert_eq!(Origin::Proxy(proxy).of(&added).unwrap(), "https://app.example");
        }
        let rfc = headers(&[(
            "forwarded",
            "host=evil.example, for=\"[::1]\";Host=\"app.example:8443\";proto=https",
        )]);
        assert_eq!(Origin::Proxy(ForwardedHeaders::Forwarded).of(&rfc).unwrap(), "https://app.example:8443");
        for local in ["localhost:3000", "127.0.0.1:3000", "[::1]:3000"] {
            assert_eq!(Origin::Host.of(&headers(&[("host", local)])).unwrap(), format!("http://{local}"));
        }
        for bad in [&[][..], &[("host", "a b")], &[("host", "a/b")], &[("host", "u@a")], &[("host", "")]] {
            assert!(Origin::Host.of(&headers(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_request_of_http_2_names_its_host_without_a_header() {
        let uri = "https://app.example/auth/acme/login";
        for origin in [Origin::Host, Origin::Proxy(ForwardedHeaders::XForwarded)] {
            let redirect_uri = redirect_uri(&origin, &request(uri, &[])).unwrap();
            assert_eq!(redirect_uri, "https://app.example/auth/acme/callback");
        }
        assert!(Origin::Host.of(&request("https://user@app.example/", &[])).is_err());
    }

    #[test]
    fn a_return_address_keeps_the_path_under_which_the_site_is() {
        let site = "https://app.example/shop";
        for (wanted, path) in [
            ("https://app.example/shop/cart", "/shop/cart"),
            ("/shop/cart", "/shop/cart"),
            ("https://app.example/", "/"),
        ] {
            assert_eq!(return_to(wanted, site).unwrap(), path);
        }
        for bad in ["https://app.example.evil.example/shop", "https://app.example//evil.example", "shop"] {
            assert!(return_to(bad, site).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_return_address_stays_on_this_site() {
        for good in ["/", "/cart?x=1#y", "/a//b", "https://app.example/cart"] {
            assert!(return_to(good, "https://app.example").is_ok(), "{good}");
        }
        for bad in [
            "",
            "cart",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "https://app.example.evil.example/",
            "https://app.example@evil.example/",
            "https://app.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n",
        ] {
            assert!(return_to(bad, "https://app.example").is_err(), "{bad:?}");
        }
    }
}
