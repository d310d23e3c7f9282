//! Records that somebody else changes, deletes or seals just before a manager saves or deletes them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_core::{Sealer, async_trait};
use oauth_tokens::{
    AccessTokenRequest, ClientCredentials, DeadMark, DeadReason, Event, Expected, MemoryStore, Put, Revoked,
    SealingError, Status, StoreError, StoreOperation, Summary, TokenError, TokenKey, TokenManager,
    TokenSealer, TokenStore, Unsealed,
    testkit::{HookedStore, RotatingServer, StoreCall, StoreHook},
};

use crate::support::{builder, key, sealer, stored};

const SECOND: Duration = Duration::from_secs(1);

/// Somebody who saves the record again just before it is saved or deleted, so many times.
struct Rival {
    store: MemoryStore,
    times: AtomicUsize,
}

#[async_trait]
impl StoreHook for Rival {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if let (StoreOperation::Save | StoreOperation::Delete, Some(key)) = (call.operation, call.key)
            && self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        {
            save_again(&self.store, key).await;
        }
        Ok(())
    }
}

async fn save_again(store: &MemoryStore, key: &TokenKey) {
    let record = store.load(key).await.unwrap().unwrap();
    let summary = Summary::new(Status::Alive);
    store.save_described(key, record.sealed, &summary, Expected::Any, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_record_that_changes_meanwhile_is_changed_all_the_same_unless_it_never_stops() {
    for (times, succeeds) in [(0, true), (3, true), (usize::MAX, false)] {
        let (server, memory) = (RotatingServer::new(), MemoryStore::new());
        let rival = Rival { store: memory.clone(), times: AtomicUsize::new(0) };
        let store = HookedStore::new(memory, rival);
        let manager = builder(store.clone(), &server).lease_patience(SECOND).build().unwrap();
        manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
        let check = async |what: &str, outcome: Result<bool, TokenError>, began: tokio::time::Instant| {
            store.hook().times.store(0, Ordering::SeqCst);
            match outcome {
                Ok(done) => assert!(done && succeeds, "{what} {times}"),
                Err(error) => {
                    assert!(matches!(error, TokenError::Busy { .. }) && !succeeds, "{what} {times}: {error}");
                    assert!((1..=2).contains(&began.elapsed().as_secs()), "{what}: {:?}", began.elapsed());
                }
            }
        };
        let begin = || {
            store.hook().times.store(times, Ordering::SeqCst);
            tokio::time::Instant::now()
        };
        let limit = 60 * SECOND;
        let mark = DeadMark::new("account_deleted");
        let began = begin();
        let outcome = tokio::time::timeout(limit, manager.mark_dead(&key(), &mark)).await.unwrap();
        check("end", outcome, began).await;
        let dead = stored(&manager, &key()).await.dead;
        assert_eq!(dead.is_some_and(|dead| matches!(dead.reason, DeadReason::MarkedDead { .. })), succeeds);

        let _ = manager.mark_dead(&key(), &mark).await.unwrap();
        let began = begin();
        let outcome = tokio::time::timeout(limit, manager.revive(&key())).await.unwrap();
        check("revive", outcome, began).await;
        assert_eq!(stored(&manager, &key()).await.dead.is_none(), succeeds);

        let began = begin();
        let outcome = tokio::time::timeout(limit, manager.revoke(&key())).await.unwrap();
        check("revoke", outcome.map(|revoked| revoked == Revoked::AtTheProvider), began).await;
        assert_eq!(manager.list("", key().subject()).await.unwrap().is_empty(), succeeds);
        assert_eq!(server.ended_grants(), 1);
    }
}

/// Deletes the record of a machine just before it is saved, once.
struct Deleting(MemoryStore, AtomicUsize);

#[async_trait]
impl StoreHook for Deleting {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if let (StoreOperation::Save, Some(key)) = (call.operation, call.key)
            && self.1.swap(0, Ordering::SeqCst) > 0
        {
            self.0.delete(key).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_machine_whose_record_is_deleted_meanwhile_gets_its_tokens_all_the_same() {
    let (server, memory) = (RotatingServer::new(), MemoryStore::new());
    let store = HookedStore::new(memory.clone(), Deleting(memory, AtomicUsize::new(0)));
    let source = ClientCredentials::new(server.client());
    let manager = TokenManager::builder(store.clone(), sealer()).source(source).build().unwrap();
    manager.get(&key()).await.unwrap();
    let mail = AccessTokenRequest::new().with_scopes(["mail.read"]);
    store.hook().1.store(1, Ordering::SeqCst);
    let token = manager.get_for(&key(), &mail).await.unwrap();
    assert!(server.knows(token.access_token()));
    assert_eq!(manager.get_for(&key(), &mail).await.unwrap(), token, "it is kept");
    store.hook().1.store(1, Ordering::SeqCst);
    let token = manager.get_valid_for(&key(), 2 * 3600 * SECOND).await.unwrap();
    assert_eq!(stored(&manager, &key()).await.token.unwrap().access_token(), token.access_token());
}

/// A key service that opens nothing, so many times.
#[derive(Clone, Debug)]
struct Failing(Sealer, Arc<AtomicUsize>);

#[async_trait]
impl TokenSealer for Failing {
    async fn seal(&self, key: &TokenKey, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, SealingError> {
        TokenSealer::seal(&self.0, key, plain, context).await
    }

    async fn open(&self, key: &TokenKey, sealed: &[u8], context: &[u8]) -> Result<Unsealed, SealingError> {
        if self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(SealingError::transient("the key service does not answer"));
        }
        TokenSealer::open(&self.0, key, sealed, context).await
    }

    fn sealing_key(&self) -> Option<String> {
        self.0.sealing_key()
    }

    fn sealing_key_of(&self, sealed: &[u8]) -> Option<String> {
        self.0.sealing_key_of(sealed)
    }
}

/// How the first save of a login ends, of which its process learns nothing.
enum LostSave {
    /// It is carried out.
    Carried,
    /// It is not, and others save so many times.
    Overtaken(usize),
}

struct Losing {
    store: MemoryStore,
    next: Mutex<Option<LostSave>>,
    opens_to_fail: Arc<AtomicUsize>,
}

impl Losing {
    async fn lose(&self, call: &StoreCall<'_>, is_carried_out: bool) -> Result<(), StoreError> {
        let (StoreOperation::Save, Some(key)) = (call.operation, call.key) else { return Ok(()) };
        let is_this = |lost: &mut LostSave| matches!(lost, LostSave::Carried) == is_carried_out;
        let Some(lost) = self.next.lock().unwrap().take_if(is_this) else { return Ok(()) };
        if let LostSave::Overtaken(times) = lost {
            for _ in 0..times {
                save_again(&self.store, key).await;
            }
        }
        self.opens_to_fail.store(1, Ordering::SeqCst);
        Err(StoreError::transient(StoreOperation::Save, "the connection broke"))
    }
}

#[async_trait]
impl StoreHook for Losing {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        self.lose(call, false).await
    }

    async fn after(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        self.lose(call, true).await
    }
}

#[tokio::test]
async fn a_login_is_saved_once_though_its_reply_is_lost_and_the_key_service_fails() {
    for lost in [LostSave::Carried, LostSave::Overtaken(1), LostSave::Overtaken(4)] {
        let (server, memory) = (RotatingServer::new(), MemoryStore::new());
        let opens_to_fail = Arc::new(AtomicUsize::new(0));
        let hook = Losing {
            store: memory.clone(),
            next: Mutex::new(None),
            opens_to_fail: Arc::clone(&opens_to_fail),
        };
        let store = HookedStore::new(memory.clone(), hook);
        let manager = TokenManager::builder(store.clone(), Failing(sealer(), opens_to_fail))
            .provider(Arc::new(server.client()))
            .recover_every(Duration::MAX)
            .build()
            .unwrap();
        manager.put(&key(), &server.sign_in().unwrap()).await.unwrap();
        let before = memory.load(&key()).await.unwrap().unwrap().version;
        let saves = match lost {
            LostSave::Carried => 1,
            LostSave::Overtaken(times) => times as u64 + 1,
        };
        *store.hook().next.lock().unwrap() = Some(lost);
        let login = server.sign_in().unwrap();
        assert_eq!(manager.put(&key(), &login).await.unwrap(), Put::WithOwnRefreshToken);
        assert_eq!(stored(&manager, &key()).await.token.as_ref(), Some(&login));
        assert_eq!(memory.load(&key()).await.unwrap().unwrap().version, before + saves);
    }
}

/// Carries out the save of a new token and loses the reply, once.
#[derive(Default)]
struct LosesReply(AtomicUsize);

#[async_trait]
impl StoreHook for LosesReply {
    async fn after(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        match call.saves == Some(Status::Alive) && self.0.swap(0, Ordering::SeqCst) > 0 {
            true => Err(StoreError::transient(call.operation, "the connection broke")),
            false => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_refresh_whose_save_was_carried_out_is_told_as_a_refresh() {
    let server = RotatingServer::new();
    let store = HookedStore::new(MemoryStore::new(), LosesReply::default());
    let told = Arc::<Mutex<Vec<&'static str>>>::default();
    let observer = {
        let told = Arc::clone(&told);
        move |event: &Event| told.lock().unwrap().push(event.outcome.name())
    };
    let manager = builder(store.clone(), &server).observer(observer).build().unwrap();
    manager.put(&key(), &server.sign_in_expired().unwrap()).await.unwrap();
    store.hook().0.store(1, Ordering::SeqCst);
    assert!(server.knows(manager.get(&key()).await.unwrap().access_token()));
    assert_eq!(*told.lock().unwrap(), ["put", "refreshed"]);
}
