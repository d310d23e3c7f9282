//! The system's keyring, a real one: a Secret Service without a display, in a session bus of its own.

#![cfg(all(feature = "keyring", target_os = "linux"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use oauth_core::Secret;
use oauth_native::{KeyStore, KeyStoreError, LocalTokens, LocalTokensError, SystemKeyring};

const INNER: &str = "OAUTH_NATIVE_TEST_KEYRING";

/// Whether the machine has what is needed. Debian has it in dbus and gnome-keyring.
fn is_here(program: &str) -> bool {
    let is_here = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    is_here.is_ok_and(|found| found.status.success())
}

/// Runs a test of this file in a session with a keyring.
fn in_session(test: &str, home: &Path, keyring: &str) -> Option<Output> {
    if !is_here("dbus-run-session") || !is_here("gnome-keyring-daemon") {
        eprintln!("skipped: dbus-run-session and gnome-keyring-daemon are needed");
        return None;
    }
    let script = format!("{keyring}; exec \"$0\" --ignored --exact {test} --nocapture");
    let mut session = Command::new("dbus-run-session");
    session.args(["--", "sh", "-c", &script]).arg(std::env::current_exe().unwrap());
    session.env("HOME", home).env("XDG_RUNTIME_DIR", home).env(INNER, home).env_remove("DISPLAY");
    session.env_remove("XDG_DATA_HOME").env_remove("WAYLAND_DISPLAY");
    Some(session.output().unwrap())
}

/// A keyring that its user has unlocked.
const UNLOCKED: &str =
    "printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; sleep 1";

#[test]
fn st_01_the_systems_keyring_holds_the_key_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let Some(output) = in_session("unlocked", home.path(), UNLOCKED) else { return };
    let said = said(&output);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    // What lies on the disk is sealed, and its key is in no file of the tokens.
    assert!(!home.path().join("tokens/key").exists());
}

#[tokio::test]
#[ignore = "it runs in a session that another test starts"]
async fn unlocked() {
    let Ok(home) = std::env::var(INNER) else { return };
    let keyring = SystemKeyring::new("oauth-native-test").with_time_limit(Duration::from_secs(20));
    assert!(keyring.load().await.unwrap().is_none());
    keyring.save(&Secret::new("a")).await.unwrap();
    keyring.save(&Secret::new("b")).await.unwrap();
    assert_eq!(keyring.load().await.unwrap().unwrap().expose(), "b");
    // Another program's entry is another one.
    assert!(SystemKeyring::new("other").load().await.unwrap().is_none());
    keyring.delete().await.unwrap();
    keyring.delete().await.unwrap();
    assert!(keyring.load().await.unwrap().is_none());

    let directory = Path::new(&home).join("tokens");
    let open = || LocalTokens::builder("acme").directory(&directory).open();
    let local = open().await.unwrap();
    assert!(local.key_file().is_none());
    // A second program of the name gets the same key, and the last logout takes it away.
    let sealed = local.sealer().seal_bytes(b"tokens", b"context").unwrap();
    let again = open().await.unwrap();
    assert_eq!(&*again.sealer().open_bytes(&sealed, b"context").unwrap().plain, b"tokens");
    assert!(again.forget_key_if_empty().await.unwrap());
    assert!(SystemKeyring::new("acme").load().await.unwrap().is_none());
}

#[test]
fn st_02_a_locked_keyring_is_an_error_and_no_reason_for_a_key_file() {
    let home = tempfile::tempdir().unwrap();
    // Made by one session and locked in the next, in which nobody gives the password.
    let Some(made) = in_session("makes_the_key", home.path(), UNLOCKED) else { return };
    assert!(made.status.success(), "{made:?}");
    let locked = "gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1; sleep 1";
    let Some(output) = in_session("locked", home.path(), locked) else { return };
    let said = said(&output);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(!home.path().join("tokens/key").exists());
}

#[tokio::test]
#[ignore = "it runs in a session that another test starts"]
async fn makes_the_key() {
    let Ok(home) = std::env::var(INNER) else { return };
    LocalTokens::builder("acme").directory(Path::new(&home).join("tokens")).open().await.unwrap();
}

#[tokio::test]
#[ignore = "it runs in a session that another test starts"]
async fn locked() {
    let Ok(home) = std::env::var(INNER) else { return };
    let keyring = SystemKeyring::new("acme").with_time_limit(Duration::from_secs(5));
    let error = keyring.load().await.unwrap_err();
    assert!(matches!(error, KeyStoreError::Denied(_) | KeyStoreError::TimedOut(_)), "{error:?}");
    assert!(error.to_string().contains("unlock it"), "{error}");
    let directory = Path::new(&home).join("tokens");
    let opened =
        LocalTokens::builder("acme").directory(directory).key_store(keyring).allow_key_file().open().await;
    assert!(matches!(opened, Err(LocalTokensError::Key(_))), "{opened:?}");
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}
