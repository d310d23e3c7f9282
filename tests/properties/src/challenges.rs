//! `WWW-Authenticate`, which any server on the way can write.

use oauth_core::{Challenge, http::HeaderValue};

use crate::{
    server::{CLIENT_SECRET, Server, block_on, client},
    shown::shows_none,
};

/// Nothing that is read is longer than what it was read from; a good challenge behind it is found; and no error shows a secret.
pub(crate) fn check(input: &[u8]) {
    let value = &*String::from_utf8_lossy(input);
    let read = Challenge::parse(value);
    for challenge in &read {
        assert!(!challenge.scheme().is_empty());
        assert!(value.contains(challenge.scheme()));
        for name in ["realm", "scope", "error", "resource_metadata"] {
            assert!(challenge.get(name).is_none_or(|found| found.len() <= value.len()));
            assert!(challenge.get_once(name).is_none_or(|once| challenge.get(name) == Some(once)));
        }
        assert_ne!(challenge.scopes(), Some(Vec::new()));
    }
    // Quotes that are never closed hold whatever follows.
    if !value.contains(['"', '\\']) {
        let mut with_more = Challenge::parse(&format!("{value}, Bearer error=\"invalid_token\""));
        let last = with_more.pop().unwrap();
        assert_eq!((last.scheme(), last.error()), ("Bearer", Some("invalid_token")), "{value}");
        assert_eq!(with_more.len(), read.len(), "{value}");
    }
    let Ok(header) = HeaderValue::from_bytes(input) else { return };
    let server = Server::new(401, "").challenging(header);
    let error = block_on(client(&server).get_profile("the-access-token")).unwrap_err();
    shows_none(&format!("{error} {error:?}"), [CLIENT_SECRET, "the-access-token"]);
}
