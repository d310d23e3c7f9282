//! A sign-in with one provider at its real service: the browser goes there and returns to this machine.

use std::time::Duration;

use axum::{Router, extract::RawQuery, http::StatusCode, response::Html, routing::get};
use oauth_clients::{Callback, LoginOptions, Parameter, Provider, ProviderConfig, Registry, RegistryEntry};
use oauth_demo::settings;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

/// How long the user has.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Signs in and prints who it was.
pub(crate) async fn sign_in(
    name: &str,
    settings: &[String],
    port: u16,
    open_browser: bool,
) -> Result<(), String> {
    let entry = RegistryEntry::new(config(name, settings)?);
    let provider = Registry::build(name, &entry).await.map_err(|error| error.to_string())?;
    let listener =
        TcpListener::bind(("127.0.0.1", port)).await.map_err(|cause| format!("port {port}: {cause}"))?;
    let redirect_uri = format!("http://127.0.0.1:{port}/callback");
    println!("The provider must know this redirect URI: {redirect_uri}");

    let started =
        provider.start_login(&redirect_uri, LoginOptions::new()).await.map_err(|error| error.to_string())?;
    println!("Sign in here:\n\n  {}\n", started.url);
    if open_browser && webbrowser::open(&started.url).is_err() {
        println!("No browser could be opened; open the address yourself.");
    }
    let query = callback(listener, started.attempt.state().to_owned()).await?;
    let login = provider
        .finish_login(started.attempt, Callback::from_query(&query))
        .await
        .map_err(|error| error.to_string())?;
    report(&*provider, &login.token).await.map_err(|error| error.to_string())
}

async fn report(provider: &dyn Provider, token: &oauth_clients::OAuth2Token) -> oauth_clients::Result<()> {
    let identity = provider.get_identity(token).await?;
    println!("issuer:  {}\nsubject: {}", identity.issuer, identity.subject);
    println!("name:    {}", identity.name.as_deref().unwrap_or("none"));
    match &identity.email {
        Some(email) => println!("e-mail:  {} ({:?})", email.address, email.verification),
        None => println!("e-mail:  none"),
    }
    println!("expires: {}", token.expires_at().map_or("never".to_owned(), |at| at.to_string()));
    println!("refresh: {}", if token.refresh_token().is_some() { "yes" } else { "no" });
    Ok(())
}

/// Waits for the callback whose state is ours; other requests (an icon, a stale tab) do not end the sign-in
/// (RFC 8252 section 8.9).
async fn callback(listener: TcpListener, state: String) -> Result<String, String> {
    let (sender, mut receiver) = mpsc::channel(1);
    let page = move |RawQuery(query): RawQuery| async move {
        let query = query.unwrap_or_default();
        if Callback::from_query(&query).get("state") == Some(&*state) {
            let _ = sender.try_send(query);
            (StatusCode::OK, Html("<p>You can close this page and return to the terminal.</p>"))
        } else {
            (
                StatusCode::BAD_REQUEST,
                Html("<p>This is not the answer to the sign-in that was started here.</p>"),
            )
        }
    };
    let server =
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/callback", get(page))).await });
    let query = timeout(PATIENCE, receiver.recv()).await;
    // The page is on its way to the browser.
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.abort();
    query.ok().flatten().ok_or_else(|| "nobody came back within five minutes".to_owned())
}

fn config(name: &str, settings: &[String]) -> Result<ProviderConfig, String> {
    let mut config = settings::from_environment(name).map_err(|variable| {
        format!(
            "Set {variable}, and the secret that belongs to it, to the credentials of your application at {name}. \
             Known providers: {}.",
            Registry::known().join(", ")
        )
    })?;
    config.parameters = settings
        .iter()
        .map(|setting| match setting.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), Parameter::Text(value.to_owned()))),
            None => Err(format!("--set {setting}: write NAME=VALUE")),
        })
        .collect::<Result<_, _>>()?;
    Ok(config)
}
