//! Proofs and nonces at the token endpoint, in every grant.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use oauth_clients::{
    AfterReply, AuthenticationError, AuthorizationParams, AuthorizationRequest, ClientAuthentication,
    ClientSecret, DatedSecret, Error, ErrorClass, LoginOptions, OAuth2, Operation, Participant, Provider,
    RequestContext, RequestDraft, async_trait,
};
use oauth_fapi::{Dpop, DpopKey, DpopKeyRing, DpopProvider};
use serde_json::json;

use super::server::{Nonces, Seen, Server};
use crate::support::{Script, query_of, reply};

const CALLBACK: &str = "https://app.example/cb";

/// Numbers its assertions, as `private_key_jwt` gives each a `jti` of its own.
#[derive(Debug, Default)]
struct Assertions(AtomicUsize);

#[async_trait]
impl ClientAuthentication for Assertions {
    fn method(&self) -> &str {
        "private_key_jwt"
    }

    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        request.add_field("client_id", context.client_id)?;
        request.add_field("client_assertion", &self.0.fetch_add(1, Ordering::Relaxed).to_string())?;
        Ok(())
    }
}

fn client(server: &Server) -> OAuth2 {
    let (authorize, token) = (server.url("/authorize"), server.url("/token"));
    OAuth2::new("id", Arc::new(Assertions::default()), authorize, token)
        .with_refresh_endpoint(server.url("/token"))
        .with_profile_endpoint(server.url("/me"))
        .with_dpop(Dpop::generate().unwrap())
}

fn statuses(seen: &[Seen]) -> Vec<u16> {
    seen.iter().map(|one| one.status).collect()
}

#[tokio::test]
async fn dp_04_14_a_nonce_is_asked_for_once_and_all_that_is_single_use_is_made_anew() {
    let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
    let client = client(&server);
    client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let seen = server.seen();
    assert_eq!(statuses(&seen), [400, 200]);
    let both = [&seen[0], &seen[1]];
    assert_eq!(both.map(|one| one.field("client_assertion").unwrap()), ["0", "1"]);
    assert_ne!(seen[0].claims()["jti"], seen[1].claims()["jti"]);
    assert_eq!(seen[0].claims().get("nonce"), None);
    assert_eq!(seen[0].jkt, seen[1].jkt);
    // The grant itself is the same.
    for name in ["grant_type", "code", "redirect_uri"] {
        assert_eq!(seen[0].field(name), seen[1].field(name));
    }
}

#[tokio::test]
async fn dp_04_a_server_that_always_asks_is_asked_twice() {
    let server = Server::with(|switches| switches.nonces = Nonces::Always).await;
    let client = client(&server);
    for _ in 0..2 {
        let error = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
        assert_eq!(server.seen().len(), 2);
        assert_eq!(error.oauth_error().unwrap().code, "use_dpop_nonce");
        assert_eq!(error.class(), ErrorClass::Protocol);
        assert!(error.to_string().contains("another nonce"), "{error}");
    }
}

#[tokio::test]
async fn dp_04_a_stale_nonce_does_not_use_up_the_repetition() {
    let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
    let client = client(&server);
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    server.seen();
    server.expire_nonces();
    client.refresh(&token, None).await.unwrap();
    assert_eq!(statuses(&server.seen()), [400, 200]);
}

#[tokio::test]
async fn dp_04_06_a_demand_without_a_usable_nonce_is_not_repeated() {
    for nonces in [Nonces::Withheld, Nonces::Bad, Nonces::Twice] {
        let server = Server::with(|switches| switches.nonces = nonces).await;
        let client = client(&server);
        let error = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
        assert_eq!(server.seen().len(), 1, "{nonces:?}");
        assert!(error.to_string().contains("gave none that can be sent"), "{error}");
    }
}

#[tokio::test]
async fn dp_06_the_nonce_of_a_reply_that_succeeded_is_used_next() {
    let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
    let client = client(&server);
    let mut token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    server.seen();
    for _ in 0..3 {
        token = client.refresh(&token, None).await.unwrap();
        assert_eq!(statuses(&server.seen()), [200]);
    }
    // Also that of a refusal.
    server.switch(|switches| switches.error = Some("invalid_scope"));
    client.refresh(&token, None).await.unwrap_err();
    server.switch(|switches| switches.error = None);
    server.seen();
    client.refresh(&token, None).await.unwrap();
    assert_eq!(statuses(&server.seen()), [200]);
}

#[tokio::test]
async fn dp_15_every_grant_gets_a_proof_and_the_repetition() {
    const GRANTS: [&[(&str, &str)]; 6] = [
        &[("grant_type", "client_credentials")],
        &[("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", "D")],
        &[("grant_type", "urn:openid:params:grant-type:ciba"), ("auth_req_id", "A")],
        &[("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", "S")],
        &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", "J")],
        &[("grant_type", "urn:example:own")],
    ];
    for form in GRANTS {
        let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
        let client = client(&server);
        let endpoint = server.url("/token");
        let token = client.request_token(Operation::new("grant"), &endpoint, form.iter().copied()).await;
        let seen = server.seen();
        assert_eq!(statuses(&seen), [400, 200], "{form:?}");
        assert_eq!(token.unwrap().confirmation().unwrap()["jkt"], **seen[1].jkt.as_ref().unwrap());
    }
}

/// Pushes an authorization request, as PAR does.
#[derive(Debug)]
struct Pushed(String);

#[async_trait]
impl Participant for Pushed {
    async fn authorize(&self, client: &OAuth2, params: &mut AuthorizationParams) -> Result<(), Error> {
        let request = client.request(Operation::new("push"), http::Method::POST, &*self.0);
        let request = request.client_auth(oauth_clients::ClientAuth::Post);
        let fields = params.iter().filter(|(name, _)| *name != "client_id");
        let reply = request.form(fields).send().await?.object()?;
        params.clear();
        params.set("client_id", client.client_id());
        params.set("request_uri", reply["request_uri"].as_str().unwrap());
        Ok(())
    }
}

#[tokio::test]
async fn dp_09_a_pushed_request_has_the_header_and_the_parameter_of_one_key() {
    let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
    let client = client(&server).with_participant(Pushed(server.url("/par")));
    client.start_login(CALLBACK, LoginOptions::new()).await.unwrap();
    let seen = server.seen();
    assert_eq!(statuses(&seen), [400, 200]);
    assert_eq!(seen[1].field("dpop_jkt"), seen[1].jkt.as_deref());
    assert_eq!([0, 1].map(|place| seen[place].field("client_assertion").unwrap()), ["0", "1"]);
}

#[tokio::test]
async fn dp_09_the_code_is_bound_to_the_key_that_redeems_it() {
    let server = Server::start().await;
    let client = client(&server);
    let started = client.start_login(CALLBACK, LoginOptions::new()).await.unwrap();
    let query = query_of(&started.url);
    let jkt = &query.iter().find(|(name, _)| name == "dpop_jkt").unwrap().1;
    server.bind_code("C", jkt);
    let callback = oauth_clients::Callback::from_query(&format!("code=C&state={}", started.attempt.state()));
    let login = client.finish_login(started.attempt, callback).await.unwrap();
    assert_eq!(login.token.confirmation().unwrap()["jkt"], **jkt);
    // By option it is left out, and another key is never sent in its place.
    let without = server.client("").with_dpop(Dpop::generate().unwrap().without_dpop_jkt());
    let url = without.get_authorization_url(AuthorizationRequest::new(CALLBACK)).await.unwrap();
    assert!(!url.contains("dpop_jkt"), "{url}");
    let other = AuthorizationRequest::new(CALLBACK).extras_params(&json!({"dpop_jkt": "other"}));
    assert_eq!(client.get_authorization_url(other).await.unwrap_err().class(), ErrorClass::Configuration);
}

/// An old secret that the server refuses, and the new one.
#[tokio::test]
async fn a_new_secret_and_a_nonce_can_be_asked_for_one_after_the_other() {
    let with_nonce = |status, body: serde_json::Value| {
        let mut reply = reply(status, "application/json", body.to_string());
        reply.headers_mut().insert("dpop-nonce", "N".parse().unwrap());
        reply
    };
    let invalid_client = || reply(401, "application/json", r#"{"error": "invalid_client"}"#);
    let use_nonce = || with_nonce(400, json!({"error": "use_dpop_nonce"}));
    let token = || with_nonce(200, json!({"access_token": "AT", "token_type": "DPoP"}));
    for replies in [[invalid_client(), use_nonce(), token()], [use_nonce(), invalid_client(), token()]] {
        let http = Script::new(replies);
        let secret = ClientSecret::rotating([DatedSecret::new("old"), DatedSecret::new("new")]);
        let client = OAuth2::new("id", secret, "https://as.example/authorize", "https://as.example/token")
            .with_http_client(http.clone())
            .with_dpop(Dpop::generate().unwrap());
        client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
        let secrets: Vec<_> = http
            .requests()
            .iter()
            .map(|sent| sent.form().into_iter().find(|(name, _)| name == "client_secret").unwrap().1)
            .collect();
        assert_eq!(secrets.last().unwrap(), "new");
        assert_eq!(secrets.len(), 3);
    }
    // Each has one repetition, and no more.
    let http = Script::new([use_nonce(), use_nonce()]);
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_http_client(http.clone())
        .with_dpop(Dpop::generate().unwrap());
    client.get_access_token("C", CALLBACK, None, &[]).await.unwrap_err();
    assert_eq!(http.requests().len(), 2);
}

/// Asks for each request once more.
#[derive(Debug)]
struct Insatiable;

#[async_trait]
impl Participant for Insatiable {
    async fn after_reply(
        &self,
        _: &RequestContext<'_>,
        _: &RequestDraft,
        _: &http::Response<Bytes>,
    ) -> AfterReply {
        AfterReply::SendAgain
    }
}

#[tokio::test]
async fn dp_14_another_participant_cannot_use_up_the_repetition() {
    let server = Server::with(|switches| switches.nonces = Nonces::Rotating).await;
    let client = server.client("").with_participant(Insatiable);
    let client = client.with_dpop(Dpop::generate().unwrap());
    client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    assert_eq!(statuses(&server.seen()), [400, 200]);
}

#[tokio::test]
async fn dp_08_the_refresh_token_of_a_public_client_stays_with_its_key() {
    let server = Server::start().await;
    let (first, second) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let client = server.client("").with_dpop(Dpop::new(first.clone()));
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    // A key that was rotated is found, and the token stays with it.
    let ring = DpopKeyRing::new(second.clone()).with_earlier_key(first.clone());
    let rotated = server.client("").with_dpop(Dpop::new(ring));
    let token = rotated.refresh(&token, None).await.unwrap();
    assert_eq!(token.confirmation().unwrap()["jkt"], *first.thumbprint());
    // Without it nothing is sent.
    server.seen();
    let lost = server.client("").with_dpop(Dpop::new(second));
    let error = lost.refresh(&token, None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert!(error.to_string().contains("sign in again"), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn dp_08_a_client_that_authenticates_may_change_its_key() {
    let server = Server::with(|switches| switches.binds_refresh_tokens = false).await;
    let (first, second) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let client = server.client("secret").with_dpop(Dpop::new(first));
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let rotated = server.client("secret").with_dpop(Dpop::new(second.clone()));
    // The access token is of no use, and is not sent.
    server.seen();
    assert_eq!(rotated.get_profile_of(&token).await.unwrap_err().class(), ErrorClass::Reauthorize);
    assert!(server.seen().is_empty());
    let token = rotated.refresh(&token, None).await.unwrap();
    assert_eq!(token.confirmation().unwrap()["jkt"], *second.thumbprint());
    rotated.get_profile_of(&token).await.unwrap();
}

/// Google binds the refresh token alone, wants the secret beside the proof, and issues bearer tokens.
#[tokio::test]
async fn dp_13_a_refresh_token_stays_bound_though_the_access_token_is_not() {
    let server = Server::with(|switches| switches.token_type = "Bearer").await;
    let key = DpopKey::generate().unwrap();
    let google =
        |key: &DpopKey| server.client("secret").with_dpop(Dpop::new(key.clone()).allow_bearer_tokens());
    let token = google(&key).get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    assert_eq!(token.confirmation(), None);
    assert_eq!(token.refresh_confirmation().unwrap()["jkt"], *key.thumbprint());
    // Through a store, into another process.
    let stored = serde_json::to_string(&token).unwrap();
    let token = serde_json::from_str(&stored).unwrap();
    let client = google(&key);
    client.get_profile_of(&token).await.unwrap();
    let token = client.refresh(&token, None).await.unwrap();
    let seen = server.seen();
    assert_eq!(statuses(&seen), [200, 200, 200]);
    assert_eq!(seen[1].authorization.as_deref(), Some("Bearer AT1"));
    assert!(seen[1].proof.is_none());
    assert_eq!(seen[2].jkt.as_deref(), Some(key.thumbprint()));
    assert_eq!(seen[2].field("client_secret"), Some("secret"));
    // Another key would spoil the grant, so nothing is sent.
    let other = google(&DpopKey::generate().unwrap());
    assert_eq!(other.refresh(&token, None).await.unwrap_err().class(), ErrorClass::Reauthorize);
    assert!(server.seen().is_empty());
}
