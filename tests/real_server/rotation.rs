//! Keys that change while users sign in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use oauth_clients::{JwtCheck, LoginOptions};
use oauth_openid::{Expectations, OpenIDProvider};

use super::server::{Server, browser, id_token, login, metadata};

/// How often the keys change, and how many users sign in all the while.
const ROTATIONS: u64 = 6;
const USERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_login_fails_while_keys_change_under_load() {
    let server = Arc::new(Server::start());
    let (client, _) = server.registered(&metadata().set("id_token_signed_response_alg", "ES256")).await;
    let (done, logins) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let users: Vec<_> = (0..USERS)
        .map(|_| {
            let (client, done, logins) = (client.clone(), done.clone(), logins.clone());
            tokio::spawn(async move {
                let browser = browser();
                while !done.load(Ordering::Relaxed) {
                    let ended = login(&client, &browser, LoginOptions::new()).await.unwrap();
                    assert_eq!(id_token(&ended).subject(), "ada");
                    logins.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..ROTATIONS {
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.rotate_keys().await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    done.store(true, Ordering::Relaxed);
    for user in users {
        user.await.unwrap();
    }
    let (logins, requests) = (logins.load(Ordering::Relaxed), server.count("requests", "GET /jwks").await);
    println!("{logins} logins, {ROTATIONS} changes of keys, {requests} requests for keys");
    assert!(logins >= USERS, "{logins}");
    // Once at first, and once for each change that a login met.
    assert!((2..=ROTATIONS + 1).contains(&requests), "{requests} requests for keys");
}

#[tokio::test]
async fn a_key_that_was_taken_out_verifies_nothing_more() {
    let server = Server::start();
    let client = server.client();
    let browser = browser();
    let old = login(&client, &browser, LoginOptions::new()).await.unwrap();
    let old = id_token(&old).raw().to_owned();
    client.verify_id_token(&old, &Expectations::new().without_nonce()).await.unwrap();
    // The second change takes out the key that signed it.
    for _ in 0..2 {
        server.rotate_keys().await;
        login(&client, &browser, LoginOptions::new()).await.unwrap();
    }
    let requests = server.count("requests", "GET /jwks").await;
    assert_eq!(requests, 3);
    for _ in 0..5 {
        let error = client.verify_id_token(&old, &Expectations::new().without_nonce()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Key), "{error}");
    }
    let more = server.count("requests", "GET /jwks").await - requests;
    assert!(more <= 1, "{more} requests for a key that is gone");
}
