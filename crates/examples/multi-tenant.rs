//! Each tenant signs in at a provider of its own, whose settings are in a database. The clients are kept, because each holds
//! connections, metadata and keys, and made anew once their settings change, in every process. Each tenant has its own redirect URI.
//!
//! ```sh
//! cargo run -p oauth-examples --example multi-tenant
//! ```
//!
//! The emulator plays the providers of the two tenants that the example begins with.
//!
//! Redirect URI to register: `http://127.0.0.1:3000/TENANT/auth/sso/callback`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use maud::html;
use oauth_clients::{
    Provider, RegistryEntry, Sealer, SealingKey,
    axum::{SignIn, SignInRoutes, SignedIn},
};
use oauth_examples::{Providers, Result, listen, sealing_key};
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};

/// `settings` is a table of a registry, as JSON. In production, encrypt it: it has the client's secret.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS tenants (
        name TEXT PRIMARY KEY,
        settings TEXT NOT NULL,
        version INTEGER NOT NULL DEFAULT 1
    );";

/// The tenants' clients.
#[derive(Clone)]
pub(crate) struct Tenants {
    db: SqlitePool,
    providers: Providers,
    clients: Arc<Mutex<HashMap<String, Kept>>>,
}

/// A client, and the version of the settings that it was made from.
struct Kept {
    version: i64,
    client: Arc<dyn Provider>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let tenants = Tenants::open(Providers::start().await?, "sqlite::memory:").await?;
    tenants
        .set(
            "acme",
            r#"{"provider": "openid", "issuer": "https://openid.example",
                "client_id": "openid-client-id", "client_secret": "openid-client-secret"}"#,
        )
        .await?;
    tenants
        .set(
            "globex",
            r#"{"provider": "keycloak", "realm_url": "https://keycloak.example/realms/demo",
                "client_id": "keycloak-client-id", "client_secret": "keycloak-client-secret"}"#,
        )
        .await?;
    let (listener, address) = listen().await?;
    let app = app(tenants, &address, sealing_key()?)?;
    println!("{address}/acme and {address}/globex");
    axum::serve(listener, app).await?;
    Ok(())
}

pub(crate) fn app(tenants: Tenants, address: &str, key: SealingKey) -> Result<Router> {
    let of_request = tenants.clone();
    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.resolve_with(move |name, request| {
        let tenants = of_request.clone();
        async move {
            match request.param("tenant") {
                Some(tenant) if name == "sso" => Ok(tenants.client(tenant).await?),
                // A page that says that there is no such provider, with 404.
                _ => Ok(None),
            }
        }
    });
    Ok(Router::new()
        .route("/{tenant}", get(home))
        .nest("/{tenant}/auth", SignInRoutes::new(sign_in).router(signed_in))
        .with_state(tenants))
}

async fn home(State(tenants): State<Tenants>, Path(tenant): Path<String>) -> Response {
    // Only for tenants that there are: of a path such as `/%2Fevil.example`, the link would lead to another site.
    match tenants.client(&tenant).await {
        Ok(Some(_)) => Html(
            html! { a href=(format!("/{tenant}/auth/sso/login")) { "Sign in to " (tenant) } }.into_string(),
        )
        .into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            eprintln!("{error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A real application begins its session here. The account is one of this tenant: look it up by the tenant and `identity.key()`.
async fn signed_in(Path(path): Path<HashMap<String, String>>, user: SignedIn) -> Html<String> {
    let tenant = path.get("tenant").map(String::as_str).unwrap_or_default();
    let (issuer, subject) = user.identity.key();
    Html(html! { (subject) " of " (issuer) " signed in to " (tenant) }.into_string())
}

impl Tenants {
    pub(crate) async fn open(providers: Providers, database: &str) -> Result<Self> {
        // One connection, because each has a database of its own in memory.
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let db = pool.connect(database).await?;
        sqlx::raw_sql(SCHEMA).execute(&db).await?;
        Ok(Self { db, providers, clients: Arc::default() })
    }

    /// Saves a tenant's settings. Clients that were made from earlier ones are no longer used, in any process.
    pub(crate) async fn set(&self, tenant: &str, settings: &str) -> Result<()> {
        // Refused now, and not when the first user comes.
        self.make(settings).await?;
        sqlx::query(
            "INSERT INTO tenants (name, settings) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, version = version + 1",
        )
        .bind(tenant)
        .bind(settings)
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// The client of a tenant; `None` if there is no such tenant.
    pub(crate) async fn client(&self, tenant: &str) -> Result<Option<Arc<dyn Provider>>> {
        // A look-up by the primary key for each login and callback costs little, and no process has to be told of a change.
        let row: Option<(i64, String)> =
            sqlx::query_as("SELECT version, settings FROM tenants WHERE name = $1")
                .bind(tenant)
                .fetch_optional(&self.db)
                .await?;
        let Some((version, settings)) = row else {
            self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
            return Ok(None);
        };
        if let Some(kept) = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(tenant)
            && kept.version == version
        {
            return Ok(Some(kept.client.clone()));
        }
        let client = self.make(&settings).await?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.insert(tenant.to_owned(), Kept { version, client: client.clone() });
        Ok(Some(client))
    }

    /// Nothing is sent yet. Where tenants type their issuer in themselves, give the client `PublicHosts` as its HTTP client:
    /// docs/security.md, "Addresses from strangers".
    async fn make(&self, settings: &str) -> Result<Arc<dyn Provider>> {
        let entry: RegistryEntry = serde_json::from_str(settings)?;
        // In an application of your own, `Registry::build("sso", &entry).await?`.
        self.providers.build("sso", entry).await
    }
}
