//! Nothing of a token appears in what the stores write: in tables, logs of changes, append-only files and servers' logs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use oauth_core::{OAuth2Token, Provider};
use oauth_store_tests::worker::{key, provider};
use oauth_test_servers::{MariaDb, Persistence, Postgres, Redis};
use oauth_tokens::Bytes;

use crate::{
    fixture::{Place, folder},
    processes::AuthorizationServer,
};

#[tokio::test]
async fn nothing_of_a_token_is_in_an_sqlite_file() {
    let place = Place::sqlite("bytes");
    let file = place.url.trim_start_matches("sqlite:").to_owned();
    look(&place, Path::new(&file).parent().unwrap()).await;
}

#[tokio::test]
async fn nothing_of_a_token_is_in_the_files_of_postgres() {
    let server = Postgres::start(&folder().join("servers")).unwrap();
    look(&Place::at("PostgreSQL", &server.url(), "bytes"), server.folder()).await;
}

#[tokio::test]
async fn nothing_of_a_token_is_in_the_files_of_mariadb() {
    let server = MariaDb::start(&folder().join("servers")).unwrap();
    look(&Place::at("MariaDB", &server.url(), "bytes"), server.folder()).await;
}

#[tokio::test]
async fn nothing_of_a_token_is_in_the_files_of_redis() {
    let server = Redis::start(&folder().join("servers"), Persistence::AppendOnlyFile).unwrap();
    look(&Place::at("Redis", &server.url(), "bytes"), server.folder()).await;
}

async fn look(place: &Place, folder: &Path) {
    let server = AuthorizationServer::start(Duration::ZERO, Duration::from_secs(3600)).await;
    let manager = server.manager(place).await;
    let mut secrets = BTreeSet::new();
    let mut note = |token: &OAuth2Token| {
        secrets.insert(token.access_token().to_owned());
        secrets.extend(token.refresh_token().map(str::to_owned));
    };
    for number in 0..20 {
        let key = key(&format!("subject-{number}"));
        let old = server.sign_in_expired();
        manager.put(&key, &old).await.unwrap();
        note(&old);
        if number == 0 {
            // This one dies: somebody else redeems its refresh token, and the second time ends the grant.
            let stolen = provider(&server.token_endpoint()).refresh(&old, None).await.unwrap();
            note(&stolen);
            let error = manager.get_token(&key).await.unwrap_err();
            assert!(matches!(error, oauth_tokens::TokenError::Dead { .. }), "{error}");
        } else {
            note(&manager.get_token(&key).await.unwrap());
        }
    }
    // What is looked for in vain must be found where it is: a subject's name, and a value that nobody has sealed.
    place
        .open()
        .await
        .put("planted", Bytes::from_static(b"a-secret-in-plain-text"), Duration::from_secs(60))
        .await
        .unwrap();
    manager.close().await;

    let everything = contents(folder);
    let size: usize = everything.iter().map(|(_, bytes)| bytes.len()).sum();
    let has = |text: &str| !find(&everything, &[text.as_bytes().to_vec()]).is_empty();
    assert!(has("subject-7"), "the files of {} are others than those that were read", place.name);
    assert!(has("a-secret-in-plain-text"), "{}", place.name);
    assert!(secrets.len() >= 78, "{}", secrets.len());
    assert!(secrets.iter().all(|secret| secret.len() > 20));
    // A part would be bad enough.
    let forms = |secret: &String| {
        let parts = [secret[..12].to_owned(), secret[secret.len() - 12..].to_owned(), hex(&secret[..12])];
        parts.into_iter().chain(base64(secret)).map(String::into_bytes).collect::<Vec<_>>()
    };
    let wanted: Vec<_> = secrets.iter().flat_map(forms).collect();
    assert_eq!(
        find(&everything, &wanted),
        Vec::<&Path>::new(),
        "there are tokens in the files of {}",
        place.name
    );
    println!(
        "{}: nothing of {} tokens in {} files of {size} bytes",
        place.name,
        secrets.len(),
        everything.len()
    );
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            // Some are gone by the time they are read.
            false => found.extend(std::fs::read(&path).ok().map(|bytes| (path, bytes))),
        }
    }
    found
}

/// The files that have any of these in them.
fn find<'a>(files: &'a [(PathBuf, Vec<u8>)], wanted: &[Vec<u8>]) -> Vec<&'a Path> {
    // Most places are passed over by their first two bytes.
    let mut begins = vec![false; 1 << 16];
    let index = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
    for text in wanted {
        begins[index(text)] = true;
    }
    let has_any = |bytes: &[u8]| {
        (0..bytes.len().saturating_sub(1))
            .filter(|&at| begins[index(&bytes[at..])])
            .any(|at| wanted.iter().any(|text| bytes[at..].starts_with(text)))
    };
    files.iter().filter(|(_, bytes)| has_any(bytes)).map(|(path, _)| &**path).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What a text's middle becomes in base64, wherever it begins in the encoded data.
fn base64(text: &str) -> [String; 3] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    [0, 1, 2].map(|skip| {
        let whole = text.as_bytes()[skip..].chunks_exact(3).take(4);
        let digits = whole.flat_map(|bytes| {
            let number = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
            [18, 12, 6, 0].map(|shift| ALPHABET[(number >> shift & 63) as usize])
        });
        String::from_utf8(digits.collect()).unwrap()
    })
}

#[test]
fn the_search_finds_what_is_there() {
    let files = [("one", "xxabcxx"), ("two", "aababc"), ("three", "ababab"), ("four", "a"), ("five", "")]
        .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
    assert_eq!(find(&files, &[b"zz".to_vec(), b"abc".to_vec()]), [Path::new("one"), Path::new("two")]);
    assert_eq!(hex("Az"), "417a");
    // `echo -n XYabcdefghijklZ | base64` and so on.
    assert_eq!(base64("abcdefghijklmn")[0], "YWJjZGVmZ2hpamts");
    assert_eq!(base64("abcdefghijklmn")[1], "YmNkZWZnaGlqa2xt");
}
