//! Sign-in in a Leptos application whose pages the server renders. `cargo run`, and open the address that it prints.
//!
//! The emulator plays GitHub unless the environment has `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`: those of an OAuth app whose callback
//! URL is `http://127.0.0.1:3000/auth/github/callback`.

use std::{env, error::Error};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes, generate_route_list};
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};
use oauth_clients::{
    Sealer, SealingKey,
    axum::{SetupError, SignIn, SignInRoutes, SignedIn},
    emulator::Emulator,
    github::GitHubOAuth2,
};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, cookie::SameSite};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let emulator = Emulator::start().await?;
    let github = match env::var("GITHUB_CLIENT_ID") {
        Ok(id) => GitHubOAuth2::new(id, env::var("GITHUB_CLIENT_SECRET")?),
        Err(_) => emulator.connect(GitHubOAuth2::new("github-client-id", "github-client-secret")).await?,
    };
    // In an application of your own, `SealingKey::from_base64` with a key that stays the same.
    let app = site(github, "http://127.0.0.1:3000", SealingKey::random()?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://127.0.0.1:3000");
    axum::serve(listener, app).await?;
    Ok(())
}

/// Leptos' pages and server functions, and the sign-in beside them.
fn site(github: GitHubOAuth2, address: &str, key: SealingKey) -> Result<axum::Router, SetupError> {
    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.provider(github)?;
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_secure(address.starts_with("https://"))
        .with_same_site(SameSite::Lax); // Browsers do not send a `Strict` cookie with a callback.
    let options = LeptosOptions::builder().output_name("site").build();
    Ok(axum::Router::new()
        .leptos_routes(&options, generate_route_list(App), shell)
        .with_state(options)
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

/// Who is signed in. Components call it on the server; with hydration, also from the browser.
#[server]
async fn name_of_user() -> Result<Option<String>, ServerFnError> {
    let session: Session = leptos_axum::extract().await?;
    session.get("name").await.map_err(ServerFnError::new)
}

fn shell() -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <title>"My site"</title>
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

#[component]
fn App() -> impl IntoView {
    view! {
        <Router>
            <Routes fallback=|| "There is no such page.">
                <Route path=path!("/") view=Home ssr=SsrMode::Async />
            </Routes>
        </Router>
    }
}

#[component]
fn Home() -> impl IntoView {
    let name = Resource::new(|| (), |()| name_of_user());
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match name.await {
                    Ok(Some(name)) => {
                        view! {
                            <p>{format!("Hello, {name}!")}</p>
                            <form method="post" action="/sign-out">
                                <button>"Sign out"</button>
                            </form>
                        }
                            .into_any()
                    }
                    // `external`: the router of Leptos in the browser must leave this address to the server.
                    Ok(None) => {
                        view! {
                            <a href="/auth/github/login" rel="external">
                                "Sign in with GitHub"
                            </a>
                        }
                            .into_any()
                    }
                    Err(_) => view! { <p>"The session cannot be read."</p> }.into_any(),
                }
            })}
        </Suspense>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_user_signs_in_and_out() {
        let emulator = Emulator::start().await.unwrap();
        let github = emulator.connect(GitHubOAuth2::new("github-client-id", "github-client-secret"));
        let app =
            site(github.await.unwrap(), "https://app.example", SealingKey::from_bytes([1; 32])).unwrap();
        let mut browser = emulator.browser().unwrap().in_process("https://app.example", app).unwrap();

        assert!(browser.get("/").await.unwrap().text.contains("Sign in with GitHub"));
        let page = browser.get("/auth/github/login").await.unwrap();
        assert!(page.text.contains("Hello, Ada Lovelace!"), "{page:?}");
        let page = browser.post("/sign-out", &[]).await.unwrap();
        assert!(page.text.contains("Sign in with GitHub"), "{page:?}");
    }
}
