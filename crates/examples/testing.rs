//! How an application tests its sign-in without network, accounts and browser: the emulator plays the provider, and its browser drives
//! the application's own router. The tests are at the end of this file.
//!
//! ```sh
//! cargo test -p oauth-examples --example testing
//! ```
//!
//! With `cargo run` in place of `cargo test`, it is the application that they test.

use axum::{
    Router,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use maud::html;
use oauth_clients::{
    Provider, Sealer, SealingKey,
    axum::{SignIn, SignInRoutes, SignedIn},
};
use oauth_examples::{Providers, Result, listen, sealing_key};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, cookie::SameSite};

#[tokio::main]
async fn main() -> Result<()> {
    let providers = Providers::start().await?;
    let (listener, address) = listen().await?;
    let app = app(providers.github().await?, &address, sealing_key()?)?;
    println!("{address}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// The application takes its provider as an argument, and that is all that a test needs of it.
pub(crate) fn app(github: impl Provider + 'static, address: &str, key: SealingKey) -> Result<Router> {
    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.provider(github)?;
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_secure(address.starts_with("https:"))
        .with_same_site(SameSite::Lax);
    Ok(Router::new()
        .route("/", get(home))
        .nest("/auth", SignInRoutes::new(sign_in).router(signed_in))
        .layer(sessions))
}

async fn home(session: Session) -> Response {
    match session.get::<String>("name").await {
        Ok(Some(name)) => Html(html! { "Hello, " (name) "!" }.into_string()).into_response(),
        Ok(None) => Html(r#"<a href="/auth/github/login">Sign in with GitHub</a>"#).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn signed_in(session: Session, user: SignedIn) -> Response {
    let name = user.identity.name.as_deref().unwrap_or("stranger");
    let begun = async {
        session.cycle_id().await?;
        session.insert("name", name).await
    };
    match begun.await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use oauth_clients::{
        Clock, OffsetDateTime,
        emulator::{App, Consent, EmulatedEndpoint, Emulator, Fault, TestBrowser, User},
        github::GitHubOAuth2,
        tokens::{MemoryStore, TokenKey, TokenManager},
    };

    use super::*;

    /// Nothing listens there: the browser hands its requests to the router.
    const ADDRESS: &str = "https://app.example";

    /// An emulator for this test alone, and a browser at the application.
    async fn site() -> (Emulator, TestBrowser) {
        let ada = User::default().with_name("Ada <Lovelace>");
        let grace = User::default().with_id("2").with_name("Grace Hopper");
        let emulator = Emulator::builder().user(ada).user(grace).start().await.unwrap();
        let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
        let github = github.with_http_client(emulator.http_client().unwrap());
        let app = app(github, ADDRESS, SealingKey::from_bytes([1; 32])).unwrap();
        let browser = emulator.browser().unwrap().in_process(ADDRESS, app).unwrap();
        (emulator, browser)
    }

    #[tokio::test]
    async fn whoever_signs_in_is_greeted_by_name() {
        let (_, mut browser) = site().await;
        assert!(browser.get("/").await.unwrap().text.contains("Sign in with GitHub"));
        let page = browser.get("/auth/github/login").await.unwrap();
        assert_eq!((page.url.as_str(), page.status), ("https://app.example/", StatusCode::OK));
        assert_eq!(page.text, "Hello, Ada &lt;Lovelace&gt;!");
    }

    #[tokio::test]
    async fn each_browser_has_a_session_of_its_own() {
        let (emulator, mut ada) = site().await;
        ada.get("/auth/github/login").await.unwrap();
        // Another browser at the same application would be another `in_process` with a clone of the router.
        let github = emulator.connect(GitHubOAuth2::new("github-client-id", "github-client-secret"));
        let app = app(github.await.unwrap(), ADDRESS, SealingKey::from_bytes([1; 32])).unwrap();
        let browser = || emulator.browser().unwrap().in_process(ADDRESS, app.clone()).unwrap();
        let (mut grace, mut nobody) = (browser(), browser());
        grace.set_consent(Consent::AllowAs("2".into()));
        assert_eq!(grace.get("/auth/github/login").await.unwrap().text, "Hello, Grace Hopper!");
        assert!(nobody.get("/").await.unwrap().text.contains("Sign in"));
    }

    #[tokio::test]
    async fn whoever_declines_is_asked_whether_to_try_again() {
        let (_, mut browser) = site().await;
        browser.set_consent(Consent::Deny);
        let page = browser.get("/auth/github/login").await.unwrap();
        assert!(page.status.is_client_error(), "{page:?}");
        assert!(page.text.contains("Try again"), "{page:?}");
        browser.set_consent(Consent::Allow);
        let page = browser.get("/auth/github/login").await.unwrap();
        assert!(page.text.starts_with("Hello"), "{page:?}");
    }

    #[tokio::test]
    async fn while_the_provider_is_down_nobody_signs_in_and_then_it_works_again() {
        let (emulator, mut browser) = site().await;
        for fault in [Fault::ServerError, Fault::HtmlErrorPage, Fault::TruncatedJson, Fault::ResetMidBody] {
            emulator.fault_at("github", EmulatedEndpoint::Token, fault.clone()).unwrap();
            let page = browser.get("/auth/github/login").await.unwrap();
            assert!(page.status.is_server_error(), "{fault:?}: {page:?}");
            emulator.clear_faults();
        }
        assert!(browser.get("/auth/github/login").await.unwrap().text.starts_with("Hello"));
    }

    #[tokio::test]
    async fn a_callback_that_somebody_made_up_is_refused() {
        let (emulator, mut browser) = site().await;
        emulator.fault("github", Fault::WrongState).unwrap();
        let page = browser.get("/auth/github/login").await.unwrap();
        assert!(page.status.is_client_error(), "{page:?}");
        let page = browser.get("/auth/github/callback?code=guessed&state=guessed").await.unwrap();
        assert!(page.status.is_client_error(), "{page:?}");
    }

    /// A clock that the test sets forward, so that nobody has to wait.
    #[derive(Clone, Debug, Default)]
    struct TestClock(Arc<AtomicU64>);

    impl Clock for TestClock {
        fn now(&self) -> OffsetDateTime {
            OffsetDateTime::now_utc() + Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn a_token_that_has_expired_is_refreshed() {
        let clock = TestClock::default();
        let app = App::default_of("github").with_refresh_tokens(true);
        let emulator = Emulator::builder().app("github", app).start().await.unwrap();
        let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
        let github = emulator.connect(github).await.unwrap().with_clock(clock.clone());
        let sealer = Sealer::new(SealingKey::from_bytes([1; 32]));
        let tokens = TokenManager::builder(MemoryStore::new(), sealer)
            .provider(Arc::new(github))
            .clock(clock.clone())
            .build()
            .unwrap();
        let key = TokenKey::new("github", "user-17");
        let first = emulator.sign_in("github").unwrap();
        tokens.put(&key, &first).await.unwrap();
        assert_eq!(tokens.get(&key).await.unwrap().access_token(), first.access_token());

        // GitHub's live for eight hours.
        clock.0.store(9 * 3600, Ordering::Relaxed);
        assert_ne!(tokens.get(&key).await.unwrap().access_token(), first.access_token());
        assert_eq!(emulator.count_requests("github", EmulatedEndpoint::Refresh).unwrap(), 1);
    }
}
