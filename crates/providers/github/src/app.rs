//! GitHub Apps: tokens of their installations, without a user who signs in
//! ([GitHub's page](https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app)).

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{
    Endpoint, ErrorKind, OAuth2, OAuth2Token, OffsetDateTime, Operation, Provider, Response, Result, Secret,
    http::Method,
    serde_json::{self, Value, json},
};
use oauth_fapi::{JwtAssertion, Signer};
use time::format_description::well_known::Rfc3339;

use crate::{GitHubOAuth2, SPEC};

/// The method [`GitHubApp::get_installation_token`], in errors.
pub const GET_INSTALLATION_TOKEN: Operation = Operation::new("get_installation_token");

/// A GitHub App that acts as itself.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use oauth_fapi::{SigningKey, oauth_openid::Algorithm};
/// use oauth_github::app::{GitHubApp, InstallationTokenRequest};
///
/// # async fn f(pem: &str) -> Result<(), Box<dyn std::error::Error>> {
/// // The private key that the app's settings give out, and the app's client id.
/// let key = SigningKey::from_pem(pem, Algorithm::RS256)?;
/// let app = GitHubApp::new("Iv23liABCDEF", Arc::new(key));
/// let request = InstallationTokenRequest::new().with_repositories(["docs"]).with_permission("contents", "read");
/// let token = app.get_installation_token(4711, &request).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GitHubApp {
    oauth2: OAuth2,
    assertion: JwtAssertion,
}

/// What an installation token is to allow: without further words, all that the installation allows.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct InstallationTokenRequest {
    /// `None` for all that the installation has.
    repositories: Option<Vec<String>>,
    permissions: Vec<(String, String)>,
}

/// GitHub refuses what was issued in the future by its own clock.
const BACKDATED_BY: Duration = Duration::from_secs(60);
/// The longest life that GitHub allows, from now on.
const TEN_MINUTES: Duration = Duration::from_secs(10 * 60);

impl GitHubApp {
    /// The app with this client id (or app id), whose private key is kept by a signer. It signs by RS256.
    #[must_use]
    pub fn new(client_id: &str, signer: Arc<dyn Signer>) -> Self {
        Self::at(&GitHubOAuth2::new(client_id, ""), signer)
    }

    /// The app of a client that signs its users in: at the same Enterprise Server, by the same HTTP client.
    #[must_use]
    pub fn at(client: &GitHubOAuth2, signer: Arc<dyn Signer>) -> Self {
        let oauth2 = client.oauth2().clone();
        let assertion = JwtAssertion::new(signer, oauth2.client_id(), "")
            .without_audience()
            .without_subject()
            .without_id()
            .with_backdating(BACKDATED_BY)
            // As it begins in the past, it ends nine minutes from now.
            .with_lifetime(TEN_MINUTES)
            .with_longest_lifetime(TEN_MINUTES)
            .with_clock(oauth2.clock().clone());
        Self { oauth2, assertion }
    }

    /// The app's own token, which GitHub's API takes as a bearer token for what concerns the app itself. It lives nine minutes.
    ///
    /// # Errors
    ///
    /// What keeps the signer from signing.
    pub async fn get_app_token(&self) -> Result<Secret> {
        self.assertion.sign("").await.map_err(|error| error.at(SPEC.name))
    }

    /// A token of an installation of the app, which lives an hour. There is no refresh token, so ask anew.
    ///
    /// # Errors
    ///
    /// A configuration error when the request is limited to no repository at all; any other [`Error`](oauth_core::Error).
    pub async fn get_installation_token(
        &self,
        installation_id: u64,
        request: &InstallationTokenRequest,
    ) -> Result<OAuth2Token> {
        let outcome = self.installation_token(installation_id, request).await;
        outcome.map_err(|error| GitHubOAuth2 { oauth2: self.oauth2.clone() }.translate_error(error))
    }

    async fn installation_token(
        &self,
        installation_id: u64,
        request: &InstallationTokenRequest,
    ) -> Result<OAuth2Token> {
        if request.repositories.as_ref().is_some_and(Vec::is_empty) {
            let problem = "the list of repositories is empty; name one, or leave it out for all of them";
            let kind = ErrorKind::Configuration(problem.to_owned());
            return Err(self.oauth2.error(GET_INSTALLATION_TOKEN, kind));
        }
        let profile = self.oauth2.endpoints().get(Endpoint::Profile).unwrap_or_default();
        let Some(api) = profile.strip_suffix("/user") else {
            let problem = "where the API is cannot be told from the profile's endpoint".to_owned();
            return Err(self.oauth2.error(GET_INSTALLATION_TOKEN, ErrorKind::Configuration(problem)));
        };
        let url = format!("{api}/app/installations/{installation_id}/access_tokens");
        let jwt = self.get_app_token().await?;
        let reply = self
            .oauth2
            .request(GET_INSTALLATION_TOKEN, Method::POST, url)
            .json(request.body())
            .bearer(jwt.expose())
            .send()
            .await?;
        read(&reply)
    }
}

impl InstallationTokenRequest {
    /// A request for all that the installation allows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the token to these repositories, by their names without an owner. An empty list is refused when the token is asked for: GitHub
    /// has no token for none.
    pub fn with_repositories<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.repositories = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Limits the token to this permission and others that are named so, such as `contents` with `read`.
    pub fn with_permission(mut self, name: impl Into<String>, access: impl Into<String>) -> Self {
        self.permissions.push((name.into(), access.into()));
        self
    }

    fn body(&self) -> Value {
        let mut body = json!({});
        if let Some(repositories) = &self.repositories {
            body["repositories"] = repositories.clone().into();
        }
        for (name, access) in &self.permissions {
            body["permissions"][name] = access.as_str().into();
        }
        body
    }
}

/// GitHub's reply in the words of the standard.
fn read(reply: &Response) -> Result<OAuth2Token> {
    let mut value = reply.object()?;
    let Some(token) = value["token"].as_str().filter(|token| !token.is_empty()).map(str::to_owned) else {
        return Err(reply.malformed("there is no token"));
    };
    let expires_at = value["expires_at"].as_str().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
    let Some(expires_at) = expires_at else { return Err(reply.malformed("its expires_at is not a date")) };
    if let Some(members) = value.as_object_mut() {
        members.remove("token");
    }
    value["access_token"] = token.into();
    value["token_type"] = "Bearer".into();
    value["expires_at"] = expires_at.unix_timestamp().into();
    serde_json::from_value(value).map_err(|_| reply.malformed("it is not a token"))
}

impl fmt::Debug for GitHubApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubApp").field("client_id", &self.oauth2.client_id()).finish_non_exhaustive()
    }
}
