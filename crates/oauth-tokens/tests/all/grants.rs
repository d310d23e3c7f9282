//! Machines' tokens: the same manager, without a login.

use std::sync::{Arc, Mutex};

use oauth_core::{
    ErrorClass, HttpClient, HttpError, OAuth2, OAuth2Token, Operation, Provider, async_trait,
    bytes::Bytes,
    http::{Request, Response},
};
use oauth_fapi::{CibaRequest, TokenExchange, TokenType};
use oauth_tokens::{
    AccessTokenRequest, CibaSource, ClientCredentials, GrantSource, JwtBearer, MemoryStore, PlainGrant,
    Revoked, StoreError, StoreOperation, TokenError, TokenExchangeSource, TokenKey, TokenManager,
    TokenSource,
    testkit::{RotatingServer, ServerFault},
};

use crate::support::{Hands, sealer};

/// Notes what is sent to the server.
#[derive(Clone, Debug)]
struct Noting(RotatingServer, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl HttpClient for Noting {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        self.1.lock().unwrap().push(format!("{} {} {body}", request.method(), request.uri()));
        self.0.send(request).await
    }
}

fn noting(server: &RotatingServer) -> (OAuth2, Arc<Mutex<Vec<String>>>) {
    let noted = Arc::default();
    (server.client().with_http_client(Noting(server.clone(), Arc::clone(&noted))), noted)
}

fn manager(source: impl TokenSource + 'static, store: &MemoryStore, clock: &Hands) -> TokenManager {
    TokenManager::builder(store.clone(), sealer()).source(source).clock(clock.clone()).build().unwrap()
}

#[tokio::test]
async fn client_credentials_are_asked_for_once_kept_and_asked_for_again() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let (client, noted) = noting(&server);
    let source = ClientCredentials::new(client)
        .with_scopes(["reports.read", "reports.write"])
        .with_parameter("audience", "https://api.example");
    let key = TokenKey::new("testkit", "nightly-reports");

    // A thousand tasks in two processes, and nothing is stored yet.
    let mut tasks = tokio::task::JoinSet::new();
    for manager in [manager(source.clone(), &store, &clock), manager(source.clone(), &store, &clock)] {
        for _ in 0..500 {
            let (manager, key) = (manager.clone(), key.clone());
            tasks.spawn(async move { manager.get(&key).await.unwrap().access_token().to_owned() });
        }
    }
    let tokens = tasks.join_all().await;
    assert!(tokens.iter().all(|token| *token == tokens[0] && server.knows(token)));
    let request = "POST https://as.example/token grant_type=client_credentials&scope=reports.read+reports.write\
                   &audience=https%3A%2F%2Fapi.example&client_id=client&client_secret=secret";
    assert_eq!(*noted.lock().unwrap(), [request]);

    clock.forward(std::time::Duration::from_secs(3600));
    let manager = manager(source, &store, &clock);
    assert_ne!(manager.get(&key).await.unwrap().access_token(), tokens[0]);
    assert_eq!(noted.lock().unwrap().len(), 2);

    // Another key is another token.
    let other = manager.get(&key.with_label("other")).await.unwrap();
    assert_ne!(other, manager.get(&key).await.unwrap());
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider);
    assert!(manager.list("", "nightly-reports").await.unwrap().len() == 1);
}

#[tokio::test]
async fn scopes_are_joined_as_the_client_was_told() {
    let server = RotatingServer::new();
    let (client, noted) = noting(&server);
    let source = ClientCredentials::new(client.with_scope_separator(",")).with_scopes(["a", "b"]);
    manager(source, &MemoryStore::new(), &Hands::new()).get(&TokenKey::new("testkit", "job")).await.unwrap();
    assert!(noted.lock().unwrap()[0].contains("&scope=a%2Cb&"));
}

/// Users' tokens would be replaced by the machine's.
#[tokio::test]
async fn two_sources_of_one_name_are_refused() {
    let client = RotatingServer::new().client();
    let builder = TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(client.clone()));
    let error = builder.clone().source(ClientCredentials::new(client.clone())).build().unwrap_err();
    assert_eq!((error.class(), error.provider()), (ErrorClass::Configuration, "testkit"));
    assert!(builder.source(ClientCredentials::new(client.with_name("machine"))).build().is_ok());
}

#[tokio::test]
async fn an_assertion_is_made_for_each_request_and_for_the_keys_subject() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let (client, noted) = noting(&server);
    let made = Arc::new(Mutex::new(0));
    let source = JwtBearer::new(client, move |key: &TokenKey| {
        let mut made = made.lock().unwrap();
        *made += 1;
        match key.subject() {
            "nobody" => Err("no such user".into()),
            subject => Ok(format!("header.{subject}-{made}.signature")),
        }
    });
    let manager = manager(source, &MemoryStore::new(), &clock);
    for (subject, number) in [("ada", 1), ("ben", 2)] {
        manager.get(&TokenKey::new("testkit", subject)).await.unwrap();
        let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let expected = format!(
            "POST https://as.example/token {grant}&assertion=header.{subject}-{number}.signature\
             &client_id=client&client_secret=secret"
        );
        assert_eq!(noted.lock().unwrap().last(), Some(&expected));
    }
    let error = manager.get(&TokenKey::new("testkit", "nobody")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.to_string().contains("no such user"), "{error}");
    assert_eq!(noted.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_machines_grant_does_not_die() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let source = JwtBearer::new(server.client(), |_: &TokenKey| Ok("a.b.c".to_owned()));
    let manager = manager(source, &MemoryStore::new(), &clock);
    let key = TokenKey::new("testkit", "ada");
    // Clocks that differ are a common reason.
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
    for _ in 0..10 {
        let error = manager.get(&key).await.unwrap_err();
        assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    }
    assert_eq!(server.token_requests(), 1);
    clock.forward(std::time::Duration::from_secs(6));
    assert!(server.knows(manager.get(&key).await.unwrap().access_token()));
}

#[test]
fn the_values_of_parameters_are_not_shown() {
    let server = RotatingServer::new();
    let credentials = ClientCredentials::new(server.client()).with_parameter("password", "hunter2");
    let bearer = JwtBearer::new(server.client(), |_: &TokenKey| Ok("e30.e30.c2ln".to_owned()))
        .with_parameter("password", "hunter2");
    let shown = format!("{credentials:?} {bearer:?}");
    assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("AssertionSource(…)"), "{shown}");
    let (client, provider) = (server.client(), Arc::new(server.client()));
    let grant = |_: TokenKey| async { Ok(OAuth2Token::new("hunter2")) };
    let given = |_: &TokenKey| Ok(TokenExchange::new("hunter2", TokenType::AccessToken));
    let whom = |_: &TokenKey| Ok(CibaRequest::for_login_hint("hunter2"));
    for (shown, name) in [
        (format!("{:?}", GrantSource::new(client.clone(), grant)), "GrantSource {"),
        (format!("{:?}", TokenExchangeSource::new(client, given)), "TokenExchangeSource {"),
        (format!("{:?}", CibaSource::new(provider, whom)), "CibaSource {"),
        (format!("{:?}", MemoryStore::new()), "MemoryStore"),
        (format!("{:?}", TokenKey::new("testkit", "ada")), "TokenKey { tenant: \"\", subject: \"ada\""),
    ] {
        assert!(shown.starts_with(name) && !shown.contains("hunter2"), "{shown}");
    }
    let builder = TokenManager::builder(MemoryStore::new(), sealer()).source(credentials).source(bearer);
    let shown = format!("{builder:?}");
    assert!(shown.contains("testkit") && !shown.contains("hunter2"), "{shown}");
    let shown = format!("{:?}", builder.lookup(|_: TokenKey| async { Ok(None) }));
    assert!(shown.contains("lookup: Some(SourceLookup(…))"), "{shown}");
    let grant = PlainGrant::new(&TokenKey::new("testkit", "ada"), OAuth2Token::new("hunter2"));
    let shown = format!("{grant:?}");
    assert!(
        shown.starts_with("PlainGrant {") && shown.contains("ada") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn a_manager_shows_its_store_and_its_providers() {
    let source = ClientCredentials::new(RotatingServer::new().client());
    let manager = TokenManager::builder(MemoryStore::new(), sealer()).source(source).build().unwrap();
    let shown = format!("{manager:?}");
    for part in ["store: MemoryStore", "providers: [\"testkit\"]"] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn a_store_error_names_what_failed() {
    for (operation, message) in [
        (StoreOperation::Load, "the token store failed to load: no route"),
        (StoreOperation::Acquire, "the token store failed to acquire a lease: no route"),
    ] {
        assert_eq!(StoreError::transient(operation, "no route").to_string(), message);
    }
}

#[tokio::test]
async fn a_grant_of_any_kind_is_obtained_by_its_function_whenever_it_expires() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let (client, noted) = noting(&server);
    let installations = client.clone();
    let source = GrantSource::new(client, move |key: TokenKey| {
        let client = installations.clone();
        async move {
            let form = [("grant_type", "client_credentials"), ("installation", key.subject())];
            client
                .request_token(Operation::new("get_installation_token"), client.endpoints().token(), form)
                .await
        }
    });
    let key = TokenKey::new("testkit", "4711");
    assert_eq!(source.client(&key).unwrap().client_id(), "client");
    let manager = manager(source, &store, &clock);
    let token = manager.get(&key).await.unwrap();
    assert_eq!(manager.get(&key).await.unwrap(), token);
    clock.forward(std::time::Duration::from_secs(3600));
    let token = manager.get(&key).await.unwrap();
    assert!(server.knows(token.access_token()));
    let asked: Vec<String> = std::mem::take(&mut *noted.lock().unwrap());
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.iter().all(|request| request.contains("grant_type=client_credentials&installation=4711")));
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider);
    assert!(!server.knows(token.access_token()));
}

#[tokio::test]
async fn what_one_request_is_for_takes_the_place_of_that_parameter_alone() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let (client, noted) = noting(&server);
    let source = ClientCredentials::new(client)
        .with_scopes(["reports.read"])
        .with_parameter("audience", "https://api.example")
        .with_parameter("organization", "acme");
    let manager = manager(source, &store, &clock);
    let request = AccessTokenRequest::new().with_audience("https://other.example").with_scopes(["mail.read"]);
    manager.get_for(&TokenKey::new("testkit", "nightly-reports"), &request).await.unwrap();
    let request = "POST https://as.example/token grant_type=client_credentials&scope=mail.read&organization=acme\
                   &audience=https%3A%2F%2Fother.example&client_id=client&client_secret=secret";
    assert_eq!(*noted.lock().unwrap(), [request]);
}

async fn is_revoked_at_the_provider(server: &RotatingServer, source: impl TokenSource + 'static) {
    let key = TokenKey::new("testkit", "ada@example.com");
    assert_eq!(source.client(&key).unwrap().client_id(), "client");
    let manager = manager(source, &MemoryStore::new(), &Hands::new());
    let token = manager.get(&key).await.unwrap();
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider);
    assert!(!server.knows(token.access_token()));
    assert!(manager.list("", key.subject()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_machines_token_is_revoked_at_the_provider() {
    let server = RotatingServer::new();
    let bearer = JwtBearer::new(server.client(), |_: &TokenKey| Ok("e30.e30.c2ln".to_owned()));
    is_revoked_at_the_provider(&server, bearer).await;
    is_revoked_at_the_provider(&server, ClientCredentials::new(server.client())).await;
}

#[tokio::test]
async fn an_exchange_is_for_what_was_asked_for_and_for_nothing_else() {
    const REPLY: &str = r#"{"access_token": "exchanged", "token_type": "Bearer", "expires_in": 3600,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}"#;
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    server.fail_always(Some(ServerFault::Reply(200, REPLY, None)));
    let (client, noted) = noting(&server);
    let given = |_: &TokenKey| Ok(TokenExchange::new("given", TokenType::AccessToken));
    let source = TokenExchangeSource::new(client, given).with_exchange(|exchange| {
        exchange.with_audience("own").with_resource("https://own.example").with_scopes(["own"])
    });
    let key = TokenKey::new("testkit", "user-17");
    assert_eq!(source.client(&key).unwrap().client_id(), "client");
    let manager = manager(source, &store, &clock);
    let request = AccessTokenRequest::new;
    for (request, expected) in [
        (request().with_scopes(["mail"]), "resource=https%3A%2F%2Fown.example&audience=own&scope=mail"),
        (request().with_resource("https://files.example"), "resource=https%3A%2F%2Ffiles.example&scope=own"),
        (request().with_audience("files"), "audience=files&scope=own"),
    ] {
        manager.get_for(&key, &request).await.unwrap();
        let sent = noted.lock().unwrap().pop().unwrap();
        let mut fields: Vec<_> = sent.rsplit(' ').next().unwrap().split('&').collect();
        fields
            .retain(|field| ["resource=", "audience=", "scope="].iter().any(|name| field.starts_with(name)));
        assert_eq!(fields.join("&"), expected);
    }
    assert_eq!(manager.get(&key).await.unwrap().access_token(), "exchanged");
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider);
    let sent = noted.lock().unwrap().pop().unwrap();
    assert!(sent.contains("/revoke token=exchanged"), "{sent}");
}

#[tokio::test]
async fn an_outage_has_no_user_asked_who_has_agreed_before() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let (client, noted) = noting(&server);
    let whom = |key: &TokenKey| Ok(CibaRequest::for_login_hint(key.subject()));
    let source = CibaSource::new(Arc::new(client), whom);
    let key = TokenKey::new("testkit", "user-17");
    assert_eq!(
        (source.client_id(&key), source.client(&key).unwrap().client_id()),
        (Some("client"), "client")
    );
    let manager = manager(source, &store, &clock);
    manager.put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(503, "", None));
    let error = manager.get(&key).await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(noted.lock().unwrap().len(), 1);
    clock.forward(std::time::Duration::from_secs(120));
    let token = manager.get(&key).await.unwrap();
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider);
    assert!(!server.knows(token.access_token()));
}
