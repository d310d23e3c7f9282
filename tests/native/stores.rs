//! Tokens and logins in a user's files: rows ST, and NT-16.

use std::sync::Arc;

use oauth_clients::{ClientSecret, LoginOptions, OAuth2, Provider, Secret, async_trait};
use oauth_native::{
    FileStore, KeyFile, KeyStore, KeyStoreError, LocalFileError, LocalTokens, LocalTokensError, ResumeError,
};
use oauth_tokens::{TokenKey, TokenStore, testkit};

use super::program::{client, parts};
#[cfg(unix)]
use crate::support::foreign_folder;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_02_the_file_store_keeps_the_contract() {
    let folder = folder();
    let store = FileStore::open(folder.path().join("tokens")).await.unwrap();
    testkit::check_store(Arc::new(store)).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn st_03_files_that_others_can_read_and_links_are_refused_with_what_to_do() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &std::path::Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
    };
    let folder = folder();
    let path = folder.path().join("acme");
    let store = FileStore::open(&path).await.unwrap();
    assert_eq!(mode(&path), 0o700);
    let key = TokenKey::new("google", "ada");
    store.save(&key, "sealed".into(), oauth_tokens::Expected::Any, None).await.unwrap();
    let inner =
        fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let file = fs::read_dir(&inner).unwrap().next().unwrap().unwrap().path();
    assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));

    set(&file, 0o644);
    let error = store.load(&key).await.unwrap_err();
    assert!(error.to_string().contains("chmod 600") && !error.is_transient(), "{error}");
    set(&file, 0o600);
    store.load(&key).await.unwrap().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    for outcome in [
        store.load(&key).await.map(drop),
        store.save(&key, "x".into(), oauth_tokens::Expected::Any, None).await.map(drop),
    ] {
        assert!(outcome.unwrap_err().to_string().contains("symbolic link"));
    }
    assert!(!fs::read_to_string(&elsewhere).unwrap().is_empty());

    set(&path, 0o755);
    let error = FileStore::open(&path).await.unwrap_err();
    assert!(
        matches!(error, LocalFileError::Open { .. }) && error.to_string().contains("chmod 700"),
        "{error}"
    );
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(FileStore::open(&link).await, Err(LocalFileError::Symlink(_))));
    fs::write(folder.path().join("file"), "x").unwrap();
    assert!(matches!(FileStore::open(folder.path().join("file")).await, Err(LocalFileError::OtherKind(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn st_03_a_folder_that_another_user_owns_is_refused() {
    let folder = folder();
    let path = foreign_folder(folder.path());
    let error = FileStore::open(&path).await.unwrap_err();
    assert!(matches!(error, LocalFileError::OtherOwner { .. }), "{error}");
    assert!(error.to_string().contains("another user"), "{error}");
}

#[tokio::test]
async fn st_03_a_file_that_was_spoilt_is_an_error_that_quotes_nothing() {
    let folder = folder();
    let path = folder.path().join("acme");
    let store = FileStore::open(&path).await.unwrap();
    let key = TokenKey::new("google", "ada");
    store.save(&key, "sealed".into(), oauth_tokens::Expected::Any, None).await.unwrap();
    let inner = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let file = std::fs::read_dir(&inner).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "SECRET").unwrap();
    let error = store.load(&key).await.unwrap_err().to_string();
    assert!(error.contains("damaged") && !error.contains("SECRET"), "{error}");
}

/// A keyring of a test: there, locked, or not there.
#[derive(Debug, Default)]
struct Keyring {
    key: tokio::sync::Mutex<Option<Secret>>,
    trouble: Option<&'static str>,
}

impl Keyring {
    fn check(&self) -> Result<(), KeyStoreError> {
        match self.trouble {
            Some("locked") => Err(KeyStoreError::Denied("locked".to_owned())),
            Some(_) => Err(KeyStoreError::Missing("no service".to_owned())),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl KeyStore for Keyring {
    async fn load(&self) -> Result<Option<Secret>, KeyStoreError> {
        self.check()?;
        Ok(self.key.lock().await.clone())
    }

    async fn save(&self, key: &Secret) -> Result<(), KeyStoreError> {
        self.check()?;
        // What Windows takes.
        assert!(key.expose().len() < 1280);
        *self.key.lock().await = Some(key.clone());
        Ok(())
    }

    async fn delete(&self) -> Result<(), KeyStoreError> {
        self.check()?;
        *self.key.lock().await = None;
        Ok(())
    }
}

/// The names and the contents of all files below a folder.
fn everything_in(folder: &std::path::Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.push_str(&path.to_string_lossy());
        match path.is_dir() {
            true => all.push_str(&everything_in(&path)),
            false => all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap())),
        }
    }
    all
}

fn absent() -> Keyring {
    Keyring { trouble: Some("absent"), ..Keyring::default() }
}

#[tokio::test]
async fn st_01_the_keyring_holds_a_key_and_the_files_hold_the_rest() {
    let folder = folder();
    let keyring = Arc::new(Keyring::default());
    let open = || {
        LocalTokens::builder("acme")
            .directory(folder.path().join("acme"))
            .key_store(Arc::clone(&keyring))
            .open()
    };
    let (first, second) = tokio::join!(open(), open());
    let (first, second) = (first.unwrap(), second.unwrap());
    let provider = Arc::new(client(0).0);
    let manager = first.token_manager().provider(provider.clone()).build().unwrap();
    let long = "t".repeat(20_000);
    let key = LocalTokens::account("acme", "work");
    manager.put(&key, &oauth_clients::OAuth2Token::new(&*long)).await.unwrap();
    let kept = everything_in(folder.path());
    assert!(kept.contains("sealed") && !kept.contains(&long[..100]));
    // Another process, with the same key.
    let other = second.token_manager().provider(provider).build().unwrap();
    assert_eq!(other.get(&key).await.unwrap().access_token(), long);
    // ST-06: the key goes with the last account.
    assert!(!second.forget_key_if_empty().await.unwrap());
    other.delete(&key).await.unwrap();
    assert!(second.forget_key_if_empty().await.unwrap());
    assert!(keyring.key.lock().await.is_none());
}

#[tokio::test]
async fn st_02_without_a_keyring_a_key_file_is_used_only_if_it_was_allowed() {
    let folder = folder();
    let path = folder.path().join("acme");
    let builder = || LocalTokens::builder("acme").directory(&path);
    let error = builder().key_store(absent()).open().await.unwrap_err();
    assert!(matches!(error, LocalTokensError::Key(KeyStoreError::Missing(_))), "{error:?}");
    assert!(error.to_string().contains("allow_key_file"), "{error}");
    // One that is there and locked is no reason for a file.
    let locked = Keyring { trouble: Some("locked"), ..Keyring::default() };
    let error = builder().key_store(locked).allow_key_file().open().await.unwrap_err();
    assert!(matches!(error, LocalTokensError::Key(KeyStoreError::Denied(_))), "{error:?}");
    assert!(!path.join("key").exists());

    let local = builder().key_store(absent()).allow_key_file().open().await.unwrap();
    assert_eq!(local.key_file(), Some(&*path.join("key")));
    let key = LocalTokens::account("acme", "");
    let manager = local.token_manager().provider(Arc::new(client(0).0)).build().unwrap();
    manager.put(&key, &oauth_clients::OAuth2Token::new("AT")).await.unwrap();
    // A keyring that comes later opens what the file's key sealed.
    let later = builder().key_store(Keyring::default()).allow_key_file().open().await.unwrap();
    assert_eq!(later.key_file(), None);
    let manager = later.token_manager().provider(Arc::new(client(0).0)).build().unwrap();
    assert_eq!(manager.get(&key).await.unwrap().access_token(), "AT");
}

#[cfg(unix)]
#[tokio::test]
async fn st_02_a_key_file_that_others_can_read_is_refused() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let folder = folder();
    let path = folder.path().join("acme");
    let builder = || LocalTokens::builder("acme").directory(&path).key_store(absent()).allow_key_file();
    builder().open().await.unwrap();
    fs::set_permissions(path.join("key"), fs::Permissions::from_mode(0o640)).unwrap();
    let error = builder().open().await.unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
    let file = KeyFile::in_directory(&path);
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(file.path(), "no key").unwrap();
    let error = builder().open().await.unwrap_err();
    assert!(matches!(error, LocalTokensError::Key(KeyStoreError::Damaged)), "{error:?}");
}

#[tokio::test]
async fn a_program_is_named_by_what_can_be_a_directory() {
    for name in ["", "..", "a/b", "a b", ".hidden"] {
        let error = LocalTokens::builder(name).key_store(absent()).open().await.unwrap_err();
        assert!(matches!(error, LocalTokensError::Name(_)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn nt_16_a_login_is_ended_by_another_process_and_only_once() {
    let folder = folder();
    let keyring = Arc::new(Keyring::default());
    let logins = || async {
        let builder = LocalTokens::builder("acme").directory(folder.path().join("acme"));
        let local = builder.key_store(Arc::clone(&keyring)).open().await.unwrap();
        local.pending_logins().await.unwrap()
    };
    let (client, http) = client(1);
    let redirect_uri = "com.example.acme:/signed-in";
    let begun = logins().await.start(&client, redirect_uri, LoginOptions::new()).await.unwrap();
    let (sent, state) = parts(&begun);
    assert_eq!(sent, redirect_uri);
    let kept = everything_in(folder.path());
    let strangers = logins().await;
    for url in ["com.example.acme:/signed-in".to_owned(), format!("{redirect_uri}?code=C&state=another")] {
        let error = strangers.resume(&client, &url).await.unwrap_err();
        assert!(matches!(error, ResumeError::NotStarted), "{url}: {error:?}");
    }
    assert_eq!(http.requests().len(), 0);
    let url = format!("{redirect_uri}?code=C&state={state}");
    let login = logins().await.resume(&client, &url).await.unwrap();
    assert_eq!(login.token.access_token(), "AT0");
    assert!(matches!(logins().await.resume(&client, &url).await, Err(ResumeError::NotStarted)));
    // The directory showed neither state nor verifier.
    let form = http.request().form();
    let verifier =
        form.iter().find(|(name, _)| name == "code_verifier").map(|(_, value)| value.clone()).unwrap();
    assert!(kept.contains(".login") && !kept.contains(&*state) && !kept.contains(&*verifier));
}

#[tokio::test]
async fn nt_16_of_many_logins_the_newest_can_be_ended() {
    let folder = folder();
    let builder = LocalTokens::builder("acme").directory(folder.path().join("acme"));
    let local = builder.key_store(Arc::new(Keyring::default())).open().await.unwrap();
    let logins = local.pending_logins().await.unwrap();
    let (client, _) = client(1);
    let redirect_uri = "com.example.acme:/signed-in";
    let mut states = Vec::new();
    for _ in 0..25 {
        let begun = logins.start(&client, redirect_uri, LoginOptions::new()).await.unwrap();
        states.push(parts(&begun).1);
        // The clock of a file system may have steps of this length.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let url = |state: &str| format!("{redirect_uri}?code=C&state={state}");
    let oldest = logins.resume(&client, &url(&states[0])).await;
    assert!(matches!(oldest, Err(ResumeError::NotStarted)));
    assert_eq!(logins.resume(&client, &url(&states[24])).await.unwrap().token.access_token(), "AT0");
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_keep_a_lease_alive() {
    let folder = folder();
    let path = folder.path().join("tokens");
    let store = FileStore::open(&path).await.unwrap();
    let key = TokenKey::new("google", "ada");
    let lifetime = std::time::Duration::from_secs(30);
    let acquire = || store.acquire(&key, "holder", lifetime);
    assert!(matches!(acquire().await.unwrap(), oauth_tokens::Acquired::Granted(_)));
    assert!(matches!(acquire().await.unwrap(), oauth_tokens::Acquired::Held { .. }));
    // As if the lease had been taken a day from now.
    let mut folders = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let inner = folders.find(|path| path.is_dir()).unwrap();
    let file = std::fs::read_dir(&inner).unwrap().next().unwrap().unwrap().path();
    let mut entry: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let until = entry["held_until"].as_i64().unwrap();
    entry["held_until"] = (until + 86_400_000).into();
    std::fs::write(&file, entry.to_string()).unwrap();
    assert!(matches!(acquire().await.unwrap(), oauth_tokens::Acquired::Granted(_)));
}

#[tokio::test]
async fn na_05_a_scheme_that_anybody_could_register_is_refused() {
    let folder = folder();
    let local =
        LocalTokens::builder("acme").directory(folder.path().join("acme")).key_store(Keyring::default());
    let logins = local.open().await.unwrap().pending_logins().await.unwrap();
    let client =
        OAuth2::new("id", ClientSecret::NONE, "https://as.example/authorize", "https://as.example/token")
            .with_name("acme");
    for (redirect_uri, is_fine) in [
        ("myapp://cb", false),
        ("myapp:/cb", false),
        ("http://app.example/cb", false),
        ("cb", false),
        ("com.example.app:/cb", true),
        ("https://app.example/cb", true),
        ("http://127.0.0.1:7777/cb", true),
    ] {
        let outcome = logins.start(&client, redirect_uri, LoginOptions::new()).await;
        assert_eq!(outcome.is_ok(), is_fine, "{redirect_uri}: {outcome:?}");
    }
}

#[test]
fn everything_can_be_waited_for_without_async() {
    let waiter = oauth_native::blocking::waiter().unwrap();
    let (client, _) = client(1);
    let token = waiter.wait(client.get_access_token("C", "https://app.example/cb", None, &[])).unwrap();
    assert_eq!(token.access_token(), "AT0");
    // Timers and sockets work, from several threads at once.
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                let waiter = oauth_native::blocking::waiter().unwrap();
                waiter.wait(async { tokio::time::sleep(std::time::Duration::from_millis(20)).await });
                waiter.wait(async { tokio::net::TcpListener::bind("127.0.0.1:0").await }).unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // Inside a runtime it blocks, and does not panic.
    let inner = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    inner.block_on(async {
        waiter.wait(async { tokio::time::sleep(std::time::Duration::from_millis(1)).await })
    });
}
