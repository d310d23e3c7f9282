//! The other half of a store: values that live for a while.

use std::time::Duration;

use oauth_core::{SharedCache, bytes::Bytes, random_token};
use tokio::time::{Instant, sleep};

use super::check::{Checked, ensure};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

/// Runs every check of the contract of [`SharedCache`] against a cache, one after the other.
///
/// # Errors
///
/// The first check that failed, and what it saw.
pub async fn check_shared_cache(cache: &(impl SharedCache + Clone + 'static)) -> Checked {
    let named = |check, outcome: Checked| outcome.map_err(|failed| failed.of(check));
    named("what_is_put_is_there_until_its_time_is_over", what_is_put(cache).await)?;
    named("of_many_who_take_or_put_new_one_does", one_of_many(cache).await)?;
    named("names_and_values_of_any_kind", names_and_values(cache).await)
}

async fn what_is_put(cache: &impl SharedCache) -> Checked {
    let name = random_token()?;
    let text = Bytes::from_static;
    ensure!(cache.get(&name).await?.is_none(), "a value that was never put is there");
    ensure!(cache.take(&name).await?.is_none(), "a value that was never put could be taken");
    cache.put(&name, text(b"one"), LONG).await?;
    cache.put(&name, text(b"two"), LONG).await?;
    ensure!(cache.get(&name).await? == Some(text(b"two")), "a value that was put is not there");
    ensure!(!cache.put_new(&name, text(b"three"), LONG).await?, "put_new replaced a value");
    ensure!(cache.take(&name).await? == Some(text(b"two")), "a value could not be taken");
    ensure!(cache.take(&name).await?.is_none(), "a value could be taken twice");
    ensure!(cache.get(&name).await?.is_none(), "a value that was taken is still there");

    let asked = Instant::now();
    cache.put(&name, text(b"short"), SHORT).await?;
    let found = cache.get(&name).await?;
    ensure!(found.is_some() || asked.elapsed() >= SHORT, "a value is gone before its time is over");
    sleep(SHORT * 2).await;
    ensure!(cache.get(&name).await?.is_none(), "a value outlived its time");
    ensure!(cache.take(&name).await?.is_none(), "a value could be taken after its time");
    ensure!(cache.put_new(&name, text(b"new"), LONG).await?, "a value stood in the way after its time");
    ensure!(cache.get(&name).await? == Some(text(b"new")), "put_new did not put");
    Ok(())
}

async fn one_of_many(cache: &(impl SharedCache + Clone + 'static)) -> Checked {
    for _ in 0..5 {
        let name = random_token()?;
        let (mut put, mut taken) = (0, 0);
        let mut many = tokio::task::JoinSet::new();
        for index in 0..16 {
            let (cache, name) = (cache.clone(), name.clone());
            many.spawn(async move { cache.put_new(&name, Bytes::from(vec![index]), LONG).await });
        }
        while let Some(outcome) = many.join_next().await {
            put += usize::from(outcome??);
        }
        ensure!(put == 1, "{put} of 16 put a new value under one name");
        let mut many = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (cache, name) = (cache.clone(), name.clone());
            many.spawn(async move { cache.take(&name).await });
        }
        while let Some(outcome) = many.join_next().await {
            taken += usize::from(outcome??.is_some());
        }
        ensure!(taken == 1, "{taken} of 16 took one value");
    }
    Ok(())
}

async fn names_and_values(cache: &impl SharedCache) -> Checked {
    let run = random_token()?;
    let names =
        ["", "a", "A", "a ", "ä", "a\u{308}", "\u{0}", "🗓", "a'b", "a:b", "{a}", "a%", &"x".repeat(500)];
    for (index, name) in names.iter().enumerate() {
        cache.put(&format!("{run}{name}"), Bytes::from(vec![index as u8; index * 10_000]), LONG).await?;
    }
    for (index, name) in names.iter().enumerate() {
        let found = cache.get(&format!("{run}{name}")).await?;
        ensure!(found == Some(Bytes::from(vec![index as u8; index * 10_000])), "{name:?} has another value");
    }
    Ok(())
}
