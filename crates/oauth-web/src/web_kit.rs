//! What a crate on top of this one is built with, such as an adapter for a framework or a backend for browser applications. Applications do not
//! need it.

use http::{HeaderMap, HeaderName, HeaderValue, Request, header, request::Parts};

use crate::{answer::AnswerHeaders, cookies, origin};

/// The head of a request, for a framework whose types are not those of the `http` crate. `None` if the address or one of the headers is not
/// valid.
///
/// `host` counts where no header has it: HTTP/2 has the host in the address, which a framework may keep to itself.
#[must_use]
pub fn request_head(
    method: &str,
    uri: &str,
    headers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
    host: Option<&str>,
) -> Option<Parts> {
    let mut head = Request::builder().method(method).uri(uri).body(()).ok()?.into_parts().0;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(value.as_ref()).ok()?);
    }
    if let Some(host) = host.filter(|_| !head.headers.contains_key(header::HOST)) {
        head.headers.insert(header::HOST, HeaderValue::from_str(host).ok()?);
    }
    Some(head)
}

/// All headers of a response after those of a sign-in were [applied](AnswerHeaders::apply), for a framework whose types are not those of the
/// `http` crate.
#[must_use]
pub fn applied(
    applied: AnswerHeaders,
    response: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
) -> HeaderMap {
    let mut all = HeaderMap::new();
    for (name, value) in response {
        // What is valid in one crate's types is so in the other's.
        let name = HeaderName::from_bytes(name.as_ref().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_ref())) {
            all.append(name, value);
        }
    }
    applied.apply(&mut all);
    all
}

/// Whether a request was sent by a page of this site, and not by one of another site in the same browser: by `Sec-Fetch-Site`, which no
/// page can set, and by `Origin` where a browser does not send it.
///
/// `site` is what [`SignIn::address`](crate::SignIn::address) returns.
#[must_use]
pub fn is_of_own_page(headers: &HeaderMap, site: &str) -> bool {
    origin::is_of_own_page(headers, site)
}

/// Returns the path of an address if it is on this site; `None` if browsers would go elsewhere, or if it is too long.
#[must_use]
pub fn return_to(wanted: &str, site: &str) -> Option<String> {
    origin::return_to(wanted, site).ok()
}

/// The names and values of a request's cookies, as the bytes that the browser sent. Compare names byte for byte: `__Host-` guarantees nothing
/// for a name that merely resembles it.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    cookies::pairs(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    const SITE: &str = "https://app.example/shop";

    #[test]
    fn a_head_is_complete_or_none() {
        let sent = [("Host", &b"app.example"[..]), ("x", b"1"), ("x", b"\xff")];
        let head = request_head("POST", "/auth/acme/link?x=1", sent, Some("evil.example")).unwrap();
        assert_eq!((head.method.as_str(), head.uri.query()), ("POST", Some("x=1")));
        assert_eq!(head.headers.get_all("host").iter().collect::<Vec<_>>(), ["app.example"]);
        assert_eq!(head.headers.get_all("x").iter().count(), 2);
        let head = request_head("GET", "/", [("x", &b"1"[..])], Some("app.example")).unwrap();
        assert_eq!(head.headers["host"], "app.example");
        for (uri, name, value, host) in [
            ("/a b", "x", "1", None),
            ("/", "x y", "1", None),
            ("/", "x", "1\n", None),
            ("/", "x", "1", Some("app.example\n")),
        ] {
            assert!(request_head("GET", uri, [(name, value)], host).is_none(), "{uri} {name} {value:?}");
        }
    }

    #[test]
    fn headers_of_a_response_stay_beside_those_of_a_sign_in() {
        let own = [("set-cookie", &b"a=1"[..]), ("set-cookie", b"b=\xff"), ("cache-control", b"public")];
        let all = applied(AnswerHeaders::private(), own);
        let cookies: Vec<_> = all.get_all("set-cookie").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(cookies, [&b"a=1"[..], b"b=\xff"]);
        assert_eq!(all.get_all("cache-control").iter().collect::<Vec<_>>(), ["no-store"]);
    }

    #[test]
    fn a_form_counts_as_own_if_the_browser_says_so() {
        for (headers, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "https://app.example")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "https://app.example")], true),
            (&[("origin", "https://app.example"), ("origin", "https://app.example")], false),
            (&[("origin", "https://app.example/shop")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ] {
            let request = request("POST", "/auth/acme/link", headers);
            assert_eq!(is_of_own_page(&request.headers, SITE), expected, "{headers:?}");
        }
    }

    #[test]
    fn an_address_of_another_site_is_not_returned_to() {
        for (wanted, path) in [
            ("/shop/cart", Some("/shop/cart")),
            ("https://app.example/shop/cart", Some("/shop/cart")),
            ("https://evil.example/shop/cart", None),
            ("//evil.example", None),
        ] {
            assert_eq!(return_to(wanted, SITE).as_deref(), path, "{wanted}");
        }
    }
}
