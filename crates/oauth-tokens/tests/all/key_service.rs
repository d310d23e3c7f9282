//! A key service in place of a key ring: it takes its time, fails, and has a key for each tenant.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use oauth_core::{OAuth2Token, Sealer, SealingKey, async_trait};
use oauth_tokens::{
    BatchOptions, Expected, MemoryStore, SealingError, TokenError, TokenKey, TokenManager, TokenSealer,
    TokenStore, UnreadableReason, Unsealed, testkit::RotatingServer,
};

use crate::support::{Hands, expired};

/// A clone is the same service.
#[derive(Clone, Debug, Default)]
struct KeyService(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rings: Mutex<HashMap<String, Sealer>>,
    is_down: AtomicBool,
}

impl KeyService {
    fn with(self, tenant: &str, ring: Sealer) -> Self {
        self.0.rings.lock().unwrap().insert(tenant.to_owned(), ring);
        self
    }

    fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    async fn ring(&self, key: &TokenKey) -> Result<Sealer, SealingError> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if self.0.is_down.load(Ordering::SeqCst) {
            return Err(SealingError::transient("the key service does not answer"));
        }
        let ring = self.0.rings.lock().unwrap().get(key.tenant()).cloned();
        ring.ok_or_else(|| SealingError::permanent("this tenant has no key"))
    }
}

#[async_trait]
impl TokenSealer for KeyService {
    async fn seal(&self, key: &TokenKey, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, SealingError> {
        self.ring(key).await?.seal_bytes(plain, context).map_err(SealingError::permanent)
    }

    async fn open(&self, key: &TokenKey, sealed: &[u8], context: &[u8]) -> Result<Unsealed, SealingError> {
        match self.ring(key).await?.open_bytes(sealed, context) {
            Ok(opened) => Ok(Unsealed::new(opened.plain.to_vec(), opened.is_current)),
            Err(_) => Err(SealingError::Unreadable(UnreadableReason::UnknownKey)),
        }
    }

    fn sealing_key(&self) -> Option<String> {
        None
    }

    fn sealing_key_of(&self, sealed: &[u8]) -> Option<String> {
        Sealer::key_id_of(sealed)
    }
}

fn number(number: u8) -> SealingKey {
    SealingKey::from_bytes([number; 32])
}

fn key(tenant: &str) -> TokenKey {
    TokenKey::new("testkit", "user-17").with_tenant(tenant)
}

fn manager(server: &RotatingServer, store: &MemoryStore, keys: &KeyService) -> TokenManager {
    TokenManager::builder(store.clone(), keys.clone())
        .provider(Arc::new(server.client()))
        .recover_every(Duration::MAX)
        .save_patience(Duration::from_millis(100))
        .build()
        .unwrap()
}

fn two_tenants() -> KeyService {
    KeyService::default().with("acme", Sealer::new(number(1))).with("other", Sealer::new(number(2)))
}

#[tokio::test]
async fn each_tenant_has_a_key_of_its_own() {
    let (server, store, keys) = (RotatingServer::new(), MemoryStore::new(), two_tenants());
    let tokens = manager(&server, &store, &keys);
    for tenant in ["acme", "other"] {
        tokens.put(&key(tenant), &server.sign_in_expired().unwrap()).await.unwrap();
        assert!(server.knows(tokens.get(&key(tenant)).await.unwrap().access_token()));
    }
    // Without its key, a tenant's token is out of reach, and the other tenant's is not.
    let without = KeyService::default().with("other", Sealer::new(number(2)));
    let tokens = manager(&server, &store, &without);
    let error = tokens.get(&key("acme")).await.unwrap_err();
    assert!(error.to_string().contains("this tenant has no key"), "{error}");
    tokens.get(&key("other")).await.unwrap();
    let moved = store.load(&key("acme")).await.unwrap().unwrap().sealed;
    store.save(&key("other").with_label("moved"), moved, Expected::Absent, None).await.unwrap();
    let error = tokens.get(&key("other").with_label("moved")).await.unwrap_err();
    assert!(matches!(error, TokenError::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn while_the_key_service_is_down_nothing_is_redeemed() {
    let (server, store, keys) = (RotatingServer::new(), MemoryStore::new(), two_tenants());
    manager(&server, &store, &keys).put(&key("acme"), &server.sign_in_expired().unwrap()).await.unwrap();
    keys.set_down(true);
    let tokens = manager(&server, &store, &keys);
    let error = tokens.get(&key("acme")).await.unwrap_err();
    assert!(matches!(&error, TokenError::Store { cause, .. } if cause.is_transient()), "{error}");
    assert!(error.to_string().contains("the key service does not answer"), "{error}");
    assert_eq!(server.token_requests(), 0);
    keys.set_down(false);
    let tokens = manager(&server, &store, &keys);
    assert!(server.knows(tokens.get(&key("acme")).await.unwrap().access_token()));
}

#[tokio::test]
async fn a_new_token_that_cannot_be_sealed_yet_is_kept_and_saved_later() {
    let (store, keys) = (MemoryStore::new(), two_tenants());
    let hour = Duration::from_secs(3600);
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(100), hour);
    let tokens = manager(&server, &store, &keys);
    tokens.put(&key("acme"), &server.sign_in_expired().unwrap()).await.unwrap();
    let (refresh, same) = (tokens.clone(), keys.clone());
    let refresh = tokio::spawn(async move { refresh.get(&key("acme")).await });
    while server.token_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    same.set_down(true);
    let error = refresh.await.unwrap().unwrap_err();
    assert!(matches!(error, TokenError::NotSaved { .. }), "{error}");
    keys.set_down(false);
    for _ in 0..300 {
        if tokens.unsaved().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let other = manager(&server, &store, &keys);
    assert!(server.knows(other.get(&key("acme")).await.unwrap().access_token()));
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
}

#[tokio::test]
async fn a_login_does_not_replace_what_cannot_be_opened_just_now() {
    let (server, store, keys) = (RotatingServer::new(), MemoryStore::new(), two_tenants());
    let tokens = manager(&server, &store, &keys);
    tokens.put(&key("acme"), &server.sign_in_expired().unwrap()).await.unwrap();
    let before = store.load(&key("acme")).await.unwrap();
    keys.set_down(true);
    let login = expired(&OAuth2Token::new("a later login"));
    let error = tokens.put(&key("acme"), &login).await.unwrap_err();
    assert!(matches!(error, TokenError::NotSaved { .. }), "{error}");
    assert_eq!(store.load(&key("acme")).await.unwrap(), before);
}

#[tokio::test]
async fn a_tenants_key_is_replaced_without_the_others() {
    let (server, store, keys) = (RotatingServer::new(), MemoryStore::new(), two_tenants());
    let tokens = manager(&server, &store, &keys);
    for tenant in ["acme", "other"] {
        tokens.put(&key(tenant), &server.sign_in().unwrap()).await.unwrap();
    }
    let other = store.load(&key("other")).await.unwrap();
    let keys = keys.with("acme", Sealer::new(number(3)).with_old_key(number(1)));
    let batch = manager(&server, &store, &keys).reseal_all(&BatchOptions::new()).await.unwrap();
    assert_eq!((batch.found, batch.done, batch.left), (2, 2, 0), "{batch}");
    assert_eq!(store.load(&key("other")).await.unwrap(), other, "it is as it was");
    let keys = keys.with("acme", Sealer::new(number(3)));
    manager(&server, &store, &keys).get(&key("acme")).await.unwrap();
}

#[tokio::test]
async fn a_tenant_without_a_key_is_no_trouble_with_the_store_for_the_others() {
    let (server, store, clock) = (RotatingServer::new(), MemoryStore::new(), Hands::new());
    manager(&server, &store, &two_tenants()).put(&key("acme"), &server.sign_in().unwrap()).await.unwrap();
    let keys = KeyService::default().with("other", Sealer::new(number(2)));
    let tokens = TokenManager::builder(store, keys)
        .provider(Arc::new(server.client()))
        .recover_every(Duration::MAX)
        .clock(clock.clone())
        .build()
        .unwrap();
    tokens.put(&key("other"), &server.sign_in().unwrap()).await.unwrap();
    let before = tokens.get(&key("other")).await.unwrap();
    // It is due, and live.
    clock.forward(Duration::from_secs(3500));
    for _ in 0..3 {
        assert!(matches!(tokens.get(&key("acme")).await, Err(TokenError::Store { .. })));
    }
    assert_ne!(tokens.get(&key("other")).await.unwrap(), before, "it is waited for");
}
