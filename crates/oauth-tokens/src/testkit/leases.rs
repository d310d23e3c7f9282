//! Leases: one at a time, expiring, fencing.

use std::{sync::Arc, time::Duration};

use oauth_core::bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::check::{CheckFailed, Checked, ensure, some_key};
use crate::{
    key::TokenKey,
    store::{Acquired, Expected, Lease, Saved, TokenStore},
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

async fn granted(
    store: &Arc<dyn TokenStore>,
    key: &TokenKey,
    lifetime: Duration,
) -> Result<Lease, CheckFailed> {
    match store.acquire(key, "somebody", lifetime).await? {
        Acquired::Granted(lease) => Ok(lease),
        Acquired::Held { retry_in } => {
            Err(format!("a lease that nobody holds is held for {retry_in:?}").into())
        }
    }
}

async fn is_held(store: &Arc<dyn TokenStore>, key: &TokenKey) -> Result<bool, CheckFailed> {
    Ok(matches!(store.acquire(key, "another", LONG).await?, Acquired::Held { .. }))
}

pub(super) async fn of_many_who_ask_one_is_granted(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    let mut last = 0;
    for round in 0..5 {
        let mut askers = JoinSet::new();
        for asker in 0..16 {
            let (store, key) = (Arc::clone(store), key.clone());
            askers.spawn(async move { store.acquire(&key, &format!("asker {asker}"), LONG).await });
        }
        let mut leases = Vec::new();
        while let Some(outcome) = askers.join_next().await {
            match outcome?? {
                Acquired::Granted(lease) => leases.push(lease),
                Acquired::Held { retry_in } => {
                    ensure!(retry_in <= LONG, "a lease of {LONG:?} is held for {retry_in:?} more");
                }
            }
        }
        ensure!(leases.len() == 1, "in round {round}, {} of 16 were granted the lease", leases.len());
        let lease = &leases[0];
        ensure!(lease.holder.starts_with("asker "), "the lease has another holder: {lease:?}");
        ensure!(lease.fence > last && lease.fence < 1 << 63, "fence {} came after {last}", lease.fence);
        last = lease.fence;
        store.release(&key, lease).await?;
    }
    ensure!(store.load(&key).await?.is_none(), "a lease alone made a record");
    Ok(())
}

pub(super) async fn a_lease_expires_by_the_stores_clock(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    let asked = Instant::now();
    let first = granted(store, &key, SHORT).await?;
    // The store cannot have begun to count before it was asked.
    loop {
        let before = asked.elapsed();
        match store.acquire(&key, "another", LONG).await? {
            Acquired::Granted(second) => {
                let after = asked.elapsed();
                ensure!(after >= SHORT, "a lease of {SHORT:?} was given to another after {after:?}");
                ensure!(second.fence > first.fence, "fence {} came after {}", second.fence, first.fence);
                return Ok(());
            }
            Acquired::Held { retry_in } => {
                ensure!(retry_in <= SHORT, "a lease of {SHORT:?} is held for {retry_in:?} more");
                ensure!(before < LONG / 10, "a lease of {SHORT:?} is still held after {before:?}");
                sleep(retry_in.clamp(Duration::from_millis(5), SHORT / 4)).await;
            }
        }
    }
}

pub(super) async fn a_lease_can_be_extended_and_given_back(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    let lease = granted(store, &key, SHORT).await?;
    ensure!(store.extend(&key, &lease, LONG).await?, "a lease that is held could not be extended");
    sleep(SHORT * 2).await;
    ensure!(is_held(store, &key).await?, "a lease that was extended has expired");
    store.release(&key, &lease).await?;
    let second = granted(store, &key, LONG).await?;
    ensure!(!store.extend(&key, &lease, LONG).await?, "a lease was extended though a newer one is granted");
    store.release(&key, &lease).await?;
    ensure!(is_held(store, &key).await?, "a lease was given back by the holder of an older one");
    store.release(&key, &second).await?;
    store.release(&key, &second).await?;
    ensure!(!is_held(store, &key).await?, "a lease that was given back is still held");
    Ok(())
}

pub(super) async fn who_lost_the_lease_cannot_save(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    let text = Bytes::from_static;
    let first = granted(store, &key, SHORT).await?;
    let saved = store.save(&key, text(b"first"), Expected::Absent, Some(&first)).await?;
    let Saved::Version(version) = saved else {
        return Err(format!("the holder of the lease could not save: {saved:?}").into());
    };
    sleep(SHORT * 2).await;
    let saved = store.save(&key, text(b"late"), Expected::Version(version), Some(&first)).await?;
    let Saved::Version(version) = saved else {
        return Err(format!("a lease expired, nobody else has it, and a save ended with {saved:?}").into());
    };
    let second = granted(store, &key, LONG).await?;
    for expected in [Expected::Version(version), Expected::Any, Expected::Absent] {
        let saved = store.save(&key, text(b"stale"), expected, Some(&first)).await?;
        ensure!(saved == Saved::Fenced, "after a newer lease, a save with the old one ended with {saved:?}");
    }
    store.release(&key, &second).await?;
    let saved = store.save(&key, text(b"stale"), Expected::Version(version), Some(&first)).await?;
    ensure!(saved == Saved::Fenced, "a newer lease was given back, and the old one is good again: {saved:?}");
    let found = store.load(&key).await?.map(|record| record.sealed);
    ensure!(found == Some(text(b"late")), "what was fenced off was saved all the same");
    let saved = store.save(&key, text(b"login"), Expected::Any, None).await?;
    ensure!(matches!(saved, Saved::Version(_)), "a save without a lease ended with {saved:?}");
    Ok(())
}

pub(super) async fn a_lease_outlives_a_delete(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    store.save(&key, Bytes::from_static(b"a"), Expected::Absent, None).await?;
    let first = granted(store, &key, LONG).await?;
    store.delete(&key).await?;
    ensure!(is_held(store, &key).await?, "a delete freed the lease");
    store.release(&key, &first).await?;
    let second = granted(store, &key, LONG).await?;
    ensure!(second.fence > first.fence, "fence {} came after {} and a delete", second.fence, first.fence);
    let saved = store.save(&key, Bytes::from_static(b"b"), Expected::Absent, Some(&first)).await?;
    ensure!(saved == Saved::Fenced, "a delete made the old lease good again: {saved:?}");
    let saved = store.save(&key, Bytes::from_static(b"c"), Expected::Absent, Some(&second)).await?;
    ensure!(matches!(saved, Saved::Version(_)), "the holder of the lease could not save: {saved:?}");
    Ok(())
}

pub(super) async fn a_clock_that_is_told_goes_forward(store: &Arc<dyn TokenStore>) -> Checked {
    let Some(first) = store.now().await? else { return Ok(()) };
    sleep(SHORT / 4).await;
    let Some(second) = store.now().await? else {
        return Err("the store told the time once and then not".to_owned().into());
    };
    let passed = second - first;
    ensure!(
        passed >= SHORT / 8 && passed <= LONG,
        "in {:?}, the store's clock went on by {passed}",
        SHORT / 4
    );
    ensure!(first.unix_timestamp() > 1_700_000_000, "the store's clock says {first}");
    Ok(())
}
