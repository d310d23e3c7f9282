//! Managers on top of the store, as in several processes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use oauth_core::{Clock, OffsetDateTime, Sealer, SealingKey, async_trait};
use tokio::{task::JoinSet, time::sleep};

use super::{
    check::{CheckFailed, Checked, ensure, some_key},
    hooked::{HookedStore, StoreCall, StoreHook},
    server::RotatingServer,
};
use crate::{
    builder::TokenManagerBuilder,
    error::TokenError,
    inventory::{Filter, Status},
    key::TokenKey,
    manager::TokenManager,
    state::DeadReason,
    store::{StoreError, StoreOperation, TokenStore},
};

/// Short, so that the checks need not wait long for a lease of the dead.
const LEASE: Duration = Duration::from_millis(600);

fn builder(store: impl TokenStore + 'static, server: &RotatingServer) -> TokenManagerBuilder {
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    // Requests are counted, and a sweep for one check would take part in another.
    TokenManager::builder(store, sealer)
        .provider(Arc::new(server.client()))
        .lease_lifetime(LEASE)
        .recover_every(Duration::MAX)
}

pub(super) async fn many_processes_send_one_request(store: &Arc<dyn TokenStore>) -> Checked {
    const PROCESSES: usize = 8;
    const TASKS: usize = 25;
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(50), Duration::from_secs(3600));
    let key = some_key()?;
    for round in 1..=3 {
        let first = builder(Arc::clone(store), &server).build()?;
        first.put(&key, &server.sign_in_expired()?).await?;
        let mut tasks = JoinSet::new();
        for _ in 0..PROCESSES {
            let manager = builder(Arc::clone(store), &server).build()?;
            for _ in 0..TASKS {
                let (manager, key) = (manager.clone(), key.clone());
                tasks.spawn(async move { manager.get(&key).await });
            }
        }
        let mut tokens = Vec::new();
        while let Some(outcome) = tasks.join_next().await {
            tokens.push(outcome??.access_token().to_owned());
        }
        let sent = server.token_requests();
        ensure!(sent == round, "in round {round}, there were {sent} requests to the provider");
        ensure!(tokens.iter().all(|token| *token == tokens[0]), "not everybody got the same token");
        ensure!(server.knows(&tokens[0]), "everybody got a token that the provider does not know");
    }
    Ok(())
}

/// Stops a process at its store, as if it had been killed: its saves go well up to a number, and the next never ends, nor does
/// anything after it but searches.
struct Killed {
    saves: AtomicUsize,
    is_dead: AtomicBool,
}

#[async_trait]
impl StoreHook for Killed {
    async fn before(&self, call: &StoreCall<'_>) -> Result<(), StoreError> {
        if call.operation == StoreOperation::Save
            && self.saves.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err()
        {
            self.is_dead.store(true, SeqCst);
        }
        let asks_only = matches!(call.operation, StoreOperation::Find | StoreOperation::Now);
        if self.is_dead.load(SeqCst) && !asks_only {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

async fn crash(
    store: &Arc<dyn TokenStore>,
    server: &RotatingServer,
    key: &TokenKey,
) -> Result<(), CheckFailed> {
    builder(Arc::clone(store), server).build()?.put(key, &server.sign_in_expired()?).await?;
    // The mark is saved, the new token is not.
    let killed = Killed { saves: 1.into(), is_dead: false.into() };
    let manager = builder(HookedStore::new(Arc::clone(store), killed), server).build()?;
    let (doomed, doomed_key) = (manager, key.clone());
    let task = tokio::spawn(async move { doomed.get(&doomed_key).await });
    for _ in 0..500 {
        if server.token_requests() == 1 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    ensure!(server.token_requests() == 1, "the process that is to crash did not come to redeem");
    // Its reply arrives, and the save never begins.
    sleep(Duration::from_millis(50)).await;
    task.abort();
    Ok(())
}

pub(super) async fn a_crash_between_redeem_and_save_is_reported(store: &Arc<dyn TokenStore>) -> Checked {
    let (server, key) = (RotatingServer::new(), some_key()?);
    crash(store, &server, &key).await?;
    let manager = builder(Arc::clone(store), &server).build()?;
    let outcome = manager.get(&key).await;
    let Err(TokenError::Dead { grant, .. }) = &outcome else {
        return Err(format!("after a crash the grant should be dead: {outcome:?}").into());
    };
    ensure!(matches!(grant.reason, DeadReason::LostInRefresh { .. }), "the crash is not named: {grant:?}");
    // It stays dead, in every process, without another request, until somebody signs in again.
    let other = builder(Arc::clone(store), &server).build()?;
    ensure!(matches!(other.get(&key).await, Err(TokenError::Dead { .. })), "a dead grant came alive");
    let sent = server.token_requests();
    ensure!(sent == 2, "a dead grant was asked for: {sent} requests");
    other.put(&key, &server.sign_in()?).await?;
    let token = other.get(&key).await?;
    ensure!(server.knows(token.access_token()), "a new login did not replace a dead grant");
    Ok(())
}

pub(super) async fn a_crash_is_made_good_by_a_providers_grace(store: &Arc<dyn TokenStore>) -> Checked {
    let server = RotatingServer::with(Duration::from_secs(60), Duration::ZERO, Duration::from_secs(3600));
    let key = some_key()?;
    crash(store, &server, &key).await?;
    let token = builder(Arc::clone(store), &server).build()?.get(&key).await?;
    ensure!(server.knows(token.access_token()), "a provider's grace was of no use");
    ensure!(server.ended_grants() == 0, "a grant was lost in spite of a provider's grace");
    Ok(())
}

pub(super) async fn a_crash_is_made_good_though_nobody_asks(store: &Arc<dyn TokenStore>) -> Checked {
    if !store.can_find() {
        return Ok(());
    }
    let server = RotatingServer::with(Duration::from_secs(60), Duration::ZERO, Duration::from_secs(3600));
    let key = some_key()?;
    crash(store, &server, &key).await?;
    // Somebody else's token makes the manager begin its sweep.
    let manager = builder(Arc::clone(store), &server).recover_every(Duration::from_millis(100)).build()?;
    manager.put(&some_key()?, &server.sign_in()?).await?;
    let unfinished = Filter::all().with_tenant(key.tenant()).with_status(Status::Refreshing);
    for _ in 0..500 {
        if manager.count(&unfinished).await? == 0 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let left = manager.count(&unfinished).await?;
    ensure!(left == 0, "a refresh that crashed is still unfinished after five seconds");
    let token = manager.get(&key).await?;
    ensure!(server.knows(token.access_token()), "the token of a recovered refresh is not known");
    ensure!(server.ended_grants() == 0, "a grant was lost in spite of a provider's grace");
    Ok(())
}

/// A clock that is wrong by so many seconds.
#[derive(Debug)]
struct Wrong(i64);

impl Clock for Wrong {
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        OffsetDateTime::from_unix_timestamp(now.unix_timestamp() + self.0).unwrap_or(now)
    }
}

pub(super) async fn clocks_that_disagree_redeem_nothing_twice(store: &Arc<dyn TokenStore>) -> Checked {
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(20), Duration::from_secs(3600));
    let key = some_key()?;
    builder(Arc::clone(store), &server).build()?.put(&key, &server.sign_in_expired()?).await?;
    let mut tasks = JoinSet::new();
    for wrong_by in [-86_400, -7200, 0, 7200, 86_400] {
        let manager = builder(Arc::clone(store), &server).clock(Wrong(wrong_by)).build()?;
        for _ in 0..10 {
            let (manager, key) = (manager.clone(), key.clone());
            tasks.spawn(async move { manager.get(&key).await });
        }
    }
    while let Some(outcome) = tasks.join_next().await {
        let token = outcome??;
        ensure!(!token.access_token().is_empty(), "an empty token was handed out");
    }
    // Those who believe the new token expired may redeem its successor; nobody redeems one that was redeemed.
    ensure!(server.ended_grants() == 0, "with clocks that disagree, a refresh token was redeemed twice");
    Ok(())
}
