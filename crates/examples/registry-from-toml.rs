//! The providers are in a file, and their secrets in the environment: another provider needs no other program.
//!
//! ```sh
//! GITHUB_CLIENT_SECRET=github-client-secret WORK_CLIENT_SECRET=openid-client-secret \
//!     cargo run -p oauth-examples --example registry-from-toml
//! ```
//!
//! The file is `crates/examples/providers.toml`, or the one that the first argument names.
//!
//! The emulator plays the providers whose client id is that of its own application, such as `github-client-id`. Put your own client id
//! into the file for the real one. Redirect URI to register: `http://127.0.0.1:3000/auth/TABLE/callback`.

use std::{env, fs, sync::Arc};

use axum::{
    Router,
    extract::State,
    response::{Html, Redirect},
    routing::get,
};
use maud::html;
use oauth_clients::{
    Provider, RegistryConfig, Sealer, SealingKey,
    axum::{SignIn, SignInRoutes, SignedIn},
};
use oauth_examples::{Providers, Result, listen, sealing_key};

/// The file beside this program, from whichever folder the program is started.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/providers.toml");

#[tokio::main]
async fn main() -> Result<()> {
    let path = env::args().nth(1).unwrap_or_else(|| FILE.to_owned());
    let file = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let providers = Providers::start().await?;
    let (listener, address) = listen().await?;
    let app = app(&providers, &file, &address, sealing_key()?).await?;
    println!("{address}");
    axum::serve(listener, app).await?;
    Ok(())
}

pub(crate) async fn app(providers: &Providers, file: &str, address: &str, key: SealingKey) -> Result<Router> {
    // By itself, the error would quote the line, and with it a secret that was written there.
    let config: RegistryConfig = toml::from_str(file).map_err(|error| error.message().to_owned())?;
    // In an application of your own, `Registry::from_config(&config).await?` and `SignIn::providers(registry.iter().cloned())`. Errors
    // name the table and what is wrong with it, such as a variable that is not set.
    let mut clients: Vec<Arc<dyn Provider>> = Vec::new();
    for (name, entry) in config {
        clients.push(providers.build(&name, entry).await?);
    }
    let names: Vec<String> = clients.iter().map(|client| client.name().to_owned()).collect();
    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.providers(clients)?;
    Ok(Router::new()
        .route("/", get(home))
        .nest("/auth", SignInRoutes::new(sign_in).router(signed_in))
        .route("/hello", get(async || "Signed in. Here your own session would say who it is."))
        .with_state(Arc::new(names)))
}

async fn home(State(names): State<Arc<Vec<String>>>) -> Html<String> {
    let links = html! { @for name in &*names { p { a href=(format!("/auth/{name}/login?return_to=/hello")) { (name) } } } };
    Html(links.into_string())
}

async fn signed_in(user: SignedIn) -> Redirect {
    println!("{} of {} signed in", user.identity.subject, user.identity.issuer);
    Redirect::to(user.return_to.as_deref().unwrap_or("/"))
}
