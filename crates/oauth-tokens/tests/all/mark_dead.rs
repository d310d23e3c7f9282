//! Grants that the application ends, because a vendor reported something, say.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use oauth_core::{OffsetDateTime, TokenIdentifier, bytes::Bytes};
use oauth_tokens::{
    BatchOptions, DeadMark, DeadReason, Event, Expected, Filter, MemoryStore, Status, TokenError, TokenKey,
    TokenStore, testkit::RotatingServer,
};

use crate::support::{Shaky, builder};

fn key(subject: &str) -> TokenKey {
    TokenKey::new("testkit", subject)
}

fn reason(error: &TokenError) -> &DeadReason {
    let TokenError::Dead { grant, .. } = error else { panic!("{error}") };
    &grant.reason
}

#[tokio::test]
async fn a_grant_that_was_ended_is_dead_for_its_reason() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = events.clone();
    let manager = builder(store.clone(), &server)
        .observer(move |event: &Event| seen.lock().unwrap().push(event.outcome.name()))
        .build()
        .unwrap();
    let ann = key("ann");
    manager.put(&ann, &server.sign_in().unwrap()).await.unwrap();
    manager.get(&ann).await.unwrap();
    assert!(manager.mark_dead(&ann, &DeadMark::new("consent_revoked")).await.unwrap());
    let error = manager.get(&ann).await.unwrap_err();
    assert_eq!(*reason(&error), DeadReason::MarkedDead { reason: "consent_revoked".to_owned() });
    assert!(error.to_string().contains("consent_revoked"), "{error}");
    assert_eq!(manager.count(&Filter::all().with_status(Status::Dead)).await.unwrap(), 1);
    assert_eq!(*events.lock().unwrap(), ["put", "dead"]);
    // Twice is no harm, nor is a key that holds nothing.
    assert!(!manager.mark_dead(&ann, &DeadMark::new("again")).await.unwrap());
    assert!(!manager.mark_dead(&key("nobody"), &DeadMark::new("again")).await.unwrap());
    // Another process reads the same.
    let other = builder(store, &server).build().unwrap();
    assert!(matches!(reason(&other.get(&ann).await.unwrap_err()), DeadReason::MarkedDead { .. }));
    assert_eq!(server.token_requests(), 0, "the provider was not asked");

    assert!(manager.revive(&ann).await.unwrap(), "an account that was disabled may be enabled again");
    manager.get(&ann).await.unwrap();
    manager.mark_dead(&ann, &DeadMark::new("account_disabled")).await.unwrap();
    manager.put(&ann, &server.sign_in().unwrap()).await.unwrap();
    manager.get(&ann).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_waits_to_be_saved_may_be_the_one_that_is_meant() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    let ann = key("ann");
    manager.put(&ann, &server.sign_in_expired().unwrap()).await.unwrap();
    // It takes the mark, and not the token.
    store.take_no_more_saves_after(1);
    let error = manager.get(&ann).await.unwrap_err();
    let TokenError::NotSaved { token, .. } = error else { panic!("{error}") };
    store.takes_saves_again();
    let mark =
        DeadMark::new("consent_revoked").of_token(move |one| one.access_token() == token.access_token());
    assert!(manager.mark_dead(&ann, &mark).await.unwrap());
}

#[tokio::test]
async fn a_grant_that_was_obtained_after_the_event_stays() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let ann = key("ann");
    manager.put(&ann, &server.sign_in().unwrap()).await.unwrap();
    let now = OffsetDateTime::now_utc();
    let before = DeadMark::new("consent_revoked").obtained_until(now - Duration::from_secs(60));
    assert!(!manager.mark_dead(&ann, &before).await.unwrap(), "the user has signed in again since then");
    manager.get(&ann).await.unwrap();
    assert!(manager.mark_dead(&ann, &DeadMark::new("consent_revoked").obtained_until(now)).await.unwrap());
}

#[tokio::test]
async fn of_many_grants_those_end_that_are_meant() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let mut tokens = Vec::new();
    for subject in 0..6 {
        let token = server.sign_in().unwrap();
        manager.put(&key(&subject.to_string()), &token).await.unwrap();
        tokens.push(token);
    }
    let all = Filter::all().with_provider("testkit");
    let third = tokens[3].refresh_token().unwrap().to_owned();
    let named = DeadMark::new("token_revoked")
        .of_token(move |token| token.refresh_token().is_some_and(|token| token == third));
    let batch = manager.mark_all_dead(&all, &named, &BatchOptions::new()).await.unwrap();
    assert_eq!((batch.found, batch.done, batch.failed), (6, 1, 0), "{batch}");
    assert!(manager.get(&key("3")).await.is_err() && manager.get(&key("2")).await.is_ok());
    let unknown = TokenIdentifier::new("prefix", "0123456789abcdef");
    let named = DeadMark::new("token_revoked")
        .of_token(move |token| token.refresh_token().is_some_and(|token| unknown.names(token)));
    assert_eq!(manager.mark_all_dead(&all, &named, &BatchOptions::new()).await.unwrap().done, 0);

    let one = Filter::all().with_subject("5");
    let batch =
        manager.mark_all_dead(&one, &DeadMark::new("account_deleted"), &BatchOptions::new()).await.unwrap();
    assert_eq!((batch.found, batch.done), (1, 1), "{batch}");
    assert!(manager.get(&key("4")).await.is_ok());
}

/// Another process is about to redeem the refresh token: what it gets must not bring the grant back to life.
#[tokio::test]
async fn a_refresh_under_way_does_not_bring_an_ended_grant_back() {
    let slow = RotatingServer::with(Duration::ZERO, Duration::from_millis(300), Duration::from_secs(3600));
    let (server, store) = (slow, MemoryStore::new());
    let (one, other) =
        (builder(store.clone(), &server).build().unwrap(), builder(store, &server).build().unwrap());
    let ann = key("ann");
    one.put(&ann, &server.sign_in_expired().unwrap()).await.unwrap();
    let refresh = tokio::spawn({
        let (one, ann) = (one.clone(), ann.clone());
        async move { one.get(&ann).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(other.mark_dead(&ann, &DeadMark::new("account_deleted")).await.unwrap());
    refresh.await.unwrap().unwrap();
    let third = other.get(&ann).await.unwrap_err();
    assert!(matches!(reason(&third), DeadReason::MarkedDead { .. }));
    assert!(!other.mark_dead(&ann, &DeadMark::new("account_deleted")).await.unwrap());
}

#[tokio::test]
async fn a_record_that_does_not_open_keeps_no_vendor_sending_for_ever() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = builder(store.clone(), &server).build().unwrap();
    let (named, spoilt) = (server.sign_in().unwrap(), key("zoe"));
    manager.put(&key("ann"), &named).await.unwrap();
    manager.put(&spoilt, &server.sign_in().unwrap()).await.unwrap();
    store.save(&spoilt, Bytes::from_static(b"spoilt"), Expected::Any, None).await.unwrap();
    let all = Filter::all().with_provider("testkit");
    let meant = named.refresh_token().unwrap().to_owned();
    let mark = DeadMark::new("token_revoked")
        .of_token(move |token| token.refresh_token().is_some_and(|token| token == meant));
    for ended in [1, 0] {
        let batch = manager.mark_all_dead(&all, &mark, &BatchOptions::new()).await.unwrap();
        assert_eq!((batch.done, batch.failed, batch.unreadable, batch.left), (ended, 0, 1, 0), "{batch}");
        assert!(batch.error.is_none(), "{batch}");
        assert!(batch.to_string().contains("1 cannot be read"), "{batch}");
    }
    // Of a user's own grants, one that does not open is an error: the right key would bring it back.
    let of_zoe = Filter::all().with_tenant("").with_subject("zoe");
    let batch = manager
        .mark_all_dead(&of_zoe, &DeadMark::new("consent_revoked"), &BatchOptions::new())
        .await
        .unwrap();
    assert!(matches!(batch.error, Some(TokenError::Unreadable { .. })), "{batch}");
}
