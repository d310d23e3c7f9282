//! An OpenID Connect provider ends a session, and the session here ends too: the provider's server posts a signed logout token
//! (OpenID Connect Back-Channel Logout).
//!
//! ```sh
//! cargo run -p oauth-examples --example back-channel-logout
//! ```
//!
//! The emulator is the provider, and posts the logout token when you press Enter. For a real one, set `OPENID_ISSUER`,
//! `OPENID_CLIENT_ID` and `OPENID_CLIENT_SECRET`. Register `http://127.0.0.1:3000/auth/openid/callback` as the redirect URI, and as the
//! back-channel logout URI an address that the provider's server reaches, which ends with `/auth/openid/backchannel-logout`.

use std::{
    io::stdin,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use oauth_clients::{
    Provider, Sealer, SealingKey,
    axum::{Routes, SignIn, SignInRoutes, SignedIn},
    openid::{IdToken, LogoutToken},
};
use oauth_examples::{Providers, Result, listen, sealing_key};
use tower_sessions::{
    MemoryStore, Session, SessionManagerLayer, SessionStore, cookie::SameSite, session::Id,
};

/// A session here, and what the provider knows it by.
struct Known {
    issuer: String,
    subject: String,
    session_id: Option<String>,
    id: Id,
}

#[derive(Clone, Default)]
struct Sessions {
    store: MemoryStore,
    /// A table with an index on issuer and subject, for many sessions.
    known: Arc<Mutex<Vec<Known>>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let providers = Providers::start().await?;
    let (listener, address) = listen().await?;
    let app = app(providers.openid().await?, &address, sealing_key()?)?;
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    println!("Sign in at {address}, then press Enter here and load the page again.");
    tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new())).await??;
    println!("{}", end_the_session(&providers, &address).await?);
    server.await??;
    Ok(())
}

pub(crate) fn app(client: impl Provider + 'static, address: &str, key: SealingKey) -> Result<Router> {
    let sessions = Sessions::default();
    let layer = SessionManagerLayer::new(sessions.store.clone())
        .with_secure(address.starts_with("https:"))
        .with_same_site(SameSite::Lax);
    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.provider(client)?;
    let ending = sessions.clone();
    // Each logout token counts once. With several machines, give a cache that they share in place of `None`.
    let routes = Routes::new(sign_in).back_channel_logout(None, move |token: LogoutToken| {
        let ending = ending.clone();
        async move { ending.end(&token).await }
    });
    Ok(Router::new()
        .route("/", get(home))
        .nest("/auth", SignInRoutes::new(routes).router(signed_in))
        .layer(layer)
        .with_state(sessions))
}

async fn home(session: Session) -> Response {
    match session.get::<String>("subject").await {
        Ok(Some(_)) => Html("You are signed in.").into_response(),
        Ok(None) => Html(r#"<a href="/auth/openid/login">Sign in</a>"#).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn signed_in(State(sessions): State<Sessions>, session: Session, user: SignedIn) -> Response {
    let Some(id_token) = user.get::<IdToken>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let begun = async {
        session.cycle_id().await?;
        session.insert("subject", id_token.subject()).await?;
        // It has its id from now on.
        session.save().await
    };
    let (Ok(()), Some(id)) = (begun.await, session.id()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    sessions.known.lock().unwrap_or_else(PoisonError::into_inner).push(Known {
        issuer: id_token.issuer().to_owned(),
        subject: id_token.subject().to_owned(),
        session_id: id_token.session_id().map(str::to_owned),
        id,
    });
    Redirect::to("/").into_response()
}

impl Sessions {
    /// Ends the sessions that the token names: one of a user, or all of them. An error has the provider try again.
    async fn end(&self, token: &LogoutToken) -> Result<(), tower_sessions::session_store::Error> {
        let ended: Vec<Id> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = known.iter().filter(|known| is_ended(token, known));
            ended.map(|known| known.id).collect()
        };
        for id in &ended {
            self.store.delete(id).await?;
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| !ended.contains(&known.id));
        // The refresh tokens of these sessions, unless they were granted with `offline_access`: `TokenManager::revoke`.
        Ok(())
    }
}

fn is_ended(token: &LogoutToken, known: &Known) -> bool {
    token.ends(&known.issuer, &known.subject, known.session_id.as_deref())
}

/// What the provider's server does when a session ends there.
pub(crate) async fn end_the_session(providers: &Providers, address: &str) -> Result<String> {
    let token =
        providers.emulator().logout_token("openid", "openid-client-id", Some("1815121018521127"), None)?;
    let http = oauth_clients::reqwest_client(|defaults| defaults)?;
    let request = http.post(format!("{address}/auth/openid/backchannel-logout"));
    let reply = request.form(&[("logout_token", token)]).send().await?;
    Ok(format!("the application answered {}", reply.status()))
}
