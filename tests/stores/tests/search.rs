//! What was left unfinished is found and finished, on every store, and beside programs of an older version.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use oauth_store_sqlx::SqliteStore;
use oauth_store_tests::{
    Store,
    worker::{Order, Report, Settings, key},
};
use oauth_tokens::{Bytes, Expected, Filter, Saved, Status, Summary, TokenStore};
use sqlx::{PgPool, SqlitePool};

use crate::{
    fixture::Place,
    processes::{AuthorizationServer, TURN, Worker, rounds},
};

const GRANTS: usize = 100;

/// Longer than a lease lasts where a store is slow. A job that begins a hundred refreshes at once makes it slow.
const GRACE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_job_that_is_killed_loses_nothing_in_sqlite() {
    nightly_job(Place::sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_job_that_is_killed_loses_nothing_in_postgres() {
    nightly_job(Place::postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_job_that_is_killed_loses_nothing_in_mariadb() {
    nightly_job(Place::mysql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_job_that_is_killed_loses_nothing_in_redis() {
    nightly_job(Place::redis).await;
}

/// A job refreshes all grants at once and is killed before it has saved one. Nobody asks for any of them within the provider's
/// grace; another process, which runs for other reasons, finishes them.
async fn nightly_job(place: impl Fn(&str) -> Place) {
    let _turn = TURN.lock().await;
    for _ in 0..rounds() {
        one_nightly_job(&place("nightly")).await;
    }
}

async fn one_nightly_job(place: &Place) {
    let server = AuthorizationServer::start(GRACE, Duration::from_secs(3600)).await;
    let manager = server.manager(place).await;
    for index in 0..GRANTS {
        manager.put(&key(&index.to_string()), &server.sign_in_expired()).await.unwrap();
    }
    let settings = Settings { reply_takes: 60_000, ..server.settings(place) };
    let mut job = Worker::start(&settings).await;
    job.order(&Order::Hammer { subjects: GRANTS, tasks: GRANTS }).await;
    let mut redeemed = 0;
    while redeemed < GRANTS {
        if let Some(Report::Redeems { .. }) = job.next().await {
            redeemed += 1;
        }
    }
    // So that the provider has answered all of them.
    while server.redeemed().len() < GRANTS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    job.kill().await;
    assert_eq!(server.redeemed().len(), GRANTS);
    let unfinished = Filter::all().with_status(Status::Refreshing);
    assert_eq!(manager.count(&unfinished).await.unwrap(), GRANTS as u64);

    let killed = Instant::now();
    while manager.count(&unfinished).await.unwrap() > 0 {
        assert!(killed.elapsed() < GRACE, "unfinished in {}", place.name);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{}: {GRANTS} refreshes of a killed job were finished in {:?}", place.name, killed.elapsed());
    assert_eq!(manager.count(&Filter::all().with_status(Status::Dead)).await.unwrap(), 0);
    assert_eq!(server.redeemed().len(), 2 * GRANTS);
    for index in 0..GRANTS {
        manager.get(&key(&index.to_string())).await.unwrap();
    }
}

/// The statements of the first version of the store, as a process runs them that was started before the migration.
const OLD_SAVE: &str = "UPDATE oauth_tokens SET version = version + 1, sealed = $2, changed_at = 0 \
                        WHERE subject = $1 AND version = $3 AND fence <= $4 AND sealed IS NOT NULL RETURNING version";

#[tokio::test]
async fn an_older_version_goes_on_after_the_migration_in_sqlite() {
    let place = Place::sqlite("older");
    let path = place.url.trim_start_matches("sqlite:").to_owned();
    let store = SqliteStore::open(&path).await.unwrap();
    let pool = SqlitePool::connect(&place.url).await.unwrap();
    older_version(&store, async |subject: &str, version: i64| {
        sqlx::query_scalar(OLD_SAVE)
            .bind(subject)
            .bind(&b"older"[..])
            .bind(version)
            .bind(i64::MAX)
            .fetch_all(&pool)
            .await
            .unwrap()
    })
    .await;
}

#[tokio::test]
async fn an_older_version_goes_on_after_the_migration_in_postgres() {
    let place = Place::postgres("older");
    let store = oauth_store_tests::postgres(&place.url, &place.table).await.unwrap();
    let pool = PgPool::connect(&place.url).await.unwrap();
    let save = OLD_SAVE.replace("oauth_tokens", &place.table);
    older_version(&store, async |subject: &str, version: i64| {
        sqlx::query_scalar(sqlx::AssertSqlSafe(save.clone()))
            .bind(subject)
            .bind(&b"older"[..])
            .bind(version)
            .bind(i64::MAX)
            .fetch_all(&pool)
            .await
            .unwrap()
    })
    .await;
}

/// What an older version saves is found as unknown, whatever was told about its predecessor.
async fn older_version(store: &impl Store, older: impl AsyncFn(&str, i64) -> Vec<i64>) {
    let alive = Summary::new(Status::Alive).with_due_at(Some(1)).with_sealing_key("new");
    let text = Bytes::from_static(b"newer");
    let saved = store.save_described(&key("a"), text.clone(), &alive, Expected::Absent, None).await.unwrap();
    assert_eq!(saved, Saved::Version(1));
    assert_eq!(older("a", 1).await, [2]);
    let found = store.find(&Filter::all(), None, 10).await.unwrap();
    assert_eq!((found.len(), found[0].version, &found[0].summary), (1, 2, &Summary::default()));
    for known in [Status::Alive, Status::Refreshing, Status::Dead] {
        assert_eq!(store.count(&Filter::all().with_status(known)).await.unwrap(), 0);
    }
    assert_eq!(store.count(&Filter::all().with_status(Status::Unknown)).await.unwrap(), 1);
    assert_eq!(store.count(&Filter::all().without_sealing_key("new")).await.unwrap(), 1);
    assert_eq!(store.load(&key("a")).await.unwrap().unwrap().sealed, "older");
    let saved = store.save_described(&key("a"), text, &alive, Expected::Version(2), None).await.unwrap();
    assert_eq!(saved, Saved::Version(3));
    assert_eq!(store.find(&Filter::all(), None, 10).await.unwrap()[0].summary, alive);
}

/// Searches that run every two seconds, or over a whole tenant, must not read the whole table.
#[tokio::test]
async fn searches_use_their_indexes_in_sqlite() {
    let place = Place::sqlite("indexes");
    SqliteStore::open(place.url.trim_start_matches("sqlite:")).await.unwrap();
    let pool = SqlitePool::connect(&place.url).await.unwrap();
    let undescribed = "(status IS NULL OR described <> version)";
    for (condition, index) in [
        (
            "status = 'refreshing' AND described = version AND (held_until IS NULL OR held_until <= 1)",
            "_refreshing",
        ),
        ("status = 'dead' AND described = version", "_dead"),
        (undescribed, "_undescribed"),
        ("substr(tenant, 1, 64) = 'acme' AND tenant = 'acme'", "_tenant"),
        ("substr(provider, 1, 64) = 'google' AND provider = 'google'", "_provider"),
    ] {
        let text = format!(
            "EXPLAIN QUERY PLAN SELECT id FROM oauth_tokens WHERE sealed IS NOT NULL AND {condition} AND id > x'00' \
             ORDER BY id LIMIT 100"
        );
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(text)).fetch_all(&pool).await.unwrap();
        assert!(
            plan.iter().any(|(_, _, _, step)| step.contains(&format!("oauth_tokens{index}"))),
            "{condition}: {plan:?}"
        );
    }
}

#[tokio::test]
async fn redis_finds_what_an_earlier_version_saved_once_it_is_entered() {
    let place = Place::redis("earlier");
    let store = oauth_store_tests::redis(&place.url, &place.table).await.unwrap();
    let client = redis::Client::open(&*place.url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for index in 0..3 {
        store.save(&key(&index.to_string()), Bytes::from_static(b"x"), Expected::Absent, None).await.unwrap();
    }
    // As if the indexes had never been there.
    for name in ["all", "begun", "noted"] {
        let name = format!("{}:{{index}}:{name}", place.table);
        redis::cmd("DEL").arg(name).exec_async(&mut connection).await.unwrap();
    }
    assert_eq!(store.count(&Filter::all()).await.unwrap(), 0);
    assert_eq!(store.index_existing(&mut connection).await.unwrap(), 3);
    assert_eq!(store.index_existing(&mut connection).await.unwrap(), 0);
    assert_eq!(store.count(&Filter::all()).await.unwrap(), 3);
    assert_eq!(store.count(&Filter::all().with_status(Status::Unknown)).await.unwrap(), 3);
    let _: Arc<dyn TokenStore> = Arc::new(store);
}
