//! What may take part in a request from outside of the library: client authentication and sender constraints.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use oauth_clients::{
    AfterReply, AuthenticationError, AuthorizationParams, AuthorizationRequest, ClientAuth,
    ClientAuthentication, Credentials, Endpoint, EndpointAlias, Endpoints, Error, ErrorClass, HttpClient,
    HttpError, HttpErrorKind, OAuth2, OAuth2Token, Operation, Participant, Provider, RequestContext,
    RequestDraft, async_trait,
};
use serde_json::json;

use crate::support::{Script, owned, reply};

/// A key that takes its time, as one in a vault does. It numbers what it signs.
#[derive(Debug, Default)]
struct SlowSigner {
    signed: AtomicUsize,
    answers: Mutex<Vec<u16>>,
}

#[async_trait]
impl ClientAuthentication for SlowSigner {
    fn method(&self) -> &str {
        "private_key_jwt"
    }

    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let number = self.signed.fetch_add(1, Ordering::Relaxed);
        let audience = context.issuer.unwrap_or(context.token_endpoint);
        request.add_field(
            "client_assertion",
            &format!("{number}-{}-{audience}-{:?}", context.client_id, context.endpoint),
        )?;
        Ok(())
    }

    async fn answered(&self, _context: &RequestContext<'_>, reply: &http::Response<Bytes>) {
        self.answers.lock().unwrap().push(reply.status().as_u16());
    }
}

fn generic(credentials: impl Into<Credentials>, http: &Script) -> OAuth2 {
    OAuth2::new("id", credentials, "https://as.example/authorize", "https://as.example/token")
        .with_refresh_endpoint("https://as.example/token")
        .with_revoke_endpoint("https://as.example/revoke")
        .with_introspection_endpoint("https://as.example/introspect")
        .with_profile_endpoint("https://as.example/me")
        .with_http_client(http.clone())
}

fn json(status: u16, body: &serde_json::Value) -> http::Response<Bytes> {
    reply(status, "application/json", body.to_string())
}

#[tokio::test]
async fn an_authentication_from_outside_signs_each_request_anew() {
    let http = Script::new([
        json(200, &json!({"access_token": "AT", "refresh_token": "RT"})),
        json(400, &json!({"error": "invalid_grant"})),
        json(200, &json!({})),
        json(200, &json!({"active": true})),
    ]);
    let signer = Arc::new(SlowSigner::default());
    let client = generic(signer.clone(), &http);
    client.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap();
    client.refresh_token("RT", None).await.unwrap_err();
    client.revoke_token("AT", None).await.unwrap();
    client.introspect_token("AT", None).await.unwrap();
    let sent = http.requests();
    let forms: Vec<_> = sent.iter().map(|request| request.form()).collect();
    let endpoints = ["Token", "Refresh", "Revocation", "Introspection"];
    for (number, (form, endpoint)) in forms.iter().zip(endpoints).enumerate() {
        let expected = format!("{number}-id-https://as.example/token-Some({endpoint})");
        assert_eq!(form.last().unwrap(), &("client_assertion".to_owned(), expected));
        assert!(!form.iter().any(|(name, _)| name == "client_secret"), "{form:?}");
    }
    assert_eq!(
        forms[0][..3],
        owned(&[
            ("grant_type", "authorization_code"),
            ("code", "C"),
            ("redirect_uri", "https://app.example/cb"),
        ])
    );
    assert_eq!(*signer.answers.lock().unwrap(), [200, 400, 200, 200]);
}

/// Cannot reach its vault, or is not allowed to use it.
#[derive(Debug)]
struct Vault {
    is_down: bool,
}

#[async_trait]
impl ClientAuthentication for Vault {
    fn method(&self) -> &str {
        "private_key_jwt"
    }

    async fn authenticate(
        &self,
        _: &RequestContext<'_>,
        _: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        match self.is_down {
            true => Err(HttpError::new(HttpErrorKind::Timeout).into()),
            false => Err("the vault is sealed".into()),
        }
    }
}

#[tokio::test]
async fn an_authentication_that_fails_sends_nothing_and_says_why() {
    let cases = [
        (false, ErrorClass::Configuration, "client authentication (private_key_jwt): the vault is sealed"),
        (true, ErrorClass::Transient { retry_after: None }, "get_access_token at"),
    ];
    for (is_down, class, text) in cases {
        let http = Script::default();
        let client = generic(Credentials::authentication(Vault { is_down }), &http);
        let error = client.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(error.class(), class);
        assert!(error.to_string().contains(text), "{error}");
        assert!(http.requests().is_empty());
    }
}

/// Authenticates by a certificate: at the endpoint's alias, through a client that has it.
#[derive(Debug)]
struct Certificate(Script);

#[async_trait]
impl ClientAuthentication for Certificate {
    fn method(&self) -> &str {
        "tls_client_auth"
    }

    fn endpoint_alias(&self) -> EndpointAlias {
        EndpointAlias::MutualTls
    }

    fn transport(&self) -> Option<Arc<dyn HttpClient>> {
        Some(Arc::new(self.0.clone()))
    }

    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        assert_eq!(context.url, request.url());
        request.add_field("client_id", context.client_id)?;
        Ok(())
    }
}

#[tokio::test]
async fn mutual_tls_goes_to_the_alias_by_its_own_client_and_nothing_else_does() {
    let plain = Script::json(200, &json!({"id": 1}));
    let secured = Script::new([
        json(200, &json!({"access_token": "AT", "refresh_token": "RT"})),
        json(200, &json!({})),
    ]);
    let client = generic(Credentials::authentication(Certificate(secured.clone())), &plain)
        .with_mtls_endpoints(Endpoints::from_iter([(Endpoint::Token, "https://mtls.as.example/token")]));
    client.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap();
    // An endpoint without an alias is asked where it is, still with the certificate.
    client.revoke_token("RT", None).await.unwrap();
    client.get_profile("AT").await.unwrap();
    let urls: Vec<_> = secured.requests().into_iter().map(|request| request.url).collect();
    assert_eq!(urls, ["https://mtls.as.example/token", "https://as.example/revoke"]);
    assert_eq!(plain.request().url, "https://as.example/me");
}

#[tokio::test]
async fn what_a_request_has_in_its_query_goes_to_the_alias_too() {
    for (alias, expected) in [
        ("https://mtls.as.example/revoke", "token=RT&n=1"),
        ("https://mtls.as.example/revoke?pool=a", "pool=a&token=RT&n=1"),
    ] {
        let secured = Script::json(200, &json!({}));
        let client = generic(Credentials::authentication(Certificate(secured.clone())), &Script::default())
            .with_revoke_endpoint("https://as.example/revoke?pool=b")
            .with_mtls_endpoints(Endpoints::from_iter([(Endpoint::Revocation, alias)]));
        let request = client
            .request(Operation::REVOKE_TOKEN, http::Method::POST, "https://as.example/revoke?pool=b")
            .endpoint(Endpoint::Revocation)
            .query(&[("token", "RT"), ("n", "1")])
            .client_auth(ClientAuth::Post);
        request.send().await.unwrap();
        let sent = secured.request();
        let query: Vec<_> = sent.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!((&*sent.url, &*query.join("&")), ("https://mtls.as.example/revoke", expected));
    }
}

/// Proves possession of a key as DPoP does (RFC 9449), with a made-up signature.
#[derive(Debug, Default)]
struct Proofs {
    nonce: Mutex<Option<String>>,
    made: AtomicUsize,
}

const KEY: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

#[async_trait]
impl Participant for Proofs {
    async fn before_send(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let nonce = self.nonce.lock().unwrap().clone().unwrap_or_default();
        let ath = request.access_token().unwrap_or_default().to_owned();
        request.set_token_scheme("DPoP")?;
        request
            .set_header("dpop", &format!("{number} {} {} {ath} {nonce}", request.method(), context.url))?;
        Ok(())
    }

    async fn after_reply(
        &self,
        _context: &RequestContext<'_>,
        _request: &RequestDraft,
        reply: &http::Response<Bytes>,
    ) -> AfterReply {
        let Some(nonce) = reply.headers().get("dpop-nonce") else { return AfterReply::Done };
        *self.nonce.lock().unwrap() = nonce.to_str().ok().map(str::to_owned);
        match reply.status().as_u16() {
            400 | 401 => AfterReply::SendAgain,
            _ => AfterReply::Done,
        }
    }

    fn presents(&self, token_type: &str) -> bool {
        token_type.eq_ignore_ascii_case("DPoP")
    }

    fn check_new_token(&self, _client: &OAuth2, token: &mut OAuth2Token) -> Result<(), Error> {
        *token = token.clone().with_confirmation(json!({"jkt": KEY}).as_object().unwrap().clone());
        Ok(())
    }

    fn check_use(&self, client: &OAuth2, token: &OAuth2Token) -> Result<(), Error> {
        match token.confirmation() {
            Some(cnf) if cnf["jkt"] == KEY => Ok(()),
            _ => Err(client.unsupported(Operation::GET_PROFILE, "the token is bound to another key")),
        }
    }
}

fn wants_nonce(status: u16) -> http::Response<Bytes> {
    let mut reply = json(status, &json!({"error": "use_dpop_nonce"}));
    reply.headers_mut().insert("dpop-nonce", http::HeaderValue::from_static("N"));
    reply
}

#[tokio::test]
async fn a_sender_constraint_proves_each_request_and_repeats_one_for_the_servers_nonce() {
    let http = Script::new([
        wants_nonce(400),
        json(200, &json!({"access_token": "AT", "token_type": "DPoP", "refresh_token": "RT"})),
        json(200, &json!({"id": 1})),
    ]);
    let client = generic(Arc::new(SlowSigner::default()), &http).with_participant(Proofs::default());
    let token = client.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap();
    client.get_profile_of(&token).await.unwrap();
    let sent = http.requests();
    let proofs: Vec<_> = sent.iter().map(|request| request.header("dpop").unwrap()).collect();
    assert_eq!(
        proofs,
        [
            "0 POST https://as.example/token  ",
            "1 POST https://as.example/token  N",
            "2 GET https://as.example/me AT N",
        ]
    );
    // The repetition is authenticated anew: an assertion is used once.
    let assertions: Vec<_> = sent[..2].iter().map(|request| request.form().pop().unwrap().1).collect();
    assert!(assertions[0].starts_with("0-") && assertions[1].starts_with("1-"), "{assertions:?}");
    assert_eq!(sent[2].header("authorization"), Some("DPoP AT"));

    // What the token is bound to travels with it, through a store too.
    let stored = serde_json::to_string(&token).unwrap();
    let read: OAuth2Token = serde_json::from_str(&stored).unwrap();
    assert_eq!(read.confirmation(), Some(&json!({"jkt": KEY})));
    let bound_elsewhere = stored.replace(KEY, "another");
    let read: OAuth2Token = serde_json::from_str(&bound_elsewhere).unwrap();
    for refused in
        [client.get_profile_of(&read).await.map(|_| ()), client.refresh(&read, None).await.map(|_| ())]
    {
        assert!(refused.unwrap_err().to_string().contains("bound to another key"));
    }
    assert_eq!(http.requests().len(), 3);
}

#[tokio::test]
async fn a_request_is_repeated_once_and_no_more() {
    let http = Script::new([wants_nonce(400), wants_nonce(400)]);
    let client = generic("secret", &http).with_participant(Proofs::default());
    let error = client.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "use_dpop_nonce");
    assert_eq!(http.requests().len(), 2);
}

#[tokio::test]
async fn without_a_participant_a_bound_token_is_refused_and_nothing_is_repeated() {
    let http = Script::new([wants_nonce(400)]);
    let client = generic("secret", &http);
    client.get_access_token("C", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_eq!(http.requests().len(), 1);
    let http = Script::json(200, &json!({"access_token": "AT", "token_type": "DPoP"}));
    let error = generic("secret", &http)
        .get_access_token("C", "https://app.example/cb", None, &[])
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Protocol, "{error}");
}

/// Sends its own parameter with each authorization request.
#[derive(Debug)]
struct Resource;

#[async_trait]
impl Participant for Resource {
    async fn authorize(&self, _client: &OAuth2, params: &mut AuthorizationParams) -> Result<(), Error> {
        params.set("resource", "https://api.example");
        Ok(())
    }
}

/// Sends an authorization request beforehand, as PAR does, so that its URL names it.
#[derive(Debug)]
struct Pushed;

#[async_trait]
impl Participant for Pushed {
    async fn authorize(&self, client: &OAuth2, params: &mut AuthorizationParams) -> Result<(), Error> {
        let request = client.request(Operation::new("push"), http::Method::POST, "https://as.example/par");
        let reply = request.form(params.iter()).send().await?.object()?;
        params.clear();
        params.set("client_id", client.client_id());
        params.set("request_uri", reply["request_uri"].as_str().unwrap());
        Ok(())
    }
}

#[tokio::test]
async fn an_authorization_request_is_changed_and_pushed_by_those_who_take_part() {
    let http = Script::json(201, &json!({"request_uri": "urn:x", "expires_in": 60}));
    let client = generic("secret", &http).with_participant(Resource).with_participant(Pushed);
    let request = AuthorizationRequest::new("https://app.example/cb").state("s");
    let url = client.get_authorization_url(request).await.unwrap();
    assert_eq!(url, "https://as.example/authorize?client_id=id&request_uri=urn%3Ax");
    let form = http.request().form();
    assert_eq!(
        form,
        owned(&[
            ("response_type", "code"),
            ("client_id", "id"),
            ("redirect_uri", "https://app.example/cb"),
            ("state", "s"),
            ("resource", "https://api.example"),
        ])
    );
}

/// Counts how often a client is made ready.
#[derive(Clone, Debug, Default)]
struct Readiness(Arc<AtomicUsize>);

#[async_trait]
impl Participant for Readiness {
    async fn ready(&self, client: &OAuth2) -> Result<OAuth2, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(client.clone())
    }
}

#[tokio::test]
async fn who_the_user_is_takes_a_client_that_is_made_ready_once() {
    let readiness = Readiness::default();
    let http = Script::new([(); 4].map(|()| json(200, &json!({"id": 1, "email": "ada@example.org"}))));
    let client = generic("secret", &http).with_participant(readiness.clone());
    let token = OAuth2Token::new("AT");
    client.get_identity(&token).await.unwrap();
    assert_eq!(readiness.0.load(Ordering::Relaxed), 1);
    client.get_id_email("AT").await.unwrap();
    client.get_profile_of(&token).await.unwrap();
    Provider::get_profile(&client, "AT").await.unwrap();
    assert_eq!(readiness.0.load(Ordering::Relaxed), 4);
}
