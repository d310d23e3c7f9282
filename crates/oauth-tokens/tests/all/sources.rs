//! Providers that are looked up at run time: one for each tenant.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_core::{OAuth2Token, Provider, async_trait};
use oauth_tokens::{
    MemoryStore, ProviderSource, Revoked, SourceLookup, SourceLookupError, TokenError, TokenKey,
    TokenManager, TokenManagerBuilder, TokenSource,
    testkit::{RotatingServer, ServerFault},
};
use tokio::task::JoinSet;

use crate::support::{Hands, expired, sealer};

const HOUR: Duration = Duration::from_secs(3600);

/// Each tenant's provider, and how often one was looked up.
#[derive(Clone, Default)]
struct Directory {
    servers: Arc<Mutex<HashMap<String, RotatingServer>>>,
    lookups: Arc<AtomicUsize>,
    is_down: Arc<std::sync::atomic::AtomicBool>,
}

impl Directory {
    fn new(tenants: &[&str]) -> Self {
        let directory = Self::default();
        let servers = tenants.iter().map(|tenant| ((*tenant).to_owned(), RotatingServer::new()));
        directory.servers.lock().unwrap().extend(servers);
        directory
    }

    fn server(&self, tenant: &str) -> RotatingServer {
        self.servers.lock().unwrap()[tenant].clone()
    }

    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }

    async fn find(&self, key: &TokenKey) -> Result<Option<Arc<dyn Provider>>, SourceLookupError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.is_down.load(Ordering::SeqCst) {
            return Err("the directory is down".into());
        }
        let server = self.servers.lock().unwrap().get(key.tenant()).cloned();
        Ok(server.map(|server| Arc::new(server.client()) as Arc<dyn Provider>))
    }

    fn builder(&self) -> TokenManagerBuilder {
        let directory = self.clone();
        TokenManager::builder(MemoryStore::new(), sealer()).lookup(move |key: TokenKey| {
            let directory = directory.clone();
            async move { directory.find(&key).await }
        })
    }
}

fn of(tenant: &str) -> TokenKey {
    TokenKey::new("okta", "user-17").with_tenant(tenant)
}

#[tokio::test]
async fn each_tenant_has_a_provider_of_its_own() {
    let directory = Directory::new(&["acme", "globex"]);
    let manager = directory.builder().build().unwrap();
    for tenant in ["acme", "globex"] {
        let server = directory.server(tenant);
        manager.put(&of(tenant), &server.sign_in_expired().unwrap()).await.unwrap();
        let token = manager.get(&of(tenant)).await.unwrap();
        assert!(server.knows(token.access_token()));
        assert_eq!(server.token_requests(), 1);
        assert_eq!(manager.revoke(&of(tenant)).await.unwrap(), Revoked::AtTheProvider);
        assert!(!server.knows(token.access_token()));
    }
    assert_eq!(directory.lookups(), 2);

    let error = manager.put(&of("unheard-of"), &OAuth2Token::new("AT")).await.unwrap_err();
    assert!(matches!(error, TokenError::UnknownProvider { .. }), "{error}");
    // It may sign up later.
    directory.servers.lock().unwrap().insert("unheard-of".to_owned(), RotatingServer::new());
    manager.put(&of("unheard-of"), &OAuth2Token::new("AT")).await.unwrap();
}

#[tokio::test]
async fn a_provider_is_looked_up_once_however_many_keys_need_it() {
    let directory = Directory::new(&["acme"]);
    let manager = directory.builder().build().unwrap();
    let server = directory.server("acme");
    let mut tasks = JoinSet::new();
    for index in 0..100 {
        let (manager, key) = (manager.clone(), of("acme").with_label(index.to_string()));
        let token = server.sign_in_expired().unwrap();
        tasks.spawn(async move {
            manager.put(&key, &token).await.unwrap();
            manager.get(&key).await.unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!((directory.lookups(), server.token_requests()), (1, 100));
}

#[tokio::test]
async fn what_was_looked_up_is_forgotten_when_told_and_when_there_is_too_much() {
    let directory = Directory::new(&["acme", "globex", "initech"]);
    let manager = directory.builder().lookup_memory(2, Duration::from_secs(3600)).build().unwrap();
    let put = async |tenant: &str| {
        let token = directory.server(tenant).sign_in_expired().unwrap();
        manager.put(&of(tenant), &token).await.unwrap();
    };
    put("acme").await;
    put("acme").await;
    assert_eq!(directory.lookups(), 1);
    // Its settings have changed.
    directory.servers.lock().unwrap().insert("acme".to_owned(), RotatingServer::new());
    manager.invalidate_source(&of("acme"));
    put("acme").await;
    assert!(directory.server("acme").knows(manager.get(&of("acme")).await.unwrap().access_token()));
    assert_eq!(directory.lookups(), 2);
    put("globex").await;
    put("acme").await;
    assert_eq!(directory.lookups(), 3);
    // There is room for two, and acme was used last.
    put("initech").await;
    put("acme").await;
    assert_eq!(directory.lookups(), 4);
    put("globex").await;
    assert_eq!(directory.lookups(), 5);
    manager.invalidate_sources();
    put("globex").await;
    assert_eq!(directory.lookups(), 6);
}

/// Names that people make up would otherwise push out the sources that are in use.
#[tokio::test]
async fn a_lookup_that_found_nothing_takes_no_place() {
    let directory = Directory::new(&["acme"]);
    let manager = directory.builder().lookup_memory(4, HOUR).build().unwrap();
    let token = directory.server("acme").sign_in().unwrap();
    manager.put(&of("acme"), &token).await.unwrap();
    for made_up in 0..20 {
        let error = manager.put(&of(&format!("made-up-{made_up}")), &token).await.unwrap_err();
        assert!(matches!(error, TokenError::UnknownProvider { .. }), "{error}");
    }
    assert_eq!(directory.lookups(), 21);
    manager.put(&of("acme"), &token).await.unwrap();
    assert_eq!(directory.lookups(), 21, "it was remembered");
}

#[tokio::test(start_paused = true)]
async fn what_was_looked_up_is_looked_up_again_after_a_while() {
    let directory = Directory::new(&["acme"]);
    let manager = directory.builder().lookup_memory(2, Duration::from_secs(60)).build().unwrap();
    for round in 1..=3 {
        for _ in 0..10 {
            manager.put(&of("acme"), &OAuth2Token::new("AT")).await.unwrap();
        }
        assert_eq!(directory.lookups(), round);
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
}

#[tokio::test]
async fn a_failed_lookup_loses_no_token_and_is_tried_again() {
    let (directory, clock) = (Directory::new(&["acme"]), Hands::new());
    let manager = directory.builder().clock(clock.clone()).build().unwrap();
    let server = directory.server("acme");
    manager.put(&of("acme"), &server.sign_in().unwrap()).await.unwrap();
    let before = manager.get(&of("acme")).await.unwrap();
    manager.invalidate_sources();
    directory.is_down.store(true, Ordering::SeqCst);
    clock.forward(Duration::from_secs(57 * 60));
    assert_eq!(manager.get(&of("acme")).await.unwrap(), before, "it is due, and live");
    clock.forward(Duration::from_secs(10 * 60));
    let error = manager.get(&of("acme")).await.unwrap_err();
    assert!(matches!(error, TokenError::SourceLookup { .. }), "{error}");
    assert!(error.to_string().contains("the directory is down"), "{error}");
    let lookups = directory.lookups();
    for _ in 0..100 {
        manager.get(&of("acme")).await.unwrap_err();
    }
    assert_eq!(directory.lookups(), lookups + 1, "it is asked once a second");
    clock.forward(Duration::from_secs(2));
    assert!(matches!(error.class(), oauth_core::ErrorClass::Transient { .. }));
    directory.is_down.store(false, Ordering::SeqCst);
    assert_ne!(manager.get(&of("acme")).await.unwrap(), before);
}

#[tokio::test]
async fn a_pause_is_one_tenants_alone() {
    let (directory, clock) = (Directory::new(&["acme", "globex"]), Hands::new());
    let manager = directory.builder().clock(clock.clone()).build().unwrap();
    for tenant in ["acme", "globex"] {
        manager.put(&of(tenant), &directory.server(tenant).sign_in_expired().unwrap()).await.unwrap();
    }
    directory.server("acme").fail_next(ServerFault::Reply(429, "", Some(60)));
    assert!(matches!(manager.get(&of("acme")).await, Err(TokenError::RefreshFailed { .. })));
    assert!(manager.get(&of("globex")).await.is_ok());
    let another = of("acme").with_label("another");
    manager.put(&another, &directory.server("acme").sign_in_expired().unwrap()).await.unwrap();
    assert!(matches!(manager.get(&another).await, Err(TokenError::RefreshFailed { .. })));
    assert_eq!(directory.server("acme").token_requests(), 1);
}

#[tokio::test]
async fn a_pause_outlives_the_memory_of_other_tenants() {
    let tenants: Vec<_> = (0..40).map(|index| format!("tenant-{index}")).collect();
    let all: Vec<_> = tenants.iter().map(String::as_str).chain(["acme"]).collect();
    let (directory, clock) = (Directory::new(&all), Hands::new());
    let manager = directory.builder().clock(clock).lookup_memory(8, HOUR).build().unwrap();
    let another = of("acme").with_label("another");
    for key in [of("acme"), another.clone()] {
        manager.put(&key, &directory.server("acme").sign_in_expired().unwrap()).await.unwrap();
    }
    directory.server("acme").fail_next(ServerFault::Reply(429, "", Some(60)));
    assert!(matches!(manager.get(&of("acme")).await, Err(TokenError::RefreshFailed { .. })));
    for tenant in &tenants {
        manager.put(&of(tenant), &directory.server(tenant).sign_in_expired().unwrap()).await.unwrap();
        manager.get(&of(tenant)).await.unwrap();
    }
    assert!(matches!(manager.get(&another).await, Err(TokenError::RefreshFailed { .. })));
    assert_eq!(directory.server("acme").token_requests(), 1);

    // Until somebody knows better.
    assert!(manager.end_pause(&another).await.unwrap());
    assert!(manager.get(&another).await.is_ok());
    assert!(!manager.end_pause(&another).await.unwrap());
}

/// A lookup by the subject, which is a shop.
struct Shops(Directory);

#[async_trait]
impl SourceLookup for Shops {
    async fn source(&self, key: &TokenKey) -> Result<Option<Arc<dyn TokenSource>>, SourceLookupError> {
        let of_shop = TokenKey::new(key.provider(), "").with_tenant(key.subject());
        let provider = self.0.find(&of_shop).await?;
        Ok(provider.map(|provider| Arc::new(ProviderSource::new(provider)) as Arc<dyn TokenSource>))
    }

    fn cache_key(&self, key: &TokenKey) -> String {
        key.subject().to_owned()
    }
}

#[tokio::test]
async fn a_lookup_says_which_keys_share_a_source() {
    let directory = Directory::new(&["one.example", "two.example"]);
    let manager =
        TokenManager::builder(MemoryStore::new(), sealer()).lookup(Shops(directory.clone())).build().unwrap();
    for shop in ["one.example", "two.example"] {
        let server = directory.server(shop);
        for label in ["online", "offline"] {
            let key = TokenKey::new("shopify", shop).with_label(label);
            manager.put(&key, &expired(&server.sign_in().unwrap())).await.unwrap();
            assert!(server.knows(manager.get(&key).await.unwrap().access_token()));
        }
    }
    assert_eq!(directory.lookups(), 2);
}
