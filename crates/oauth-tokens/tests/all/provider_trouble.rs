//! The provider is down, slow, strange, or says no.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use oauth_core::{ErrorClass, ErrorKind, HttpError, HttpErrorKind, OAuth2Token, Operation, async_trait};
use oauth_tokens::{
    DeadReason, Filter, MemoryStore, ProviderSource, Status, TokenError, TokenKey, TokenManager, TokenSource,
    TokenStore,
    testkit::{RotatingServer, ServerFault},
};

use crate::support::{Hands, Shaky, builder, key, sealer, stored};

const SECOND: Duration = Duration::from_secs(1);

fn troubles() -> Vec<(&'static str, ServerFault)> {
    const HTML: &str = "<!doctype html><title>403 Forbidden</title>";
    vec![
        ("500", ServerFault::Reply(500, "", None)),
        ("500 that names invalid_grant", ServerFault::Reply(500, r#"{"error": "invalid_grant"}"#, None)),
        ("502 in HTML", ServerFault::Reply(502, HTML, None)),
        ("429", ServerFault::Reply(429, r#"{"error": "slow_down"}"#, None)),
        ("429 with Retry-After", ServerFault::Reply(429, "", Some(7))),
        ("403 in HTML", ServerFault::Reply(403, HTML, None)),
        ("200 in HTML", ServerFault::Reply(200, HTML, None)),
        ("400 without an error", ServerFault::Reply(400, "", None)),
        ("invalid_client", ServerFault::Reply(401, r#"{"error": "invalid_client"}"#, None)),
        ("no connection", ServerFault::NoReply(HttpErrorKind::Connect)),
        ("time-out", ServerFault::NoReply(HttpErrorKind::Timeout)),
        ("reset", ServerFault::NoReply(HttpErrorKind::Other)),
    ]
}

async fn with_token(server: &RotatingServer, clock: &Hands) -> TokenManager {
    let manager = builder(MemoryStore::new(), server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    manager
}

#[tokio::test]
async fn a_minute_of_trouble_deletes_nothing_is_bounded_and_passes() {
    for (name, fault) in troubles() {
        let (server, clock) = (RotatingServer::new(), Hands::new());
        let manager = with_token(&server, &clock).await;
        let before = manager.get_token(&key()).await.unwrap();

        // The token is due, and good for at least three minutes more.
        clock.forward(57 * 60 * SECOND);
        server.fail_always(Some(fault.clone()));
        for _ in 0..600 {
            assert_eq!(
                manager.get_token(&key()).await.unwrap(),
                before,
                "{name}: the old token is still good"
            );
            clock.forward(SECOND / 10);
        }
        let sent = server.token_requests();
        // 1, 2, 4, … seconds apart, each less up to a half by chance; or seven at least.
        assert!((2..=8).contains(&sent), "{name}: {sent} requests in a minute");
        let kept = stored(&manager, &key()).await;
        assert_eq!(kept.token.as_ref(), Some(&*before), "{name}");
        assert_eq!(kept.dead, None, "{name}");
        assert_eq!(kept.failures as usize, sent, "{name}");

        // Now it has expired, and the trouble goes on.
        clock.forward(10 * 60 * SECOND);
        let error = manager.get_token(&key()).await.unwrap_err();
        assert!(matches!(error, TokenError::RefreshFailed { .. }), "{name}: {error}");
        assert_ne!(error.class(), ErrorClass::Reauthorize, "{name}");
        let sent = server.token_requests();
        for _ in 0..600 {
            let error = manager.get_token(&key()).await.unwrap_err();
            assert!(matches!(error, TokenError::RefreshFailed { .. }), "{name}: {error}");
            clock.forward(SECOND / 10);
        }
        assert!(server.token_requests() - sent <= 3, "{name}: a minute apart by now");

        // It passes, and nobody has to do anything.
        server.fail_always(None);
        let mut waited = 0;
        let after = loop {
            match manager.get_token(&key()).await {
                Ok(token) => break token,
                Err(_) => {
                    clock.forward(SECOND);
                    waited += 1;
                }
            }
        };
        assert!(waited <= 60, "{name}: it took {waited} seconds to recover");
        assert!(server.knows(after.access_token()), "{name}");
        assert_eq!(stored(&manager, &key()).await.failures, 0, "{name}");
    }
}

#[tokio::test]
async fn retry_after_is_respected_by_all_processes() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let store = MemoryStore::new();
    let managers: Vec<_> =
        (0..8).map(|_| builder(store.clone(), &server).clock(clock.clone()).build().unwrap()).collect();
    managers[0].put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(429, "", Some(120)));
    for second in 0..125 {
        for manager in &managers {
            let outcome = manager.get_token(&key()).await;
            match second {
                0..120 => {
                    let Err(error) = outcome else { panic!("a token after {second} seconds") };
                    let ErrorClass::Transient { retry_after } = error.class() else {
                        panic!("{error:?}");
                    };
                    assert!(retry_after.is_some());
                    assert_eq!(server.token_requests(), 1, "after {second} seconds");
                }
                // An answer that a process has from its last look holds for five seconds.
                _ => assert!(server.token_requests() <= 2),
            }
        }
        clock.forward(SECOND);
    }
    for manager in &managers {
        assert!(server.knows(manager.get_token(&key()).await.unwrap().access_token()));
    }
    assert_eq!(server.token_requests(), 2);
}

#[tokio::test]
async fn rt_04_a_refused_grant_is_dead_until_a_new_login_and_not_asked_for_again() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = with_token(&server, &clock).await;
    clock.forward(2 * 3600 * SECOND);
    server.fail_next(ServerFault::Reply(
        400,
        r#"{"error": "invalid_grant", "error_description": "revoked"}"#,
        None,
    ));
    for _ in 0..100 {
        let error = manager.get_token(&key()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize);
        let grant = error.dead_grant().unwrap();
        let revoked = Some("revoked".to_owned());
        assert_eq!(
            grant.reason,
            DeadReason::Refused { code: "invalid_grant".to_owned(), description: revoked }
        );
        clock.forward(SECOND);
    }
    assert_eq!(server.token_requests(), 1);
    let kept = stored(&manager, &key()).await;
    assert!(kept.token.is_some() && kept.dead.is_some());

    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    assert!(server.knows(manager.get_token(&key()).await.unwrap().access_token()));
    assert_eq!(stored(&manager, &key()).await.dead, None);
}

#[tokio::test]
async fn a_refusal_is_remembered_for_seconds_and_then_looked_up_again() {
    let of_another_user = oauth_core::Error::configuration("testkit", "the tokens are another user's")
        .with_tokens(OAuth2Token::new("AT"));
    for (fault, error) in [
        (ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None), None),
        (ServerFault::Reply(503, "", Some(600)), None),
        (ServerFault::Hang, Some(of_another_user)),
    ] {
        let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
        let requests = usize::from(error.is_none());
        let source = FailsOnce(ProviderSource::new(Arc::new(server.client())), Mutex::new(error));
        let manager = TokenManager::builder(store.clone(), sealer())
            .source(source)
            .clock(clock.clone())
            .recover_every(Duration::MAX)
            .build()
            .unwrap();
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        server.fail_next(fault.clone());
        manager.get(&key()).await.unwrap_err();
        for _ in 0..2 {
            let steps = store.steps();
            manager.get(&key()).await.unwrap_err();
            clock.forward(4 * SECOND);
            manager.get(&key()).await.unwrap_err();
            assert_eq!(store.steps(), steps, "{fault:?}: nothing has changed");
            clock.forward(SECOND);
            manager.get(&key()).await.unwrap_err();
            assert!(store.steps() > steps, "{fault:?}: another process may have put a login");
        }
        assert_eq!(server.token_requests(), requests, "{fault:?}");
    }
}

#[tokio::test]
async fn another_process_sees_a_new_login_within_seconds() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let store = MemoryStore::new();
    let [one, other] =
        [(); 2].map(|()| builder(store.clone(), &server).clock(clock.clone()).build().unwrap());
    one.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_grant"}"#, None));
    assert!(matches!(one.get_token(&key()).await, Err(TokenError::Dead { .. })));
    other.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    clock.forward(6 * SECOND);
    assert_eq!(one.get_token(&key()).await.unwrap(), other.get_token(&key()).await.unwrap());
}

#[tokio::test]
async fn a_lost_reply_is_made_good_by_grace_and_reported_without() {
    for grace in [SECOND * 60, Duration::ZERO] {
        let server = RotatingServer::with(grace, Duration::ZERO, 3600 * SECOND);
        let clock = Hands::new();
        let manager = with_token(&server, &clock).await;
        clock.forward(2 * 3600 * SECOND);
        server.fail_next(ServerFault::ReplyLost(HttpErrorKind::Other));
        assert!(matches!(manager.get_token(&key()).await, Err(TokenError::RefreshFailed { .. })));
        clock.forward(2 * SECOND);
        match manager.get_token(&key()).await {
            Ok(token) => assert!(!grace.is_zero() && server.knows(token.access_token())),
            Err(error) => {
                assert!(grace.is_zero());
                let reason = &error.dead_grant().unwrap().reason;
                let DeadReason::LostInRefresh { code, .. } = reason else { panic!("{reason:?}") };
                assert_eq!(code, "invalid_grant");
                assert!(reason.to_string().contains("may have been lost"), "{reason}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_holds_nobody_for_ever() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = with_token(&server, &clock).await;
    let before = manager.get_token(&key()).await.unwrap();
    server.fail_always(Some(ServerFault::Hang));

    // Still live: the first caller waits for three seconds, the others not at all.
    clock.forward(57 * 60 * SECOND);
    let began = tokio::time::Instant::now();
    assert_eq!(manager.get_token(&key()).await.unwrap(), before);
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(manager.get_token(&key()).await.unwrap(), before);
    assert_eq!(began.elapsed().as_secs(), 3);

    // Expired: everybody waits for the end of the request.
    clock.forward(10 * 60 * SECOND);
    let error = manager.get_token(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
    assert_eq!(began.elapsed().as_secs(), 40);
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn of_a_large_reply_only_the_beginning_is_kept() {
    let large: &str = Box::leak("x".repeat(200 * 1024).into_boxed_str());
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = with_token(&server, &clock).await;
    clock.forward(2 * 60 * 60 * SECOND);
    for status in [500, 400, 200] {
        server.fail_always(Some(ServerFault::Reply(status, large, None)));
        for _ in 0..2 {
            let error = manager.get_token(&key()).await.unwrap_err();
            let TokenError::RefreshFailed { cause: Some(cause), .. } = &error else { panic!("{error:?}") };
            assert_eq!(cause.body().unwrap(), &large.as_bytes()[..4096], "{status}");
        }
        clock.forward(60 * 60 * SECOND);
    }
}

#[tokio::test]
async fn a_token_without_a_refresh_token_is_good_until_it_expires() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = with_token(&server, &clock).await;
    let mut fields = oauth_core::serde_json::to_value(server.sign_in().unwrap()).unwrap();
    fields.as_object_mut().unwrap().remove("refresh_token");
    manager.put(&key(), &oauth_core::serde_json::from_value(fields).unwrap()).await.unwrap();
    clock.forward(3500 * SECOND);
    assert!(manager.get_token(&key()).await.is_ok());
    clock.forward(100 * SECOND);
    let error = manager.get_token(&key()).await.unwrap_err();
    assert_eq!(error.dead_grant().unwrap().reason, DeadReason::NoRefreshToken);
    assert_eq!(server.token_requests(), 0);
}

#[tokio::test]
async fn a_reply_without_a_refresh_token_leaves_the_old_one() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = with_token(&server, &clock).await;
    let before = manager.get_token(&key()).await.unwrap();
    clock.forward(2 * 3600 * SECOND);
    server.fail_next(ServerFault::Reply(
        200,
        r#"{"access_token": "new", "token_type": "Bearer", "expires_in": 60}"#,
        None,
    ));
    assert_eq!(manager.get_token(&key()).await.unwrap().access_token(), "new");
    let kept = stored(&manager, &key()).await.token.unwrap();
    assert_eq!(kept.refresh_token(), before.refresh_token());
}

#[tokio::test]
async fn tokens_without_a_lifetime_are_not_asked_for_with_each_call() {
    let (server, clock) =
        (RotatingServer::with(Duration::ZERO, Duration::ZERO, Duration::ZERO), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    for _ in 0..100 {
        assert!(server.knows(manager.get_token(&key()).await.unwrap().access_token()));
        clock.forward(SECOND / 10);
    }
    let sent = server.token_requests();
    assert!((2..=20).contains(&sent), "{sent} requests in ten seconds");
}

#[tokio::test]
async fn a_clock_that_is_ahead_keeps_no_other_process_from_refreshing() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let (ahead, right) = (Hands::new(), Hands::new());
    ahead.forward(7200 * SECOND);
    let [ahead, right] =
        [ahead, right].map(|clock| builder(store.clone(), &server).clock(clock).build().unwrap());
    right.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(503, "", Some(120)));
    assert!(matches!(ahead.get_token(&key()).await, Err(TokenError::RefreshFailed { .. })));
    let token = right.get_token(&key()).await.unwrap();
    assert!(server.knows(token.access_token()));
}

#[tokio::test]
async fn a_pause_goes_by_the_stores_clock_whatever_the_clocks_of_processes_say() {
    const OFFSETS: [i64; 4] = [-7200, 0, 600, 7200];
    for failing in 0..OFFSETS.len() {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let store_clock = Hands::new();
        store.set_clock(&store_clock);
        let clocks = OFFSETS.map(|seconds| {
            let clock = Hands::new();
            clock.move_by(seconds);
            clock
        });
        let managers = clocks.each_ref().map(|clock| {
            let builder = builder(store.clone(), &server).clock(clock.clone());
            builder.reread_failures_after(Duration::ZERO).build().unwrap()
        });
        managers[1].put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        server.fail_next(ServerFault::Reply(500, "", None));
        server.fail_next(ServerFault::Reply(500, "", Some(120)));
        for _ in 0..2 {
            let error = managers[failing].get_token(&key()).await.unwrap_err();
            assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
            for clock in clocks.iter().chain([&store_clock]) {
                clock.forward(2 * SECOND);
            }
        }
        assert_eq!(server.token_requests(), 2);
        for manager in &managers {
            let error = manager.get_token(&key()).await.unwrap_err();
            assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
        }
        assert_eq!(server.token_requests(), 2, "{failing}: everybody leaves the provider alone");
        for clock in clocks.iter().chain([&store_clock]) {
            clock.forward(119 * SECOND);
        }
        let last = &managers[OFFSETS.len() - 1 - failing];
        assert!(
            server.knows(last.get_token(&key()).await.unwrap().access_token()),
            "{failing}: and no longer than that"
        );
    }
}

#[tokio::test]
async fn a_rejection_during_trouble_hides_the_live_token_from_nobody_else() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = with_token(&server, &clock).await;
    let before = manager.get_token(&key()).await.unwrap();
    clock.forward(60 * SECOND);
    server.fail_always(Some(ServerFault::Reply(503, "", None)));
    for _ in 0..3 {
        // First it fails, then the provider is left alone.
        let error = manager.get_after_rejection(&key(), before.access_token()).await.unwrap_err();
        assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
        assert_eq!(manager.get_token(&key()).await.unwrap(), before, "other APIs still take it");
    }
    assert_eq!(server.token_requests(), 1);

    // The same where there is nothing to refresh it with.
    let mut fields = oauth_core::serde_json::to_value(server.sign_in().unwrap()).unwrap();
    fields.as_object_mut().unwrap().remove("refresh_token");
    let bare = oauth_core::serde_json::from_value(fields).unwrap();
    manager.put(&key(), &bare).await.unwrap();
    clock.forward(60 * SECOND);
    let error = manager.get_after_rejection(&key(), bare.access_token()).await.unwrap_err();
    assert!(matches!(error, TokenError::NoRefreshToken { .. }), "{error}");
    let error = manager.get_valid_for(&key(), 7200 * SECOND).await.unwrap_err();
    assert!(matches!(error, TokenError::NoRefreshToken { .. }), "{error}");
    assert_eq!(*manager.get_token(&key()).await.unwrap(), bare);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_is_never_answered_ends() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = with_token(&server, &clock).await;
    server.fail_next(ServerFault::Hang);
    let revocation = async { manager.revoke(&key()).await };
    let error = tokio::time::timeout(SECOND * 60, revocation).await.expect("it is given up").unwrap_err();
    assert!(matches!(error, TokenError::RevokeFailed { .. }), "{error}");
    assert_eq!(manager.revoke(&key()).await.unwrap(), oauth_tokens::Revoked::AtTheProvider);
}

/// A provider that fails once in the way that is given, before it is asked.
#[derive(Debug)]
struct FailsOnce(ProviderSource, Mutex<Option<oauth_core::Error>>);

#[async_trait]
impl TokenSource for FailsOnce {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn needs_login(&self, key: &TokenKey) -> bool {
        self.0.needs_login(key)
    }

    async fn obtain(
        &self,
        key: &TokenKey,
        previous: Option<&OAuth2Token>,
    ) -> oauth_core::Result<OAuth2Token> {
        let error = self.1.lock().unwrap().take();
        match error {
            Some(error) => Err(error),
            None => self.0.obtain(key, previous).await,
        }
    }

    async fn revoke(&self, key: &TokenKey, token: &OAuth2Token) -> oauth_core::Result<()> {
        self.0.revoke(key, token).await
    }
}

/// Only where the refresh token may be spent is a later refusal taken for a lost reply, and the grant looked into by other processes.
#[tokio::test]
async fn after_each_failure_it_is_known_whether_the_refresh_token_may_be_spent() {
    use HttpErrorKind::{Connect, InvalidRequest, NotPublic, Other, Timeout};
    let by_http = |kind| (format!("{kind:?}"), Some(ServerFault::NoReply(kind)), None);
    let by_reply =
        |status, body| (format!("{status} {body}"), Some(ServerFault::Reply(status, body, None)), None);
    let by_error = |operation, kind: ErrorKind| {
        let error = oauth_core::Error::new(operation, "testkit".to_owned(), kind);
        (error.to_string(), None, Some(error))
    };
    let transport = |kind| ErrorKind::Transport(HttpError::new(kind));
    let cases = [
        (by_http(Connect), false),
        (by_http(InvalidRequest), false),
        (by_http(NotPublic), false),
        (by_http(Timeout), true),
        (by_http(Other), true),
        (by_reply(401, r#"{"error":"invalid_client"}"#), false),
        // Some providers refuse under status 200.
        (by_reply(200, r#"{"error":"invalid_client"}"#), false),
        (by_reply(500, r#"{"error":"invalid_client"}"#), true),
        (by_reply(404, ""), false),
        (by_reply(500, ""), true),
        (by_reply(302, ""), true),
        (by_reply(200, "<html>"), true),
        (by_error(Operation::DISCOVER, transport(Timeout)), false),
        (by_error(Operation::CONFIGURE, transport(Timeout)), false),
        (by_error(Operation::GET_KEYS, transport(Connect)), true),
        (by_error(Operation::REFRESH_TOKEN, ErrorKind::Configuration("no secret".to_owned())), false),
        (by_error(Operation::REFRESH_TOKEN, ErrorKind::Unsupported("no endpoint".to_owned())), false),
    ];
    for ((what, fault, error), may_be_spent) in cases {
        let (server, clock, store) = (RotatingServer::new(), Hands::new(), MemoryStore::new());
        let source = FailsOnce(ProviderSource::new(Arc::new(server.client())), Mutex::new(error));
        let manager = TokenManager::builder(store.clone(), sealer())
            .source(source)
            .clock(clock.clone())
            .recover_every(Duration::MAX)
            .build()
            .unwrap();
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        if let Some(fault) = fault {
            server.fail_next(fault);
        }
        let failed = manager.get(&key()).await.unwrap_err();
        assert!(matches!(failed, TokenError::RefreshFailed { .. }), "{what}: {failed}");
        let unfinished = store.count(&Filter::all().with_status(Status::Refreshing)).await.unwrap();
        assert_eq!(unfinished == 1, may_be_spent, "{what}");
        clock.forward(60 * SECOND);
        server.fail_next(ServerFault::Reply(400, r#"{"error":"invalid_grant"}"#, None));
        let error = manager.get(&key()).await.unwrap_err();
        let is_lost = matches!(error.dead_grant().unwrap().reason, DeadReason::LostInRefresh { .. });
        assert_eq!(is_lost, may_be_spent, "{what}: {error}");
    }
}

#[tokio::test]
async fn a_grant_that_another_process_has_ended_is_served_no_more_once_an_api_refuses_its_token() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let new = || builder(store.clone(), &server).build().unwrap();
    let (one, other) = (new(), new());
    one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let token = other.get(&key()).await.unwrap();
    one.mark_dead(&key(), &oauth_tokens::DeadMark::new("account_deleted")).await.unwrap();
    assert_eq!(other.get(&key()).await.unwrap(), token, "it knows nothing of that");
    let error = other.get_after_rejection(&key(), token.access_token()).await.unwrap_err();
    assert!(matches!(error, TokenError::Dead { .. }), "{error}");
    let error = other.get(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::Dead { .. }), "{error}");
}

#[tokio::test]
async fn whoever_wants_more_than_a_live_token_learns_for_all_that_there_is_none() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    server.fail_next(ServerFault::Reply(503, "", Some(600)));
    manager.get_valid_for(&key(), 60 * SECOND).await.unwrap_err();
    let steps = store.steps();
    let error = manager.get(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::RefreshFailed { .. }), "{error}");
    assert_eq!((store.steps(), server.token_requests()), (steps, 1));
}

#[tokio::test]
async fn while_the_store_is_down_a_live_token_that_is_due_is_served_without_asking_each_time() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    let token = server.sign_in().unwrap();
    manager.put(&key(), &token).await.unwrap();
    clock.forward(3500 * SECOND);
    store.set_down(true);
    for _ in 0..2 {
        let steps = store.steps();
        assert_eq!(manager.get(&key()).await.unwrap().access_token(), token.access_token());
        assert!(store.steps() > steps, "it may be up again");
        let steps = store.steps();
        clock.forward(SECOND / 2);
        assert_eq!(manager.get(&key()).await.unwrap().access_token(), token.access_token());
        assert_eq!(store.steps(), steps);
        clock.forward(SECOND);
    }
    store.set_down(false);
    // Nobody waits for the first refresh after the trouble.
    for _ in 0..2000 {
        if manager.get(&key()).await.unwrap().access_token() != token.access_token() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the token is not refreshed");
}
