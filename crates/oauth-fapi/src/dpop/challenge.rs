//! What servers answer to a proof that they do not accept (RFC 9449 sections 7.1, 8 and 9).

use oauth_core::{
    Challenge,
    bytes::Bytes,
    http::{Response, StatusCode},
};
use serde_json::Value;

/// Whose nonce it is: an origin can be an authorization server and a resource server at once, and each has nonces of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerRole {
    AuthorizationServer,
    ResourceServer,
}

const USE_DPOP_NONCE: &str = "use_dpop_nonce";

/// Larger bodies are not error replies.
const MOST_OF_AN_ERROR: usize = 64 * 1024;

/// Whether a server refused a request because its proof lacked a nonce, or had an old one.
pub(crate) fn asks_for_a_nonce(role: ServerRole, reply: &Response<Bytes>) -> bool {
    if !matches!(reply.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
        return false;
    }
    let in_challenge = || dpop_parameter(reply, "error").as_deref() == Some(USE_DPOP_NONCE);
    match role {
        ServerRole::AuthorizationServer => {
            error_in_body(reply).as_deref() == Some(USE_DPOP_NONCE) || in_challenge()
        }
        // UserInfo of some servers says it in the body alone. Of an application's own request only the head is here.
        ServerRole::ResourceServer => {
            in_challenge() || error_in_body(reply).as_deref() == Some(USE_DPOP_NONCE)
        }
    }
}

/// A parameter of the challenge with the scheme `DPoP`, which may be one of several, in one header or in more.
pub(crate) fn dpop_parameter(reply: &Response<Bytes>, name: &str) -> Option<String> {
    Challenge::all(reply.headers())
        .iter()
        .filter(|challenge| challenge.scheme().eq_ignore_ascii_case("DPoP"))
        .find_map(|challenge| challenge.get(name).map(str::to_owned))
}

fn error_in_body(reply: &Response<Bytes>) -> Option<String> {
    let body = reply.body();
    if body.len() > MOST_OF_AN_ERROR {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("error")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use oauth_core::http::header::WWW_AUTHENTICATE;

    use super::*;

    fn challenged(status: u16, challenges: &[&str]) -> Response<Bytes> {
        let reply = Response::builder().status(status);
        let reply = challenges.iter().fold(reply, |reply, one| reply.header(WWW_AUTHENTICATE, *one));
        reply.body(Bytes::new()).unwrap()
    }

    #[test]
    fn dp_05_a_challenge_is_found_in_any_case_and_beside_others() {
        for challenges in [
            &[r#"DPoP error="use_dpop_nonce", algs="ES256 PS256""#][..],
            &[r#"dPoP realm="x", error="use_dpop_nonce""#],
            &[r#"Bearer error="invalid_token", DPoP error=use_dpop_nonce"#],
            &[r#"Bearer realm="a, b""#, r#"DPOP ERROR="use_dpop_nonce""#],
            &[r#"Negotiate YII=, DPoP error="use_dpop_nonce""#],
        ] {
            assert!(
                asks_for_a_nonce(ServerRole::ResourceServer, &challenged(401, challenges)),
                "{challenges:?}"
            );
        }
        for (status, challenges) in [
            (401, &[r#"Bearer error="use_dpop_nonce""#][..]),
            (401, &[r#"DPoP error="invalid_token""#]),
            (401, &[r#"DPoP error="invalid_dpop_proof", error_description="use_dpop_nonce""#]),
            (401, &["DPoP"]),
            (403, &[r#"DPoP error="use_dpop_nonce""#]),
            (200, &[r#"DPoP error="use_dpop_nonce""#]),
        ] {
            assert!(
                !asks_for_a_nonce(ServerRole::ResourceServer, &challenged(status, challenges)),
                "{challenges:?}"
            );
        }
    }
}
