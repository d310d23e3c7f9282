//! The sites with a session: each can do the same five things.

use std::sync::Arc;

use axum::Router;
use oauth_clients::{
    Provider, SealingKey,
    emulator::{Consent, TestBrowser},
};
use oauth_examples::Providers;
use tokio::net::TcpListener;
use tower_sessions::{
    SessionStore as _,
    cookie::time,
    session::{Id, Record},
};

use crate::{
    actix_session_example, axum_login_example,
    axum_tower_sessions::{self, SqliteSessions},
};

async fn clients(providers: &Providers) -> Vec<Arc<dyn Provider>> {
    vec![Arc::new(providers.github().await.unwrap()), Arc::new(providers.openid().await.unwrap())]
}

fn key() -> SealingKey {
    SealingKey::from_bytes([7; 32])
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

async fn serve(router: Router, listener: TcpListener) {
    tokio::spawn(async move { axum::serve(listener, router).await });
}

/// Signs in, looks who it is, links a second provider, signs out, and signs in to the same account with the second one.
async fn five_things(providers: &Providers, address: &str) {
    let mut browser: TestBrowser = providers.emulator().browser().unwrap();
    let page = browser.get(&format!("{address}/")).await.unwrap();
    assert!(page.text.contains("Sign in with GitHub"), "{page:?}");

    let page = browser.get("/auth/github/login").await.unwrap();
    assert!(page.text.contains("Ada Lovelace at github: its API can be called"), "{page:?}");
    assert!(page.text.contains("Connect openid"), "{page:?}");
    let account = account_in(&page.text);

    let page = browser.post("/auth/openid/link?return_to=/", &[]).await.unwrap();
    assert!(page.text.contains("Ada Lovelace at openid: its API can be called"), "{page:?}");
    assert!(!page.text.contains("Connect"), "{page:?}");
    assert_eq!(account_in(&page.text), account);

    let before = logouts(providers);
    let page = browser.post("/sign-out", &[]).await.unwrap();
    assert!(page.url.starts_with(&format!("{address}/")), "{page:?}");
    assert!(page.text.contains("Sign in with GitHub"), "{page:?}");
    assert_eq!(logouts(providers), before + 1, "the session at the provider ends too");
    let page = browser.get("/").await.unwrap();
    assert!(page.text.contains("Sign in with GitHub"), "{page:?}");

    let page = browser.get("/auth/openid/login").await.unwrap();
    assert_eq!(account_in(&page.text), account);

    // What is another account's stays there.
    let mut stranger = providers.emulator().browser().unwrap();
    stranger.set_consent(Consent::AllowAs("1906120919920101".into()));
    let page = stranger.get(&format!("{address}/auth/github/login")).await.unwrap();
    assert!(page.text.contains("Grace Hopper at github"), "{page:?}");
    assert_ne!(account_in(&page.text), account);
    stranger.set_consent(Consent::Allow);
    let page = stranger.post("/auth/openid/link?return_to=/", &[]).await.unwrap();
    assert_eq!(page.status.as_u16(), 409, "{page:?}");
    nobody_shares_a_planted_session(providers, address).await;
}

/// Somebody plants the cookie of a session in which they are signed in themselves, and the browser's user signs in.
async fn nobody_shares_a_planted_session(providers: &Providers, address: &str) {
    let mut browser = providers.emulator().browser().unwrap();
    browser.set_consent(Consent::AllowAs("1906120919920101".into()));
    let page = browser.get(&format!("{address}/auth/openid/login")).await.unwrap();
    let attacker = account_in(&page.text);
    let planted = session_of(&browser);

    browser.set_consent(Consent::Allow);
    let page = browser.get("/auth/github/login").await.unwrap();
    let user = account_in(&page.text);
    assert_ne!(user, attacker);
    assert_ne!(session_of(&browser), planted);
    let http = oauth_clients::reqwest_client(|defaults| defaults).unwrap();
    for path in ["/", "/account"] {
        let page = http.get(format!("{address}{path}")).header("cookie", &planted).send().await.unwrap();
        let page = page.text().await.unwrap();
        assert!(!page.contains(&format!("<h1>Account {user}</h1>")), "{page}");
    }
    // Nor is what was in it the user's: the provider where the attacker signed in is not asked to sign anybody out.
    let before = logouts(providers);
    browser.post("/sign-out", &[]).await.unwrap();
    assert_eq!(logouts(providers), before);
}

fn session_of(browser: &TestBrowser) -> String {
    format!("id={}", browser.cookie("id").unwrap())
}

fn account_in(page: &str) -> String {
    let (_, rest) = page.split_once("<h1>Account ").unwrap();
    rest.split_once("</h1>").unwrap().0.to_owned()
}

fn logouts(providers: &Providers) -> usize {
    let requests = providers.emulator().requests();
    requests.iter().filter(|request| request.url.starts_with("https://openid.example/logout")).count()
}

#[tokio::test]
async fn axum_with_tower_sessions_does_all_five_things() {
    let providers = Providers::emulated().await.unwrap();
    let (listener, address) = listen().await;
    let app = axum_tower_sessions::app(clients(&providers).await, &address, "sqlite::memory:", key());
    serve(app.await.unwrap(), listener).await;
    five_things(&providers, &address).await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_written_again_by_a_request_at_the_same_time() {
    let sessions = SqliteSessions(axum_tower_sessions::open("sqlite::memory:").await.unwrap());
    let ends = time::OffsetDateTime::now_utc() + time::Duration::days(1);
    let mut record = Record { id: Id::default(), data: Default::default(), expiry_date: ends };
    sessions.create(&mut record).await.unwrap();
    record.data.insert("account".to_owned(), "17".into());
    sessions.save(&record).await.unwrap();
    assert_eq!(sessions.load(&record.id).await.unwrap(), Some(record.clone()));
    sessions.delete(&record.id).await.unwrap();
    sessions.save(&record).await.unwrap();
    assert_eq!(sessions.load(&record.id).await.unwrap(), None);
}

#[tokio::test]
async fn axum_login_does_all_five_things() {
    let providers = Providers::emulated().await.unwrap();
    let (listener, address) = listen().await;
    let app = axum_login_example::app(clients(&providers).await, &address, key()).unwrap();
    serve(app, listener).await;
    five_things(&providers, &address).await;
}

#[tokio::test]
async fn actix_session_does_all_five_things() {
    let providers = Providers::emulated().await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let key_of_sessions = actix_web::cookie::Key::from(&[8; 64]);
    let clients = clients(&providers).await;
    let server = actix_session_example::serve(clients, listener, &address, key(), key_of_sessions).unwrap();
    tokio::spawn(server);
    five_things(&providers, &address).await;
}
