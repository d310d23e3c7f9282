//! The nonces that servers give (RFC 9449 sections 8 and 9).

use std::sync::{Mutex, PoisonError};

use oauth_core::{
    bytes::Bytes,
    http::{HeaderMap, Response},
};

use super::challenge::{ServerRole, asks_for_a_nonce};

/// The newest nonce of each server, for the servers that were asked last.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<Vec<KnownNonce>>);

#[derive(Debug)]
struct KnownNonce {
    role: ServerRole,
    origin: String,
    nonce: String,
}

/// How many servers are remembered.
const MOST: usize = 100;

/// Longer ones are nobody's, and would make headers that servers refuse.
const LONGEST: usize = 2048;

const HEADER: &str = "dpop-nonce";

/// What a reply says of nonces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NonceAnswer {
    /// The request counts as it was.
    Settled,
    /// The server wants a nonce, and has given this one.
    WantsNonce(String),
    /// The server wants a nonce, and has given none that can be sent.
    WantsNonceInVain,
}

impl Nonces {
    pub(crate) fn get(&self, role: ServerRole, origin: &str) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|known| known.is_of(role, origin)).map(|known| known.nonce.clone())
    }

    /// Remembers the nonce in a reply, whatever its status.
    pub(crate) fn note(&self, role: ServerRole, origin: &str, reply: &Response<Bytes>) -> NonceAnswer {
        let nonce = nonce_in(reply.headers());
        if let Some(nonce) = nonce {
            self.set(role, origin, nonce);
        }
        match (asks_for_a_nonce(role, reply), nonce) {
            (false, _) => NonceAnswer::Settled,
            (true, Some(nonce)) => NonceAnswer::WantsNonce(nonce.to_owned()),
            (true, None) => NonceAnswer::WantsNonceInVain,
        }
    }

    fn set(&self, role: ServerRole, origin: &str, nonce: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| !known.is_of(role, origin));
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push(KnownNonce { role, origin: origin.to_owned(), nonce: nonce.to_owned() });
    }
}

impl KnownNonce {
    fn is_of(&self, role: ServerRole, origin: &str) -> bool {
        self.role == role && self.origin == origin
    }
}

/// The one nonce in a reply, if it has the characters of one (section 8.1).
fn nonce_in(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(HEADER).iter();
    let (nonce, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let is_nonce = |byte: &u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    let is_valid = (1..=LONGEST).contains(&nonce.len()) && nonce.iter().all(is_nonce);
    std::str::from_utf8(nonce).ok().filter(|_| is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(nonce: &str) -> Response<Bytes> {
        Response::builder().header(HEADER, nonce).body(Bytes::new()).unwrap()
    }

    #[test]
    fn dp_06_nonces_are_kept_apart_replaced_and_bounded() {
        let (auth, resource) = (ServerRole::AuthorizationServer, ServerRole::ResourceServer);
        let nonces = Nonces::default();
        nonces.note(auth, "https://a", &reply("one"));
        nonces.note(resource, "https://a", &reply("two"));
        nonces.note(auth, "https://a:8443", &reply("three"));
        nonces.note(auth, "https://a", &reply("four"));
        assert_eq!(nonces.get(auth, "https://a").as_deref(), Some("four"));
        assert_eq!(nonces.get(resource, "https://a").as_deref(), Some("two"));
        assert_eq!(nonces.get(auth, "https://a:8443").as_deref(), Some("three"));
        assert_eq!(nonces.get(auth, "http://a"), None);
        for number in 0..3 * MOST {
            nonces.note(auth, &format!("https://{number}"), &reply("n"));
        }
        assert_eq!(nonces.0.lock().unwrap().len(), MOST);
        assert_eq!(nonces.get(auth, "https://a"), None);
        assert!(nonces.get(auth, "https://299").is_some());
    }

    #[test]
    fn dp_06_what_is_no_nonce_is_not_kept() {
        let nonces = Nonces::default();
        let long = "n".repeat(LONGEST + 1);
        for bad in ["", "a\"b", "a\\b", "a b", "a, b", &long] {
            nonces.note(ServerRole::AuthorizationServer, "https://a", &reply(bad));
            assert_eq!(nonces.get(ServerRole::AuthorizationServer, "https://a"), None, "{bad}");
        }
        let mut two = reply("one");
        two.headers_mut().append(HEADER, "two".parse().unwrap());
        nonces.note(ServerRole::AuthorizationServer, "https://a", &two);
        assert_eq!(nonces.get(ServerRole::AuthorizationServer, "https://a"), None);
    }
}
