//! Finding records: by what was told about them, page by page.

use std::{sync::Arc, time::Duration};

use oauth_core::{OffsetDateTime, bytes::Bytes, random_token};

use super::check::{CheckFailed, Checked, ensure, some_key};
use crate::{
    inventory::{Filter, Found, Status, Summary},
    key::TokenKey,
    store::{Acquired, Expected, Saved, TokenStore},
};

async fn save(store: &Arc<dyn TokenStore>, key: &TokenKey, summary: &Summary) -> Result<u64, CheckFailed> {
    let sealed = Bytes::from(key.to_string());
    match store.save_described(key, sealed, summary, Expected::Any, None).await? {
        Saved::Version(version) => Ok(version),
        other => Err(format!("a save that expected anything ended with {other:?}").into()),
    }
}

async fn keys(store: &Arc<dyn TokenStore>, filter: &Filter) -> Result<Vec<TokenKey>, CheckFailed> {
    let mut keys: Vec<_> = store.find(filter, None, 1000).await?.into_iter().map(|found| found.key).collect();
    let counted = store.count(filter).await?;
    ensure!(counted == keys.len() as u64, "{filter:?} finds {} records and counts {counted}", keys.len());
    keys.sort();
    Ok(keys)
}

pub(super) async fn records_are_found_by_what_was_told(store: &Arc<dyn TokenStore>) -> Checked {
    if !store.can_find() {
        return Ok(());
    }
    let tenant = random_token()?;
    let key = |subject: &str, provider: &str| {
        TokenKey::from_parts(&tenant, subject, &format!("{provider}{tenant}"), "")
    };
    let alive = Summary::new(Status::Alive).with_due_at(Some(1000)).with_sealing_key("new");
    let forever = Summary::new(Status::Alive).with_sealing_key("new");
    let begun = Summary::new(Status::Refreshing).with_due_at(Some(2000)).with_sealing_key("old");
    let dead = Summary::new(Status::Dead).with_sealing_key("old");
    let summaries = [
        (key("a", "p"), alive.clone()),
        (key("a", "q"), forever),
        (key("b", "p"), begun.clone()),
        (key("b", "q"), dead),
        (key("c\0/:", "p"), Summary::default()),
    ];
    for (key, summary) in &summaries {
        let version = save(store, key, summary).await?;
        let found = store.find(&Filter::all().with_tenant(&tenant), None, 10).await?;
        let wanted = Found::new(key.clone(), version, summary.clone());
        ensure!(found.contains(&wanted), "{wanted:?} is not among {found:?}");
    }
    let all = || Filter::all().with_tenant(&tenant);
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let cases: [(Filter, &[usize]); 15] = [
        (all(), &[0, 1, 2, 3, 4]),
        (all().with_subject("a"), &[0, 1]),
        (all().with_subject("c\0/:"), &[4]),
        (all().with_subject("d"), &[]),
        (Filter::all().with_provider(format!("p{tenant}")), &[0, 2, 4]),
        (Filter::all().with_provider(format!("q{tenant}")).with_subject("b"), &[3]),
        (all().with_status(Status::Alive), &[0, 1]),
        (all().with_status(Status::Refreshing), &[2]),
        (all().with_status(Status::Dead), &[3]),
        (all().with_status(Status::Unknown), &[4]),
        (all().with_due_before(at(1000)), &[]),
        (all().with_due_before(at(1001)), &[0]),
        (all().with_due_before(at(9999)), &[0, 2]),
        (all().without_sealing_key("new"), &[2, 3, 4]),
        (all().without_sealing_key("new").with_status(Status::Dead), &[3]),
    ];
    for (filter, wanted) in cases {
        let found = keys(store, &filter).await?;
        let mut wanted: Vec<_> = wanted.iter().map(|&index| summaries[index].0.clone()).collect();
        wanted.sort();
        ensure!(found == wanted, "{filter:?} should find {wanted:?}, and found {found:?}");
    }
    // A summary holds for one version.
    let (first, _) = &summaries[0];
    save(store, first, &begun).await?;
    let found = keys(store, &all().with_status(Status::Alive)).await?;
    ensure!(found == [key("a", "q")], "a summary that was replaced is still believed: {found:?}");
    store.save(first, Bytes::from_static(b"x"), Expected::Any, None).await?;
    let found = keys(store, &all().with_status(Status::Refreshing)).await?;
    ensure!(found == [key("b", "p")], "a save without a summary kept that of its predecessor: {found:?}");
    let found = keys(store, &all().with_status(Status::Unknown)).await?;
    ensure!(found.contains(first), "what was saved without a summary is not found as such: {found:?}");
    store.delete(first).await?;
    ensure!(!keys(store, &all()).await?.contains(first), "a deleted record is found");
    save(store, first, &alive).await?;
    ensure!(keys(store, &all()).await?.contains(first), "what was saved after a delete is not found");
    Ok(())
}

pub(super) async fn a_lease_is_seen_by_who_searches(store: &Arc<dyn TokenStore>) -> Checked {
    if !store.can_find() {
        return Ok(());
    }
    let key = some_key()?;
    save(store, &key, &Summary::new(Status::Refreshing)).await?;
    let filter = Filter::all().with_tenant(key.tenant()).without_lease();
    ensure!(keys(store, &filter).await? == [key.clone()], "a record without a lease is not found as such");
    let Acquired::Granted(lease) = store.acquire(&key, "somebody", Duration::from_secs(60)).await? else {
        return Err("a lease that nobody holds is held".to_owned().into());
    };
    ensure!(keys(store, &filter).await?.is_empty(), "a record is found as free while its lease is held");
    store.release(&key, &lease).await?;
    ensure!(keys(store, &filter).await? == [key.clone()], "a lease that was released still counts");
    store.acquire(&key, "somebody", Duration::from_millis(100)).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    ensure!(keys(store, &filter).await? == [key], "a lease that has expired still counts");
    Ok(())
}

pub(super) async fn pages_have_every_record_once(store: &Arc<dyn TokenStore>) -> Checked {
    const KEYS: usize = 137;
    if !store.can_find() {
        return Ok(());
    }
    let tenant = random_token()?;
    let mut wanted = Vec::new();
    for index in 0..KEYS {
        let key = TokenKey::from_parts(&tenant, &(index % 50).to_string(), "testkit", &index.to_string());
        let status = if index % 3 == 0 { Status::Dead } else { Status::Alive };
        save(store, &key, &Summary::new(status)).await?;
        wanted.push((key, status));
    }
    for (filter, size) in [
        (Filter::all().with_tenant(&tenant), 1),
        (Filter::all().with_tenant(&tenant), 10),
        (Filter::all().with_tenant(&tenant).with_status(Status::Dead), 7),
        (Filter::all().with_tenant(&tenant).with_subject("7"), 2),
    ] {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = store.find(&filter, after.as_ref(), size).await?;
            ensure!(page.len() <= size, "a page of {size} records has {}", page.len());
            let is_last = page.len() < size;
            all.extend(page.into_iter().map(|found| found.key));
            if is_last {
                break;
            }
            after = all.last().cloned();
            ensure!(all.len() <= KEYS, "the pages go on after all records were found");
        }
        all.sort();
        let mut wanted: Vec<_> = wanted
            .iter()
            .filter(|(key, status)| filter.matches(key, &Summary::new(*status), false))
            .map(|(key, _)| key.clone())
            .collect();
        wanted.sort();
        ensure!(all == wanted, "pages of {size} of {filter:?} have {} of {}", all.len(), wanted.len());
    }
    Ok(())
}
