//! Records: compare-and-swap, versions, sizes.

use std::sync::Arc;

use oauth_core::bytes::Bytes;
use tokio::task::JoinSet;

use super::check::{CheckFailed, Checked, ensure, some_key};
use crate::store::{Expected, Record, Saved, TokenStore};

pub(super) async fn nothing_is_there_before_it_is_saved(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    ensure!(store.load(&key).await?.is_none(), "a key that was never saved has a record");
    ensure!(!store.delete(&key).await?, "a key that was never saved could be deleted");
    ensure!(store.list(key.tenant(), key.subject()).await?.is_empty(), "a new subject has records");
    let saved = store.save(&key, Bytes::from_static(b"a"), Expected::Version(1), None).await?;
    ensure!(saved == Saved::Conflict(None), "where nothing is, version 1 was expected: {saved:?}");
    ensure!(store.load(&key).await?.is_none(), "a save that met a conflict left something behind");
    Ok(())
}

pub(super) async fn what_is_saved_is_there_and_its_version_grows(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    let mut last = 0;
    for (index, expectation) in ["absent", "version", "any", "version"].into_iter().enumerate() {
        let sealed = Bytes::from(format!("record {index}"));
        let expected = match expectation {
            "absent" => Expected::Absent,
            "version" => Expected::Version(last),
            _ => Expected::Any,
        };
        let saved = store.save(&key, sealed.clone(), expected, None).await?;
        let Saved::Version(version) = saved else {
            return Err(format!("a save that expected {expected:?} ended with {saved:?}").into());
        };
        ensure!(version > last, "version {version} came after {last}");
        ensure!(version < 1 << 63, "version {version} is not below 2^63");
        let found = store.load(&key).await?;
        ensure!(found == Some(Record::new(version, sealed)), "after version {version}: {found:?}");
        last = version;
    }
    let saved = store.save(&key, Bytes::from_static(b"late"), Expected::Absent, None).await?;
    let there = Record::new(last, &b"record 3"[..]);
    ensure!(saved == Saved::Conflict(Some(there)), "with a record there, none was expected: {saved:?}");
    Ok(())
}

pub(super) async fn of_two_writers_one_wins(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    let mut expected = Expected::Absent;
    for round in 0..5 {
        let mut writers = JoinSet::new();
        for writer in 0..16 {
            let (store, key) = (Arc::clone(store), key.clone());
            writers.spawn(async move {
                let sealed = Bytes::from(format!("round {round} writer {writer}"));
                (sealed.clone(), store.save(&key, sealed, expected, None).await)
            });
        }
        let mut winners = Vec::new();
        while let Some(outcome) = writers.join_next().await {
            match outcome? {
                (sealed, Ok(Saved::Version(version))) => winners.push(Record::new(version, sealed)),
                (_, Ok(Saved::Conflict(Some(_)))) => {}
                (_, other) => return Err(format!("a writer who came too late got {other:?}").into()),
            }
        }
        ensure!(winners.len() == 1, "{} of 16 writers who expected {expected:?} won", winners.len());
        let found = store.load(&key).await?;
        ensure!(found.as_ref() == winners.first(), "the winner wrote {winners:?}, and there is {found:?}");
        expected = Expected::Version(winners[0].version);
    }
    Ok(())
}

pub(super) async fn a_stale_reader_cannot_save(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    store.save(&key, Bytes::from_static(b"old"), Expected::Absent, None).await?;
    let Some(read) = store.load(&key).await? else { return Err("a saved record is gone".to_owned().into()) };
    store.save(&key, Bytes::from_static(b"new"), Expected::Version(read.version), None).await?;
    let saved = store.save(&key, Bytes::from_static(b"stale"), Expected::Version(read.version), None).await?;
    let found = store.load(&key).await?;
    ensure!(found.as_ref().is_some_and(|found| found.sealed == "new"), "a stale save left {found:?}");
    ensure!(saved == Saved::Conflict(found), "a stale save ended with {saved:?}");
    Ok(())
}

pub(super) async fn numbers_grow_across_a_delete(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    let mut last = 0;
    for _ in 0..3 {
        let saved = store.save(&key, Bytes::from_static(b"a"), Expected::Absent, None).await?;
        let Saved::Version(version) = saved else {
            return Err(format!("after a delete a save ended with {saved:?}").into());
        };
        ensure!(version > last, "version {version} came after {last}, with a delete between them");
        last = version;
        ensure!(store.delete(&key).await?, "a saved record could not be deleted");
        ensure!(!store.delete(&key).await?, "a record could be deleted twice");
        ensure!(store.load(&key).await?.is_none(), "a deleted record is still there");
        ensure!(store.list(key.tenant(), key.subject()).await?.is_empty(), "a deleted record is listed");
        let saved = store.save(&key, Bytes::from_static(b"b"), Expected::Version(version), None).await?;
        ensure!(saved == Saved::Conflict(None), "a deleted record was saved over: {saved:?}");
    }
    Ok(())
}

pub(super) async fn large_and_empty_records_come_back(store: &Arc<dyn TokenStore>) -> Checked {
    for length in [0, 1, 255, 65_536, 1 << 20] {
        let key = some_key()?;
        // All values of a byte, in no simple order.
        let sealed: Bytes = (0..length).map(|index: usize| (index * 131 + index / 256) as u8).collect();
        store.save(&key, sealed.clone(), Expected::Absent, None).await?;
        let found = store.load(&key).await?.map(|record| record.sealed);
        ensure!(found == Some(sealed), "a record of {length} bytes came back changed");
    }
    Ok(())
}

pub(super) async fn only_the_version_that_is_named_is_deleted(store: &Arc<dyn TokenStore>) -> Checked {
    let key = some_key()?;
    ensure!(!store.delete_version(&key, 1).await?, "a key that was never saved could be deleted");
    let mut versions = Vec::new();
    for sealed in ["the first", "the second"] {
        let Saved::Version(version) = store.save(&key, Bytes::from(sealed), Expected::Any, None).await?
        else {
            return Err(CheckFailed::from("a save that expected anything was refused".to_owned()));
        };
        versions.push(version);
    }
    ensure!(!store.delete_version(&key, versions[0]).await?, "a version that was replaced could be deleted");
    ensure!(!store.delete_version(&key, u64::MAX).await?, "a version that never was could be deleted");
    ensure!(store.load(&key).await?.is_some(), "what was saved after the version that was deleted is gone");
    ensure!(store.delete_version(&key, versions[1]).await?, "the version that is there could not be deleted");
    ensure!(store.load(&key).await?.is_none(), "a deleted record is still there");
    ensure!(!store.delete_version(&key, versions[1]).await?, "a record was deleted twice");
    Ok(())
}
