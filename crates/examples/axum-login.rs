//! Sign in with GitHub or an OpenID Connect provider in axum, with users and sessions of axum-login. A user can link the second
//! provider to the account and sign out of both sites.
//!
//! ```sh
//! cargo run -p oauth-examples --example axum-login
//! ```
//!
//! The emulator plays the providers. For the real ones, set `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`, or `OPENID_ISSUER`,
//! `OPENID_CLIENT_ID` and `OPENID_CLIENT_SECRET`.
//!
//! Redirect URI to register: `http://127.0.0.1:3000/auth/github/callback` or `…/auth/openid/callback`, and for signing out,
//! `http://127.0.0.1:3000/`.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use axum_login::{
    AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required,
    tower_sessions::{SessionManagerLayer, cookie::SameSite},
};
use maud::html;
use oauth_clients::{
    LinkIntent, Provider, Sealer, SealingKey,
    axum::{SignIn, SignInRoutes, SignedIn},
    openid::{IdToken, LogoutRequest, OpenIDConnect},
    tokens::{MemoryStore as TokensInMemory, PutOptions, TokenKey, TokenManager},
};
use oauth_examples::{Account, Accounts, Providers, Result, listen, sealing_key};
use tower_sessions_memory_store::MemoryStore;

type AuthSession = axum_login::AuthSession<Backend>;

#[derive(Clone)]
struct Site {
    address: String,
    accounts: Accounts,
    providers: Arc<Vec<Arc<dyn Provider>>>,
    tokens: TokenManager,
}

/// What axum-login asks for users.
#[derive(Clone)]
struct Backend(Accounts);

#[derive(Clone, Debug)]
struct User(Account);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.id.clone()
    }

    /// Replace it to end all sessions of the user: a random value in the user's row. Not a token, which changes by itself.
    fn session_auth_hash(&self) -> &[u8] {
        b"1"
    }
}

impl AuthnBackend for Backend {
    type User = User;
    /// An account that the handler of the sign-in has found. Let nothing else make one.
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, account: String) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(&account).map(User))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(id).map(User))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let providers = Providers::start().await?;
    let (listener, address) = listen().await?;
    let providers: Vec<Arc<dyn Provider>> =
        vec![Arc::new(providers.github().await?), Arc::new(providers.openid().await?)];
    let app = app(providers, &address, sealing_key()?)?;
    println!("{address}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// The site at an address such as `https://app.example`.
pub(crate) fn app(providers: Vec<Arc<dyn Provider>>, address: &str, key: SealingKey) -> Result<Router> {
    // `oauth_clients::sqlite::SqliteStore` would keep them in a file.
    let mut tokens = TokenManager::builder(TokensInMemory::new(), Sealer::new(key.clone()));
    for provider in &providers {
        tokens = tokens.provider(provider.clone());
    }
    let accounts = Accounts::default();
    let sign_in =
        SignIn::new(Sealer::new(key)).at(address)?.providers(providers.clone())?.linking(|request| {
            let account = request.extensions.get::<AuthSession>().and_then(|session| session.user.clone());
            async move { Ok(account.map(|user| user.id())) }
        });
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_secure(address.starts_with("https:"))
        // Browsers do not send a `Strict` cookie with a callback, because another site leads there.
        .with_same_site(SameSite::Lax);
    let auth = AuthManagerLayerBuilder::new(Backend(accounts.clone()), sessions).build();
    let site = Site {
        address: address.to_owned(),
        accounts,
        providers: Arc::new(providers),
        tokens: tokens.build()?,
    };
    Ok(Router::new()
        .route("/account", get(account))
        .route_layer(login_required!(Backend, login_url = "/", redirect_field = "return_to"))
        .route("/", get(home))
        .route("/sign-out", post(sign_out))
        .nest("/auth", SignInRoutes::new(sign_in).router(signed_in))
        .layer(auth)
        .with_state(site))
}

/// Somebody came back from a provider.
async fn signed_in(
    State(site): State<Site>,
    mut session: AuthSession,
    SignedIn(user): SignedIn,
) -> Result<Response, Failure> {
    let account = match site.accounts.sign_in(user.provider.name(), &user.identity, user.intent.clone()) {
        Ok(account) => account,
        Err(refusal) => {
            let page = page(html! { p { "This does not work: " (format!("{refusal:?}")) } });
            return Ok((StatusCode::CONFLICT, page).into_response());
        }
    };
    let key = TokenKey::new(user.provider.name(), &account);
    site.tokens.put_with(&key, &user.token, PutOptions::new().with_identity(&user.identity)).await?;

    let Some(found) = session.authenticate(account).await? else { return Err("the account is gone".into()) };
    if user.intent == LinkIntent::SignIn {
        // What is in it is of whoever was signed in before.
        session.session.clear().await;
    }
    // A new id, so that nobody who planted the old one is signed in with it. `login` gives one only if nobody was signed in, and the session
    // that is planted may be one in which the attacker is.
    session.session.cycle_id().await?;
    session.login(&found).await?;
    if let Some(id_token) = user.get::<IdToken>() {
        session.session.insert("id_token", (user.provider.name(), id_token.raw())).await?;
    }
    Ok(Redirect::to(user.return_to.as_deref().unwrap_or("/account")).into_response())
}

async fn home(State(site): State<Site>, session: AuthSession) -> Response {
    if session.user.is_some() {
        return Redirect::to("/account").into_response();
    }
    let links = html! {
        @for provider in &*site.providers {
            p {
                a href=(format!("/auth/{}/login?return_to=/account", provider.name())) {
                    "Sign in with " (provider.oauth2().spec().display_name)
                }
            }
        }
    };
    page(links).into_response()
}

async fn account(State(site): State<Site>, session: AuthSession) -> Result<Html<String>, Failure> {
    let Some(User(account)) = session.user else { return Err("the route has no login_required".into()) };
    let mut rows = Vec::new();
    for identity in &account.identities {
        // Live at any time: it is refreshed here if it is about to expire. `bearer()` is what an API wants.
        let state = match site.tokens.get(&TokenKey::new(&identity.provider, &account.id)).await {
            Ok(_) => "its API can be called".to_owned(),
            Err(error) => format!("sign in again: {error}"),
        };
        rows.push((identity, state));
    }
    let others = site.providers.iter().map(|provider| provider.name());
    let others = others.filter(|name| !account.identities.iter().any(|identity| identity.provider == *name));
    Ok(page(html! {
        h1 { "Account " (account.id) }
        @for (identity, state) in rows {
            p { (identity.name) " at " (identity.provider) ": " (state) }
        }
        @for provider in others {
            form method="post" action=(format!("/auth/{provider}/link?return_to=/account")) {
                button { "Connect " (provider) }
            }
        }
        form method="post" action="/sign-out" { button { "Sign out" } }
    }))
}

/// By a form, so that no link or image signs anybody out. Ends the session here, and then at the provider if it has one.
async fn sign_out(State(site): State<Site>, mut session: AuthSession) -> Result<Redirect, Failure> {
    let id_token: Option<(String, String)> = session.session.get("id_token").await?;
    session.logout().await?;
    let home = format!("{}/", site.address);
    if let Some((name, id_token)) = id_token
        && let Some(provider) = site.providers.iter().find(|provider| provider.name() == name)
        && let Some(openid) = OpenIDConnect::of(&**provider)
    {
        let request = LogoutRequest::new().id_token_hint(&id_token).return_to(&home);
        match openid.start_logout(request).await {
            Ok(started) => return Ok(Redirect::to(&started.url)),
            // The session here has ended; that the provider has no such page, or is down, changes nothing.
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(Redirect::to(&home))
}

fn page(body: maud::Markup) -> Html<String> {
    Html(html! { (maud::DOCTYPE) html lang="en" { title { "Example" } body { (body) } } }.into_string())
}

/// What a handler cannot help. The visitor gets no details.
struct Failure(oauth_examples::Error);

impl<E: Into<oauth_examples::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        eprintln!("{}", self.0);
        (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong. Please try again.").into_response()
    }
}
