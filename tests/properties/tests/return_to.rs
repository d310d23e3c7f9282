//! Where a sign-in returns to, and which site it thinks it is.

use oauth_core::{LoginAttempt, Sealer, SealingKey, http};
use oauth_web::{ForwardedHeaders, SignIn, SignInRequest};
use proptest::prelude::*;
use url::Url;

use crate::inputs::{Server, block_on, cases, client, mutated};

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

fn accepted(site: &str, wanted: &str) -> Option<String> {
    let wanted: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    let request = http::Request::builder().uri(format!("/auth/oauth2/login?return_to={wanted}"));
    let attempt = started(&sign_in().at(site).unwrap(), request)?;
    attempt.data()["return_to"].as_str().map(str::to_owned)
}

fn stays_on_the_site(wanted: &str) {
    for site in ["https://app.example", "http://127.0.0.1:3000/shop"] {
        let Some(accepted) = accepted(site, wanted) else { continue };
        let base = Url::parse(site).unwrap();
        let page = base.join("/auth/oauth2/callback").unwrap();
        for base in [base, page] {
            let target = base.join(&accepted).unwrap();
            assert_eq!(target.origin(), base.origin(), "{accepted:?}");
        }
    }
}

#[test]
fn no_changed_return_to_leads_to_another_site() {
    mutated(include_str!("../corpus/return_to.txt"), 1500, stays_on_the_site);
}

/// Pieces of which addresses are made that look like paths.
fn address() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("\\".to_owned()),
        Just("..".to_owned()),
        Just("%2e".to_owned()),
        Just("\t".to_owned()),
        Just(":".to_owned()),
        Just("@".to_owned()),
        Just("?".to_owned()),
        Just("https://app.example".to_owned()),
        Just("evil.example".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn no_made_up_return_to_leads_to_another_site(wanted in address()) {
        stays_on_the_site(&wanted);
        stays_on_the_site(&format!("/{wanted}"));
    }

    #[test]
    fn a_plain_path_is_returned_to(path in "/[a-z0-9]{1,20}(/[a-z0-9]{1,8}){0,3}(\\?[a-z]{1,5}=[a-z0-9%/]{0,9})?") {
        prop_assert_eq!(accepted("https://app.example", &path), Some(path));
    }

    #[test]
    fn whatever_a_proxy_says_the_redirect_uri_is_one_of_a_site(
        proto in prop_oneof![Just("https".to_owned()), Just("http".to_owned()), "[ -~]{0,12}"],
        host in prop_oneof!["[a-z0-9.:@/\\[\\]-]{0,24}", "[ -~]{0,24}"],
    ) {
        let of_proxy = [
            (ForwardedHeaders::XForwarded, "x-forwarded-proto", proto.clone()),
            (ForwardedHeaders::Forwarded, "forwarded", format!("proto={proto};host=\"{host}\"")),
        ];
        for (trusted, name, value) in of_proxy {
            let request = http::Request::builder().uri("/auth/oauth2/login").header(name, value);
            let request = request.header("x-forwarded-host", &host);
            let Some(attempt) = started(&sign_in().trusting(trusted), request) else { continue };
            let uri = Url::parse(attempt.redirect_uri()).unwrap();
            prop_assert!(matches!(uri.scheme(), "https" | "http"), "{}", uri);
            prop_assert_eq!(uri.path(), "/auth/oauth2/callback");
            prop_assert!(uri.username().is_empty() && uri.password().is_none(), "{}", uri);
            prop_assert!(uri.query().is_none() && uri.fragment().is_none(), "{}", uri);
        }
    }
}
