//! What the store sees: nothing that looks like a token; and what happens to what somebody changed there.

use std::{sync::Arc, time::Duration};

use oauth_core::{OAuth2Token, Sealer, SealingKey, bytes::Bytes};
use oauth_tokens::{
    AccessTokenRequest, DeadMark, Expected, MemoryStore, Record, Status, StoreEntry, Summary, TokenError,
    TokenManager, TokenStore, UnreadableReason, Unsealed, testkit::RotatingServer,
};

use crate::support::key;

fn ring(server: &RotatingServer, store: &MemoryStore, sealer: Sealer) -> TokenManager {
    TokenManager::builder(store.clone(), sealer).provider(Arc::new(server.client())).build().unwrap()
}

fn number(number: u8) -> SealingKey {
    SealingKey::from_bytes([number; 32])
}

#[tokio::test]
async fn the_store_sees_no_token() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = ring(&server, &store, Sealer::new(number(1)));
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    manager.get_token(&key()).await.unwrap();
    let sealed = store.load(&key()).await.unwrap().unwrap().sealed;
    let mut looked_for = server.secrets();
    looked_for.extend(["access_token", "Bearer", "{"].map(str::to_owned));
    assert!(looked_for.len() >= 7);
    for text in looked_for.iter().filter(|text| text.len() > 1) {
        assert!(!sealed.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
    }
}

#[tokio::test]
async fn keys_rotate_and_what_is_read_is_sealed_anew() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let token = server.sign_in().unwrap();
    ring(&server, &store, Sealer::new(number(1))).put(&key(), &token).await.unwrap();

    let both = ring(&server, &store, Sealer::new(number(2)).with_old_key(number(1)));
    assert_eq!(*both.get_token(&key()).await.unwrap(), token);
    // The old key can go.
    assert_eq!(*ring(&server, &store, Sealer::new(number(2))).get_token(&key()).await.unwrap(), token);

    let error = ring(&server, &store, Sealer::new(number(3))).get_token(&key()).await.unwrap_err();
    let unknown = UnreadableReason::UnknownKey;
    assert!(matches!(&error, TokenError::Unreadable { reason, .. } if *reason == unknown), "{error}");
    assert_eq!(
        *ring(&server, &store, Sealer::new(number(2))).get_token(&key()).await.unwrap(),
        token,
        "it is still there"
    );
    assert_eq!(server.token_requests(), 0);
}

#[tokio::test]
async fn a_record_that_was_changed_or_moved_is_not_believed_and_not_deleted() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = ring(&server, &store, Sealer::new(number(1)));
    let mine = server.sign_in().unwrap();
    manager.put(&key(), &mine).await.unwrap();
    let record = store.load(&key()).await.unwrap().unwrap();
    for other in [key().with_tenant("t"), key().with_label("l")] {
        store.save(&other, record.sealed.clone(), Expected::Any, None).await.unwrap();
        let error = manager.get(&other).await.unwrap_err();
        let damaged = UnreadableReason::Damaged;
        assert!(matches!(&error, TokenError::Unreadable { reason, .. } if *reason == damaged), "{error}");
        assert!(store.load(&other).await.unwrap().is_some());
    }
    // One bad record does not hide the good ones.
    let listed = manager.list("", key().subject()).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed.iter().filter(|stored| stored.is_err()).count(), 1);
    // Whoever has a live token in memory need not care yet.
    store.save(&key(), b"nonsense".as_slice().into(), Expected::Any, None).await.unwrap();
    assert_eq!(*manager.get_token(&key()).await.unwrap(), mine);
    manager.put(&key(), &mine).await.unwrap();
    // A new login mends it.
    manager.put(&key().with_label("l"), &mine).await.unwrap();
    assert!(manager.list("", key().subject()).await.unwrap().iter().all(Result::is_ok));
}

/// A refresh that is under way in a process, once the provider has been asked.
async fn begin_refresh(
    manager: &TokenManager,
    server: &RotatingServer,
) -> tokio::task::JoinHandle<Result<Arc<OAuth2Token>, TokenError>> {
    let manager = manager.clone();
    let refresh = tokio::spawn(async move { manager.get_token(&key()).await });
    while server.token_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    refresh
}

#[tokio::test]
async fn a_new_key_that_arrives_during_a_refresh_loses_no_token() {
    let hour = Duration::from_secs(3600);
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(200), hour);
    let store = MemoryStore::new();
    let old = ring(&server, &store, Sealer::new(number(1)));
    old.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    let refresh = begin_refresh(&old, &server).await;
    // The process that was started anew looks at the record, and waits for the old one.
    let new = ring(&server, &store, Sealer::new(number(2)).with_old_key(number(1)));
    let adopted = new.get_token(&key()).await.unwrap();
    assert_eq!(refresh.await.unwrap().unwrap(), adopted);
    assert!(server.knows(adopted.access_token()));
    assert_eq!(server.token_requests(), 1);
}

#[tokio::test]
async fn a_new_token_that_meets_an_unreadable_record_is_handed_over() {
    let hour = Duration::from_secs(3600);
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(200), hour);
    let store = MemoryStore::new();
    let manager = ring(&server, &store, Sealer::new(number(1)));
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    let refresh = begin_refresh(&manager, &server).await;
    store.save(&key(), b"nonsense".as_slice().into(), Expected::Any, None).await.unwrap();
    let error = refresh.await.unwrap().unwrap_err();
    let TokenError::NotSaved { token, .. } = &error else { panic!("{error:?}") };
    assert!(server.accepts(token.refresh_token().unwrap()));
    assert_eq!(&store.load(&key()).await.unwrap().unwrap().sealed[..], b"nonsense", "it is left as it is");
    let unsaved = manager.close().await;
    assert!(
        matches!(&unsaved[..], [TokenError::NotSaved { token: same, .. }] if same == token),
        "{unsaved:?}"
    );
}

#[test]
fn what_is_printed_names_the_type_and_shows_no_secret() {
    const SECRET: &str = "S3CR3T";
    let mut entry = StoreEntry::default();
    entry.save(Bytes::from_static(SECRET.as_bytes()), &Summary::new(Status::Alive), Expected::Any, None);
    let request = AccessTokenRequest::new().with_scopes(["mail.read"]).after_rejection(SECRET);
    let meant = SECRET.to_owned();
    let mark = DeadMark::new("token_revoked").of_token(move |token| token.access_token() == meant);
    for (text, expected) in [
        (format!("{:?}", Record::new(7, SECRET)), "Record { version: 7, sealed: 6 bytes }"),
        (format!("{entry:?}"), "StoreEntry { version: 1, is_there: true"),
        (format!("{:?}", Unsealed::new(SECRET.into(), true)), "Unsealed { is_current: true"),
        (format!("{request:?}"), "AccessTokenRequest { scopes: [\"mail.read\"]"),
        (format!("{mark:?}"), "DeadMark { reason: \"token_revoked\""),
    ] {
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
}
