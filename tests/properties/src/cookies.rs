//! Cookies that somebody else made.

use http_body_util::Full;
use oauth_core::{Sealer, SealingKey, bytes::Bytes, http};
use oauth_web::{SignIn, SignInRequest};

use crate::server::{Server, block_on, client};

const SITE: &str = "https://app.example";

fn sign_in(key: u8, server: &Server) -> SignIn {
    let sealer = Sealer::new(SealingKey::from_bytes([key; 32]));
    SignIn::new(sealer).at(SITE).unwrap().provider(client(server)).unwrap()
}

/// The cookie of a sign-in that was started with this key, and its state.
///
/// # Panics
///
/// If no sign-in can be started.
#[must_use]
pub fn started(key: u8) -> (String, String) {
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
///
/// # Panics
///
/// If it signs in.
#[must_use]
pub fn is_accepted(cookie: &[u8], state: &str) -> bool {
    let server = Server::new(500, "");
    let request = http::Request::builder().uri(format!("/auth/oauth2/callback?code=CODE&state={state}"));
    let Ok(request) = request.header("cookie", cookie).body(()) else { return false };
    let request = SignInRequest::new(request.into_parts().0, [("provider", "oauth2")]);
    let body = Full::<Bytes>::default();
    let answer = block_on(sign_in(1, &server).callback(&request, body));
    assert!(answer.result.is_err());
    server.requests() > 0
}

/// Where `$COOKIE` and `$SEALED` in the input become a good cookie and its value, no other change of it is accepted.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (cookie, state) = started(1);
    let (name, sealed) = cookie.split_once('=').unwrap();
    let given = text.replace("$COOKIE", &cookie).replace("$NAME", name).replace("$SEALED", sealed);
    if is_accepted(given.as_bytes(), &state) {
        // Browsers take these two off a name and a value, and no other white space.
        let trimmed = |text: &str| text.trim_matches([' ', '\t']).to_owned();
        let mut pairs = given.split(';').filter_map(|pair| pair.split_once('='));
        assert!(
            pairs.any(|pair| (trimmed(pair.0), trimmed(pair.1)) == (name.to_owned(), sealed.to_owned())),
            "{given}"
        );
    } else {
        assert_ne!(given, cookie);
    }
}
