//! Work on many grants: refreshed when due, kept alive, sealed anew, revoked, erased, moved.

use std::{sync::Arc, time::Duration};

use oauth_core::{Aead, Identity, OAuth2Token, Sealer, SealingKey, WantedScopes, serde_json};
use oauth_tokens::{
    AccessTokenRequest, Batch, BatchOptions, Filter, MemoryStore, PlainGrant, Put, PutOptions, Status,
    TokenError, TokenKey, TokenManager, TokenStore,
    testkit::{RotatingServer, ServerFault},
};

use crate::support::{Hands, Shaky, builder, expired, key, stored};

fn user(tenant: &str, subject: &str) -> TokenKey {
    TokenKey::new("testkit", subject).with_tenant(tenant)
}

fn options() -> BatchOptions {
    BatchOptions::new().at_once(4)
}

fn sums(batch: &Batch) -> (u64, u64, u64, u64, u64) {
    (batch.found, batch.done, batch.dead, batch.failed, batch.left)
}

fn ring(server: &RotatingServer, store: &MemoryStore, sealer: Sealer) -> TokenManager {
    TokenManager::builder(store.clone(), sealer)
        .provider(Arc::new(server.client()))
        .recover_every(Duration::MAX)
        .build()
        .unwrap()
}

fn number(number: u8) -> SealingKey {
    SealingKey::from_bytes([number; 32])
}

#[tokio::test]
async fn what_is_due_is_refreshed_and_nothing_else() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    for index in 0..10 {
        let token = match index % 2 {
            0 => server.sign_in_expired().unwrap(),
            _ => server.sign_in().unwrap(),
        };
        manager.put(&user("acme", &index.to_string()), &token).await.unwrap();
    }
    // A machine's token, and one that takes a login, are no work for this.
    let without = expired(&OAuth2Token::new("without a refresh token"));
    manager.put(&user("acme", "without"), &without).await.unwrap();
    manager.put(&user("other", "0"), &server.sign_in_expired().unwrap()).await.unwrap();
    let acme = Filter::all().with_tenant("acme");
    let batch = manager.refresh_due(&acme, Duration::ZERO, &options()).await.unwrap();
    assert_eq!(sums(&batch), (5, 5, 0, 0, 0), "{batch}");
    assert_eq!(server.token_requests(), 5);
    clock.forward(Duration::from_secs(60));
    let batch = manager.refresh_due(&acme, Duration::from_secs(7200), &options()).await.unwrap();
    assert_eq!((batch.found, batch.done), (10, 10), "all are due within two hours");
    assert_eq!(server.token_requests(), 15);
    assert_eq!(server.ended_grants(), 0);
}

#[tokio::test]
async fn two_workers_send_one_request_for_each_grant() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let workers = [(); 2].map(|()| builder(store.clone(), &server).build().unwrap());
    for index in 0..50 {
        let token = server.sign_in_expired().unwrap();
        workers[0].put(&user("acme", &index.to_string()), &token).await.unwrap();
    }
    let gently = options().jitter(Duration::from_millis(20));
    let all = Filter::all();
    let (one, other) = tokio::join!(
        workers[0].refresh_due(&all, Duration::ZERO, &gently),
        workers[1].refresh_due(&all, Duration::ZERO, &gently),
    );
    assert_eq!((one.unwrap().failed, other.unwrap().failed), (0, 0));
    assert_eq!(server.token_requests(), 50);
    assert_eq!(server.ended_grants(), 0);
}

#[tokio::test]
async fn a_batch_counts_what_died_and_what_failed() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    for index in 0..3 {
        manager.put(&user("acme", &index.to_string()), &server.sign_in_expired().unwrap()).await.unwrap();
    }
    server.fail_next(ServerFault::Reply(400, r#"{"error":"invalid_grant"}"#, None));
    server.fail_next(ServerFault::Reply(503, "", None));
    let one_by_one = BatchOptions::new().at_once(1);
    let batch = manager.refresh_due(&Filter::all(), Duration::ZERO, &one_by_one).await.unwrap();
    assert_eq!((batch.found, batch.dead), (3, 1), "{batch}");
    assert!(batch.failed >= 1 && batch.done + batch.failed == 2, "{batch}");
    assert!(matches!(batch.error, Some(TokenError::RefreshFailed { .. })), "{batch}");
    assert!(batch.to_string().starts_with("3 grants: "), "{batch}");
}

#[tokio::test]
async fn grants_that_nobody_uses_are_kept_alive() {
    let (server, clock) = (RotatingServer::new(), Hands::new());
    let manager = builder(MemoryStore::new(), &server).clock(clock.clone()).build().unwrap();
    let day = Duration::from_secs(24 * 3600);
    manager.put(&user("acme", "idle"), &server.sign_in().unwrap()).await.unwrap();
    let week = day * 7;
    assert_eq!(manager.keep_alive(&Filter::all(), week, &options()).await.unwrap().found, 0);
    clock.forward(day * 6);
    manager.put(&user("acme", "used"), &server.sign_in().unwrap()).await.unwrap();
    clock.forward(day * 2);
    let batch = manager.keep_alive(&Filter::all(), week, &options()).await.unwrap();
    assert_eq!(sums(&batch), (1, 1, 0, 0, 0), "{batch}");
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn an_old_key_can_be_retired_once_nothing_is_left() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let old = ring(&server, &store, Sealer::new(number(1)));
    for index in 0..20 {
        old.put(&user("acme", &index.to_string()), &server.sign_in().unwrap()).await.unwrap();
    }
    let both = ring(&server, &store, Sealer::new(number(2)).with_old_key(number(1)));
    both.put(&user("acme", "new"), &server.sign_in().unwrap()).await.unwrap();
    let batch = both.reseal_all(&options()).await.unwrap();
    assert_eq!(sums(&batch), (20, 20, 0, 0, 0), "{batch}");
    assert_eq!(both.reseal_all(&options()).await.unwrap().found, 0);
    let new = ring(&server, &store, Sealer::new(number(2)));
    for index in 0..20 {
        new.get(&user("acme", &index.to_string())).await.unwrap();
    }
    assert_eq!(server.token_requests(), 0);
}

#[tokio::test]
async fn what_cannot_be_sealed_anew_is_left_and_said() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    ring(&server, &store, Sealer::new(number(1)))
        .put(&user("acme", "lost"), &server.sign_in().unwrap())
        .await
        .unwrap();
    let batch = ring(&server, &store, Sealer::new(number(2))).reseal_all(&options()).await.unwrap();
    assert_eq!(sums(&batch), (1, 0, 0, 1, 1), "{batch}");
    assert!(matches!(batch.error, Some(TokenError::Unreadable { .. })), "{batch}");
}

#[tokio::test]
async fn all_of_a_tenant_or_a_user_can_be_erased() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = builder(store.clone(), &server).build().unwrap();
    for (tenant, subject) in [("acme", "a"), ("acme", "b"), ("other", "a")] {
        for label in ["", "calendar"] {
            let key = user(tenant, subject).with_label(label);
            manager.put(&key, &server.sign_in().unwrap()).await.unwrap();
        }
    }
    let ada = Filter::all().with_tenant("acme").with_subject("a");
    let batch = manager.revoke_all(&ada, &options()).await.unwrap();
    assert_eq!(sums(&batch), (2, 2, 0, 0, 0), "{batch}");
    let batch = manager.erase_all(&Filter::all().with_tenant("acme"), &options()).await.unwrap();
    assert_eq!(sums(&batch), (2, 2, 0, 0, 0), "{batch}");
    assert_eq!(manager.count(&Filter::all()).await.unwrap(), 2);
    assert!(matches!(manager.get(&user("acme", "b")).await, Err(TokenError::NotFound { .. })));
    manager.get(&user("other", "a")).await.unwrap();
}

#[tokio::test]
async fn grants_move_to_another_store_with_another_key() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = ring(&server, &store, Sealer::new(number(1)));
    let ada = PutOptions::new().with_identity(&Identity::new("testkit", "ada", serde_json::Value::Null));
    for index in 0..5 {
        let token = server.sign_in_expired().unwrap();
        manager.put_with(&user("acme", &index.to_string()), &token, ada.clone()).await.unwrap();
    }
    server.fail_next(ServerFault::Reply(400, r#"{"error":"invalid_grant"}"#, None));
    manager.get(&user("acme", "0")).await.unwrap_err();

    let elsewhere = MemoryStore::new();
    let other = ring(&server, &elsewhere, Sealer::new(number(2)));
    let (mut moved, mut after) = (0, None);
    loop {
        let page = manager.export(&Filter::all(), after.as_ref(), 2).await.unwrap();
        for grant in page.grants {
            let grant = grant.unwrap();
            assert!(!format!("{grant:?}").contains(grant.token().access_token()));
            // As text, which is how it travels.
            let text = serde_json::to_string(&grant).unwrap();
            let grant: PlainGrant = serde_json::from_str(&text).unwrap();
            assert!(other.import(&grant).await.unwrap());
            assert!(!other.import(&grant).await.unwrap(), "it is there already");
            moved += 1;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(moved, 5);
    assert!(matches!(other.get(&user("acme", "0")).await, Err(TokenError::Dead { .. })), "it stays dead");
    assert_eq!(other.count(&Filter::all().with_status(Status::Dead)).await.unwrap(), 1);
    let token = other.get(&user("acme", "1")).await.unwrap();
    assert!(server.knows(token.access_token()));
    // Whose it is has come along.
    let again = OAuth2Token::new("a later login");
    let put = other.put_with(&user("acme", "1"), &again, ada).await.unwrap();
    assert_eq!(put, Put::WithStoredRefreshToken);
}

#[tokio::test]
async fn plain_tokens_of_a_table_are_imported() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let token = server.sign_in_expired().unwrap();
    // As a table has it: two texts and a Unix time.
    let row: OAuth2Token = serde_json::from_value(serde_json::json!({
        "access_token": token.access_token(),
        "refresh_token": token.refresh_token(),
        "expires_at": 1_700_000_000,
        "id_token": null,
        "scope": null,
    }))
    .unwrap();
    let identity = Identity::new("testkit", "ada", serde_json::Value::Null);
    let client = server.client();
    let grant = PlainGrant::new(&key(), row).with_identity(&identity).with_client_id(client.client_id());
    assert!(manager.import(&grant).await.unwrap());
    let found = manager.find(&Filter::all(), None, 1).await.unwrap();
    assert_eq!(found[0].summary.status, Status::Alive);
    assert!(server.knows(manager.get(&key()).await.unwrap().access_token()));
    assert_eq!(server.ended_grants(), 0);
    // A later login that brings no refresh token keeps the imported one.
    let login = OAuth2Token::new("a later login");
    let put = manager.put_with(&key(), &login, PutOptions::new().with_identity(&identity)).await.unwrap();
    assert_eq!(put, Put::WithStoredRefreshToken);
}

#[tokio::test]
async fn tokens_that_only_the_process_knows_are_listed() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).save_patience(Duration::from_millis(50)).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    assert!(manager.unsaved().is_empty());
    store.take_no_more_saves_after(1);
    manager.get(&key()).await.unwrap_err();
    assert_eq!(manager.unsaved(), [key()]);
    store.takes_saves_again();
    for _ in 0..300 {
        if manager.unsaved().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is still unsaved");
}

#[tokio::test]
async fn an_export_takes_along_what_a_grant_has_beside_its_token() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let wanted = PutOptions::new().with_scopes(WantedScopes::required(["email", "calendar"]));
    let mut login = serde_json::to_value(server.sign_in().unwrap()).unwrap();
    login["scope"] = "email".into();
    let login: OAuth2Token = serde_json::from_value(login).unwrap();
    manager.put_with(&key(), &login, wanted).await.unwrap();
    let mail = AccessTokenRequest::new().with_scopes(["mail.read"]);
    let for_mail = manager.get_for(&key(), &mail).await.unwrap();
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_scope"}"#, None));
    let refused = AccessTokenRequest::new().with_scopes(["admin"]);
    manager.get_for(&key(), &refused).await.unwrap_err();

    let grant = manager.export(&Filter::all(), None, 10).await.unwrap().grants.remove(0).unwrap();
    let text = serde_json::to_string(&grant).unwrap();
    assert!(!text.contains("admin") && !text.contains("invalid_scope"), "a failure is none of a grant's");
    let other = builder(MemoryStore::new(), &server).build().unwrap();
    assert!(other.import(&serde_json::from_str(&text).unwrap()).await.unwrap());
    let before = server.token_requests();
    assert_eq!(other.get_for(&key(), &mail).await.unwrap().access_token(), for_mail.access_token());
    assert_eq!(server.token_requests(), before, "it came along");
    let missing = stored(&other, &key()).await.scopes.unwrap().missing_required;
    assert!(missing.contains(&"calendar".to_owned()), "{missing:?}");
}

#[tokio::test]
async fn what_the_other_algorithm_sealed_is_sealed_anew() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let before = ring(&server, &store, Sealer::new(number(1)));
    for index in 0..5 {
        let token = server.sign_in().unwrap();
        before.put(&user("acme", &index.to_string()), &token).await.unwrap();
    }
    let sealer = Sealer::new(number(1)).with_aead(Aead::Aes256Gcm).unwrap();
    let id = sealer.key_id();
    let after = ring(&server, &store, sealer);
    let old = Filter::all().without_sealing_key(id);
    assert_eq!(after.count(&old).await.unwrap(), 5);
    // One is found by whoever asks for it, the others by the batch.
    let key = user("acme", "0");
    assert!(server.knows(after.get(&key).await.unwrap().access_token()));
    let batch = after.reseal_all(&options()).await.unwrap();
    assert_eq!((batch.failed, batch.left), (0, 0), "{batch}");
    assert_eq!(after.count(&old).await.unwrap(), 0);
    assert_eq!(store.load(&key).await.unwrap().unwrap().sealed[1], 2);
    // A process that seals with the other one still reads them.
    assert!(server.knows(before.get_token(&key).await.unwrap().access_token()));
}

#[tokio::test]
async fn a_token_that_is_saved_late_counts_as_refreshed() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).save_patience(Duration::from_millis(100)).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    // It takes the mark, and not the new token.
    store.take_no_more_saves_after(1);
    let refreshing = tokio::spawn({
        let manager = manager.clone();
        async move { manager.refresh_due(&Filter::all(), Duration::ZERO, &options()).await.unwrap() }
    });
    while manager.unsaved().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    store.takes_saves_again();
    let batch = refreshing.await.unwrap();
    assert_eq!(sums(&batch), (1, 1, 0, 0, 0), "{batch}");
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn a_token_that_the_store_never_takes_counts_as_failed_in_the_end() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let short = Duration::from_millis(100);
    let manager = builder(store.clone(), &server).save_patience(short).store_limit(short).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.take_no_more_saves_after(1);
    let batch = manager.refresh_due(&Filter::all(), Duration::ZERO, &options()).await.unwrap();
    assert_eq!((batch.found, batch.done, batch.failed), (1, 0, 1), "{batch}");
    assert!(matches!(batch.error, Some(TokenError::NotSaved { .. })), "{batch}");
    assert_eq!(manager.unsaved(), [key()]);
}
