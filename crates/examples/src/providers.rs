//! Clients of the real providers, or of those that the emulator plays.

use std::{env, sync::Arc};

use oauth_clients::{
    Endpoint, Provider, Registry, RegistryEntry,
    emulator::{App, Emulator, User},
    github::GitHubOAuth2,
    google::GoogleOAuth2,
    openid::OpenID,
};

use crate::error::Result;

/// The providers of the examples. Where the environment has a client's credentials, it is one of the real provider.
#[derive(Clone, Debug)]
pub struct Providers {
    emulator: Emulator,
    reads_environment: bool,
}

impl Providers {
    /// The real providers whose credentials are in the environment, and the emulator's in place of the others.
    ///
    /// # Errors
    ///
    /// When the emulator cannot listen on a port of this machine.
    pub async fn start() -> Result<Self> {
        Ok(Self { emulator: emulator().await?, reads_environment: true })
    }

    /// The emulator's alone, for tests.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn emulated() -> Result<Self> {
        Ok(Self { emulator: emulator().await?, reads_environment: false })
    }

    /// The emulator.
    #[must_use]
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// GitHub, by `GITHUB_CLIENT_ID` and `GITHUB_CLIENT_SECRET`.
    ///
    /// # Errors
    ///
    /// When one of the two is missing.
    pub async fn github(&self) -> Result<GitHubOAuth2> {
        match self.credentials("GITHUB")? {
            Some((id, secret)) => Ok(GitHubOAuth2::new(id, secret)),
            None => Ok(self
                .emulator
                .connect(GitHubOAuth2::new("github-client-id", "github-client-secret"))
                .await?),
        }
    }

    /// Google, by `GOOGLE_CLIENT_ID` and `GOOGLE_CLIENT_SECRET`.
    ///
    /// # Errors
    ///
    /// When one of the two is missing.
    pub async fn google(&self) -> Result<GoogleOAuth2> {
        match self.credentials("GOOGLE")? {
            Some((id, secret)) => Ok(GoogleOAuth2::new(id, secret)),
            None => Ok(self
                .emulator
                .connect(GoogleOAuth2::new("google-client-id", "google-client-secret"))
                .await?),
        }
    }

    /// An OpenID Connect provider, by `OPENID_CLIENT_ID`, `OPENID_CLIENT_SECRET` and `OPENID_ISSUER`.
    ///
    /// # Errors
    ///
    /// When one of the three is missing or the issuer is not a URL.
    pub async fn openid(&self) -> Result<OpenID> {
        match self.credentials("OPENID")? {
            Some((id, secret)) => Ok(OpenID::lazy(id, secret, variable("OPENID_ISSUER")?)?),
            None => {
                let client =
                    OpenID::lazy("openid-client-id", "openid-client-secret", "https://openid.example")?;
                Ok(self.emulator.connect(client).await?)
            }
        }
    }

    /// The client of a table of settings, as [`Registry::build`] makes it. The emulator is the provider where the client id is that of
    /// its own application, such as `github-client-id`.
    ///
    /// # Errors
    ///
    /// When the settings are wrong, as with [`Registry::build`].
    pub async fn build(&self, name: &str, mut entry: RegistryEntry) -> Result<Arc<dyn Provider>> {
        let provider = entry.provider.as_deref().unwrap_or(name);
        if entry.config.client_id != format!("{provider}-client-id") {
            return Ok(Registry::build(name, &entry).await?);
        }
        entry.config.http_client = Some(Arc::new(self.emulator.http_client()?));
        let mut client = Registry::build(name, &entry).await?;
        let authorize = self.emulator.local(client.oauth2().ready().await?.endpoints().authorization());
        // Nobody else has it yet. A browser is sent to the emulator too.
        if let Some(client) = Arc::get_mut(&mut client) {
            let moved = client.oauth2().clone();
            *client.oauth2_mut() = moved.with_endpoints(|all| all.with(Endpoint::Authorization, authorize));
        }
        Ok(client)
    }

    fn credentials(&self, name: &str) -> Result<Option<(String, String)>> {
        match env::var(format!("{name}_CLIENT_ID")) {
            Ok(id) if self.reads_environment => Ok(Some((id, variable(&format!("{name}_CLIENT_SECRET"))?))),
            _ => Ok(None),
        }
    }
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

async fn emulator() -> Result<Emulator> {
    let emulator = Emulator::builder()
        // As a GitHub App has them.
        .app("github", App::default_of("github").with_refresh_tokens(true))
        .user(User::default())
        .user(
            User::default()
                .with_id("1906120919920101")
                .with_name("Grace Hopper")
                .with_username("grace")
                .with_email(Some("grace@example.com".into())),
        )
        // Google takes no plain http address but localhost.
        .any_redirect_uri()
        .start()
        .await?;
    Ok(emulator)
}
