//! The address under which the browser sees this site.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header, request::Parts, uri::Authority};

use crate::error::SignInErrorKind;

/// The most bytes that an address to return to may have: it travels in a cookie.
const MOST_BYTES_TO_RETURN: usize = 1024;

/// Headers in which a proxy in front of the application says what the browser asked for.
///
/// Trust them only if the proxy sets them on every request, and nobody can reach the application without it: whoever sets
/// them chooses the redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// The address of this site: scheme, host and path prefix, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SiteAddress {
    pub(crate) address: String,
    /// Whether nothing said that it is https.
    pub(crate) is_guessed: bool,
}

impl SiteAddress {
    pub(crate) fn is_https(&self) -> bool {
        self.address.starts_with("https://")
    }

    /// The address of the callback beside the request's own route: `…/{provider}/callback`.
    pub(crate) fn callback_url(&self, parts: &Parts) -> String {
        let route = parts.uri.path().rsplit_once('/').map_or("", |(route, _)| route);
        format!("{}{route}/callback", self.address)
    }
}

impl Origin {
    /// A configured address, spelt as browsers spell it: scheme and host in lower case, without the scheme's own port.
    pub(crate) fn fixed(address: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = address.split_once("://").ok_or("it has no scheme, such as https://")?;
        let scheme = scheme.to_ascii_lowercase();
        let own_port = match &*scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return Err("its scheme is neither https nor http"),
        };
        if rest.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err("it holds white space");
        }
        if rest.contains(['?', '#']) {
            return Err("it has a query or a fragment");
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.contains('@') {
            return Err("it has a user name");
        }
        if !is_authority(host) {
            return Err("its host is not one, or its port is not a number");
        }
        let path = path.trim_end_matches('/');
        if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            || path.starts_with("//")
            || has_dot_segment(path)
        {
            return Err("its path is not one that a browser would leave as it is");
        }
        let host = host.to_ascii_lowercase();
        Ok(Self::Fixed(format!("{scheme}://{}{path}", host.strip_suffix(own_port).unwrap_or(&host))))
    }

    pub(crate) fn of(&self, parts: &Parts) -> Result<SiteAddress, SignInErrorKind> {
        // The lines of a header are one list (RFC 9110 section 5.3), and the nearest proxy may have added one to those that
        // came from outside.
        let text = |name: &str| parts.headers.get_all(name).iter().next_back()?.to_str().ok();
        // A request of HTTP/2 has the host in `:authority` instead (RFC 9113 section 8.3.1), which is part of its URI.
        let host = || text(header::HOST.as_str()).or(parts.uri.authority().map(Authority::as_str));
        let (scheme, host) = match self {
            Self::Fixed(address) => return Ok(SiteAddress { address: address.clone(), is_guessed: false }),
            Self::Host => (None, host()),
            Self::Proxy(ForwardedHeaders::XForwarded) => {
                (last(text("x-forwarded-proto")), last(text("x-forwarded-host")).or_else(host))
            }
            Self::Proxy(ForwardedHeaders::Forwarded) => {
                let element = last(text("forwarded")).unwrap_or_default();
                (parameter(element, "proto"), parameter(element, "host").or_else(host))
            }
        };
        let host = host.filter(|host| is_authority(host)).ok_or(SignInErrorKind::UnknownHost)?;
        // A scheme is the same in any case (RFC 3986 section 3.1).
        let (scheme, is_guessed) = match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("https") => ("https", false),
            Some("http") => ("http", false),
            Some(_) => return Err(SignInErrorKind::UnknownHost),
            None if is_loopback(host) => ("http", false),
            None => ("https", true),
        };
        Ok(SiteAddress { address: format!("{scheme}://{host}"), is_guessed })
    }
}

/// Whether a form was sent by a page of this site, and not by one of another site in the same browser.
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

/// Whether two addresses have the same host, whatever their ports are: cookies do not know of ports.
pub(crate) fn have_same_host(one: &str, other: &str) -> bool {
    let host = |address: &str| {
        let authority =
            origin_of(address).split_once("://").map(|(_, authority)| authority.to_ascii_lowercase())?;
        authority.parse::<Authority>().ok().map(|authority| authority.host().to_owned())
    };
    host(one) == host(other)
}

/// Where to go after the login: a path of this site, or nothing.
///
/// Browsers read `//host` and `/\host` as another site, and drop tabs and line breaks before they look.
pub(crate) fn return_to(wanted: &str, origin: &str) -> Result<String, SignInErrorKind> {
    // The path under which a proxy has the site is part of the way there.
    let path = wanted.strip_prefix(origin_of(origin)).unwrap_or(wanted);
    if path.len() > MOST_BYTES_TO_RETURN {
        return Err(SignInErrorKind::ReturnToTooLong);
    }
    let mut characters = path.chars();
    let is_path = characters.next() == Some('/') && !matches!(characters.next(), Some('/' | '\\'));
    let is_clean = !path.contains(|character: char| character.is_control() || character == '\\');
    if is_path && is_clean && !has_dot_segment(path) {
        Ok(path.to_owned())
    } else {
        Err(SignInErrorKind::ReturnTo)
    }
}

/// Whether a path has a segment that browsers resolve, `.` or `..`, in whatever way it is written.
fn has_dot_segment(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    path.split('/').any(|segment| matches!(segment, "." | ".."))
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
        && host.parse::<Authority>().is_ok_and(|authority| {
            let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
            !authority.host().is_empty() && (port.is_empty() || authority.port_u16().is_some())
        })
}

/// Whether a site is reached over a network without https.
pub(crate) fn is_exposed(site: &str) -> bool {
    let parts = origin_of(site).split_once("://");
    parts.is_some_and(|(scheme, host)| scheme.eq_ignore_ascii_case("http") && !is_loopback(host))
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let host = host.to_ascii_lowercase();
    let name = host.strip_suffix('.').unwrap_or(&host);
    // RFC 6761 section 6.3: all names below `localhost` are this machine.
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(|address| match address {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => address.to_canonical().is_loopback(),
        })
}

#[cfg(test)]
mod tests {
    use http::Request;

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

    fn site(origin: &Origin, parts: &Parts) -> String {
        origin.of(parts).unwrap().address
    }

    #[test]
    fn a_configured_address_is_spelt_as_browsers_spell_it() {
        for (given, address) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example/", "https://app.example"),
            ("https://app.example:443/Shop/", "https://app.example/Shop"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            let Ok(Origin::Fixed(found)) = Origin::fixed(given) else { panic!("{given}") };
            assert_eq!(found, address, "{given}");
        }
        for bad in [
            "",
            "app.example",
            "//app.example",
            "https:/app.example",
            "ftp://app.example",
            "https://",
            "https:///shop",
            " https://app.example",
            "https://app.example ",
            "https://app .example",
            "https://ada@app.example",
            "https://ada:secret@app.example",
            "https://app.example?x=1",
            "https://app.example/shop?x=1",
            "https://app.example#x",
            "https://app.example/a/../b",
            "https://app.example/%2E%2e/b",
            "https://app.example//b",
            "https://app.example\\b",
            "https://app.example:port",
            "https://app.example:",
            "https://app.example:99999",
            "https://b\u{e4}nk.example",
            "https://:443",
            "https://app.example/a\\b",
            "https://app.example/b\u{e4}nk",
        ] {
            assert!(Origin::fixed(bad).is_err(), "{bad:?}");
        }
        for spaced in ["https://app .example", "https://app.example/a b", "https://app.example/\n"] {
            assert_eq!(Origin::fixed(spaced).err(), Some("it holds white space"), "{spaced:?}");
        }
    }

    #[test]
    fn the_scheme_that_a_proxy_names_may_be_in_any_case() {
        for (proxy, sent) in [
            (ForwardedHeaders::XForwarded, &[("host", "app.example"), ("x-forwarded-proto", "HTTPS")]),
            (ForwardedHeaders::Forwarded, &[("host", "app.example"), ("forwarded", "proto=Https")]),
        ] {
            let site = Origin::Proxy(proxy).of(&headers(sent)).unwrap();
            assert_eq!(site, SiteAddress { address: "https://app.example".to_owned(), is_guessed: false });
        }
        let other = headers(&[("host", "app.example"), ("x-forwarded-proto", "wss")]);
        assert!(Origin::Proxy(ForwardedHeaders::XForwarded).of(&other).is_err());
    }

    #[test]
    fn a_site_is_derived_only_from_what_the_application_trusts() {
        let sent = headers(&[
            ("host", "app.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=1.2.3.4;host=evil.example;proto=http"),
        ]);
        assert_eq!(site(&Origin::Host, &sent), "https://app.example");
        assert_eq!(site(&Origin::fixed("https://x.example").unwrap(), &sent), "https://x.example");
        let proxy = Origin::Proxy(ForwardedHeaders::XForwarded);
        assert_eq!(site(&proxy, &sent), "http://evil.example");
        let appended =
            headers(&[("x-forwarded-host", "evil.example, app.example"), ("x-forwarded-proto", "https")]);
        assert_eq!(site(&proxy, &appended), "https://app.example");
        let added = headers(&[
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "app.example"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "host=evil.example;proto=http"),
            ("forwarded", "host=app.example;proto=https"),
        ]);
        for proxy in [ForwardedHeaders::XForwarded, ForwardedHeaders::Forwarded] {
            assert_eq!(site(&Origin::Proxy(proxy), &added), "https://app.example");
        }
        let rfc = headers(&[(
            "forwarded",
            "host=evil.example, for=\"[::1]\";Host=\"app.example:8443\";proto=https",
        )]);
        assert_eq!(site(&Origin::Proxy(ForwardedHeaders::Forwarded), &rfc), "https://app.example:8443");
        for local in [
            "localhost:3000",
            "LOCALHOST:3000",
            "tenant.localhost:3000",
            "a.b.LocalHost",
            "localhost.",
            "127.0.0.1:3000",
            "127.1.2.3",
            "[::1]:3000",
            "[::ffff:127.0.0.1]:3000",
        ] {
            let site = Origin::Host.of(&headers(&[("host", local)])).unwrap();
            assert_eq!(site, SiteAddress { address: format!("http://{local}"), is_guessed: false });
        }
        for other in ["localhost.example", "notlocalhost", "[::ffff:8.8.8.8]", "10.0.0.1", "intranet:8080"] {
            let site = Origin::Host.of(&headers(&[("host", other)])).unwrap();
            assert_eq!(site, SiteAddress { address: format!("https://{other}"), is_guessed: true });
        }
        for bad in [
            &[][..],
            &[("host", "a b")],
            &[("host", "a/b")],
            &[("host", "u@a")],
            &[("host", "")],
            &[("host", "a:b")],
            &[("host", "a:")],
        ] {
            assert!(Origin::Host.of(&headers(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_request_of_http_2_names_its_host_without_a_header() {
        let uri = "https://app.example/auth/acme/login";
        for origin in [Origin::Host, Origin::Proxy(ForwardedHeaders::XForwarded)] {
            let request = request(uri, &[]);
            let redirect_uri = origin.of(&request).unwrap().callback_url(&request);
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
        for short in ["http://a", "http://a/shop", "https://a.b/shop"] {
            let wanted = format!("{}/cart", short.trim_end_matches("/shop"));
            assert_eq!(return_to(&wanted, short).unwrap(), "/cart", "{short}");
        }
        for bad in ["https://app.example.evil.example/shop", "https://app.example//evil.example", "shop"] {
            assert!(return_to(bad, site).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_return_address_stays_on_this_site() {
        for good in ["/", "/cart?x=1#y", "/a.b/..c", "/?x=/../y", "/a//b", "https://app.example/cart"] {
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
            "/./cart",
            "/a/../cart",
            "/..",
            "/%2e%2E/cart",
            "/a/.%2e?x=1",
            "/\t/evil.example",
            "/\n",
        ] {
            assert!(return_to(bad, "https://app.example").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_return_address_has_1024_bytes_at_most() {
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        for site in ["https://app.example", "http://127.0.0.1:3000/shop"] {
            let full = path(1024);
            assert_eq!(return_to(&full, site).unwrap(), full);
            assert_eq!(return_to(&format!("{}{full}", origin_of(site)), site).unwrap(), full);
            assert!(matches!(return_to(&path(1025), site), Err(SignInErrorKind::ReturnToTooLong)));
        }
    }

    #[test]
    fn a_host_is_the_same_at_any_port() {
        for (one, other, expected) in [
            ("https://app.example/r/callback", "https://app.example", true),
            ("https://app.example/r/callback", "https://App.example:8443/shop", true),
            ("http://[::1]:3000/callback", "http://[::1]", true),
            ("https://app.example/callback", "https://login.app.example", false),
            ("https://login.example/app.example", "https://app.example", false),
        ] {
            assert_eq!(have_same_host(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn plain_http_is_exposed_unless_it_stays_on_this_machine() {
        for (site, expected) in [
            ("http://app.example", true),
            ("HTTP://app.example/callback", true),
            ("http://10.0.0.1:3000", true),
            ("http://localhost.app.example", true),
            ("https://app.example", false),
            ("http://localhost:3000/callback", false),
            ("http://[::1]:3000", false),
        ] {
            assert_eq!(is_exposed(site), expected, "{site}");
        }
    }
}
