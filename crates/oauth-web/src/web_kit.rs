//! What a crate on top of this one is built with, such as a backend for browser applications. Applications do not need it.

use http::HeaderMap;

use crate::{cookies, origin};

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
