//! The store is down, forgets to answer, or comes back too late.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use oauth_core::{ErrorClass, async_trait};
use oauth_tokens::{
    MemoryStore, Put, Revoked, StoreError, StoreOperation, TokenError,
    testkit::{HookedStore, RotatingServer, StoreCall, StoreHook},
};

use crate::{
    later_logins::{again, of_ada},
    support::{Hands, Shaky, builder, key, stored},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_live_tokens_are_served_and_nothing_is_redeemed() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    let before = manager.get_token(&key()).await.unwrap();

    // A minute without the store, while the token becomes due.
    clock.forward(54 * 60 * SECOND);
    store.set_down(true);
    let steps = store.steps();
    for _ in 0..600 {
        assert_eq!(manager.get_token(&key()).await.unwrap(), before);
        clock.forward(SECOND / 10);
    }
    assert!(store.steps() - steps <= 61, "{} looks into a store that is down", store.steps() - steps);
    let unknown = manager.get_token(&key().with_label("other")).await.unwrap_err();
    assert!(matches!(unknown, TokenError::Store { .. }), "{unknown}");
    assert_eq!(unknown.class(), ErrorClass::Transient { retry_after: None });

    clock.forward(10 * 60 * SECOND);
    let error = manager.get_token(&key()).await.unwrap_err();
    assert!(matches!(error, TokenError::Store { .. }), "{error}");
    assert_eq!(server.token_requests(), 0, "what could not be saved must not be redeemed");

    store.set_down(false);
    let after = manager.get_token(&key()).await.unwrap();
    assert!(server.knows(after.access_token()));
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_could_not_be_saved_is_handed_over_in_the_error_and_saved_later() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();

    // It takes the mark, and goes down before it takes the token.
    store.go_down_after_saves(1);
    let began = tokio::time::Instant::now();
    let error = manager.get_token(&key()).await.unwrap_err();
    assert!(began.elapsed() >= 3 * SECOND, "it was tried for {:?}", began.elapsed());
    let TokenError::NotSaved { token, .. } = &error else { panic!("{error:?}") };
    assert!(server.knows(token.access_token()));
    assert!(!format!("{error} {error:?}").contains(token.access_token()));
    // Whoever asks meanwhile gets the same, and the old refresh token is not redeemed again.
    for _ in 0..10 {
        let again = manager.get_token(&key()).await.unwrap_err();
        assert!(matches!(&again, TokenError::NotSaved { token: same, .. } if same == token), "{again:?}");
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(server.token_requests(), 1);

    store.set_down(false);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(
        stored(&manager, &key()).await.token.as_ref(),
        Some(&**token),
        "nobody asked, and it is saved"
    );
    assert_eq!(manager.get_token(&key()).await.unwrap(), *token);
    assert_eq!(server.token_requests(), 1);
    assert!(manager.close().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_hands_over_what_could_not_be_saved() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.go_down_after_saves(1);
    assert!(matches!(manager.get_token(&key()).await, Err(TokenError::NotSaved { .. })));
    let unsaved = manager.close().await;
    let [TokenError::NotSaved { key: of, token, .. }] = &unsaved[..] else { panic!("{unsaved:?}") };
    assert_eq!(*of, key());
    assert!(server.accepts(token.refresh_token().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_save_whose_reply_was_lost_counts() {
    for lost in 1..=3 {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let manager = builder(store.clone(), &server).build().unwrap();
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        // Not the mark's: a mark of which nobody knows whether it is there is no leave to redeem.
        let token = {
            let marked = manager.clone();
            let task = tokio::spawn(async move { marked.get_token(&key()).await });
            while server.token_requests() == 0 {
                tokio::task::yield_now().await;
            }
            store.lose_replies(lost);
            task.await.unwrap().unwrap()
        };
        assert_eq!(server.token_requests(), 1, "{lost}");
        assert_eq!(stored(&manager, &key()).await.token.as_ref(), Some(&*token));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_whose_reply_was_lost_redeems_nothing() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.lose_replies(1);
    assert!(matches!(manager.get_token(&key()).await, Err(TokenError::Store { .. })));
    assert_eq!(server.token_requests(), 0);
    assert!(server.knows(manager.get_token(&key()).await.unwrap().access_token()));
}

#[tokio::test(start_paused = true)]
async fn while_a_new_token_is_unsaved_no_other_process_redeems_the_old_one() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let [one, other] = [(); 2].map(|()| {
        let builder = builder(store.clone(), &server).lease_lifetime(SECOND);
        builder.lease_patience(SECOND / 10).build().unwrap()
    });
    one.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.take_no_more_saves_after(1);
    let error = one.get_token(&key()).await.unwrap_err();
    let TokenError::NotSaved { token, .. } = &error else { panic!("{error:?}") };

    let busy = other.get_token(&key()).await.unwrap_err();
    assert!(matches!(busy, TokenError::Busy { .. }), "{busy:?}");
    assert_eq!(server.token_requests(), 1, "the old refresh token is spent");

    store.takes_saves_again();
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(other.get_token(&key()).await.unwrap(), *token);
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
    // The lease was given back: the other one can have it.
    assert_eq!(other.revoke(&key()).await.unwrap(), Revoked::AtTheProvider);
}

#[tokio::test(start_paused = true)]
async fn an_unsaved_token_gives_its_lease_to_whoever_replaces_or_revokes_it() {
    for change in ["put", "delete", "revoke"] {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let [one, other] =
            [(); 2].map(|()| builder(store.clone(), &server).lease_patience(SECOND / 10).build().unwrap());
        one.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        store.take_no_more_saves_after(1);
        let error = one.get_token(&key()).await.unwrap_err();
        let TokenError::NotSaved { token, .. } = &error else { panic!("{error:?}") };
        store.takes_saves_again();
        match change {
            "put" => one.put(&key(), &server.sign_in_expired().unwrap()).await.map(drop).unwrap(),
            "delete" => assert!(one.delete(&key()).await.unwrap()),
            _ => {
                assert_eq!(one.revoke(&key()).await.unwrap(), Revoked::AtTheProvider);
                assert!(!server.knows(token.access_token()));
            }
        }
        // Nothing is held any more.
        other.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        let outcome = other.get_token(&key()).await;
        assert!(outcome.is_ok(), "{change}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_reply_was_lost_does_not_write_over_its_own_successor() {
    for was_there in [false, true] {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let [one, other] = [(); 2].map(|()| builder(store.clone(), &server).build().unwrap());
        if was_there {
            one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
        }
        let new = server.sign_in_expired().unwrap();
        let refresh = tokio::spawn({
            let new = new.clone();
            async move {
                let is_new = |stored: &oauth_tokens::Stored| stored.token.as_ref() == Some(&new);
                while !other
                    .list("", key().subject())
                    .await
                    .unwrap()
                    .into_iter()
                    .flatten()
                    .any(|s| is_new(&s))
                {
                    tokio::task::yield_now().await;
                }
                other.get_token(&key()).await.unwrap()
            }
        });
        store.lose_replies(1);
        one.put(&key(), &new).await.unwrap();
        let successor = refresh.await.unwrap();
        assert_eq!(stored(&one, &key()).await.token.as_ref(), Some(&*successor), "{was_there}");
        assert_eq!(one.get_token(&key()).await.unwrap(), successor, "{was_there}");
        assert_eq!((server.token_requests(), server.ended_grants()), (1, 0), "{was_there}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_replies_were_lost_counts() {
    for lost in 1..=3 {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let manager = builder(store.clone(), &server).build().unwrap();
        manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
        store.lose_replies(lost);
        let new = server.sign_in().unwrap();
        manager.put(&key(), &new).await.unwrap();
        assert_eq!(stored(&manager, &key()).await.token.as_ref(), Some(&new));
        assert_eq!(*manager.get_token(&key()).await.unwrap(), new);
    }
}

/// Looks into the store that fail, one after the other.
#[derive(Default)]
struct FailingLooks(Mutex<VecDeque<StoreError>>);

#[async_trait]
impl StoreHook for FailingLooks {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        let is_look = call.operation == StoreOperation::Load;
        match is_look.then(|| self.0.lock().unwrap().pop_front()).flatten() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_does_not_load_for_a_moment_keeps_its_refresh_token() {
    let server = RotatingServer::new();
    let store = HookedStore::new(MemoryStore::new(), FailingLooks::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &of_ada(&server.sign_in().unwrap())).await.unwrap();
    let broken = || StoreError::permanent(StoreOperation::Load, "the row is broken");
    let down = || StoreError::transient(StoreOperation::Load, "the store is down");
    for errors in [vec![broken()], vec![broken(), down()], vec![down(), broken(), down()]] {
        let what = format!("{errors:?}");
        store.hook().0.lock().unwrap().extend(errors);
        let put = manager.put(&key(), &again(&server)).await.unwrap();
        assert_eq!(put, Put::WithStoredRefreshToken, "{what}");
    }
    // Only what is broken each time is replaced.
    store.hook().0.lock().unwrap().extend([broken(), broken()]);
    let put = manager.put(&key(), &again(&server)).await.unwrap();
    assert!(matches!(put, Put::WithoutRefreshToken(_)), "{put:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unsaved_token_is_revoked_though_the_store_is_down() {
    for is_down in [false, true] {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let manager = builder(store.clone(), &server).build().unwrap();
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        store.take_no_more_saves_after(1);
        let error = manager.get_token(&key()).await.unwrap_err();
        let TokenError::NotSaved { token, .. } = &error else { panic!("{error:?}") };
        store.set_down(is_down);
        let outcome = manager.revoke(&key()).await;
        assert!(!server.knows(token.access_token()), "{is_down}");
        match is_down {
            false => assert_eq!(outcome.unwrap(), Revoked::AtTheProvider),
            // Its predecessor is still in the store, and the caller knows.
            true => assert!(matches!(outcome, Err(TokenError::Store { .. })), "{outcome:?}"),
        }
        store.set_down(false);
        store.takes_saves_again();
        tokio::time::sleep(10 * SECOND).await;
        assert!(manager.close().await.is_empty());
        for stored in manager.list("", key().subject()).await.unwrap() {
            assert_ne!(stored.unwrap().token.as_ref(), Some(&**token), "a revoked token must not be saved");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_lost_everything_and_counts_anew_is_believed() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let [one, other] =
        [(); 2].map(|()| builder(store.clone(), &server).clock(clock.clone()).build().unwrap());
    for _ in 0..5 {
        one.put(&key(), &server.sign_in().unwrap()).await.unwrap();
    }
    other.get_token(&key()).await.unwrap();
    store.lose_everything();
    let new = server.sign_in().unwrap();
    one.put(&key(), &new).await.unwrap();
    assert_eq!(*one.get_token(&key()).await.unwrap(), new);
    // The other process sees it as soon as it looks.
    clock.forward(3400 * SECOND);
    let refreshed = other.get_token(&key()).await.unwrap();
    assert_eq!(other.get_token(&key()).await.unwrap(), refreshed);
    assert_eq!(stored(&one, &key()).await.token.as_ref(), Some(&*refreshed));
    let steps = store.steps();
    other.get_token(&key()).await.unwrap();
    assert_eq!(store.steps(), steps, "what it has seen stays in its memory");
}

#[tokio::test(start_paused = true)]
async fn while_the_store_hangs_one_caller_waits_and_not_one_for_each_key() {
    let (server, clock, store) = (RotatingServer::new(), Hands::new(), Shaky::default());
    let manager = builder(store.clone(), &server).clock(clock.clone()).build().unwrap();
    let keys: Vec<_> = (0..20).map(|index| key().with_label(index.to_string())).collect();
    for key in &keys {
        manager.put(key, &server.sign_in().unwrap()).await.unwrap();
    }
    clock.forward(57 * 60 * SECOND);
    store.set_hanging(true);
    let began = tokio::time::Instant::now();
    for key in &keys {
        manager.get_token(key).await.unwrap();
    }
    assert_eq!(began.elapsed().as_secs(), 3);

    // It comes back, and everything that was begun goes on.
    store.set_hanging(false);
    tokio::time::sleep(SECOND).await;
    assert_eq!(server.token_requests(), keys.len());
    let steps = store.steps();
    for key in &keys {
        assert!(server.knows(manager.get_token(key).await.unwrap().access_token()));
    }
    assert_eq!(store.steps(), steps);

    // Now it fails at once; nobody waits, and the refresh is taken up when it is back.
    clock.forward(57 * 60 * SECOND);
    store.set_down(true);
    let began = tokio::time::Instant::now();
    for key in &keys {
        manager.get_token(key).await.unwrap();
    }
    assert_eq!(began.elapsed().as_secs(), 0);
    store.set_down(false);
    tokio::time::sleep(SECOND).await;
    clock.forward(2 * SECOND);
    for key in &keys {
        manager.get_token(key).await.unwrap();
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!(server.token_requests(), 2 * keys.len());
}

/// The lease of one process runs out while the store keeps it waiting, and another one goes on.
#[tokio::test]
async fn a_store_too_slow_for_the_lease_does_not_have_a_token_redeemed_twice() {
    const LEASE: Duration = Duration::from_millis(300);
    let server = RotatingServer::with(Duration::ZERO, LEASE, Duration::from_secs(3600));
    let store = Shaky::default();
    let process = || builder(store.clone(), &server).lease_lifetime(LEASE).build().unwrap();
    let (slow, other) = (process(), process());
    slow.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();

    store.delay_next_reply(LEASE + LEASE / 3);
    let (key_of_slow, late) = (key(), async {
        tokio::time::sleep(LEASE / 3).await;
        other.get_token(&key()).await
    });
    let (first, second) = tokio::join!(slow.get_token(&key_of_slow), late);
    assert_eq!(*first.unwrap(), *second.unwrap());
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
}

/// With the lease of three seconds, a refresh that takes four answers before it redeems.
#[tokio::test(start_paused = true)]
async fn a_store_that_takes_half_a_lease_for_an_answer_has_tokens_refreshed() {
    for latency in [400, 800, 1600].map(Duration::from_millis) {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let [one, other] = [(); 2].map(|()| builder(store.clone(), &server).build().unwrap());
        one.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        store.set_latency(latency);
        let (first, second) = (key(), key());
        let (first, second) = tokio::join!(one.get_token(&first), other.get_token(&second));
        assert_eq!(first.unwrap(), second.unwrap(), "{latency:?}");
        assert_eq!((server.token_requests(), server.ended_grants()), (1, 0), "{latency:?}");
        one.revoke(&key()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_lets_nobody_wait_for_ever() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.set_hanging(true);
    for limit in [31, 31, 1] {
        let got = tokio::time::timeout(limit * SECOND, manager.get(&key())).await.expect("it is given up");
        assert!(matches!(got, Err(TokenError::Store { .. })), "{got:?}");
    }
    let got = tokio::time::timeout(61 * SECOND, manager.revoke(&key())).await.expect("it is given up");
    assert!(matches!(got, Err(TokenError::Store { .. })), "{got:?}");
    let quick = builder(store.clone(), &server).store_limit(2 * SECOND).build().unwrap();
    assert!(tokio::time::timeout(3 * SECOND, quick.get(&key())).await.is_ok());
    store.set_hanging(false);
    assert!(server.knows(quick.get(&key()).await.unwrap().access_token()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_redeemed_under_a_lease_that_a_slow_store_may_have_used_up() {
    for (latency, is_refreshed) in [(25, true), (35, false)] {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let manager = builder(store.clone(), &server)
            .store_limit(Duration::from_secs(60))
            .save_patience(Duration::from_secs(300))
            .lease_patience(Duration::from_secs(200))
            .build()
            .unwrap();
        manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
        store.set_latency(Duration::from_secs(latency));
        match manager.get(&key()).await {
            Ok(token) => assert!(is_refreshed && server.knows(token.access_token()), "{latency} s"),
            Err(error) => {
                assert!(!is_refreshed && matches!(error, TokenError::Busy { .. }), "{latency} s: {error}");
                assert_eq!(server.token_requests(), 0);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_waits_to_be_saved_is_handed_over_without_asking_the_store_each_time() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).save_patience(Duration::ZERO).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.take_no_more_saves_after(1);
    let TokenError::NotSaved { token, .. } = manager.get_token(&key()).await.unwrap_err() else {
        panic!("the mark was saved, and nothing else")
    };
    let steps = store.steps();
    for _ in 0..10 {
        let TokenError::NotSaved { token: again, .. } = manager.get_token(&key()).await.unwrap_err() else {
            panic!("it is not saved yet")
        };
        assert_eq!(again, token);
    }
    assert_eq!(store.steps(), steps);
}
