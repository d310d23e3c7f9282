//! What earlier versions have stored still opens: `tests/golden` holds sealed records, one file for each version that changed
//! the form of what is stored.
//!
//! A file that was published is never written again. When the form changes, `write_a_golden_file` writes the next one, and
//! the number in `FILES` grows:
//!
//! ```text
//! cargo test -p oauth-tokens --test all write_a_golden_file -- --ignored
//! ```

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use oauth_core::{
    Aead, Clock, HttpErrorKind, OAuth2Token, OffsetDateTime, Provider, Sealer, SealingKey,
    serde_json::{self, Value, json},
};
use oauth_tokens::{
    AccessTokenRequest, ClientCredentials, DeadMark, DeadReason, Expected, MemoryStore, Stored, TokenError,
    TokenKey, TokenManager, TokenStore,
    testkit::{RotatingServer, ServerFault},
};

use crate::{
    losses::Mixing,
    support::{Shaky, key, stored},
};

const FILES: &[&str] = &[
    include_str!("../golden/records-1.json"),
    include_str!("../golden/records-2.json"),
    include_str!("../golden/records-3.json"),
    // With further access tokens, and one record sealed with AES-256-GCM.
    include_str!("../golden/records-4.json"),
    // With a grant that the application marked dead, and tokens that were set aside, when a record could hold one of them.
    include_str!("../golden/records-5.json"),
    // With two tokens that were set aside.
    include_str!("../golden/records-6.json"),
];

/// One file: what was stored, by the name of the case.
struct Golden {
    written_at: OffsetDateTime,
    records: BTreeMap<String, Entry>,
}

struct Entry {
    key: TokenKey,
    sealed: Vec<u8>,
    /// The token that is in it, as it was put.
    token: Option<OAuth2Token>,
    /// The refresh tokens that were set aside in it.
    set_aside: Vec<String>,
}

fn golden() -> Vec<Golden> {
    FILES.iter().map(|text| read(&serde_json::from_str(text).unwrap())).collect()
}

fn read(file: &Value) -> Golden {
    let entry = |entry: &Value| {
        let part = |index: usize| entry["key"][index].as_str().unwrap();
        Entry {
            key: TokenKey::from_parts(part(0), part(1), part(2), part(3)),
            sealed: bytes(entry["sealed"].as_str().unwrap()),
            token: serde_json::from_value(entry["token"].clone()).unwrap(),
            set_aside: serde_json::from_value(entry["set_aside"].clone()).unwrap_or_default(),
        }
    };
    let records = file["records"].as_object().unwrap();
    Golden {
        written_at: OffsetDateTime::from_unix_timestamp(file["written_at"].as_i64().unwrap()).unwrap(),
        records: records.iter().map(|(name, value)| (name.clone(), entry(value))).collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The key that sealed the files. It protects nothing.
fn sealer() -> Sealer {
    Sealer::new(SealingKey::from_bytes([42; 32]))
}

/// A clock that always shows one time.
#[derive(Debug)]
struct At(OffsetDateTime);

impl Clock for At {
    fn now(&self) -> OffsetDateTime {
        self.0
    }
}

/// A manager of a store that holds this record, a minute after it was written or so.
async fn manager(golden: &Golden, name: &str, after: Duration) -> (TokenManager, TokenKey, RotatingServer) {
    let (entry, server) = (&golden.records[name], RotatingServer::new());
    let store = MemoryStore::new();
    store.save(&entry.key, entry.sealed.clone().into(), Expected::Absent, None).await.unwrap();
    let manager = TokenManager::builder(store, sealer())
        .provider(Arc::new(server.client()))
        .source(ClientCredentials::new(server.client().with_name("machines")))
        .clock(At(golden.written_at + after))
        .build()
        .unwrap();
    (manager, entry.key.clone(), server)
}

async fn listed(golden: &Golden, name: &str) -> Stored {
    let (manager, key, _) = manager(golden, name, Duration::ZERO).await;
    let stored = stored(&manager, &key).await;
    assert_eq!(stored.token, golden.records[name].token, "{name}");
    stored
}

#[tokio::test]
async fn a_live_token_of_every_version_is_handed_out() {
    for golden in golden() {
        for name in ["live", "without_expiry"] {
            assert!(listed(&golden, name).await.dead.is_none());
            let (manager, key, server) = manager(&golden, name, Duration::from_secs(60)).await;
            let token = manager.get_token(&key).await.unwrap();
            assert_eq!(Some(&*token), golden.records[name].token.as_ref(), "{name}");
            assert_eq!(server.token_requests(), 0);
        }
        let live = golden.records["live"].token.as_ref().unwrap();
        assert_eq!(live.get("team").unwrap()["name"], "Zoë", "what the provider sent besides is there too");
        assert!(live.refresh_token().is_some() && live.id_token().is_some() && live.get("scope").is_some());
    }
}

#[tokio::test]
async fn further_tokens_of_every_version_that_has_them_are_handed_out() {
    let with_further = golden().into_iter().filter(|golden| golden.records.contains_key("further"));
    let mut files = 0;
    for golden in with_further {
        files += 1;
        let (manager, key, server) = manager(&golden, "further", Duration::from_secs(60)).await;
        let mail = AccessTokenRequest::new().with_scopes(["mail.read"]);
        let files = AccessTokenRequest::new().with_resource("https://files.example").with_audience("files");
        let for_mail = manager.get_for(&key, &mail).await.unwrap();
        assert_eq!(for_mail.scopes().unwrap(), ["mail.read"]);
        let for_files = manager.get_for(&key, &files).await.unwrap();
        assert_ne!(for_files.access_token(), for_mail.access_token());
        let refused = AccessTokenRequest::new().with_scopes(["admin"]);
        let error = manager.get_for(&key, &refused).await.unwrap_err();
        assert!(
            matches!(&error, TokenError::NotGranted { code, .. } if code == "invalid_scope"),
            "{error:?}"
        );
        let login = golden.records["further"].token.as_ref().unwrap();
        let token = manager.get_token(&key).await.unwrap();
        assert_eq!(token.access_token(), login.access_token());
        assert_ne!(token.refresh_token(), login.refresh_token(), "it came with the further tokens");
        assert_eq!(server.token_requests(), 0);
    }
    assert_eq!(files, FILES.len() - 3);
}

#[tokio::test]
async fn a_record_of_either_algorithm_is_handed_out() {
    let mut algorithms = Vec::new();
    for golden in golden() {
        let Some(entry) = golden.records.get("live_aes_256_gcm") else { continue };
        assert_eq!(listed(&golden, "live_aes_256_gcm").await.token, entry.token);
        algorithms.push(entry.sealed[1]);
    }
    assert_eq!(algorithms, [2; FILES.len() - 3]);
}

#[tokio::test]
async fn a_marked_token_of_every_version_tells_of_its_refresh() {
    for golden in golden() {
        assert!(listed(&golden, "refreshing").await.dead.is_none());
        let (manager, key, server) = manager(&golden, "refreshing", Duration::from_secs(60)).await;
        let error = manager.get_token(&key).await.unwrap_err();
        let TokenError::Dead { grant, .. } = &error else { panic!("{error:?}") };
        let DeadReason::LostInRefresh { since, code } = &grant.reason else { panic!("{grant:?}") };
        assert!(golden.written_at.unix_timestamp().abs_diff(*since) < 60, "{since}");
        assert_eq!(code, "invalid_grant");
        assert_eq!(server.token_requests(), 1);
    }
}

#[tokio::test]
async fn a_pause_of_every_version_is_kept_and_ends() {
    for golden in golden() {
        let stored = listed(&golden, "resting").await;
        assert!(stored.failures == 1 && stored.dead.is_none());
        let (early, key, server) = manager(&golden, "resting", Duration::from_secs(30)).await;
        let error = early.get_token(&key).await.unwrap_err();
        let TokenError::RefreshFailed { message, .. } = &error else { panic!("{error:?}") };
        assert!(message.contains("503"), "{message}");
        assert_eq!(server.token_requests(), 0, "the provider asked for two minutes");
        let (later, key, server) = manager(&golden, "resting", Duration::from_secs(180)).await;
        assert!(later.get_token(&key).await.is_err());
        assert_eq!(server.token_requests(), 1);
    }
}

#[tokio::test]
async fn a_dead_grant_of_every_version_stays_dead_and_says_why() {
    for golden in golden() {
        for name in ["dead_refused", "dead_lost"] {
            let dead = listed(&golden, name).await.dead.unwrap();
            assert!((dead.at - golden.written_at).whole_seconds().abs() < 60);
            match (name, &dead.reason) {
                ("dead_refused", DeadReason::Refused { code, description }) => {
                    assert_eq!(code, "invalid_grant");
                    assert_eq!(description.as_deref(), Some("Token has been expired or revoked."));
                }
                ("dead_lost", DeadReason::LostInRefresh { since, code }) => {
                    assert!(
                        golden.written_at.unix_timestamp().abs_diff(*since) < 60 && code == "invalid_grant"
                    );
                }
                other => panic!("{other:?}"),
            }
            let (manager, key, server) = manager(&golden, name, Duration::from_secs(3600)).await;
            assert_eq!(manager.get_token(&key).await.unwrap_err().dead_grant(), Some(&dead));
            assert_eq!(server.token_requests(), 0);
            let login = server.sign_in().unwrap();
            manager.put(&key, &login).await.unwrap();
            assert_eq!(*manager.get_token(&key).await.unwrap(), login);
        }
    }
}

#[tokio::test]
async fn a_grant_that_the_application_marked_dead_stays_dead_and_says_why() {
    let mut files = 0;
    for golden in golden().into_iter().filter(|golden| golden.records.contains_key("marked_dead")) {
        files += 1;
        let dead = listed(&golden, "marked_dead").await.dead.unwrap();
        let DeadReason::MarkedDead { reason } = &dead.reason else { panic!("{dead:?}") };
        assert_eq!(reason, "consent_revoked");
        let (manager, key, server) = manager(&golden, "marked_dead", Duration::from_secs(60)).await;
        assert_eq!(manager.get_token(&key).await.unwrap_err().dead_grant(), Some(&dead));
        assert_eq!(server.token_requests(), 0);
    }
    assert_eq!(files, FILES.len() - 4);
}

#[tokio::test]
async fn tokens_that_were_set_aside_are_there_to_be_revoked() {
    let mut records = 0;
    for golden in golden() {
        for name in ["set_aside", "set_aside_twice"] {
            let Some(entry) = golden.records.get(name) else { continue };
            records += 1;
            let dead = listed(&golden, name).await.dead.unwrap();
            let DeadReason::NotAccepted { reason } = &dead.reason else { panic!("{dead:?}") };
            assert!(reason.contains("another user's"), "{reason}");
            let store = MemoryStore::new();
            store.save(&entry.key, entry.sealed.clone().into(), Expected::Absent, None).await.unwrap();
            let (source, revoked) = Mixing::new(&RotatingServer::new());
            let manager = TokenManager::builder(store, sealer()).source(source).build().unwrap();
            manager.revoke(&entry.key).await.unwrap();
            assert_eq!(*revoked.lock().unwrap(), entry.set_aside, "{name}");
        }
    }
    assert_eq!(
        records,
        2 * (FILES.len() - 4) - 1,
        "one in the first of these files, two in each of the others"
    );
}

#[tokio::test]
async fn a_machine_that_never_got_a_token_asks_again() {
    for golden in golden() {
        let stored = listed(&golden, "machine").await;
        assert!(stored.token.is_none() && stored.failures == 1);
        let (manager, key, server) = manager(&golden, "machine", Duration::from_secs(180)).await;
        assert!(server.knows(manager.get_token(&key).await.unwrap().access_token()));
    }
}

#[tokio::test]
#[ignore = "writes the next golden file, when the form of what is stored has changed"]
async fn write_a_golden_file() {
    let mut records = serde_json::Map::new();
    let mut keep = |name: &str, key: &TokenKey, sealed: &[u8], token: Option<&OAuth2Token>| {
        let parts = [key.tenant(), key.subject(), key.provider(), key.label()];
        records.insert(name.to_owned(), json!({ "key": parts, "sealed": hex(sealed), "token": token }));
    };
    let token = |expires_at: Value| -> OAuth2Token {
        serde_json::from_value(json!({
            "access_token": "golden access token", "token_type": "Bearer", "expires_at": expires_at,
            "refresh_token": "golden refresh token", "id_token": "golden.id.token",
            "scope": "openid email", "team": { "id": "T1", "name": "Zoë", "seats": 3 },
        }))
        .unwrap()
    };
    let written_at = OffsetDateTime::now_utc().unix_timestamp();

    let cases = [
        ("live", Some(token(json!(4_000_000_000_i64))), vec![]),
        ("without_expiry", Some(OAuth2Token::new("bare access token")), vec![]),
        ("refreshing", Some(token(json!(1))), vec![]),
        ("resting", Some(token(json!(1))), vec![ServerFault::Reply(503, "", Some(120))]),
        (
            "dead_refused",
            Some(token(json!(1))),
            vec![ServerFault::Reply(
                400,
                r#"{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}"#,
                None,
            )],
        ),
        ("dead_lost", Some(token(json!(1))), vec![ServerFault::ReplyLost(HttpErrorKind::Timeout)]),
        ("machine", None, vec![ServerFault::Reply(503, "", Some(120))]),
    ];
    for (name, token, faults) in cases {
        let (server, store) = (RotatingServer::new(), Shaky::default());
        let manager = TokenManager::builder(store.clone(), sealer())
            .provider(Arc::new(server.client()))
            .source(ClientCredentials::new(server.client().with_name("machines")))
            .backoff(Duration::ZERO, Duration::ZERO)
            .save_patience(Duration::ZERO)
            .build()
            .unwrap();
        let key = match &token {
            Some(_) => key().with_tenant("acme").with_label("calendar"),
            None => TokenKey::new("machines", "nightly-reports"),
        };
        if let Some(token) = &token {
            manager.put(&key, token).await.unwrap();
        }
        if name == "refreshing" {
            // The mark is saved, and what comes of it is not.
            store.take_no_more_saves_after(1);
        }
        faults.into_iter().for_each(|fault| server.fail_next(fault));
        let rounds = if name == "dead_lost" { 2 } else { 1 };
        for _ in 0..rounds {
            let _ = manager.get_token(&key).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let record = store.load(&key).await.unwrap().unwrap();
        keep(name, &key, &record.sealed, token.as_ref());
    }
    let server = RotatingServer::with(Duration::ZERO, Duration::ZERO, Duration::from_secs(2_000_000_000));
    let store = MemoryStore::new();
    let manager =
        TokenManager::builder(store.clone(), sealer()).provider(Arc::new(server.client())).build().unwrap();
    let (key, login) = (key().with_tenant("acme").with_label("further"), server.sign_in().unwrap());
    manager.put(&key, &login).await.unwrap();
    for wanted in [
        AccessTokenRequest::new().with_scopes(["mail.read"]),
        AccessTokenRequest::new().with_resource("https://files.example").with_audience("files"),
    ] {
        manager.get_for(&key, &wanted).await.unwrap();
    }
    server.fail_next(ServerFault::Reply(400, r#"{"error": "invalid_scope"}"#, None));
    let refused = AccessTokenRequest::new().with_scopes(["admin"]);
    manager.get_for(&key, &refused).await.unwrap_err();
    keep("further", &key, &store.load(&key).await.unwrap().unwrap().sealed, Some(&login));

    let store = MemoryStore::new();
    let of_aes = sealer().with_aead(Aead::Aes256Gcm).unwrap();
    let manager =
        TokenManager::builder(store.clone(), of_aes).provider(Arc::new(server.client())).build().unwrap();
    let (key, token) = (key.with_label("aes"), token(json!(4_000_000_000_i64)));
    manager.put(&key, &token).await.unwrap();
    keep("live_aes_256_gcm", &key, &store.load(&key).await.unwrap().unwrap().sealed, Some(&token));

    let store = MemoryStore::new();
    let manager =
        TokenManager::builder(store.clone(), sealer()).provider(Arc::new(server.client())).build().unwrap();
    let key = key.with_label("marked dead");
    manager.put(&key, &token).await.unwrap();
    assert!(manager.mark_dead(&key, &DeadMark::new("consent_revoked")).await.unwrap());
    keep("marked_dead", &key, &store.load(&key).await.unwrap().unwrap().sealed, Some(&token));

    let (source, revoked) = Mixing::new(&server);
    let manager = TokenManager::builder(store.clone(), sealer()).source(source).build().unwrap();
    let key = key.with_label("set aside");
    let mut sealed = Vec::new();
    for name in ["set_aside", "set_aside_twice"] {
        let login = server.sign_in_expired().unwrap();
        manager.put(&key, &login).await.unwrap();
        manager.get_token(&key).await.unwrap_err();
        let record = store.load(&key).await.unwrap().unwrap();
        keep(name, &key, &record.sealed, Some(&login));
        sealed.push(name);
    }
    manager.revoke(&key).await.unwrap();
    let revoked = revoked.lock().unwrap();
    for (index, name) in sealed.into_iter().enumerate() {
        records[name]["set_aside"] = json!(revoked[..=index]);
    }

    let file = json!({ "written_at": written_at, "records": records });
    let path = format!("{}/tests/golden/records-{}.json", env!("CARGO_MANIFEST_DIR"), FILES.len() + 1);
    std::fs::write(path, format!("{file:#}\n")).unwrap();
}
