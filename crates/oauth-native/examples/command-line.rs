//! A command-line tool that signs its user in and prints a live token.
//!
//! ```text
//! CLIENT_ID=… AUTHORIZE_URL=https://… TOKEN_URL=https://… cargo run -p oauth-native --example command-line -- login
//! CLIENT_ID=… AUTHORIZE_URL=https://… TOKEN_URL=https://… cargo run -p oauth-native --example command-line
//! ```

use std::{env, error::Error, sync::Arc};

use oauth_core::{ClientSecret, OAuth2, Provider};
use oauth_native::{LocalTokens, Method, Page, SignInOptions, sign_in};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = env::var("CLIENT_SECRET").map_or(ClientSecret::NONE, ClientSecret::from);
    let token_url = env::var("TOKEN_URL")?;
    let client = OAuth2::new(env::var("CLIENT_ID")?, secret, env::var("AUTHORIZE_URL")?, token_url.clone())
        .with_name("example")
        .with_refresh_endpoint(token_url)
        .with_scopes(env::var("SCOPE").ok());

    let mut builder = LocalTokens::builder("oauth-native-example").allow_key_file();
    if let Ok(directory) = env::var("TOKENS") {
        builder = builder.directory(directory);
    }
    let local = builder.open().await?;
    if let Some(path) = local.key_file() {
        eprintln!("There is no keyring; the key to the tokens is in {}.", path.display());
    }
    let tokens = local.token_manager().provider(Arc::new(client.clone())).build()?;
    let account = LocalTokens::account("example", "default");

    if env::args().nth(1).as_deref() == Some("login") {
        let mut options = SignInOptions::new().page(Page::new("Example"));
        if env::var_os("NO_BROWSER").is_some() {
            options = options.method(Method::Loopback).no_browser();
        }
        let login = sign_in(&client, options).await?;
        tokens.put(&account, &login.token).await?;
        eprintln!("You are signed in.");
    }
    println!("{}", tokens.get(&account).await?.access_token());
    Ok(())
}
