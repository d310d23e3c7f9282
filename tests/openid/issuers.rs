//! Whose user an ID token is of, and one truth about an address on every way to it.

use oauth_clients::{
    EmailVerification, ErrorKind, LoginOptions, OAuth2Token, Provider,
    authentik::AuthentikOAuth2,
    franceconnect::FranceConnectOAuth2,
    openid::{Expectations, IdToken, Issuers, OpenIDProvider},
};
use serde_json::json;

use super::op::{CLIENT_ID, CLIENT_SECRET, ISSUER, Key, Op, SUBJECT};

const OTHER: &str = "https://op.example/realms/b";

fn several(op: &Op) -> impl Provider {
    let issuers = Issuers::OneOf(vec![ISSUER.to_owned(), OTHER.to_owned()]);
    op.client_with(|policy| policy.issuers(issuers))
}

#[tokio::test]
async fn id_23_users_of_two_accepted_issuers_never_share_a_key() {
    for issuer in [ISSUER, OTHER] {
        let op = Op::bent(|state| state.claims = json!({ "iss": issuer }));
        let client = several(&op);
        let login = op.login(&client, LoginOptions::new()).await.unwrap();
        let by_token = IdToken::of(&login).unwrap().identity();
        assert_eq!(by_token.key(), (issuer, SUBJECT));
        let identity = client.get_identity(&login.token).await.unwrap();
        assert_eq!(identity.key(), (issuer, SUBJECT));
        let former: &[_] = if issuer == OTHER { &[(ISSUER, SUBJECT)] } else { &[] };
        assert_eq!((by_token.former_keys(), identity.former_keys()), (former.to_vec(), former.to_vec()));
    }
}

#[tokio::test]
async fn where_several_issuers_are_accepted_an_access_token_alone_tells_nobody() {
    let op = Op::new();
    let client = several(&op);
    let error = client.get_identity(&OAuth2Token::new("AT")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
    assert!(client.get_id_email("AT").await.is_err());
}

#[tokio::test]
async fn a_callbacks_iss_and_its_id_tokens_must_be_one() {
    let op = Op::bent(|state| state.claims = json!({ "iss": OTHER }));
    let client = several(&op);
    let attempt = op.start(&client, LoginOptions::new()).await.attempt;
    let callback = op.callback(&attempt, &[("iss", ISSUER)]);
    let error = client.finish_login(attempt, callback).await.unwrap_err();
    assert!(error.jwt_check().is_some(), "{error}");
}

#[tokio::test]
async fn an_issuer_that_contradicts_the_metadata_is_refused() {
    let op = Op::new();
    let client = op.client().with_issuer("https://op.example/other");
    let error = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Configuration(_)), "{error}");
}

#[tokio::test]
async fn an_address_is_verified_by_every_way_or_by_none() {
    let op = Op::at("https://login.example.com/application/o/my-app/");
    op.bend(|state| {
        state.claims = json!({"email": "ada@mail.example", "email_verified": true});
    });
    let client =
        AuthentikOAuth2::new(CLIENT_ID, CLIENT_SECRET, "https://Login.example.com:443", "my-app").unwrap();
    let client = client.with_http_client(op.clone());
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let expected = Expectations::new().nonce(op.state().nonce.clone().unwrap());
    let raw = login.token.id_token().unwrap();
    let identities = [
        client.get_identity(&login.token).await.unwrap(),
        IdToken::of(&login).unwrap().identity(),
        client.verify_id_token(raw, &expected).await.unwrap().identity(),
    ];
    for identity in identities {
        assert_eq!(identity.key(), (op.issuer, SUBJECT));
        let email = identity.email.unwrap();
        assert_eq!((&*email.address, email.verification), ("ada@mail.example", EmailVerification::Unknown));
    }
    assert_eq!(client.get_id_email("the-access-token").await.unwrap().1.as_deref(), Some("ada@mail.example"));
}

#[tokio::test]
async fn what_no_profile_vouches_for_no_id_token_vouches_for() {
    // FranceConnect does not say whether an address is verified.
    let op = Op::at("https://oidc.franceconnect.gouv.fr/api/v2");
    op.bend(|state| state.sign_with("ES256", Key::P256, "p256"));
    let client = FranceConnectOAuth2::new(CLIENT_ID, CLIENT_SECRET).with_http_client(op.clone());
    let token =
        op.id_token(json!({"email": "ada@mail.example", "email_verified": true, "given_name": "Ada"}));
    let id_token = client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap();
    let identity = id_token.identity();
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
    assert_eq!(identity.name.as_deref(), Some("Ada"));
}
