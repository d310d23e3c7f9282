//! Where a sign-in returns to, and which site it thinks it is.

use oauth_core::{LoginAttempt, Sealer, SealingKey, http};
use oauth_web::{ForwardedHeaders, SignIn, SignInRequest};
use url::Url;

use crate::server::{Server, block_on, client};

fn sealer() -> Sealer {
    Sealer::new(SealingKey::from_bytes([7; 32]))
}

/// Starts a sign-in; what its cookie holds, if it is accepted.
fn started(sign_in: &SignIn, request: http::request::Builder) -> Option<LoginAttempt> {
    let parts = request.body(()).ok()?.into_parts().0;
    let answer = block_on(sign_in.login(&SignInRequest::new(parts, [("provider", "oauth2")])));
    answer.result.ok()?;
    let mut headers = http::HeaderMap::new();
    answer.headers.apply(&mut headers);
    let cookie = headers.get("set-cookie").unwrap().to_str().unwrap();
    let sealed = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
    Some(sealer().open_any(sealed).unwrap())
}

fn sign_in() -> SignIn {
    SignIn::new(sealer()).provider(client(&Server::new(500, ""))).unwrap()
}

/// The `return_to` that a site keeps of the one that somebody wanted.
///
/// # Panics
///
/// If the site is none.
#[must_use]
pub fn accepted_return_to(site: &str, wanted: &str) -> Option<String> {
    let wanted: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    let request = http::Request::builder().uri(format!("/auth/oauth2/login?return_to={wanted}"));
    let attempt = started(&sign_in().at(site).unwrap(), request)?;
    attempt.data()["return_to"].as_str().map(str::to_owned)
}

/// Whatever is wanted, the browser stays on the site.
pub(crate) fn return_to(input: &[u8]) {
    let wanted = &*String::from_utf8_lossy(input);
    for site in ["https://app.example", "http://127.0.0.1:3000/shop"] {
        let Some(accepted) = accepted_return_to(site, wanted) else { continue };
        let base = Url::parse(site).unwrap();
        let page = base.join("/auth/oauth2/callback").unwrap();
        for base in [base, page] {
            let target = base.join(&accepted).unwrap();
            assert_eq!(target.origin(), base.origin(), "{accepted:?}");
        }
        // What was accepted is accepted again, or a second sign-in would end elsewhere than the first.
        assert_eq!(accepted_return_to(site, &accepted).as_ref(), Some(&accepted));
    }
}

/// The redirect URI of a sign-in behind a proxy that sends these headers.
#[must_use]
pub fn redirect_uri_behind_proxy(trusted: ForwardedHeaders, headers: &[(&str, &str)]) -> Option<String> {
    let request = http::Request::builder().uri("/auth/oauth2/login");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let attempt = started(&sign_in().trusting(trusted), request)?;
    Some(attempt.redirect_uri().to_owned())
}

/// Whatever a proxy says, the redirect URI is one of a site, and has nothing but an origin of what the proxy said.
pub(crate) fn proxy(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    let (proto, host) = text.split_once(' ').unwrap_or(("https", text));
    let forwarded = format!("proto={proto};host=\"{host}\"");
    for (trusted, headers) in [
        (
            ForwardedHeaders::XForwarded,
            &[("x-forwarded-proto", proto), ("x-forwarded-host", host), ("host", "app.example")][..],
        ),
        (ForwardedHeaders::Forwarded, &[("forwarded", &*forwarded), ("host", "app.example")]),
        (ForwardedHeaders::Forwarded, &[("forwarded", text), ("host", "app.example")]),
    ] {
        let Some(uri) = redirect_uri_behind_proxy(trusted, headers) else { continue };
        let uri = Url::parse(&uri).unwrap();
        assert!(matches!(uri.scheme(), "https" | "http"), "{uri}");
        assert_eq!(uri.path(), "/auth/oauth2/callback");
        assert!(uri.username().is_empty() && uri.password().is_none(), "{uri}");
        assert!(uri.query().is_none() && uri.fragment().is_none(), "{uri}");
    }
}
