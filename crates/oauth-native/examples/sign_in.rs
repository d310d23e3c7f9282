//! A sign-in by the browser and a loopback redirect, against the emulator, which plays the browser too.
//!
//! ```text
//! cargo run -p oauth-native --example sign_in
//! ```

use std::{error::Error, fmt};

use oauth_core::{OAuth2, async_trait, bytes::Bytes, default_http_client, http::Request};
use oauth_emulator::{App, Consent, Emulator};
use oauth_native::{Method, OpenError, Opener, Page, SignInOptions, sign_in};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let emulator = Emulator::builder().app("github", App::default_of("github")).start().await?;
    let client = OAuth2::new(
        "github-client-id",
        "github-client-secret",
        emulator.local("https://github.com/login/oauth/authorize"),
        emulator.local("https://github.com/login/oauth/access_token"),
    );

    // Without `method` and `opener`, this is all that a program writes.
    let options = SignInOptions::new().page(Page::new("Example"));
    let options = options.method(Method::Loopback).opener(Browser(emulator));
    let login = sign_in(&client, options).await?;
    println!("signed in; the token is for {:?}", login.token.scopes());
    Ok(())
}

/// The browser of a user who allows everything.
struct Browser(Emulator);

impl Browser {
    async fn visit(&self, url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        let arrived = self.0.browse(url, Consent::Allow).await?.into_url();
        let page = default_http_client()?.send(Request::get(arrived).body(Bytes::new())?).await?;
        eprintln!("The browser shows the last page (HTTP {}).", page.status());
        Ok(())
    }
}

#[async_trait]
impl Opener for Browser {
    async fn open(&self, url: &str) -> Result<(), OpenError> {
        // The reason must not show the address.
        self.visit(url).await.map_err(|_| OpenError::new("the browser failed"))
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Browser")
    }
}
