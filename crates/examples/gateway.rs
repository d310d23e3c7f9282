//! A gateway that adds tokens: pages call `/api/…` with their session, and the gateway calls the API with the user's token, which
//! never reaches the browser.
//!
//! ```sh
//! cargo run -p oauth-examples --example gateway
//! ```
//!
//! The emulator plays GitHub and its API. For the real one, set `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`.
//!
//! Redirect URI to register: `http://127.0.0.1:3000/auth/github/callback`.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use oauth_clients::{
    ErrorClass, Provider, Sealer, SealingKey,
    axum::{SignIn, SignInRoutes, SignedIn},
    reqwest, reqwest_client,
    tokens::{AuthorizedClient, Hosts, MemoryStore as TokensInMemory, RequestError, TokenKey, TokenManager},
};
use oauth_examples::{Accounts, Providers, Result, listen, sealing_key};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, cookie::SameSite};

/// As much of a request's body as is passed on.
const MOST_BYTES: usize = 1024 * 1024;

/// As much of an answer's body as is passed on.
const MOST_BYTES_BACK: usize = 16 * 1024 * 1024;

#[derive(Clone)]
struct Gateway {
    api: String,
    hosts: Hosts,
    http: reqwest::Client,
    tokens: TokenManager,
    accounts: Accounts,
}

#[tokio::main]
async fn main() -> Result<()> {
    let providers = Providers::start().await?;
    let (listener, address) = listen().await?;
    let api = match std::env::var("GITHUB_CLIENT_ID") {
        Ok(_) => "https://api.github.com".to_owned(),
        Err(_) => providers.emulator().local("https://api.github.com"),
    };
    let app = app(providers.github().await?, &api, &address, sealing_key()?)?;
    println!("{address}");
    axum::serve(listener, app).await?;
    Ok(())
}

pub(crate) fn app(
    github: impl Provider + 'static,
    api: &str,
    address: &str,
    key: SealingKey,
) -> Result<Router> {
    let github: Arc<dyn Provider> = Arc::new(github);
    let host = api.parse::<http::Uri>()?.authority().ok_or("the API has no host")?.to_string();
    let gateway = Gateway {
        api: api.trim_end_matches('/').to_owned(),
        hosts: Hosts::new([host])?,
        http: reqwest_client(|defaults| defaults.user_agent("oauth-examples"))?.into_inner(),
        tokens: TokenManager::builder(TokensInMemory::new(), Sealer::new(key.clone()))
            .provider(github.clone())
            .build()?,
        accounts: Accounts::default(),
    };
    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.providers([github])?;
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_secure(address.starts_with("https:"))
        .with_same_site(SameSite::Lax);
    Ok(Router::new()
        .route("/", get(home))
        .route("/api/{*path}", get(forward).post(forward).put(forward).patch(forward).delete(forward))
        .nest("/auth", SignInRoutes::new(sign_in).router(signed_in))
        .layer(sessions)
        .with_state(gateway))
}

async fn home(session: Session) -> Response {
    match session.get::<String>("account").await {
        Ok(Some(_)) => Html(
            r#"<pre id="user"></pre>
            <script>fetch("/api/user").then(r => r.text()).then(text => user.textContent = text)</script>"#,
        )
        .into_response(),
        Ok(None) => Html(r#"<a href="/auth/github/login">Sign in with GitHub</a>"#).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn signed_in(State(gateway): State<Gateway>, session: Session, SignedIn(user): SignedIn) -> Response {
    let Ok(account) = gateway.accounts.sign_in("github", &user.identity, user.intent.clone()) else {
        return StatusCode::CONFLICT.into_response();
    };
    if let Err(error) = gateway.tokens.put(&TokenKey::new("github", &account), &user.token).await {
        eprintln!("{error}");
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let begun = async {
        session.cycle_id().await?;
        session.insert("account", account).await
    };
    match begun.await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn forward(State(gateway): State<Gateway>, session: Session, request: Request) -> Response {
    // The session's cookie comes with what other sites make a browser send, too.
    if !is_of_own_page(request.headers()) {
        return (StatusCode::FORBIDDEN, "for pages of this site").into_response();
    }
    let Ok(Some(account)) = session.get::<String>("account").await else {
        return (StatusCode::UNAUTHORIZED, "sign in first").into_response();
    };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = path.strip_prefix("/api").unwrap_or(path);
    let url = match reqwest::Url::parse(&format!("{}{path}", gateway.api)) {
        // `..` in a path does not lead out of the API, also not where a server takes an encoded slash for one.
        Ok(url) if url.as_str().starts_with(&format!("{}/", gateway.api)) && is_plain(url.path()) => url,
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if [Method::GET, Method::HEAD].contains(&parts.method) && !body.is_empty() {
        // Some servers would take it for the next request on the connection.
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut request = gateway.http.request(parts.method, url).body(body);
    // These and no others: no cookies, and nothing that is about the connection to the gateway.
    for name in [header::ACCEPT, header::CONTENT_TYPE, header::IF_NONE_MATCH] {
        if let Some(value) = parts.headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let key = TokenKey::new("github", &account);
    let client =
        AuthorizedClient::new(gateway.http.clone(), gateway.tokens.clone(), key, gateway.hosts.clone());
    match client.refresh_on_any_401().send(request).await {
        Ok(reply) => {
            let mut response = Response::builder().status(reply.status());
            for name in [header::CONTENT_TYPE, header::ETAG, header::LINK] {
                if let Some(value) = reply.headers().get(&name) {
                    response = response.header(name, value);
                }
            }
            // A page of one user is none of the next one's, and what the API calls a page is none of this site.
            response = response
                .header(header::CACHE_CONTROL, "private, no-store")
                .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
                .header(
                    header::CONTENT_SECURITY_POLICY,
                    "default-src 'none'; frame-ancestors 'none'; sandbox",
                );
            let (_, body) = http::Response::<reqwest::Body>::from(reply).into_parts();
            let body = to_bytes(Body::new(body), MOST_BYTES_BACK).await;
            match body.map(|body| response.body(Body::from(body))) {
                Ok(Ok(response)) => response,
                _ => StatusCode::BAD_GATEWAY.into_response(),
            }
        }
        Err(RequestError::Token(error)) if error.class() == ErrorClass::Reauthorize => {
            (StatusCode::UNAUTHORIZED, "sign in again").into_response()
        }
        Err(error) => {
            eprintln!("{error}");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

fn is_plain(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    !["%2e", "%2f", "%5c", "%25"].iter().any(|encoded| path.contains(encoded))
}

/// Browsers say by `Sec-Fetch-Site` which site's page sends a request, and pages cannot change it.
fn is_of_own_page(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin")
}
