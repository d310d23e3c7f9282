//! The site at which users sign in: each sign-in begins on one machine and ends on another, which has the keys of its own time.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use oauth_core::{
    MemoryCache, OAuth2, OAuth2Token, Provider,
    http::{HeaderMap, Request, header},
};
use oauth_emulator::{Consent, Emulator};
use oauth_web::{SignIn, SignInRequest};

use crate::{crew::PROVIDER, worker::sealer};

/// The site, without the keys of its machines.
pub(crate) struct Site<'a> {
    emulator: &'a Emulator,
    client: OAuth2,
    /// Which attempts are over, for all machines.
    used: Arc<MemoryCache>,
}

/// A sign-in whose user is still at the provider.
pub(crate) struct Begun {
    /// What the browser keeps, sealed with the key of the machine where it began.
    cookie: String,
    location: String,
}

impl<'a> Site<'a> {
    pub(crate) fn new(emulator: &'a Emulator) -> Result<Self> {
        let local = |path: &str| emulator.local(&format!("https://oauth2.example/{path}"));
        let client =
            OAuth2::new("oauth2-client-id", "oauth2-client-secret", local("authorize"), local("token"))
                .with_profile_endpoint(local("profile"))
                .with_name(PROVIDER);
        Ok(Self { emulator, client, used: Arc::default() })
    }

    fn machine(&self, sealing_key: u8) -> Result<SignIn> {
        let sign_in = SignIn::new(sealer(sealing_key)).used_attempts(self.used.clone());
        Ok(sign_in.at("http://127.0.0.1:3000")?.provider(self.client.clone())?)
    }

    pub(crate) async fn begin(&self, sealing_key: u8) -> Result<Begun> {
        let request = request(&format!("/auth/{PROVIDER}/login"), None)?;
        let answer = self.machine(sealing_key)?.login(&request).await;
        let redirect = answer.result.map_err(|error| anyhow!("a sign-in did not begin: {error}"))?;
        let mut headers = HeaderMap::new();
        answer.headers.apply(&mut headers);
        let text = |value: Option<&oauth_core::http::HeaderValue>| {
            value.and_then(|value| value.to_str().ok()).map(str::to_owned).context("a header is missing")
        };
        let cookie = text(headers.get(header::SET_COOKIE))?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Begun { cookie, location: text(redirect.headers().get(header::LOCATION))? })
    }

    /// The token of the user, who allows it now. That the callback comes a second time signs nobody in.
    pub(crate) async fn end(&self, begun: Begun, sealing_key: u8) -> Result<OAuth2Token> {
        let arrival = self.emulator.browse(&begun.location, Consent::Allow).await?;
        let callback = arrival.into_url();
        let machine = self.machine(sealing_key)?;
        let answer = machine.callback(&request(&callback, Some(&begun.cookie))?, String::new()).await;
        let signed_in = answer.result.map_err(|error| anyhow!("a sign-in failed: {error}"))?;
        let again = machine.callback(&request(&callback, Some(&begun.cookie))?, String::new()).await;
        ensure!(again.result.is_err(), "a callback has signed in twice");
        Ok(signed_in.token)
    }
}

fn request(uri: &str, cookie: Option<&str>) -> Result<SignInRequest> {
    let mut request = Request::get(uri).header(header::HOST, "127.0.0.1:3000");
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    Ok(SignInRequest::new(request.body(())?.into_parts().0, [("provider", PROVIDER)]))
}
