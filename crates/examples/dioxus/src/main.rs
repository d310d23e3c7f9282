//! Sign-in in a fullstack Dioxus application. `dx serve` builds both halves of it; `cargo run --features server` serves the pages alone,
//! without what runs in the browser. Open `http://127.0.0.1:8080`.
//!
//! The emulator plays GitHub unless the environment has `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`: those of an OAuth app whose callback
//! URL is `http://127.0.0.1:8080/auth/github/callback`.

use dioxus::prelude::*;

fn main() {
    #[cfg(feature = "server")]
    dioxus::serve(server::start);
    #[cfg(not(feature = "server"))]
    dioxus::launch(App);
}

#[component]
fn App() -> Element {
    let name = use_loader(name_of_user)?;
    rsx! {
        match name() {
            Some(name) => rsx! {
                p { "Hello, {name}!" }
                form { method: "post", action: "/sign-out", button { "Sign out" } }
            },
            // A plain link and not a `Link`: the router of Dioxus does not know this address, the server does.
            None => rsx! { a { href: "/auth/github/login", "Sign in with GitHub" } },
        }
    }
}

/// Who is signed in.
#[get("/api/name", session: tower_sessions::Session)]
async fn name_of_user() -> Result<Option<String>> {
    Ok(session.get("name").await?)
}

#[cfg(feature = "server")]
mod server {
    use std::env;

    use axum::{
        Extension, Router,
        http::StatusCode,
        response::{IntoResponse, Redirect, Response},
        routing::post,
    };
    use oauth_clients::{
        Sealer, SealingKey,
        axum::{SetupError, SignIn, SignInRoutes, SignedIn},
        emulator::Emulator,
        github::GitHubOAuth2,
    };
    use tower_sessions::{MemoryStore, Session, SessionManagerLayer, cookie::SameSite};

    pub(crate) async fn start() -> anyhow::Result<Router> {
        let emulator = Emulator::start().await?;
        let github = match env::var("GITHUB_CLIENT_ID") {
            Ok(id) => GitHubOAuth2::new(id, env::var("GITHUB_CLIENT_SECRET")?),
            Err(_) => emulator.connect(GitHubOAuth2::new("github-client-id", "github-client-secret")).await?,
        };
        // In an application of your own, `SealingKey::from_base64` with a key that stays the same.
        let site = site(github, "http://127.0.0.1:8080", SealingKey::random()?)?;
        // So that the emulator lives as long as the site.
        Ok(site.layer(Extension(emulator)))
    }

    /// Dioxus' pages and server functions, and the sign-in beside them.
    pub(crate) fn site(github: GitHubOAuth2, address: &str, key: SealingKey) -> Result<Router, SetupError> {
        let sign_in = SignIn::new(Sealer::new(key)).at(address)?.provider(github)?;
        let sessions = SessionManagerLayer::new(MemoryStore::default())
            .with_secure(address.starts_with("https://"))
            .with_same_site(SameSite::Lax); // Browsers do not send a `Strict` cookie with a callback.
        Ok(dioxus::server::router(super::App)
            .nest("/auth", SignInRoutes::new(sign_in).router(signed_in))
            .route("/sign-out", post(sign_out))
            // Around everything, so that pages, server functions and the sign-in see the same session.
            .layer(sessions))
    }

    /// In place of a look-up in your table of identities, by `user.identity.key()`.
    async fn signed_in(session: Session, user: SignedIn) -> Response {
        let name = user.identity.name.as_deref().unwrap_or(&user.identity.subject);
        let begun = async {
            // A new id, so that nobody who planted the old one is signed in with it.
            session.cycle_id().await?;
            session.insert("name", name).await
        };
        match begun.await {
            Ok(()) => Redirect::to(user.return_to.as_deref().unwrap_or("/")).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    /// By a form, so that no link or image signs anybody out.
    async fn sign_out(session: Session) -> Response {
        match session.flush().await {
            Ok(()) => Redirect::to("/").into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use oauth_clients::{SealingKey, emulator::Emulator, github::GitHubOAuth2};

    #[tokio::test]
    async fn a_user_signs_in_and_out() {
        let emulator = Emulator::start().await.unwrap();
        let github = emulator.connect(GitHubOAuth2::new("github-client-id", "github-client-secret"));
        let key = SealingKey::from_bytes([1; 32]);
        let app = super::server::site(github.await.unwrap(), "https://app.example", key).unwrap();
        let mut browser = emulator.browser().unwrap().in_process("https://app.example", app).unwrap();

        assert!(browser.get("/").await.unwrap().text.contains("Sign in with GitHub"));
        let page = browser.get("/auth/github/login").await.unwrap();
        assert!(page.text.contains("Hello, Ada Lovelace!"), "{page:?}");
        let page = browser.post("/sign-out", &[]).await.unwrap();
        assert!(page.text.contains("Sign in with GitHub"), "{page:?}");
    }
}
