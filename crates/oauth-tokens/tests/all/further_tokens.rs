//! Several access tokens of one grant, which share its refresh token.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use oauth_core::{
    Clock as _, ErrorClass, HttpClient, HttpError, HttpErrorKind, Provider, async_trait,
    bytes::Bytes,
    http,
    serde_json::{self, Value},
};
use oauth_tokens::{
    AccessTokenRequest, ClientCredentials, Event, Expected, MemoryStore, Put, TokenError, TokenKey,
    TokenManager, TokenStore,
    testkit::{RotatingServer, ServerFault},
};
use tokio::task::JoinSet;

use crate::support::{Hands, Shaky, Yielding, builder, expired, key, sealer, stored};

const SECOND: Duration = Duration::from_secs(1);

fn mail() -> AccessTokenRequest {
    AccessTokenRequest::new().with_scopes(["mail.read", "mail.send"])
}

fn files() -> AccessTokenRequest {
    AccessTokenRequest::new().with_resource("https://files.example").with_audience("files")
}

/// A server that notes the bodies of its requests.
#[derive(Clone, Debug)]
struct Noting(RotatingServer, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl HttpClient for Noting {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        self.1.lock().unwrap().push(body);
        self.0.send(request).await
    }
}

/// A server whose access tokens for some scopes come expired.
#[derive(Clone, Debug)]
struct Expiring(RotatingServer);

#[async_trait]
impl HttpClient for Expiring {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let is_for_scopes = String::from_utf8_lossy(request.body()).contains("&scope=");
        let reply = self.0.send(request).await?;
        if !is_for_scopes {
            return Ok(reply);
        }
        let (parts, body) = reply.into_parts();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        body["expires_in"] = (-3600).into();
        Ok(http::Response::from_parts(parts, body.to_string().into()))
    }
}

#[tokio::test]
async fn a_further_token_that_comes_expired_is_asked_for_once() {
    let server = RotatingServer::new();
    let client = server.client().with_http_client(Expiring(server.clone()));
    let manager =
        TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(client)).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let token = manager.get_for(&key(), &mail()).await.unwrap();
    assert!(server.knows(token.access_token()));
    assert_eq!(server.token_requests(), 1);
    let kept = stored(&manager, &key()).await.token.unwrap();
    assert!(server.accepts(kept.refresh_token().unwrap()));
}

#[tokio::test]
async fn a_grant_has_an_access_token_for_each_scope_and_resource() {
    let (server, noted) = (RotatingServer::new(), Arc::new(Mutex::new(Vec::new())));
    let client = server.client().with_http_client(Noting(server.clone(), Arc::clone(&noted)));
    let store = MemoryStore::new();
    let manager =
        || TokenManager::builder(store.clone(), sealer()).provider(Arc::new(client.clone())).build();
    let one = manager().unwrap();
    let login = server.sign_in().unwrap();
    one.put(&key(), &login).await.unwrap();

    let for_mail = one.get_for(&key(), &mail()).await.unwrap();
    assert_eq!(for_mail.scopes().unwrap(), ["mail.read", "mail.send"]);
    let for_files = one.get_for(&key(), &files()).await.unwrap();
    let main = one.get(&key()).await.unwrap();
    assert_eq!(main.access_token(), login.access_token(), "the login's is as it was");
    let all: HashSet<_> =
        [&main, &for_mail, &for_files].map(|token| token.access_token().to_owned()).into_iter().collect();
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|token| server.knows(token)));
    let sent = noted.lock().unwrap().clone();
    assert_eq!(sent.len(), 2);
    assert!(sent[0].contains("&scope=mail.read+mail.send") && !sent[0].contains("resource="), "{sent:?}");
    assert!(sent[1].contains("&resource=https%3A%2F%2Ffiles.example&audience=files"), "{sent:?}");
    assert!(!sent[1].contains("scope="), "{sent:?}");

    // From memory, in another order, and in another process from the store.
    let again = AccessTokenRequest::new().with_scopes(["mail.send", "mail.read", "mail.send"]);
    assert_eq!(one.get_for(&key(), &again).await.unwrap(), for_mail);
    let other = manager().unwrap();
    assert_eq!(other.get_for(&key(), &mail()).await.unwrap(), for_mail);
    assert_eq!(other.get_for(&key(), &files()).await.unwrap(), for_files);
    assert_eq!(other.get(&key()).await.unwrap(), main);
    assert_eq!(other.get_for(&key(), &AccessTokenRequest::new()).await.unwrap(), main);
    assert_eq!(server.token_requests(), 2);

    // The grant is refreshed with the refresh token that came last, and keeps what it has beside.
    let stored = stored(&other, &key()).await.token.unwrap();
    assert!(server.accepts(stored.refresh_token().unwrap()));
    other.put(&key(), &expired(&stored)).await.unwrap();
    let refreshed = other.get(&key()).await.unwrap();
    assert!(server.knows(refreshed.access_token()) && refreshed.scopes().is_none());
    assert_eq!(server.ended_grants(), 0);
}

#[tokio::test]
async fn a_further_token_is_refreshed_when_it_is_due_and_never_replaces_that_of_the_login() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let new = || builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    let (one, other) = (new(), new());
    one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let first = one.get_for(&key(), &mail()).await.unwrap();
    let main = one.get(&key()).await.unwrap();
    clock.forward(3500 * SECOND);
    // Both are due.
    let second = other.get_for(&key(), &mail()).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(second.scopes().unwrap(), ["mail.read", "mail.send"]);
    let after = stored(&other, &key()).await.token.unwrap();
    assert_eq!(after.access_token(), main.access_token());
    assert!(server.accepts(after.refresh_token().unwrap()));
    let refreshed = other.get(&key()).await.unwrap();
    assert_ne!(refreshed, main);
    assert!(refreshed.scopes().is_none(), "it is not the narrow one");
    assert_eq!(other.get_for(&key(), &mail()).await.unwrap(), second, "a refresh keeps it");
    assert_eq!(server.token_requests(), 3);

    // Long after all have expired, where only the further one is asked for.
    clock.forward(36_000 * SECOND);
    let third = one.get_for(&key(), &mail()).await.unwrap();
    assert!(server.knows(third.access_token()));
    for _ in 0..3 {
        assert_eq!(one.get_for(&key(), &mail()).await.unwrap(), third);
    }
    assert_eq!(server.token_requests(), 4);
    let main = one.get(&key()).await.unwrap();
    assert!(main != third && main.scopes().is_none());
    assert_eq!((server.token_requests(), server.ended_grants()), (5, 0));
}

#[tokio::test]
async fn a_further_token_can_be_asked_to_last_and_be_rejected() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let first = manager.get_for(&key(), &mail()).await.unwrap();
    clock.forward(1800 * SECOND);
    let lasting = |seconds| mail().valid_for(seconds * SECOND);
    assert_eq!(manager.get_for(&key(), &lasting(900)).await.unwrap(), first);
    let second = manager.get_for(&key(), &lasting(2700)).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(manager.get_for(&key(), &mail()).await.unwrap(), second);
    let rejection = |token: &str| mail().after_rejection(token);
    let same = manager.get_for(&key(), &rejection(second.access_token())).await.unwrap();
    assert_eq!(same, second, "it is only seconds old");
    clock.forward(60 * SECOND);
    assert_eq!(manager.get_for(&key(), &rejection(first.access_token())).await.unwrap(), second);
    let third = manager.get_for(&key(), &rejection(second.access_token())).await.unwrap();
    assert_ne!(third, second);
    assert_eq!((server.token_requests(), server.ended_grants()), (3, 0));
    assert!(!format!("{:?}", rejection(third.access_token())).contains(third.access_token()));
}

#[tokio::test]
async fn what_the_provider_refuses_to_a_further_token_is_not_held_against_the_grant() {
    // Microsoft says invalid_grant where the user has not consented.
    for (body, class) in [
        (r#"{"error":"invalid_scope"}"#, ErrorClass::Configuration),
        (r#"{"error":"invalid_target"}"#, ErrorClass::Configuration),
        (r#"{"error":"consent_required"}"#, ErrorClass::Reauthorize),
        (r#"{"error":"invalid_grant"}"#, ErrorClass::Reauthorize),
    ] {
        let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
        let new = || builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
        let (one, other) = (new(), new());
        one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
        clock.forward(SECOND);
        server.fail_next(ServerFault::Reply(400, body, None));
        let error = one.get_for(&key(), &mail()).await.unwrap_err();
        assert!(matches!(error, TokenError::NotGranted { .. }), "{body}: {error}");
        assert_eq!(error.class(), class);
        // Nobody asks again for a while, and all else goes on.
        let asked = server.token_requests();
        for manager in [&one, &other] {
            for _ in 0..3 {
                let error = manager.get_for(&key(), &mail()).await.unwrap_err();
                assert!(matches!(error, TokenError::NotGranted { .. }), "{body}: {error}");
            }
            assert!(server.knows(manager.get(&key()).await.unwrap().access_token()), "{body}");
        }
        assert_eq!(server.token_requests(), asked, "{body}");
        assert_eq!(stored(&one, &key()).await.failures, 0);
        other.get_for(&key(), &files()).await.unwrap();
        clock.forward(301 * SECOND);
        assert!(server.knows(other.get_for(&key(), &mail()).await.unwrap().access_token()));
        assert_eq!(server.ended_grants(), 0);
    }
}

#[tokio::test]
async fn trouble_with_the_provider_or_the_client_is_no_refusal_of_a_further_token() {
    for (status, body, retry_after, class) in [
        (503, r#"{"error":"temporarily_unavailable"}"#, None, None),
        (400, r#"{"error":"server_error"}"#, None, None),
        (429, r#"{"error":"invalid_request"}"#, Some(30), None),
        (401, r#"{"error":"invalid_client"}"#, None, Some(ErrorClass::Configuration)),
        (400, r#"{"error":"unauthorized_client"}"#, None, Some(ErrorClass::Configuration)),
    ] {
        let (server, clock) = (RotatingServer::new(), Hands::new());
        let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
        manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
        server.fail_next(ServerFault::Reply(status, body, retry_after));
        let error = manager.get_for(&key(), &mail()).await.unwrap_err();
        let TokenError::RefreshFailed { cause: Some(_), message, retry_at, .. } = &error else {
            panic!("{body}: {error:?}")
        };
        assert!(message.contains(&status.to_string()), "{message}");
        let wait = *retry_at - clock.now();
        let asked_for = retry_after.map(Duration::from_secs);
        let range = asked_for.map_or(SECOND / 2..=SECOND, |asked_for| asked_for..=asked_for);
        assert!(range.contains(&wait.unsigned_abs()) && wait.is_positive(), "{body}: {wait}");
        match class {
            Some(class) => assert_eq!(error.class(), class, "{body}"),
            None => assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{body}"),
        }
        clock.forward(wait.unsigned_abs());
        assert!(server.knows(manager.get_for(&key(), &mail()).await.unwrap().access_token()), "{body}");
    }
}

#[tokio::test]
async fn a_further_token_that_keeps_failing_keeps_nobody_from_refreshing_the_grant() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    clock.forward(3590 * SECOND);
    server.fail_next(ServerFault::Reply(500, "", None));
    let error = manager.get_for(&key(), &mail()).await.unwrap_err();
    assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
    assert!(matches!(manager.get_for(&key(), &mail()).await, Err(TokenError::RefreshFailed { .. })));
    assert_eq!(server.token_requests(), 1, "it rests");
    assert!(server.knows(manager.get(&key()).await.unwrap().access_token()));
    assert_eq!(server.token_requests(), 2);
    clock.forward(60 * SECOND);
    assert!(server.knows(manager.get_for(&key(), &mail()).await.unwrap().access_token()));
}

#[tokio::test]
async fn a_dead_grant_a_revocation_and_a_new_login_end_its_further_tokens() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = builder(store.clone(), &server).build().unwrap();
    let sign_in = || server.sign_in().unwrap();
    manager.put(&key(), &sign_in()).await.unwrap();
    let first = manager.get_for(&key(), &mail()).await.unwrap();
    manager.put(&key(), &sign_in()).await.unwrap();
    let second = manager.get_for(&key(), &mail()).await.unwrap();
    assert_ne!(second, first, "another login may be another user's");

    manager.revoke(&key()).await.unwrap();
    assert!(matches!(manager.get_for(&key(), &mail()).await, Err(TokenError::NotFound { .. })));

    manager.put(&key(), &sign_in()).await.unwrap();
    manager.get_for(&key(), &mail()).await.unwrap();
    let token = stored(&manager, &key()).await.token.unwrap();
    manager.put(&key(), &expired(&token)).await.unwrap();
    server.fail_next(ServerFault::Reply(400, r#"{"error":"invalid_grant"}"#, None));
    assert!(matches!(manager.get(&key()).await, Err(TokenError::Dead { .. })));
    assert!(matches!(manager.get_for(&key(), &mail()).await, Err(TokenError::Dead { .. })));

    // Where a further token finds out that the grant is dead.
    manager.put(&key(), &sign_in()).await.unwrap();
    server.fail_always(Some(ServerFault::Reply(400, r#"{"error":"invalid_grant"}"#, None)));
    let clock = Hands::new();
    clock.forward(2 * SECOND);
    let later = builder(store, &server).clock(clock).build().unwrap();
    assert!(matches!(later.get_for(&key(), &mail()).await, Err(TokenError::Dead { .. })));
    assert!(matches!(later.get(&key()).await, Err(TokenError::Dead { .. })));
}

#[tokio::test]
async fn without_a_refresh_token_there_is_no_further_token() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let token = server.sign_in().unwrap().access_token_only();
    manager.put(&key(), &token).await.unwrap();
    let error = manager.get_for(&key(), &mail()).await.unwrap_err();
    assert!(matches!(error, TokenError::NoRefreshToken { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert_eq!(manager.get(&key()).await.unwrap().access_token(), token.access_token());
    assert_eq!(server.token_requests(), 0);
}

#[tokio::test]
async fn a_crash_in_the_request_for_a_further_token_loses_nothing_within_the_grace() {
    // The provider answers a refresh token that comes again with the same tokens, which are those of the narrow request.
    let server = RotatingServer::with(30 * SECOND, Duration::ZERO, 3600 * SECOND);
    let store = Shaky::default();
    let crashed = builder(store.clone(), &server).build().unwrap();
    let new = || builder(store.clone(), &server).lease_lifetime(Duration::from_millis(50)).build().unwrap();
    crashed.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    // The mark is the last save that goes well, and its process ends before it can save again.
    store.go_down_after_saves(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let doomed = builder(store.clone(), &server).lease_lifetime(Duration::from_millis(50)).build().unwrap();
    let asked = runtime.spawn(async move { doomed.get_for(&key(), &mail()).await });
    while server.token_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    asked.abort();
    runtime.shutdown_background();
    store.set_down(false);
    tokio::time::sleep(Duration::from_millis(100)).await;

    let other = new();
    let main = other.get(&key()).await.unwrap();
    assert!(main.scopes().is_none(), "the answer to the narrow request is not taken for the login's token");
    let narrow = other.get_for(&key(), &mail()).await.unwrap();
    assert_eq!(narrow.scopes().unwrap(), ["mail.read", "mail.send"]);
    assert_eq!(server.ended_grants(), 0);
    let stored = stored(&other, &key()).await.token.unwrap();
    assert!(server.accepts(stored.refresh_token().unwrap()));
}

#[tokio::test]
async fn a_further_token_that_the_store_does_not_take_hands_over_the_refresh_token() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).save_patience(Duration::from_millis(50)).build().unwrap();
    let login = server.sign_in().unwrap();
    manager.put(&key(), &login).await.unwrap();
    store.take_no_more_saves_after(1);
    for _ in 0..3 {
        let error = manager.get_for(&key(), &mail()).await.unwrap_err();
        let TokenError::NotSaved { token, .. } = &error else { panic!("{error}") };
        assert_eq!(token.access_token(), login.access_token(), "it is that of the login");
        assert!(server.accepts(token.refresh_token().unwrap()), "nothing is lost");
        let live = manager.get(&key()).await.unwrap();
        assert_eq!(live.access_token(), login.access_token(), "whose access token is as good as before");
    }
    assert_eq!(manager.unsaved(), [key()]);
    store.takes_saves_again();
    let narrow = loop {
        match manager.get_for(&key(), &mail()).await {
            Ok(token) => break token,
            Err(TokenError::NotSaved { .. } | TokenError::Store { .. }) => {
                tokio::time::sleep(SECOND / 10).await
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(narrow.scopes().unwrap(), ["mail.read", "mail.send"]);
    assert!(manager.unsaved().is_empty());
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
    assert!(server.knows(manager.get(&key()).await.unwrap().access_token()));
}

#[tokio::test]
async fn machines_have_further_tokens_too() {
    let server = RotatingServer::new();
    let store = MemoryStore::new();
    let source = ClientCredentials::new(server.client()).with_scopes(["reports.read"]);
    let manager = TokenManager::builder(store.clone(), sealer()).source(source).build().unwrap();
    let narrow = manager.get_for(&key(), &mail()).await.unwrap();
    assert_eq!(manager.get_for(&key(), &mail()).await.unwrap(), narrow);
    assert_eq!(server.token_requests(), 1);
    let main = manager.get(&key()).await.unwrap();
    assert_ne!(main, narrow);
    assert_eq!(manager.get_for(&key(), &mail()).await.unwrap(), narrow);
    assert_eq!(server.token_requests(), 2);
}

#[tokio::test]
async fn a_grant_keeps_no_more_than_thirty_two_further_tokens() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let request = |index: usize| AccessTokenRequest::new().with_scopes([format!("scope-{index}")]);
    let mut sizes = Vec::new();
    for index in 0..100 {
        manager.get_for(&key(), &request(index)).await.unwrap();
        sizes.push(store.load(&key()).await.unwrap().unwrap().sealed.len());
    }
    assert!(sizes[99] <= sizes[40] + 200, "{sizes:?}");
    assert_eq!(server.token_requests(), 100);
    manager.get_for(&key(), &request(99)).await.unwrap();
    assert_eq!(server.token_requests(), 100);
}

#[tokio::test]
async fn observers_are_told_of_further_tokens() {
    let (server, told) = (RotatingServer::new(), Arc::new(Mutex::new(Vec::new())));
    let note = Arc::clone(&told);
    let manager = builder(MemoryStore::new(), &server)
        .observer(move |event: &Event| note.lock().unwrap().push(event.outcome.name()))
        .build()
        .unwrap();
    assert_eq!(manager.put(&key(), &server.sign_in().unwrap()).await.unwrap(), Put::WithOwnRefreshToken);
    manager.get_for(&key(), &mail()).await.unwrap();
    server.fail_next(ServerFault::NoReply(HttpErrorKind::Connect));
    manager.get_for(&key(), &files()).await.unwrap_err();
    assert_eq!(*told.lock().unwrap(), ["put", "further_token", "transient"]);
}

/// What an earlier version does to a record: it keeps what it knows, and drops the rest. The refresh token is the last one.
#[tokio::test]
async fn what_an_earlier_version_drops_is_obtained_again() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let first = manager.get_for(&key(), &mail()).await.unwrap();
    let token = stored(&manager, &key()).await.token.unwrap();
    assert!(server.accepts(token.refresh_token().unwrap()), "an earlier version goes on with this one");
    // The same record without the further token, as that version saves it.
    let (record, other) = (store.load(&key()).await.unwrap().unwrap(), MemoryStore::new());
    builder(other.clone(), &server).build().unwrap().put(&key(), &token).await.unwrap();
    let without = other.load(&key()).await.unwrap().unwrap().sealed;
    store.save(&key(), without, Expected::Version(record.version), None).await.unwrap();
    let other = builder(store, &server).build().unwrap();
    let second = other.get_for(&key(), &mail()).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(server.ended_grants(), 0);
}

#[tokio::test]
async fn ra_08_two_payments_are_two_tokens_in_whatever_order_their_members_are() {
    let (server, noted) = (RotatingServer::new(), Arc::new(Mutex::new(Vec::new())));
    let client = server.client().with_http_client(Noting(server.clone(), Arc::clone(&noted)));
    let manager =
        TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(client)).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let request = |details: &str| {
        let details: Value = serde_json::from_str(details).unwrap();
        AccessTokenRequest::new().with_scopes(["payments"]).with_authorization_details(&details)
    };
    let mut tokens = Vec::new();
    for details in [
        r#"[{"type":"payment","amount":{"value":"1.00","currency":"EUR"}},{"type":"account"}]"#,
        r#"[{"type":"account"},{"amount":{"currency":"EUR","value":"1.00"},"type":"payment"}]"#,
        r#"[{"type":"payment","amount":{"value":"2.00","currency":"EUR"}},{"type":"account"}]"#,
    ] {
        tokens.push(manager.get_for(&key(), &request(details)).await.unwrap().access_token().to_owned());
    }
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[0], tokens[2]);
    let sent = noted.lock().unwrap().clone();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|body| body.contains("authorization_details=%5B%7B")), "{sent:?}");
}

/// A hundred keys, each asked for the login's token and three others by two processes at once: one request for each token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_each_token_of_a_hundred_grants_is_obtained_once() {
    const KEYS: usize = 100;
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let client = server.client().with_http_client(Yielding(server.clone()));
    let new = || TokenManager::builder(store.clone(), sealer()).provider(Arc::new(client.clone())).build();
    let key = |index: usize| TokenKey::new("testkit", format!("user-{index}"));
    let requests = [AccessTokenRequest::new(), mail(), files(), mail().with_audience("other")];
    for round in 1..=10 {
        // A process that has a live token does not look for a new login.
        let managers = [new().unwrap(), new().unwrap()];
        for index in 0..KEYS {
            managers[0].put(&key(index), &server.sign_in_expired().unwrap()).await.unwrap();
        }
        let mut tasks = JoinSet::new();
        for index in 0..KEYS {
            for (which, request) in requests.iter().enumerate() {
                for manager in &managers {
                    for _ in 0..2 {
                        let (manager, request) = (manager.clone(), request.clone());
                        tasks.spawn(async move {
                            let token = manager.get_for(&key(index), &request).await.unwrap();
                            (index, which, token.access_token().to_owned())
                        });
                    }
                }
            }
        }
        let all = tasks.join_all().await;
        assert!(all.iter().all(|(_, _, token)| server.knows(token)));
        let different: HashSet<_> = all.into_iter().collect();
        assert_eq!(different.len(), KEYS * requests.len());
        assert_eq!(server.token_requests(), round * KEYS * requests.len());
        assert_eq!(server.ended_grants(), 0);
        for index in 0..KEYS {
            let token = stored(&managers[0], &key(index)).await.token.unwrap();
            assert!(server.accepts(token.refresh_token().unwrap()));
        }
    }
}

#[tokio::test]
async fn a_further_token_is_looked_up_again_as_often_as_that_of_the_login() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let manager = builder(store.clone(), &server)
        .clock(clock.clone())
        .reread_after(Duration::from_secs(30))
        .build()
        .unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let token = manager.get_for(&key(), &mail()).await.unwrap();
    for _ in 0..2 {
        let steps = store.steps();
        clock.forward(29 * SECOND);
        assert_eq!(manager.get_for(&key(), &mail()).await.unwrap(), token);
        assert_eq!(store.steps(), steps, "it is in memory");
        clock.forward(SECOND);
        assert_eq!(manager.get_for(&key(), &mail()).await.unwrap(), token);
        assert!(store.steps() > steps, "another process may have deleted it");
    }
    assert_eq!(server.token_requests(), 1);
}
