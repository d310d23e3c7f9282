//! What a server answers to a proof of possession (RFC 9449 section 8), and what is sent then.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Challenge, Provider,
    http::{HeaderValue, header::WWW_AUTHENTICATE},
    serde_json::{self, Map, Value},
};
use oauth_fapi::Dpop;

use crate::{
    server::{CLIENT_SECRET, Script, answer, block_on, client_at},
    shown::shows_none,
};

const CODE: &str = "the-code-81d2c3";

/// Longer ones are no nonces here.
const LONGEST: usize = 2048;

/// A status, a body, a challenge and nonces, with a tab between them: the first answer of a token endpoint. A request is sent once more
/// exactly if a nonce is asked for and can be sent; it has that one and no other, and so has the next request.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.split('\t');
    let (status, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let challenge = parts.next().unwrap_or_default();
    let nonces: Vec<_> = parts.filter(|nonce| HeaderValue::from_bytes(nonce.as_bytes()).is_ok()).collect();
    let headers = [("www-authenticate", challenge)].into_iter();
    let first = answer(status, headers.chain(nonces.iter().map(|nonce| ("dpop-nonce", *nonce))), body);
    let second = answer("200", [], r#"{"access_token":"AT","token_type":"DPoP"}"#);
    let (status, challenges) = (first.status().as_u16(), Challenge::all(first.headers()));
    assert!(first.headers().contains_key(WWW_AUTHENTICATE) || challenges.is_empty());
    let server = Script::new([first, second]);
    let client = client_at(server.clone()).with_participant(Dpop::generate().unwrap());
    let ask = || block_on(client.get_access_token(CODE, "https://app.example/cb", None, &[]));
    let outcome = ask();

    let sent: Vec<_> = server.sent().iter().map(|request| proof(request.headers())).collect();
    let nonce = match nonces[..] {
        [nonce] if is_nonce(nonce) => Some(nonce),
        _ => None,
    };
    let in_body = serde_json::from_str::<Value>(body).is_ok_and(|body| body["error"] == "use_dpop_nonce");
    // Of several challenges for DPoP, the first that names an error counts.
    let mut of_dpop = challenges.iter().filter(|challenge| challenge.scheme().eq_ignore_ascii_case("DPoP"));
    let in_challenge = of_dpop.find_map(|challenge| challenge.get("error")) == Some("use_dpop_nonce");
    let is_asked = matches!(status, 400 | 401) && (in_body || in_challenge);
    assert_eq!(sent.len(), if is_asked && nonce.is_some() { 2 } else { 1 }, "{status} {nonces:?}");
    for proof in &sent {
        assert_eq!((&proof["htm"], &proof["htu"]), (&"POST".into(), &"https://as.example/token".into()));
        assert!(!proof.contains_key("ath"));
    }
    assert!(!sent[0].contains_key("nonce"), "nobody has given one yet");
    if let Some(again) = sent.get(1) {
        assert_eq!(again["nonce"].as_str(), nonce);
        assert_ne!(again["jti"], sent[0]["jti"], "each proof is made once");
    }
    if let Err(error) = outcome {
        let shown = format!("{error} {error:?}");
        shows_none(&shown, [CODE, CLIENT_SECRET]);
        assert!(!shown.contains(['\n', '\r', '\u{202e}']), "{shown:?}");
    }
    // What a server gives with any answer is for the next request.
    let _ = ask();
    let next = proof(server.sent().last().unwrap().headers());
    assert_eq!(next.get("nonce").and_then(Value::as_str), nonce);
}

/// RFC 9449 section 8.1: `1*NQCHAR`.
fn is_nonce(text: &str) -> bool {
    let is_allowed = |byte| byte == 0x21 || (0x23..=0x5b).contains(&byte) || (0x5d..=0x7e).contains(&byte);
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_allowed)
}

/// The claims of the only proof of a request.
fn proof(headers: &oauth_core::http::HeaderMap) -> Map<String, Value> {
    let proofs: Vec<_> = headers.get_all("dpop").iter().collect();
    assert_eq!(proofs.len(), 1);
    let claims = proofs[0].to_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}
