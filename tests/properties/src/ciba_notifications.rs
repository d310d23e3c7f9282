//! What is posted to a client's notification endpoint, by a provider or by anybody else (CIBA sections 10.2, 10.3 and 12).

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    MemoryCache,
    http::{HeaderMap, HeaderValue, StatusCode},
    serde_json::{self, Value, json},
};
use oauth_fapi::{CibaAttempt, CibaEndpoint, CibaNotification};

use crate::{jose::Stopped, rules::repeats_a_member, server::block_on, shown::shows_none, signer_key::NOW};

const ID: &str = "the-auth-req-id-1c9e";
const TOKEN: &str = "the-notification-token-52bd";

/// The mode of the attempt, `Authorization` headers with a `|` between them, a media type and a body, with a tab between them; `$ID` and
/// `$TOKEN` become those of the attempt. It is notified exactly by whoever has both, once, and nothing else uses it up.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input).replace("$ID", ID).replace("$TOKEN", TOKEN);
    let mut parts = text.splitn(4, '\t');
    let delivery = if parts.next() == Some("push") { "push" } else { "ping" };
    let authorizations: Vec<_> = parts.next().unwrap_or_default().split('|').collect();
    let (kind, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, TOKEN.as_bytes()));
    let attempt: CibaAttempt = serde_json::from_value(json!({
        "auth_req_id": ID, "notification_token_hash": hash, "delivery": delivery,
        "started_at": NOW - 10, "expires_at": NOW + 110, "interval": 5,
    }))
    .unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in
        authorizations.iter().map(|one| ("authorization", *one)).chain([("content-type", kind)])
    {
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { return };
        if !value.is_empty() {
            headers.append(name, value);
        }
    }
    block_on(async {
        let endpoint = CibaEndpoint::new(Arc::new(MemoryCache::new())).with_clock(Arc::new(Stopped));
        endpoint.expect(&attempt).await.unwrap();
        let answer = endpoint.receive(&headers, body.as_bytes()).await;
        assert_eq!(
            answer.status == StatusCode::NO_CONTENT,
            answer.notification.is_some(),
            "{}",
            answer.status
        );
        let unmarked = body.strip_prefix('\u{feff}').unwrap_or(body);
        let members = serde_json::from_str::<Value>(unmarked).ok().filter(|_| !repeats_a_member(unmarked));
        let is_for_it = members.as_ref().is_some_and(|members| members["auth_req_id"] == ID);
        match &answer.notification {
            Some(notification) => {
                assert!(has_the_token(&authorizations) && is_for_it, "{authorizations:?} {body}");
                let kind = kind.split(';').next().unwrap_or_default().trim();
                assert!(kind.eq_ignore_ascii_case("application/json"), "{kind:?}");
                let has_error = members.as_ref().is_some_and(|members| members.get("error").is_some());
                match notification {
                    CibaNotification::Ping(_) => assert_eq!(delivery, "ping"),
                    CibaNotification::Push(..) => assert!(delivery == "push" && !has_error),
                    CibaNotification::Refused(..) => assert!(delivery == "push" && has_error),
                    other => panic!("{other:?}"),
                }
                shows_no_token(&format!("{notification:?}"), members.as_ref().unwrap());
                assert!(endpoint.receive(&headers, body.as_bytes()).await.notification.is_none(), "twice");
            }
            None => {
                // A ping has nothing else to say (section 10.2).
                let is_good = delivery == "ping" && kind == "application/json" && is_for_it;
                assert!(!is_good || authorizations != [format!("Bearer {TOKEN}")], "{}", answer.status);
                let good = json!({ "auth_req_id": ID, "access_token": "AT", "token_type": "Bearer" });
                headers.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
                headers.insert("content-type", "application/json".parse().unwrap());
                let answer = endpoint.receive(&headers, good.to_string().as_bytes()).await;
                assert!(answer.notification.is_some(), "what was refused has used it up: {}", answer.status);
            }
        }
    });
}

/// RFC 6750 section 2.1, with any number of spaces (RFC 9110 section 11.4), and only one such header.
fn has_the_token(authorizations: &[&str]) -> bool {
    let given: Vec<_> = authorizations.iter().filter(|one| !one.is_empty()).collect();
    let [one] = given[..] else { return false };
    let Some((scheme, token)) = one.split_once(' ') else { return false };
    scheme.eq_ignore_ascii_case("bearer") && token.trim_matches(' ') == TOKEN
}

/// Neither the secrets of the attempt nor the tokens in the body.
fn shows_no_token(shown: &str, members: &Value) {
    let tokens =
        ["access_token", "refresh_token", "id_token"].into_iter().filter_map(|name| members[name].as_str());
    // What is said openly may be the same text.
    let mut open = members.clone();
    for name in ["access_token", "refresh_token", "id_token", "auth_req_id"] {
        open.as_object_mut().unwrap().remove(name);
    }
    let open = open.to_string();
    let own = "CibaNotification CibaAttempt PushedTokens OAuth2Token delivery started_at expires_at";
    let is_open = |secret: &&str| open.contains(*secret) || own.contains(*secret);
    shows_none(shown, tokens.chain([ID, TOKEN]).filter(|secret| !is_open(secret)));
}
