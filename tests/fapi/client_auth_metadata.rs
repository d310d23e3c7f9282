//! CA-13: the best method that the credentials allow is taken from the provider's metadata (RFC 8414 section 2), and none that it does
//! not offer.

use oauth_clients::{
    AuthenticationError, ClientAuthentication, Credentials, ErrorClass, LoginOptions, Provider,
    RequestContext, RequestDraft, async_trait,
    fapi::{ClientSecretJwt, PrivateKeyJwt, SigningKey},
    openid::{Algorithm, OpenID, OpenIDProvider},
};
use serde_json::{Value, json};

use super::{
    keys::{CERTIFICATE, P256},
    sent_jwt::parts,
};
use crate::{
    openid::op::{CLIENT_ID, CLIENT_SECRET, ISSUER, Op, REDIRECT_URI, merge},
    support::{Script, Sent},
};

const METHODS: &str = "token_endpoint_auth_methods_supported";
const ALGS: &str = "token_endpoint_auth_signing_alg_values_supported";

fn op(metadata: &Value) -> Op {
    Op::bent(|state| {
        state.metadata["introspection_endpoint"] = format!("{ISSUER}/introspect").into();
        state.metadata["revocation_endpoint"] = format!("{ISSUER}/revoke").into();
        merge(&mut state.metadata, metadata);
    })
}

fn client(op: &Op, credentials: impl Into<Credentials>) -> OpenID {
    let client = op.discovery().client(CLIENT_ID, credentials).unwrap();
    client.with_policy(|policy| policy.clock(op.clock.clone()))
}

fn signed() -> PrivateKeyJwt {
    PrivateKeyJwt::new(SigningKey::from_pem(P256, Algorithm::ES256).unwrap())
}

fn secret_jwt() -> ClientSecretJwt {
    ClientSecretJwt::new(CLIENT_SECRET, Algorithm::HS256).unwrap()
}

/// By which method a token request was authenticated.
fn method_of(sent: &Sent) -> String {
    let form = sent.form();
    let field = |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    match (field("client_assertion"), sent.header("authorization"), field("client_secret")) {
        (Some(assertion), None, None) => parts(&assertion).0["alg"].as_str().unwrap().to_owned(),
        (None, Some(_), None) => "basic".to_owned(),
        (None, None, Some(_)) => "post".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// The method of a login at a provider with this metadata.
async fn taken(metadata: Value, credentials: impl Into<Credentials>) -> String {
    let op = op(&metadata);
    op.login(&client(&op, credentials), LoginOptions::new()).await.unwrap();
    let sent = op.requests().into_iter().find(|sent| sent.url.ends_with("/token")).unwrap();
    method_of(&sent)
}

/// Why nothing was sent but the request for metadata.
async fn refused(metadata: Value, credentials: impl Into<Credentials>) -> String {
    let op = op(&metadata);
    let error = client(&op, credentials).start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!((error.class(), op.requests().len()), (ErrorClass::Configuration, 1), "{error}");
    error.to_string()
}

#[tokio::test]
async fn ca_13_a_method_that_the_provider_does_not_offer_is_refused_and_nothing_is_sent() {
    let error = refused(json!({METHODS: ["client_secret_basic", "none"]}), signed()).await;
    assert!(error.contains("private_key_jwt") && error.contains("client_secret_basic"), "{error}");
    let error = refused(json!({METHODS: ["private_key_jwt"]}), CLIENT_SECRET).await;
    assert!(error.contains("private_key_jwt") && error.contains("oauth-fapi"), "{error}");
    let error = refused(json!({METHODS: ["private_key_jwt"]}), secret_jwt()).await;
    assert!(error.contains("client_secret_jwt"), "{error}");
    let error = refused(json!({METHODS: ["private_key_jwt"], ALGS: ["PS256", "RS256"]}), signed()).await;
    assert!(error.contains("ES256") && error.contains("PS256, RS256"), "{error}");
}

#[tokio::test]
async fn ca_13_what_is_offered_or_not_spoken_of_is_used() {
    assert_eq!(taken(json!({METHODS: ["client_secret_basic", "private_key_jwt"]}), signed()).await, "ES256");
    assert_eq!(
        taken(json!({METHODS: ["private_key_jwt"], ALGS: ["PS256", "ES256"]}), signed()).await,
        "ES256"
    );
    assert_eq!(taken(json!({}), signed()).await, "ES256");
    assert_eq!(taken(json!({METHODS: ["client_secret_jwt"]}), secret_jwt()).await, "HS256");
    // Ed25519 has two names.
    let ed25519 = || PrivateKeyJwt::new(SigningKey::generate(Algorithm::EdDSA).unwrap());
    assert_eq!(taken(json!({METHODS: ["private_key_jwt"], ALGS: ["Ed25519"]}), ed25519()).await, "EdDSA");
}

#[tokio::test]
async fn ca_13_of_several_credentials_the_first_that_is_offered_is_taken() {
    let all = || Credentials::any_of([signed().into(), secret_jwt().into(), CLIENT_SECRET.into()]);
    for (offered, expected) in [
        (json!({METHODS: ["client_secret_post", "client_secret_jwt", "private_key_jwt"]}), "ES256"),
        (json!({METHODS: ["client_secret_post", "client_secret_jwt"]}), "HS256"),
        (json!({METHODS: ["private_key_jwt", "client_secret_jwt"], ALGS: ["HS256"]}), "HS256"),
        (json!({METHODS: ["client_secret_post"]}), "post"),
        (json!({METHODS: ["client_secret_basic"]}), "basic"),
        (json!({}), "ES256"),
    ] {
        assert_eq!(taken(offered.clone(), all()).await, expected, "{offered}");
    }
    let error = refused(json!({METHODS: ["tls_client_auth"]}), all()).await;
    assert!(error.contains("tls_client_auth"), "{error}");
}

#[tokio::test]
async fn ca_13_an_endpoint_that_takes_other_methods_is_not_asked() {
    let op = op(&json!({
        METHODS: ["private_key_jwt"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
        "introspection_endpoint_auth_methods_supported": ["private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": ["PS256"],
    }));
    let client = client(&op, signed());
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let sent = op.requests().len();
    assert!(client.revoke_token(login.token.access_token(), None).await.is_err());
    assert!(client.oauth2().introspect_token(login.token.access_token(), None).await.is_err());
    assert_eq!(op.requests().len(), sent);
}

#[tokio::test]
async fn ca_02_hostile_metadata_that_names_an_honest_token_endpoint_gets_no_assertion_for_it() {
    let op = op(&json!({"token_endpoint": "https://honest.example/token"}));
    op.login(&client(&op, signed()), LoginOptions::new()).await.unwrap();
    let sent = op.requests().into_iter().find(|sent| sent.url == "https://honest.example/token").unwrap();
    let assertion = sent.form().into_iter().find(|(name, _)| name == "client_assertion").unwrap().1;
    assert_eq!(parts(&assertion).1["aud"], ISSUER);
}

#[tokio::test]
async fn id_tokens_that_are_signed_with_the_secret_of_client_secret_jwt_are_verified() {
    let op = op(&json!({METHODS: ["client_secret_jwt"]}));
    op.bend(|state| {
        state.header = json!({"alg": "HS256"});
        state.signing = crate::openid::op::Signing::Hmac("HS256", CLIENT_SECRET.as_bytes().to_vec());
    });
    let client = client(&op, secret_jwt()).with_policy(|policy| policy.algorithms([Algorithm::HS256]));
    op.login(&client, LoginOptions::new()).await.unwrap();
}

/// A method that is in no registry.
#[derive(Debug)]
struct Private;

#[async_trait]
impl ClientAuthentication for Private {
    fn method(&self) -> &str {
        "of_our_own"
    }

    fn must_be_offered(&self) -> bool {
        false
    }

    async fn authenticate(
        &self,
        _: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        Ok(request.add_field("client_secret", "of our own")?)
    }
}

#[tokio::test]
async fn an_authentication_from_outside_can_go_without_being_offered() {
    let offered = json!({METHODS: ["client_secret_basic"]});
    assert_eq!(taken(offered, Credentials::authentication(Private)).await, "post");
}

#[tokio::test]
async fn fa_19_metadata_and_keys_are_read_by_the_certificate_where_every_connection_wants_it() {
    use oauth_clients::fapi::{CertificateBoundTokens, ClientCertificate};

    let op = op(&json!({METHODS: ["private_key_jwt"]}));
    let certificate = ClientCertificate::new(CERTIFICATE, op.clone()).unwrap();
    let discovery = oauth_clients::openid::Discovery::new(ISSUER).with_http_client(Script::default());
    let client = discovery
        .client(CLIENT_ID, signed())
        .unwrap()
        .with_policy(|policy| policy.clock(op.clock.clone()))
        .with_participant(CertificateBoundTokens::new(certificate).on_every_connection());
    // The other HTTP client answers nothing.
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    client.get_profile_of(&login.token).await.unwrap();
    assert_eq!(op.counts(), [1, 1, 1, 1]);
}

#[tokio::test]
async fn ca_13_a_registered_client_is_made_with_what_was_registered() {
    use crate::openid::op::Endpoint;

    let method = |method: &str| json!({"client_id": CLIENT_ID, "token_endpoint_auth_method": method});
    let by = |name: &str, alg: &str| {
        let mut registered = method(name);
        registered["token_endpoint_auth_signing_alg"] = alg.into();
        registered
    };
    for (registered, problem) in [
        (method("private_key_jwt"), None),
        (by("private_key_jwt", "ES256"), None),
        (by("private_key_jwt", "PS256"), Some("PS256")),
        (method("client_secret_jwt"), Some("client_secret_jwt")),
        (method("tls_client_auth"), Some("tls_client_auth")),
        (method("client_secret_basic"), Some("client_secret_basic")),
    ] {
        let op = op(&json!({}));
        let answer = registered.clone();
        op.bend(|state| {
            state.answer(Endpoint::Registration, move |_| {
                Some(crate::support::reply(201, "application/json", answer.to_string()))
            });
        });
        let wanted = oauth_clients::openid::ClientMetadata::new([REDIRECT_URI]);
        let client = OpenID::register(&op.discovery(), &wanted, None).await.unwrap();
        let made = client.client_with_credentials(&op.discovery(), signed());
        match (made, problem) {
            (Ok(made), None) => {
                op.login(&made, LoginOptions::new()).await.unwrap();
                let sent = op.requests().into_iter().find(|sent| sent.url.ends_with("/token")).unwrap();
                assert_eq!(method_of(&sent), "ES256");
                let error = client.client(&op.discovery()).unwrap_err().to_string();
                assert!(error.contains("client_with_credentials"), "{error}");
            }
            (Err(error), Some(problem)) => assert!(error.to_string().contains(problem), "{error}"),
            (made, _) => panic!("{registered}: {made:?}"),
        }
    }
}
