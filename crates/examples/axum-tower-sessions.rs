//! Sign in with GitHub or an OpenID Connect provider in axum, with sessions of tower-sessions. A user can link the second provider
//! to the account and sign out of both sites. Accounts, sessions and tokens are in SQLite.
//!
//! ```sh
//! cargo run -p oauth-examples --example axum-tower-sessions
//! ```
//!
//! The emulator plays the providers. For the real ones, set `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`, or `OPENID_ISSUER`,
//! `OPENID_CLIENT_ID` and `OPENID_CLIENT_SECRET`. With `SEALING_KEY` (`openssl rand -base64 32`) and
//! `DATABASE_URL=sqlite://site.db?mode=rwc`, everything outlives the process.
//!
//! Redirect URI to register: `http://127.0.0.1:3000/auth/github/callback` or `…/auth/openid/callback`, and for signing out,
//! `http://127.0.0.1:3000/`.

use std::{env, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use maud::html;
use oauth_clients::{
    LinkDecision, LinkIntent, LinkPolicy, LinkRefusal, Provider, Sealer, SealingKey,
    axum::{SignIn, SignInRoutes, SignedIn},
    openid::{IdToken, LogoutRequest, OpenIDConnect},
    sqlite::SqliteStore,
    tokens::{PutOptions, TokenKey, TokenManager},
};
use oauth_examples::{Providers, Result, listen, sealing_key};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tower_sessions::{
    Expiry, Session, SessionManagerLayer, SessionStore,
    cookie::{SameSite, time},
    session::{Id, Record},
    session_store,
};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS accounts (
        id TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(16))))
    );
    CREATE TABLE IF NOT EXISTS identities (
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        account TEXT NOT NULL REFERENCES accounts,
        provider TEXT NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (issuer, subject)
    );
    CREATE TABLE IF NOT EXISTS sessions (
        id TEXT PRIMARY KEY,
        record TEXT NOT NULL,
        ends INTEGER NOT NULL
    );";

#[derive(Clone)]
struct Site {
    address: String,
    db: SqlitePool,
    providers: Arc<Vec<Arc<dyn Provider>>>,
    tokens: TokenManager,
}

#[tokio::main]
async fn main() -> Result<()> {
    let providers = Providers::start().await?;
    let (listener, address) = listen().await?;
    let database = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite::memory:".to_owned());
    let app = app(
        vec![Arc::new(providers.github().await?), Arc::new(providers.openid().await?)],
        &address,
        &database,
        sealing_key()?,
    )
    .await?;
    println!("{address}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// The site at an address such as `https://app.example`.
pub(crate) async fn app(
    providers: Vec<Arc<dyn Provider>>,
    address: &str,
    database: &str,
    key: SealingKey,
) -> Result<Router> {
    let db = open(database).await?;

    // Every token of every user, refreshed as needed. The store sees encrypted bytes.
    let store = SqliteStore::new(db.clone());
    store.migrate().await?;
    let mut tokens = TokenManager::builder(store, Sealer::new(key.clone()));
    for provider in &providers {
        tokens = tokens.provider(provider.clone());
    }

    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.providers(providers.clone())?.linking(
        |request| async move {
            let session = request.extensions.get::<Session>().ok_or("there is no session layer")?;
            Ok(session.get("account").await?)
        },
    );
    let sessions = SessionManagerLayer::new(SqliteSessions(db.clone()))
        .with_secure(address.starts_with("https:"))
        // Browsers do not send a `Strict` cookie with a callback, because another site leads there.
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(time::Duration::days(7)));
    let site =
        Site { address: address.to_owned(), db, providers: Arc::new(providers), tokens: tokens.build()? };
    Ok(Router::new()
        .route("/", get(home))
        .route("/sign-out", post(sign_out))
        .nest("/auth", SignInRoutes::new(sign_in).router(signed_in))
        .layer(sessions)
        .with_state(site))
}

pub(crate) async fn open(database: &str) -> Result<SqlitePool> {
    let options: SqliteConnectOptions = database.parse()?;
    let mut pool = SqlitePoolOptions::new();
    if database.contains(":memory:") {
        // Each connection has a database of its own in memory.
        pool = pool.max_connections(1).idle_timeout(None).max_lifetime(None);
    }
    let db = pool.connect_with(options.busy_timeout(Duration::from_secs(5))).await?;
    sqlx::raw_sql(SCHEMA).execute(&db).await?;
    Ok(db)
}

/// Somebody came back from a provider.
async fn signed_in(
    State(site): State<Site>,
    session: Session,
    SignedIn(user): SignedIn,
) -> Result<Response, Failure> {
    let account = match site.account_of(&user).await? {
        Ok(account) => account,
        Err(refusal) => return Ok((StatusCode::CONFLICT, explain(refusal)).into_response()),
    };
    let key = TokenKey::new(user.provider.name(), &account);
    site.tokens.put_with(&key, &user.token, PutOptions::new().with_identity(&user.identity)).await?;

    if user.intent == LinkIntent::SignIn {
        // What is in it is of whoever was signed in before.
        session.clear().await;
    }
    // A new id, so that nobody who planted the old one is signed in with it.
    session.cycle_id().await?;
    session.insert("account", account).await?;
    if let Some(id_token) = user.get::<IdToken>() {
        // For `sign_out`: which session of which provider it is.
        session.insert("id_token", (user.provider.name(), id_token.raw())).await?;
    }
    Ok(Redirect::to(user.return_to.as_deref().unwrap_or("/")).into_response())
}

async fn home(State(site): State<Site>, session: Session) -> Result<Html<String>, Failure> {
    let Some(account) = session.get::<String>("account").await? else {
        return Ok(page(html! {
            @for provider in &*site.providers {
                p {
                    a href=(format!("/auth/{}/login", provider.name())) {
                        "Sign in with " (provider.oauth2().spec().display_name)
                    }
                }
            }
        }));
    };
    let identities: Vec<(String, String)> =
        sqlx::query_as("SELECT provider, name FROM identities WHERE account = $1 ORDER BY provider")
            .bind(&account)
            .fetch_all(&site.db)
            .await?;
    let mut rows = Vec::new();
    for (provider, name) in &identities {
        // Live at any time: it is refreshed here if it is about to expire. `bearer()` is what an API wants.
        let state = match site.tokens.get(&TokenKey::new(provider, &account)).await {
            Ok(_) => "its API can be called".to_owned(),
            Err(error) => format!("sign in again: {error}"),
        };
        rows.push((provider, name, state));
    }
    let others = site.providers.iter().map(|provider| provider.name());
    let others = others.filter(|name| !identities.iter().any(|(provider, _)| provider == name));
    Ok(page(html! {
        h1 { "Account " (account) }
        @for (provider, name, state) in rows {
            p { (name) " at " (provider) ": " (state) }
        }
        @for provider in others {
            form method="post" action=(format!("/auth/{provider}/link?return_to=/")) {
                button { "Connect " (provider) }
            }
        }
        form method="post" action="/sign-out" { button { "Sign out" } }
    }))
}

/// By a form, so that no link or image signs anybody out. Ends the session here, and then at the provider if it has one.
async fn sign_out(State(site): State<Site>, session: Session) -> Result<Redirect, Failure> {
    let id_token: Option<(String, String)> = session.get("id_token").await?;
    session.flush().await?;
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

impl Site {
    /// The account of an identity; it is made, or the identity linked to it, as needed.
    async fn account_of(
        &self,
        user: &oauth_clients::web::SignedIn,
    ) -> Result<Result<String, LinkRefusal>, sqlx::Error> {
        let (issuer, subject) = user.identity.key();
        let mut db = self.db.begin_with("BEGIN IMMEDIATE").await?;
        let known: Option<String> =
            sqlx::query_scalar("SELECT account FROM identities WHERE issuer = $1 AND subject = $2")
                .bind(issuer)
                .bind(subject)
                .fetch_optional(&mut *db)
                .await?;
        // Nobody is found by an e-mail address here: docs/accounts-and-linking.md says what that takes.
        let account = match LinkPolicy::new().decide(&user.identity, known, user.intent.clone(), None) {
            LinkDecision::SignIn(account) | LinkDecision::Link(account) => account,
            LinkDecision::Create => {
                sqlx::query_scalar("INSERT INTO accounts DEFAULT VALUES RETURNING id")
                    .fetch_one(&mut *db)
                    .await?
            }
            LinkDecision::Refuse(refusal) => return Ok(Err(refusal)),
        };
        sqlx::query(
            "INSERT INTO identities (issuer, subject, account, provider, name) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (issuer, subject) DO UPDATE SET name = excluded.name",
        )
        .bind(issuer)
        .bind(subject)
        .bind(&account)
        .bind(user.provider.name())
        .bind(user.identity.name.as_deref().unwrap_or(subject))
        .execute(&mut *db)
        .await?;
        db.commit().await?;
        Ok(Ok(account))
    }
}

fn explain(refusal: LinkRefusal) -> Html<String> {
    page(html! {
        p { "This does not work: " (format!("{refusal:?}")) }
        p { a href="/" { "Back" } }
    })
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

/// The sessions of tower-sessions, in the table `sessions`.
#[derive(Clone, Debug)]
pub(crate) struct SqliteSessions(pub(crate) SqlitePool);

#[async_trait]
impl SessionStore for SqliteSessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        // An id has 128 random bits, so none is there already.
        self.write("INSERT INTO sessions (record, ends, id) VALUES ($1, $2, $3)", record).await
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        // A session that was ended meanwhile, by a request at the same time, stays so.
        self.write("UPDATE sessions SET record = $1, ends = $2 WHERE id = $3", record).await
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let json: Option<String> =
            sqlx::query_scalar("SELECT record FROM sessions WHERE id = $1 AND ends > unixepoch()")
                .bind(id.to_string())
                .fetch_optional(&self.0)
                .await
                .map_err(backend)?;
        json.map(|json| serde_json::from_str(&json))
            .transpose()
            .map_err(|error| session_store::Error::Decode(error.to_string()))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        // Those that have ended go as well.
        sqlx::query("DELETE FROM sessions WHERE id = $1 OR ends <= unixepoch()")
            .bind(id.to_string())
            .execute(&self.0)
            .await
            .map_err(backend)?;
        Ok(())
    }
}

impl SqliteSessions {
    async fn write(&self, statement: &'static str, record: &Record) -> session_store::Result<()> {
        let json =
            serde_json::to_string(record).map_err(|error| session_store::Error::Encode(error.to_string()))?;
        sqlx::query(statement)
            .bind(json)
            .bind(record.expiry_date.unix_timestamp())
            .bind(record.id.to_string())
            .execute(&self.0)
            .await
            .map_err(backend)?;
        Ok(())
    }
}

fn backend(error: sqlx::Error) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}
