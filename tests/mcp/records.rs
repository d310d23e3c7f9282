//! Registrations that outlive the process.

use std::{env, fs, path::PathBuf};

use oauth_core::{Sealer, SealingKey, Secret, random_token};
use oauth_mcp::{Access, FileRecords, Records};
use oauth_tokens::MemoryStore;

use super::world::*;
#[cfg(unix)]
use crate::support::foreign_folder;

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(env::temp_dir().join(format!("oauth-mcp-{}", random_token().unwrap())).join("records"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn sealer(byte: u8) -> Sealer {
    Sealer::new(SealingKey::from_bytes([byte; 32]))
}

#[tokio::test]
async fn a_record_is_encrypted_and_comes_back() {
    let folder = Folder::new();
    let records = FileRecords::new(&folder.0, sealer(1));
    let key = "client\nhttps://as.example/../x\nid";
    assert!(records.load(key).await.unwrap().is_none());
    records.remove(key).await.unwrap();
    for value in ["s3cret-value", "another"] {
        records.save(key, Secret::from(value)).await.unwrap();
        let again = FileRecords::new(&folder.0, sealer(1));
        assert_eq!(again.load(key).await.unwrap().unwrap().expose(), value);
    }
    records.save("other", Secret::from("o")).await.unwrap();
    let files: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "nothing unfinished is left");
    for file in &files {
        let bytes = fs::read(file).unwrap();
        for secret in [&b"s3cret"[..], b"another"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
    // Another key, a changed file, and a file that was put in another's place are errors.
    assert!(FileRecords::new(&folder.0, sealer(2)).load(key).await.is_err());
    fs::copy(&files[0], &files[1]).unwrap();
    let outcomes = [records.load(key).await.is_err(), records.load("other").await.is_err()];
    assert_eq!(outcomes.iter().filter(|is_error| **is_error).count(), 1);
    records.remove(key).await.unwrap();
    records.remove("other").await.unwrap();
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn st_03_records_are_for_their_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let records = FileRecords::new(&folder.0, sealer(1));
    records.save("k", Secret::from("v")).await.unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    for file in fs::read_dir(&folder.0).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn mc_23_a_program_that_is_started_anew_neither_registers_nor_asks_again() {
    let folder = Folder::new();
    let world = usual();
    let store = MemoryStore::new();
    for run in 0..3 {
        let authorizer = authorizer(&world).with_records(FileRecords::new(&folder.0, sealer(1)));
        let tokens = authorizer.token_manager(store.clone(), sealer(1)).build().unwrap();
        let access = Access::new(authorizer, tokens, server(), "alice");
        let robot = Robot::default();
        assert_eq!(access.send(&post(), &robot).await.unwrap().status().as_u16(), 200);
        assert_eq!(robot.times(), usize::from(run == 0));
    }
    assert_eq!(world.all("POST https://as.example/register").len(), 1);
    // Another account has a token of its own, and the same client.
    let authorizer = authorizer(&world).with_records(FileRecords::new(&folder.0, sealer(1)));
    let tokens = authorizer.token_manager(store, sealer(1)).build().unwrap();
    let access = Access::new(authorizer, tokens, server(), "bob");
    let robot = Robot::default();
    access.send(&post(), &robot).await.unwrap();
    assert_eq!((robot.times(), world.all("POST https://as.example/register").len()), (1, 1));
}

#[cfg(unix)]
#[tokio::test]
async fn st_03_records_in_a_folder_of_another_user_are_refused() {
    let folder = Folder::new();
    fs::create_dir_all(folder.0.parent().unwrap()).unwrap();
    let records = FileRecords::new(foreign_folder(folder.0.parent().unwrap()), sealer(1));
    let outcomes = [records.load("key").await.map(drop), records.save("key", Secret::from("value")).await];
    for outcome in outcomes {
        assert!(outcome.unwrap_err().to_string().contains("another user"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn st_03_a_folder_that_others_can_change_and_a_link_are_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = Folder::new();
    let records = FileRecords::new(&folder.0, sealer(1));
    records.save("key", Secret::from("value")).await.unwrap();
    for mode in [0o777, 0o750, 0o701] {
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(mode)).unwrap();
        for outcome in [records.load("key").await.map(drop), records.save("key", Secret::from("other")).await]
        {
            assert!(outcome.unwrap_err().to_string().contains("chmod 700"), "{mode:o}");
        }
    }
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(records.load("key").await.unwrap().unwrap().expose(), "value");
    let link = folder.0.with_extension("link");
    symlink(&folder.0, &link).unwrap();
    assert!(FileRecords::new(&link, sealer(1)).load("key").await.is_err());
}
