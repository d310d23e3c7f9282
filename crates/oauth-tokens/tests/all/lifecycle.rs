//! Put, get, list, delete, revoke, close; several processes that take turns.

use std::{sync::Arc, time::Duration};

use oauth_core::{Endpoint, OAuth2, Provider, Spec, provider_kit::RevocationSpec};
use oauth_tokens::{
    MemoryStore, Revoked, TokenError, TokenKey, TokenManager,
    testkit::{RotatingServer, ServerFault},
};

use crate::support::{Hands, Shaky, builder, key, sealer, stored};

const SECOND: Duration = Duration::from_secs(1);

/// Waits until so many requests have come to the provider, which takes its time for the answer.
async fn until_asked(server: &RotatingServer, requests: usize) {
    while server.token_requests() < requests {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_live_token_costs_no_look_into_the_store() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    let token = server.sign_in().unwrap();
    manager.put(&key(), &token).await.unwrap();
    let steps = store.steps();
    for _ in 0..1000 {
        assert_eq!(*manager.get_token(&key()).await.unwrap(), token);
    }
    assert_eq!(store.steps(), steps);
    assert_eq!(server.token_requests(), 0);
}

#[tokio::test]
async fn what_another_process_refreshed_is_adopted_when_it_is_due() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let [one, other] =
        [(); 2].map(|()| builder(store.clone(), &server).clock(clock.clone()).build().unwrap());
    one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    for _ in 0..20 {
        assert_eq!(one.get(&key()).await.unwrap(), other.get(&key()).await.unwrap());
        clock.forward(3590 * SECOND);
    }
    assert_eq!(server.token_requests(), 19);
    assert_eq!(server.ended_grants(), 0);
}

#[tokio::test]
async fn a_change_in_another_process_is_seen_sooner_if_wanted() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let one = builder(store.clone(), &server).clock(clock.clone()).reread_after(30 * SECOND).build().unwrap();
    let other = builder(store, &server).clock(clock.clone()).build().unwrap();
    one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let before = one.get(&key()).await.unwrap();
    other.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    assert_eq!(one.get(&key()).await.unwrap(), before);
    clock.forward(31 * SECOND);
    assert_eq!(one.get(&key()).await.unwrap(), other.get(&key()).await.unwrap());
    other.delete(&key()).await.unwrap();
    clock.forward(31 * SECOND);
    assert!(matches!(one.get(&key()).await, Err(TokenError::NotFound { .. })));
    assert_eq!(server.token_requests(), 0);
}

#[tokio::test]
async fn a_subjects_tokens_are_listed_and_deleted() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let keys = [key(), key().with_label("calendar"), key().with_label("mail")];
    for key in &keys {
        manager.put(key, &server.sign_in().unwrap()).await.unwrap();
    }
    manager.put(&key().with_tenant("acme"), &server.sign_in().unwrap()).await.unwrap();
    let listed = manager.list("", "user-17").await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|stored| stored.unwrap().key).collect();
    assert_eq!(listed, keys);

    assert!(manager.delete(&keys[0]).await.unwrap());
    assert!(!manager.delete(&keys[0]).await.unwrap());
    let error = manager.get(&keys[0]).await.unwrap_err();
    assert!(matches!(&error, TokenError::NotFound { key } if *key == keys[0]), "{error}");
    assert_eq!(manager.list("", "user-17").await.unwrap().len(), 2);
    assert_eq!(manager.list("acme", "user-17").await.unwrap().len(), 1);

    let error = manager.get(&TokenKey::new("another", "user-17")).await.unwrap_err();
    assert!(matches!(error, TokenError::UnknownProvider { .. }), "{error}");
}

#[tokio::test]
async fn rv_03_revoke_tells_the_provider_then_forgets() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let token = manager.get_token(&key()).await.unwrap();

    server.fail_next(ServerFault::Reply(503, "", None));
    let error = manager.revoke(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::RevokeFailed { .. }), "{error}");
    assert!(server.knows(token.access_token()));
    assert_eq!(*manager.get_token(&key()).await.unwrap(), *token, "it can be tried again");

    assert_eq!(manager.revoke(&key()).await.unwrap(), Revoked::AtTheProvider);
    assert!(!server.knows(token.access_token()));
    assert!(matches!(manager.get(&key()).await, Err(TokenError::NotFound { .. })));
    assert_eq!(manager.revoke(&key()).await.unwrap(), Revoked::Nothing);

    let cannot = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_http_client(server.clone())
        .with_name("testkit");
    let manager =
        TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(cannot)).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    assert_eq!(manager.revoke(&key()).await.unwrap(), Revoked::InTheStoreOnly);
}

/// A provider that revokes access tokens only, as GitHub and Kakao do.
const BY_ACCESS_TOKEN: Spec = Spec {
    name: "testkit",
    endpoints: &[
        (Endpoint::Token, "https://as.example/token"),
        (Endpoint::Refresh, "https://as.example/token"),
        (Endpoint::Revocation, "https://as.example/revoke"),
    ],
    revocation: RevocationSpec { access_tokens_only: true, ..RevocationSpec::RFC7009 },
    ..Spec::RFC6749
};

const DEAD: ServerFault = ServerFault::Reply(401, r#"{"error": "invalid_token"}"#, None);

#[tokio::test]
async fn rv_03_where_access_tokens_are_revoked_none_but_a_live_one_is() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let provider = OAuth2::from_spec(&BY_ACCESS_TOKEN, "client", "secret").with_http_client(server.clone());
    let manager = TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(provider));
    let manager = manager.clock(clock.clone()).build().unwrap();

    // One that has expired is not taken for revoked while the refresh token may live.
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(503, "", None));
    let error = manager.revoke(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
    clock.forward(120 * SECOND);
    let token = manager.get(&key()).await.unwrap();

    // A live one that is refused at once: perhaps it is only too young.
    server.fail_next(DEAD);
    server.fail_next(DEAD);
    let error = manager.revoke(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::RevokeFailed { .. }), "{error}");
    // And later: its successor is what is revoked.
    clock.forward(60 * SECOND);
    let sent = server.token_requests();
    server.fail_next(DEAD);
    assert_eq!(manager.revoke(&key()).await.unwrap(), Revoked::AtTheProvider);
    assert_eq!(server.token_requests(), sent + 1);
    assert!(!server.knows(token.access_token()));
    assert!(matches!(manager.get(&key()).await, Err(TokenError::NotFound { .. })));

    // Where the grant is dead, there is nothing left to revoke, whatever the provider calls that.
    for dead in [DEAD, ServerFault::Reply(422, r#"{"message": "Validation Failed"}"#, None)] {
        manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
        clock.forward(60 * SECOND);
        server.fail_next(DEAD);
        server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
        server.fail_next(dead);
        assert_eq!(manager.revoke(&key()).await.unwrap(), Revoked::AtTheProvider);
    }

    // An outage says nothing of the token.
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(503, "", None));
    let error = manager.revoke(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::RevokeFailed { .. }), "{error}");

    // Where there is no refresh token, an access token that is dead leaves nothing to revoke.
    manager.put(&key(), &server.sign_in().unwrap().access_token_only()).await.unwrap();
    server.fail_next(DEAD);
    server.fail_next(DEAD);
    assert_eq!(manager.revoke(&key()).await.unwrap(), Revoked::AtTheProvider);
}

#[tokio::test]
async fn rv_03_a_revocation_that_is_not_allowed_leaves_the_token_where_it_is() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    for body in [r#"{"error": "access_denied"}"#, r#"{"error": "insufficient_scope"}"#] {
        server.fail_next(ServerFault::Reply(403, body, None));
        let error = manager.revoke(&key()).await.unwrap_err();
        assert!(matches!(error, TokenError::RevokeFailed { .. }), "{error}");
        manager.get(&key()).await.unwrap();
    }
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
    assert_eq!(manager.revoke(&key()).await.unwrap(), Revoked::AtTheProvider);
}

#[tokio::test]
async fn a_revocation_during_a_refresh_leaves_no_token_behind() {
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(300), 3600 * SECOND);
    let store = MemoryStore::new();
    let [one, other] = [(); 2].map(|()| builder(store.clone(), &server).build().unwrap());
    one.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    let refresh = tokio::spawn({
        let one = one.clone();
        async move { one.get(&key()).await }
    });
    until_asked(&server, 1).await;
    assert_eq!(other.revoke(&key()).await.unwrap(), Revoked::AtTheProvider);
    let refreshed = refresh.await.unwrap().unwrap();
    assert!(!server.knows(refreshed.access_token()));
    assert!(other.list("", key().subject()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_login_during_a_revocation_stays() {
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(300), 3600 * SECOND);
    let store = MemoryStore::new();
    let [one, other] = [(); 2].map(|()| builder(store.clone(), &server).build().unwrap());
    for changer in [&one, &other] {
        let old = server.sign_in().unwrap();
        one.put(&key(), &old).await.unwrap();
        let revocation = tokio::spawn({
            let one = one.clone();
            async move { one.revoke(&key()).await }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let new = server.sign_in().unwrap();
        changer.put(&key(), &new).await.unwrap();
        assert_eq!(revocation.await.unwrap().unwrap(), Revoked::AtTheProvider);
        assert!(!server.knows(old.access_token()));
        assert_eq!(*one.get_token(&key()).await.unwrap(), new);
        assert_eq!(stored(&one, &key()).await.token, Some(new));
    }
}

#[tokio::test]
async fn a_login_or_a_delete_during_a_refresh_has_the_last_word() {
    for is_delete in [false, true] {
        let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(300), 3600 * SECOND);
        let store = MemoryStore::new();
        let [one, other] = [(); 2].map(|()| builder(store.clone(), &server).build().unwrap());
        for (changer, asked) in [(&one, 1), (&other, 2)] {
            one.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
            let refresh = tokio::spawn({
                let one = one.clone();
                async move { one.get_token(&key()).await }
            });
            until_asked(&server, asked).await;
            let new = server.sign_in().unwrap();
            if is_delete {
                assert!(changer.delete(&key()).await.unwrap());
                assert!(matches!(refresh.await.unwrap(), Err(TokenError::NotFound { .. })));
                assert!(matches!(one.get(&key()).await, Err(TokenError::NotFound { .. })));
            } else {
                changer.put(&key(), &new).await.unwrap();
                assert_eq!(*refresh.await.unwrap().unwrap(), new);
                assert_eq!(*one.get_token(&key()).await.unwrap(), new);
                assert_eq!(stored(&one, &key()).await.token, Some(new));
            }
        }
    }
}

#[tokio::test]
async fn close_waits_for_what_is_under_way_and_begins_nothing_new() {
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(300), 3600 * SECOND);
    let clock = Hands::new();
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    let live = key().with_label("live");
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    manager.put(&live, &server.sign_in().unwrap()).await.unwrap();
    let get = tokio::spawn({
        let manager = manager.clone();
        async move { manager.get(&key()).await }
    });
    until_asked(&server, 1).await;
    get.abort();
    assert!(manager.close().await.is_empty());
    let kept = stored(&manager, &key()).await.token.unwrap();
    assert!(server.accepts(kept.refresh_token().unwrap()));

    assert_eq!(*manager.get_token(&key()).await.unwrap(), kept, "what is live is still handed out");
    clock.forward(3400 * SECOND);
    assert!(manager.get(&live).await.is_ok(), "due, and live");
    clock.forward(200 * SECOND);
    assert!(matches!(manager.get(&live).await, Err(TokenError::Closed)));
    assert_eq!(server.token_requests(), 1);
    assert!(manager.close().await.is_empty());
}

#[test]
fn outside_a_runtime_there_is_an_error_and_no_panic() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let key = key();
    let mut get = std::pin::pin!(manager.get(&key));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(outcome) = get.as_mut().poll(&mut context) else { panic!("it waits") };
    assert!(matches!(outcome, Err(TokenError::NoRuntime)));
}

#[test]
fn a_refresh_that_fell_with_its_runtime_is_taken_up_by_another() {
    let server = RotatingServer::with(60 * SECOND, Duration::from_millis(300), 3600 * SECOND);
    let store = MemoryStore::new();
    let manager = builder(store, &server).lease_lifetime(Duration::from_millis(300)).build().unwrap();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(manager.put(&key(), &server.sign_in_expired().unwrap())).unwrap();
    let doomed = manager.clone();
    first.spawn(async move { doomed.get(&key()).await });
    first.block_on(until_asked(&server, 1));
    // One waits for it already, and one comes later.
    let waiting = manager.clone();
    let waiting = std::thread::spawn(move || runtime().block_on(waiting.get(&key())));
    std::thread::sleep(Duration::from_millis(50));
    first.shutdown_background();
    let token = runtime().block_on(manager.get(&key())).unwrap();
    assert!(server.knows(token.access_token()));
    assert_eq!(waiting.join().unwrap().unwrap(), token);
}

#[tokio::test]
async fn revoking_what_nobody_knows_asks_for_no_lease() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    assert_eq!(manager.revoke(&key()).await.unwrap(), Revoked::Nothing);
    assert_eq!(store.steps(), 1, "one look, and nothing is written");
}

#[tokio::test]
async fn close_begins_no_refresh_that_queues_for_its_turn() {
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(300), 3600 * SECOND);
    let manager = builder(MemoryStore::new(), &server).most_requests(1).build().unwrap();
    let keys: Vec<_> = (0..10).map(|index| key().with_label(index.to_string())).collect();
    let mut gets = tokio::task::JoinSet::new();
    for key in keys {
        manager.put(&key, &server.sign_in_expired().unwrap()).await.unwrap();
        let manager = manager.clone();
        gets.spawn(async move { manager.get(&key).await });
    }
    until_asked(&server, 1).await;
    assert!(manager.close().await.is_empty());
    assert_eq!(server.token_requests(), 1, "the one that was under way");
    let outcomes = gets.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(TokenError::Closed))).count(), 9);
}

#[tokio::test]
async fn who_calls_an_api_need_not_see_the_refresh_token() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let login = server.sign_in().unwrap();
    manager.put(&key(), &login).await.unwrap();
    let token = manager.get(&key()).await.unwrap();
    assert_eq!((token.access_token(), token.bearer().unwrap()), (login.access_token(), login.access_token()));
    assert_eq!((token.token_type(), token.expires_at()), (login.token_type(), login.expires_at()));
    let shown = format!("{token:?}");
    assert!(server.secrets().iter().all(|secret| !shown.contains(secret)), "{shown}");
}

#[tokio::test]
async fn a_token_for_a_long_job_lasts_as_long_as_the_job() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
    let [manager, other] =
        [(); 2].map(|()| builder(store.clone(), &server).clock(clock.clone()).build().unwrap());
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let first = manager.get(&key()).await.unwrap();
    assert_eq!(manager.get_valid_for(&key(), 1800 * SECOND).await.unwrap(), first);
    clock.forward(2000 * SECOND);
    assert_eq!(manager.get(&key()).await.unwrap(), first, "it is not due");
    assert_eq!(manager.get_valid_for(&key(), 1500 * SECOND).await.unwrap(), first);
    let second = manager.get_valid_for(&key(), 1800 * SECOND).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(
        other.get_valid_for(&key(), 1800 * SECOND).await.unwrap(),
        second,
        "that of the other process"
    );
    assert_eq!(server.token_requests(), 1);

    // No token lasts that long, and a new one is the best there is.
    assert_eq!(manager.get_valid_for(&key(), 86_400 * SECOND).await.unwrap(), second);
    clock.forward(60 * SECOND);
    let third = manager.get_valid_for(&key(), Duration::MAX).await.unwrap();
    assert_ne!(third, second);
    assert_eq!(server.token_requests(), 2);

    // While the provider is away, the job is told, and nobody else.
    clock.forward(2000 * SECOND);
    server.fail_always(Some(ServerFault::Reply(500, "", None)));
    let error = manager.get_valid_for(&key(), 1800 * SECOND).await.unwrap_err();
    assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
    assert_eq!(manager.get(&key()).await.unwrap(), third);
}

#[tokio::test]
async fn a_grant_that_was_refused_by_mistake_gets_another_chance() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let error = manager.revive(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::NotFound { .. }), "{error}");
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    assert!(!manager.revive(&key()).await.unwrap(), "it lives");
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
    assert!(matches!(manager.get(&key()).await, Err(TokenError::Dead { .. })));
    assert!(manager.revive(&key()).await.unwrap());
    let token = manager.get(&key()).await.unwrap();
    assert!(server.knows(token.access_token()));
    assert_eq!(stored(&manager, &key()).await.dead, None);

    // It really is dead.
    let other = key().with_label("other");
    let spent = server.sign_in_expired().unwrap();
    manager.put(&other, &spent).await.unwrap();
    manager.get(&other).await.unwrap();
    manager.put(&other, &spent).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(manager.get(&other).await, Err(TokenError::Dead { .. })));
        assert!(manager.revive(&other).await.unwrap());
    }
}

/// What somebody says who means "for ever".
#[tokio::test]
async fn times_without_end_lose_no_token() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server)
        .clock(clock.clone())
        .refresh_ahead(Duration::MAX)
        .leeway(Duration::MAX)
        .patience(Duration::MAX)
        .lease_lifetime(Duration::MAX)
        .lease_patience(Duration::MAX)
        .request_limit(Duration::MAX)
        .save_patience(Duration::MAX)
        .backoff(Duration::MAX, Duration::MAX)
        .reread_after(Duration::MAX)
        .reread_failures_after(Duration::MAX)
        .build()
        .unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    clock.forward(3600 * SECOND);
    let token = manager.get_token(&key()).await.unwrap();
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
    assert_eq!(stored(&manager, &key()).await.token.as_ref(), Some(&*token));

    server.fail_next(ServerFault::Reply(503, "", None));
    clock.forward(3600 * SECOND);
    assert!(matches!(manager.get(&key()).await, Err(TokenError::RefreshFailed { .. })));
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
    assert!(matches!(manager.get(&key()).await, Err(TokenError::Dead { .. })));
}
