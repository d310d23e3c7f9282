//! The server of a mobile application. The application signs its user in with the provider's SDK, and sends the ID token here; the
//! server verifies it without a client secret, and answers with a token of its own.
//!
//! ```sh
//! cargo run -p oauth-examples --example mobile-id-token
//! ```
//!
//! Without `OPENID_ISSUER`, `OPENID_CLIENT_ID` and `OPENID_CLIENT_SECRET`, the emulator is the provider, and the program plays the
//! application once too. For the issuer `https://accounts.google.com` the client id is the one of the application's project.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use oauth_clients::{
    ErrorClass, OffsetDateTime,
    openid::{Expectations, OpenID, OpenIDProvider, new_nonce},
    random_token,
};
use oauth_examples::{Providers, Result, listen};
use serde::{Deserialize, Serialize};
use serde_json::json;

const NONCE_LIFETIME: Duration = Duration::from_secs(300);

#[derive(Clone)]
struct Server {
    client: OpenID,
    /// Nonces that were issued, and when. Machines of one service share them in a database.
    nonces: Arc<Mutex<HashMap<String, Instant>>>,
    /// Whose each session token is: issuer and subject. A database keeps hashes of the tokens.
    sessions: Arc<Mutex<HashMap<String, (String, String)>>>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct SignInRequest {
    pub(crate) id_token: String,
    pub(crate) nonce: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let providers = Providers::start().await?;
    let client = providers.openid().await?;
    let (listener, address) = listen().await?;
    let is_emulated = std::env::var("OPENID_CLIENT_ID").is_err();
    let server = tokio::spawn(async move { axum::serve(listener, app(client)).await });
    println!("{address}");
    if is_emulated {
        println!("{}", sign_in_as_the_application(&providers, &address).await?);
    }
    server.await??;
    Ok(())
}

pub(crate) fn app(client: OpenID) -> Router {
    let server = Server { client, nonces: Arc::default(), sessions: Arc::default() };
    Router::new()
        .route("/nonce", post(nonce))
        .route("/sign-in", post(sign_in))
        .route("/me", get(me))
        .with_state(server)
}

/// A nonce that the application gives to the SDK, so that an ID token which somebody else stole is of no use here.
async fn nonce(State(server): State<Server>) -> Response {
    let Ok(nonce) = new_nonce() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut nonces = server.nonces.lock().unwrap_or_else(PoisonError::into_inner);
    nonces.retain(|_, issued| issued.elapsed() < NONCE_LIFETIME);
    nonces.insert(nonce.clone(), Instant::now());
    Json(json!({ "nonce": nonce })).into_response()
}

async fn sign_in(State(server): State<Server>, Json(request): Json<SignInRequest>) -> Response {
    // Once, whatever comes of it.
    let issued = server.nonces.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.nonce);
    if issued.is_none_or(|issued| issued.elapsed() >= NONCE_LIFETIME) {
        return refused("this nonce was not issued here, or is too old");
    }
    // `hashed_nonce` for Apple's SDK, which hashes it. `client_ids` where the application has an id of its own, as on iOS.
    let expected = Expectations::new().nonce(request.nonce);
    let id_token = match server.client.verify_id_token(&request.id_token, &expected).await {
        Ok(id_token) => id_token,
        Err(error) if matches!(error.class(), ErrorClass::Transient { .. }) => {
            eprintln!("{error}");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Err(error) => {
            eprintln!("{error}");
            return refused("this ID token is not accepted");
        }
    };
    let Ok(token) = random_token() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let user = (id_token.issuer().to_owned(), id_token.subject().to_owned());
    server.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), user);
    Json(json!({ "token": token })).into_response()
}

/// What every other route of the API does first.
async fn me(State(server): State<Server>, headers: HeaderMap) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let user = server.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
    match user {
        Some((issuer, subject)) => Json(json!({ "issuer": issuer, "subject": subject })).into_response(),
        None => refused("sign in first"),
    }
}

fn refused(why: &str) -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({ "error": why }))).into_response()
}

/// What the application does, with an emulator in place of the SDK.
pub(crate) async fn sign_in_as_the_application(providers: &Providers, address: &str) -> Result<String> {
    let http = oauth_clients::reqwest_client(|defaults| defaults)?;
    let reply: serde_json::Value = http.post(format!("{address}/nonce")).send().await?.json().await?;
    let nonce = reply["nonce"].as_str().ok_or("no nonce came")?.to_owned();
    let id_token = id_token(providers, &nonce)?;
    let body = SignInRequest { id_token, nonce };
    let reply: serde_json::Value =
        http.post(format!("{address}/sign-in")).json(&body).send().await?.json().await?;
    let token = reply["token"].as_str().ok_or_else(|| reply.to_string())?;
    Ok(http.get(format!("{address}/me")).bearer_auth(token).send().await?.text().await?)
}

/// What the provider's SDK returns.
pub(crate) fn id_token(providers: &Providers, nonce: &str) -> Result<String> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let claims = json!({
        "iss": "https://openid.example",
        "aud": "openid-client-id",
        "sub": "1815121018521127",
        "iat": now,
        "exp": now + 300,
        "nonce": nonce,
    });
    Ok(providers.emulator().sign_jwt("openid", None, claims)?)
}
