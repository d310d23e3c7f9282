//! The provider's other signed tokens.

use oauth_clients::{ErrorKind, JwtCheck, JwtUse};
use oauth_fapi::oauth_openid::{Algorithm, JwtExpectations, OpenIDConnect, VERIFY_JWT};
use serde_json::{Value, json};

use crate::openid::op::{CLIENT_ID, CLIENT_SECRET, ISSUER, Key, Op, Signing, merge};

fn claims(op: &Op, patch: &Value) -> Value {
    let now = op.clock.seconds();
    let mut claims = json!({"iss": ISSUER, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "x": {"y": [1]}});
    merge(&mut claims, patch);
    claims
}

const HEADER: &str = r#"{"alg":"RS256","kid":"rsa"}"#;

async fn verified(
    op: &Op,
    header: &str,
    patch: &Value,
    expected: &JwtExpectations,
) -> Result<Value, Option<JwtCheck>> {
    let client = op.client();
    let jwt = Signing::With("RS256", Key::Rsa).token_of(header, &claims(op, patch).to_string());
    let openid = OpenIDConnect::of(&client).unwrap();
    let outcome = openid.verify_jwt(&jwt, expected).await;
    outcome.map(Value::Object).map_err(|error| {
        assert_eq!(error.operation(), VERIFY_JWT);
        let ErrorKind::Jwt(jwt) = error.kind() else { panic!("{error}") };
        assert_eq!(jwt.token, JwtUse::Other);
        error.jwt_check()
    })
}

#[tokio::test]
async fn any_signed_token_of_the_provider_can_be_verified() {
    let op = Op::new();
    let expected = JwtExpectations::new(JwtUse::Other);
    let read = verified(&op, HEADER, &json!({}), &expected).await.unwrap();
    assert_eq!(read["x"], json!({"y": [1]}));
    let now = op.clock.seconds();
    for (patch, check) in [
        (json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({"iss": null}), JwtCheck::Issuer),
        (json!({"aud": "other"}), JwtCheck::Audience),
        (json!({"aud": null}), JwtCheck::Audience),
        (json!({"aud": [CLIENT_ID, "other"]}), JwtCheck::Audience),
        (json!({"exp": null}), JwtCheck::Expiry),
        (json!({"exp": "soon"}), JwtCheck::Expiry),
        (json!({"exp": now - 61}), JwtCheck::Expiry),
        (json!({"iat": null}), JwtCheck::IssuedAt),
        (json!({"iat": now + 120}), JwtCheck::IssuedAt),
        (json!({"nbf": now + 120}), JwtCheck::NotBefore),
    ] {
        assert_eq!(verified(&op, HEADER, &patch, &expected).await, Err(Some(check)), "{patch}");
    }
}

#[tokio::test]
async fn what_is_expected_of_a_token_can_be_said_for_each_kind() {
    let op = Op::new();
    let other = || JwtExpectations::new(JwtUse::Other);
    let now = op.clock.seconds();
    let typed = |kind: &str| format!(r#"{{"alg":"RS256","kid":"rsa","typ":"{kind}"}}"#);
    for (header, patch, expected, check) in [
        (typed("at+jwt"), json!({}), other(), Some(JwtCheck::Type)),
        (typed("at+jwt"), json!({}), other().type_allowed("at+jwt"), None),
        (HEADER.to_owned(), json!({}), other().type_allowed("at+jwt"), None),
        (HEADER.to_owned(), json!({}), other().type_required("at+jwt"), Some(JwtCheck::Type)),
        (typed("JWT"), json!({}), other().type_required("at+jwt"), Some(JwtCheck::Type)),
        (typed("Application/AT+JWT"), json!({}), other().type_required("at+jwt"), None),
        (HEADER.to_owned(), json!({"aud": "api"}), other().audience("api"), None),
        (HEADER.to_owned(), json!({}), other().audience("api"), Some(JwtCheck::Audience)),
        (HEADER.to_owned(), json!({"aud": ["api", "b"]}), other().audience("api"), Some(JwtCheck::Audience)),
        (
            HEADER.to_owned(),
            json!({"aud": ["api", "b"]}),
            other().audience("api").other_audiences_allowed(),
            None,
        ),
        (HEADER.to_owned(), json!({}), other().issuer("https://other.example"), Some(JwtCheck::Issuer)),
        (HEADER.to_owned(), json!({"exp": null}), other().without_expiry(), None),
        (HEADER.to_owned(), json!({"exp": now - 61}), other().without_expiry(), Some(JwtCheck::Expiry)),
        (HEADER.to_owned(), json!({"iat": null, "nbf": "x"}), other().issue_times_ignored(), None),
        (HEADER.to_owned(), json!({}), other().encrypted(), Some(JwtCheck::Encryption)),
        (HEADER.to_owned(), json!({}), other().algorithms([Algorithm::PS256]), Some(JwtCheck::Algorithm)),
    ] {
        let outcome = verified(&op, &header, &patch, &expected).await;
        assert_eq!(outcome.err().flatten(), check, "{header} {patch} {expected:?}");
    }
}

#[tokio::test]
async fn jm_06_the_issuer_is_compared_before_any_key_is_fetched() {
    let op = Op::new();
    verified(&op, HEADER, &json!({"iss": "https://evil.example"}), &JwtExpectations::new(JwtUse::Other))
        .await
        .unwrap_err();
    assert_eq!(op.counts()[1], 0);
}

#[tokio::test]
async fn a_secret_is_a_key_only_where_it_is_said_to_be() {
    let op = Op::new();
    let client = op.client();
    let openid = OpenIDConnect::of(&client).unwrap();
    let signing = Signing::Hmac("HS256", CLIENT_SECRET.into());
    let jwt = signing.token(&json!({"alg": "HS256"}), &claims(&op, &json!({})));
    let error = openid.verify_jwt(&jwt, &JwtExpectations::new(JwtUse::Other)).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Algorithm));
    let expected = JwtExpectations::new(JwtUse::Other).algorithms([Algorithm::HS256]);
    openid.verify_jwt(&jwt, &expected).await.unwrap();
}
