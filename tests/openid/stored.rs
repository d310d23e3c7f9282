//! What earlier versions stored: exported caches, entries of a shared cache, registered clients, logouts under way.
//!
//! `tests/data/openid_1.json` was written by the version before caches and registrations were derived serde. The file never
//! changes: what is in it is in somebody's database.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use bytes::Bytes;
use oauth_clients::{
    SharedCache, SharedCacheError, async_trait,
    openid::{CacheExport, LogoutAttempt, OpenIDConnect, OpenIDProvider, RegisteredClient},
};
use serde_json::{Value, json};

use super::op::{CLIENT_SECRET, Endpoint, Op};

fn golden() -> Value {
    serde_json::from_str(include_str!("../data/openid_1.json")).unwrap()
}

/// A provider at the moment when the file was written.
fn op_of(file: &Value) -> Op {
    let op = Op::new();
    let written = file["written_at"].as_u64().unwrap();
    let now = u64::try_from(op.clock.seconds()).unwrap();
    match now.checked_sub(written) {
        Some(since) => op.clock.turn_back(Duration::from_secs(since)),
        None => op.clock.advance(Duration::from_secs(written - now)),
    }
    op
}

/// A store whose entries a test can look at.
#[derive(Debug, Default)]
struct Entries(Mutex<BTreeMap<String, Bytes>>);

#[async_trait]
impl SharedCache for Entries {
    async fn get(&self, name: &str) -> Result<Option<Bytes>, SharedCacheError> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn put(&self, name: &str, value: Bytes, _: Duration) -> Result<(), SharedCacheError> {
        self.0.lock().unwrap().insert(name.to_owned(), value);
        Ok(())
    }

    async fn put_new(&self, _: &str, _: Bytes, _: Duration) -> Result<bool, SharedCacheError> {
        Err("not needed".into())
    }

    async fn take(&self, _: &str) -> Result<Option<Bytes>, SharedCacheError> {
        Err("not needed".into())
    }
}

#[tokio::test]
async fn an_exported_cache_of_an_earlier_version_is_used() {
    let file = golden();
    for name in ["export", "export_without_issuer"] {
        let op = op_of(&file);
        let client = op.client();
        let export: CacheExport = serde_json::from_value(file[name].clone()).unwrap();
        if name == "export" {
            assert_eq!(serde_json::to_value(&export).unwrap(), file[name]);
        }
        OpenIDConnect::of(&client).unwrap().import_cache(export).await.unwrap();
        client.warm_up().await.unwrap();
        let asked = [op.count(Endpoint::Discovery), op.count(Endpoint::Keys)];
        // One that does not say whose it is, is read again.
        let expected = if name == "export" { [0, 0] } else { [1, 1] };
        assert_eq!(asked, expected, "{name}");
    }
}

#[tokio::test]
async fn entries_that_an_earlier_version_put_into_a_shared_cache_are_used() {
    let file = golden();
    let op = op_of(&file);
    let entries = Entries::default();
    for (name, entry) in file["shared"].as_object().unwrap() {
        entries.put(name, entry.to_string().into(), Duration::ZERO).await.unwrap();
    }
    let entries = std::sync::Arc::new(entries);
    let client = op.client_with(|policy| policy.shared_cache(entries.clone()).trust_domain("golden"));
    client.warm_up().await.unwrap();
    assert_eq!([op.count(Endpoint::Discovery), op.count(Endpoint::Keys)], [0, 0]);
    // What this version puts there has the same names and the same form, for processes that are not upgraded yet.
    let fresh = std::sync::Arc::new(Entries::default());
    let client = op.client_with(|policy| policy.shared_cache(fresh.clone()).trust_domain("golden"));
    client.warm_up().await.unwrap();
    let shape = |entry: &Value| -> Vec<String> { entry.as_object().unwrap().keys().cloned().collect() };
    let put: BTreeMap<String, Value> = fresh
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|(name, entry)| (name.clone(), serde_json::from_slice(entry).unwrap()))
        .collect();
    for (name, entry) in file["shared"].as_object().unwrap() {
        assert_eq!(put.get(name).map(shape), Some(shape(entry)), "{name}");
    }
}

#[test]
fn a_client_that_was_registered_with_an_earlier_version_is_there() {
    for stored in golden()["registered"].as_array().unwrap() {
        let registered: RegisteredClient = serde_json::from_value(stored.clone()).unwrap();
        let secret = registered.client_secret().map(|secret| secret.expose().to_owned());
        assert_eq!(secret.as_deref(), stored.get("client_secret").map(|_| CLIENT_SECRET), "{stored}");
        assert_eq!(registered.client_id(), stored["client_id"]);
        let expires = stored.get("client_secret_expires_at").and_then(Value::as_i64).unwrap_or(0);
        assert_eq!(registered.secret_expires_at().map_or(0, |at| at.unix_timestamp()), expires);
        let written = serde_json::to_value(&registered).unwrap();
        for (name, value) in stored.as_object().unwrap() {
            assert_eq!(written.get(name), Some(value), "{name}");
        }
        // Those from before say nothing of what was asked for.
        let expected = &written["urn:oauth-openid:expected"];
        assert_eq!(expected["redirect_uris"], stored["redirect_uris"]);
        assert_eq!(registered.changes().len(), usize::from(stored["grant_types"] == json!(["implicit"])));
    }
}

#[test]
fn a_logout_that_an_earlier_version_began_ends() {
    let stored = &golden()["logout_attempt"];
    let attempt: LogoutAttempt = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&attempt).unwrap(), *stored);
    assert_eq!(attempt.check_return(&format!("state={}", stored["state"].as_str().unwrap())), Ok(()));
}
