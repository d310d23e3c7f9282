//! Token replies, error replies, and tokens as they are stored.

use std::time::Duration;

use oauth_core::{
    CodeVerifier, OAuth2Token,
    serde_json::{self, Value},
};

use crate::{
    server::{CLIENT_SECRET, Server, block_on, client},
    shown::shows_none,
};

const CODE: &str = "the-code-81d2c3";
const VERIFIER: &str = "the-code-verifier-that-has-at-least-43-characters";

/// Any stored token is read or refused; what is read is the same when it is stored and read again.
pub(crate) fn stored(input: &[u8]) {
    let token = match serde_json::from_slice::<OAuth2Token>(input) {
        Ok(token) => token,
        Err(error) => return shows_none(&error.to_string(), secrets(input).iter().map(String::as_str)),
    };
    // It is of one reply, and is not stored.
    if token.rejected_id_token().is_none() {
        round_trip(&token);
    }
}

fn round_trip(token: &OAuth2Token) {
    let _ = (token.is_expired(), token.expires_within(Duration::MAX), token.scopes());
    let own = [Some(token.access_token()), token.refresh_token(), token.id_token()];
    let shown = format!("{token:?}");
    // Names of members are shown, and so is the type, and may be the same text.
    let names = format!("{:?}", OAuth2Token::new(""));
    let is_name = |secret: &&str| {
        names.contains(secret)
            || token.others().keys().any(|name| name.contains(secret))
            || token.token_type().is_some_and(|kind| kind.contains(secret))
    };
    shows_none(&shown, own.into_iter().flatten().filter(|secret| !is_name(secret)));
    let stored = serde_json::to_string(token).unwrap();
    let again: OAuth2Token = serde_json::from_str(&stored).unwrap();
    assert!(again == *token, "{stored} is read as {}", serde_json::to_string(&again).unwrap());
}

/// The texts of a reply that are secrets by their names.
fn secrets(input: &[u8]) -> Vec<String> {
    let Ok(Value::Object(members)) = serde_json::from_slice(input) else { return Vec::new() };
    let of = |name: &str| members.get(name)?.as_str().map(str::to_owned);
    ["access_token", "refresh_token", "id_token", "client_secret"].into_iter().filter_map(of).collect()
}

/// A token reply is read or refused; the tokens are those of the reply, survive their storage, and are in no error.
pub(crate) fn token_reply(input: &[u8]) {
    let server = Server::new(200, input.to_vec());
    let verifier = CodeVerifier::new(VERIFIER).unwrap();
    let reply =
        block_on(client(&server).get_access_token(CODE, "https://app.example/cb", Some(&verifier), &[]));
    match reply {
        Ok(token) => {
            if token.rejected_id_token().is_none() {
                round_trip(&token);
            }
            let Ok(reply) = serde_json::from_slice::<Value>(input) else { return };
            assert_eq!(reply["access_token"].as_str(), Some(token.access_token()));
            let refresh_token = reply["refresh_token"].as_str().filter(|text| !text.is_empty());
            assert_eq!(refresh_token, token.refresh_token());
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            shows_none(&shown, [CODE, VERIFIER, CLIENT_SECRET]);
            let said = said(input);
            shows_none(
                &shown,
                secrets(input).iter().map(String::as_str).filter(|secret| !said.contains(*secret)),
            );
        }
    }
}

/// What a reply says openly: everything but its tokens.
fn said(input: &[u8]) -> String {
    let Ok(Value::Object(mut members)) = serde_json::from_slice(input) else { return String::new() };
    for name in ["access_token", "refresh_token", "id_token", "client_secret"] {
        members.remove(name);
    }
    Value::Object(members).to_string()
}

/// Whatever a server answers with an error, also with what it was sent, no error shows that. The first byte chooses the status; `$CODE`,
/// `$SECRET` and `$VERIFIER` become what was sent.
pub(crate) fn error_reply(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let status = [400, 401, 403, 404, 429, 500, 502, 200][usize::from(first % 8)];
    let body = String::from_utf8_lossy(body)
        .replace("$CODE", CODE)
        .replace("$SECRET", CLIENT_SECRET)
        .replace("$VERIFIER", VERIFIER);
    let server = Server::new(status, body.clone());
    let verifier = CodeVerifier::new(VERIFIER).unwrap();
    let reply =
        block_on(client(&server).get_access_token(CODE, "https://app.example/cb", Some(&verifier), &[]));
    let Err(error) = reply else { return assert_eq!(status, 200) };
    let shown = format!("{error} {error:?}");
    shows_none(&shown, [CODE, VERIFIER, CLIENT_SECRET]);
    assert!(!shown.contains(['\n', '\r', '\u{202e}']), "{shown:?}");
    let _ = (error.class(), error.oauth_error().map(|error| error.code.clone()), error.status());
}
