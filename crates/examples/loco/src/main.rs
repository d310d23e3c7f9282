//! Sign-in in a Loco application. `cargo run -- start`, and open `http://127.0.0.1:3000`.
//!
//! The emulator plays GitHub unless the environment has `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`: those of an OAuth app whose callback
//! URL is `http://127.0.0.1:3000/auth/github/callback`.

use std::env;

use async_trait::async_trait;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use loco_rs::{
    Result,
    app::{AppContext, Hooks},
    bgworker::Queue,
    boot::{BootResult, StartMode, create_app},
    config::Config,
    controller::{AppRoutes, Routes},
    environment::Environment,
    task::Tasks,
};
use oauth_clients::{
    Sealer, SealingKey,
    axum::{SignIn, SignInRoutes, SignedIn},
    emulator::Emulator,
    github::GitHubOAuth2,
};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, cookie::SameSite};

struct App;

#[tokio::main]
async fn main() -> Result<()> {
    loco_rs::cli::main::<App>().await
}

#[async_trait]
impl Hooks for App {
    fn app_name() -> &'static str {
        env!("CARGO_CRATE_NAME")
    }

    async fn boot(mode: StartMode, environment: &Environment, config: Config) -> Result<BootResult> {
        create_app::<Self>(mode, environment, config).await
    }

    fn routes(_: &AppContext) -> AppRoutes {
        let pages = Routes::new().add("/", get(home)).add("/sign-out", post(sign_out));
        AppRoutes::with_default_routes().add_route(pages)
    }

    /// The sign-in is a router of axum, and so is what Loco has made of the routes.
    async fn after_routes(router: axum::Router, context: &AppContext) -> Result<axum::Router> {
        let address = context.config.server.full_url();
        let github = github(context).await?;
        // In an application of your own, `SealingKey::from_base64` with a key that stays the same.
        let key = SealingKey::random().map_err(loco_rs::Error::msg)?;
        let sign_in = SignIn::new(Sealer::new(key)).at(&address).map_err(loco_rs::Error::msg)?;
        let sign_in = sign_in.provider(github).map_err(loco_rs::Error::msg)?;
        let sessions = SessionManagerLayer::new(MemoryStore::default())
            .with_secure(address.starts_with("https://"))
            .with_same_site(SameSite::Lax); // Browsers do not send a `Strict` cookie with a callback.
        // Around everything, so that controllers and the sign-in see the same session.
        Ok(router.nest("/auth", SignInRoutes::new(sign_in).router(signed_in)).layer(sessions))
    }

    async fn connect_workers(_: &AppContext, _: &Queue) -> Result<()> {
        Ok(())
    }

    fn register_tasks(_: &mut Tasks) {}
}

async fn github(context: &AppContext) -> Result<GitHubOAuth2> {
    if let (Ok(id), Ok(secret)) = (env::var("GITHUB_CLIENT_ID"), env::var("GITHUB_CLIENT_SECRET")) {
        return Ok(GitHubOAuth2::new(id, secret));
    }
    let emulator = Emulator::start().await?;
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    let github = emulator.connect(github).await.map_err(loco_rs::Error::msg)?;
    // So that the emulator lives as long as the application.
    context.shared_store.insert(emulator);
    Ok(github)
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

async fn home(session: Session) -> Html<&'static str> {
    Html(match session.get::<String>("name").await {
        // The name is what somebody typed at a provider: a template escapes it before it enters a page.
        Ok(Some(_)) => {
            r#"You are signed in. <form method="post" action="/sign-out"><button>Sign out</button></form>"#
        }
        _ => r#"<a href="/auth/github/login">Sign in with GitHub</a>"#,
    })
}

/// By a form, so that no link or image signs anybody out.
async fn sign_out(session: Session) -> Response {
    match session.flush().await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_user_signs_in_and_out() {
        let environment = Environment::Development;
        let booted =
            App::boot(StartMode::ServerOnly, &environment, environment.load().unwrap()).await.unwrap();
        let emulator = booted.app_context.shared_store.get::<Emulator>().unwrap();
        let address = booted.app_context.config.server.full_url();
        let mut browser = emulator.browser().unwrap().in_process(&address, booted.router.unwrap()).unwrap();

        assert!(browser.get("/").await.unwrap().text.contains("Sign in with GitHub"));
        let page = browser.get("/auth/github/login").await.unwrap();
        assert!(page.text.contains("You are signed in."), "{page:?}");
        let page = browser.post("/sign-out", &[]).await.unwrap();
        assert!(page.text.contains("Sign in with GitHub"), "{page:?}");
    }
}
