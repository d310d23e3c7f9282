//! Many processes with one directory of tokens, of which some are killed: rows ST-03 and ST-04.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use oauth_clients::{Provider, Sealer, SealingKey, github::GitHubOAuth2};
use oauth_emulator::{App, Emulator};
use oauth_native::FileStore;
use oauth_tokens::{TokenKey, TokenManager};

const DIRECTORY: &str = "OAUTH_NATIVE_TEST_DIRECTORY";
const ORIGIN: &str = "OAUTH_NATIVE_TEST_ORIGIN";

fn key() -> TokenKey {
    TokenKey::new("github", "ada")
}

async fn manager(directory: &str, origin: &str) -> TokenManager {
    let moved = |url: &str| format!("{origin}/{}", url.trim_start_matches("https://"));
    let github =
        GitHubOAuth2::new("github-client-id", "github-client-secret").with_endpoints(|all| all.map(moved));
    let store = FileStore::open(directory).await.unwrap();
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    TokenManager::builder(store, sealer).provider(Arc::new(github)).build().unwrap()
}

/// What each of the processes does: it asks for the token until it is killed.
#[tokio::test]
#[ignore = "it is one of the processes that the next test starts"]
async fn worker() {
    let (Ok(directory), Ok(origin)) = (std::env::var(DIRECTORY), std::env::var(ORIGIN)) else { return };
    // It ends with the process that started it, even if that was killed.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let manager = manager(&directory, &origin).await;
    loop {
        if let Err(error) = manager.get(&key()).await {
            println!("WORKER {error}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn start(directory: &str, origin: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "native::processes::worker", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ORIGIN, origin)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn st_03_ten_processes_that_are_killed_lose_nothing() {
    const PROCESSES: usize = 10;
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tokens").to_str().unwrap().to_owned();
    let app = App::default_of("github").with_refresh_tokens(true);
    let emulator = Emulator::builder()
        .app("github", app)
        .rotate_refresh_tokens(true)
        // What was redeemed by a process that was killed before it could save.
        .refresh_token_grace(Duration::from_secs(600))
        .access_token_lifetime(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    let origin = emulator.origin().to_owned();
    let first = emulator.sign_in("github").unwrap();
    manager(&directory, &origin).await.put(&key(), &first).await.unwrap();
    let mut processes: Vec<Child> = (0..PROCESSES).map(|_| start(&directory, &origin)).collect();
    for round in 0..30 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let at = (round * 7) % PROCESSES;
        processes[at].kill().unwrap();
        processes[at].wait().unwrap();
        processes[at] = start(&directory, &origin);
    }
    for process in &mut processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let last = manager(&directory, &origin).await.get(&key()).await.unwrap();
    let refreshes = emulator.requests().len();
    assert!(refreshes > 1, "nobody refreshed");
    assert_ne!(last.access_token(), first.access_token());
    // A killed process leaves no half of a file that counts for something.
    let store = FileStore::open(&directory).await.unwrap();
    assert!(!store.is_empty().await.unwrap());
}
