//! Leases after a database has lost its last writes, and gives the number of one out again.

use std::{sync::Arc, time::Duration};

use oauth_store_tests::Store;
use oauth_tokens::{Acquired, Bytes, Expected, Lease, Saved, TokenKey, TokenStore};

use crate::fixture::Place;

const LONG: Duration = Duration::from_secs(60);

async fn is_held(store: &Arc<dyn Store>, key: &TokenKey) -> bool {
    matches!(store.acquire(key, "somebody", LONG).await.unwrap(), Acquired::Held { .. })
}

/// The lease of another holder has the same number: the store forgot that it had granted it.
async fn a_lease_is_its_holders(place: Place) {
    let store = place.open().await;
    let key = TokenKey::new("google", "user-17");
    let Acquired::Granted(granted) = store.acquire(&key, "holder", LONG).await.unwrap() else { panic!() };
    let forgotten = Lease::new(granted.fence, "another");
    let sealed = |text: &'static str| Bytes::from_static(text.as_bytes());

    assert!(!store.extend(&key, &forgotten, LONG).await.unwrap(), "{}", place.name);
    store.release(&key, &forgotten).await.unwrap();
    assert!(is_held(&store, &key).await, "{}: released by another", place.name);
    for expected in [Expected::Absent, Expected::Any] {
        let saved = store.save(&key, sealed("other"), expected, Some(&forgotten)).await.unwrap();
        assert_eq!(saved, Saved::Fenced, "{}", place.name);
    }
    let saved = store.save(&key, sealed("own"), Expected::Absent, Some(&granted)).await.unwrap();
    let Saved::Version(version) = saved else { panic!("{}: {saved:?}", place.name) };
    for expected in [Expected::Version(version), Expected::Any] {
        let saved = store.save(&key, sealed("other"), expected, Some(&forgotten)).await.unwrap();
        assert_eq!(saved, Saved::Fenced, "{}", place.name);
    }
    // Without a lease nothing is fenced off, and the holder goes on.
    let saved = store.save(&key, sealed("login"), Expected::Any, None).await.unwrap();
    let Saved::Version(version) = saved else { panic!("{}: {saved:?}", place.name) };
    assert!(store.extend(&key, &granted, LONG).await.unwrap(), "{}", place.name);
    let expected = Expected::Version(version);
    let saved = store.save(&key, sealed("own"), expected, Some(&granted)).await.unwrap();
    assert!(matches!(saved, Saved::Version(_)), "{}: {saved:?}", place.name);
    store.release(&key, &granted).await.unwrap();
    assert!(!is_held(&store, &key).await, "{}: it is released", place.name);
}

#[tokio::test]
async fn a_lease_is_its_holders_in_sqlite() {
    a_lease_is_its_holders(Place::sqlite("leases")).await;
}

#[tokio::test]
async fn a_lease_is_its_holders_in_postgres() {
    a_lease_is_its_holders(Place::postgres("leases")).await;
}

#[tokio::test]
async fn a_lease_is_its_holders_in_mariadb() {
    a_lease_is_its_holders(Place::mysql("leases")).await;
}

#[tokio::test]
async fn a_lease_is_its_holders_in_redis() {
    a_lease_is_its_holders(Place::redis("leases")).await;
}
