//! Cookies that somebody else made.

use http_body_util::Full;
use oauth_core::{Sealer, SealingKey, bytes::Bytes, http};
use oauth_web::{SignIn, SignInRequest};
use proptest::prelude::*;

use crate::inputs::{Server, block_on, cases, client, mutated};

const SITE: &str = "https://app.example";

fn sign_in(key: u8, server: &Server) -> SignIn {
    let sealer = Sealer::new(SealingKey::from_bytes([key; 32]));
    SignIn::new(sealer).at(SITE).unwrap().provider(client(server)).unwrap()
}

/// The cookie of a sign-in that was started with this key, and its state.
fn started(key: u8) -> (String, String) {
    let parts = http::Request::builder().uri("/auth/oauth2/login").body(()).unwrap().into_parts().0;
    let answer = block_on(
        sign_in(key, &Server::new(500, "")).login(&SignInRequest::new(parts, [("provider", "oauth2")])),
    );
    let location = answer.result.unwrap().headers()["location"].to_str().unwrap().to_owned();
    let url = url::Url::parse(&location).unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let mut headers = http::HeaderMap::new();
    answer.headers.apply(&mut headers);
    let cookie = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    (cookie, state)
}

/// Whether a callback with this cookie gets as far as the token endpoint. That one refuses, so that no callback signs in.
fn is_accepted(cookie: &[u8], state: &str) -> bool {
    let server = Server::new(500, "");
    let request = http::Request::builder().uri(format!("/auth/oauth2/callback?code=CODE&state={state}"));
    let Ok(request) = request.header("cookie", cookie).body(()) else { return false };
    let request = SignInRequest::new(request.into_parts().0, [("provider", "oauth2")]);
    let body = Full::<Bytes>::default();
    let answer = block_on(sign_in(1, &server).callback(&request, body));
    assert!(answer.result.is_err());
    server.requests() > 0
}

#[test]
fn the_browsers_own_cookie_is_accepted_and_that_of_another_key_is_not() {
    let (cookie, state) = started(1);
    assert!(is_accepted(cookie.as_bytes(), &state));
    let (other, other_state) = started(2);
    assert!(!is_accepted(other.as_bytes(), &other_state));
    // The name of this sign-in with what was sealed for another one.
    let (name, _) = cookie.split_once('=').unwrap();
    let (theirs, _) = started(1);
    let (_, sealed) = theirs.split_once('=').unwrap();
    assert!(!is_accepted(format!("{name}={sealed}").as_bytes(), &state));
}

#[test]
fn a_changed_cookie_is_not_accepted() {
    let (cookie, state) = started(1);
    let mut changed_ones = 0;
    mutated(&cookie, 600, |changed| {
        if !changed.contains(&cookie) {
            changed_ones += 1;
            assert!(!is_accepted(changed.as_bytes(), &state), "{changed}");
        }
    });
    assert!(changed_ones > 300);
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_made_up_cookie_is_not_accepted(value in any::<Vec<u8>>(), sealed in "[A-Za-z0-9_-]{0,300}") {
        let (cookie, state) = started(1);
        let (name, _) = cookie.split_once('=').unwrap();
        prop_assert!(!is_accepted(&value, &state));
        let named = format!("{name}={sealed}");
        prop_assert!(!is_accepted(named.as_bytes(), &state));
    }
}
