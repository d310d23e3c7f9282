//! Service accounts: tokens for programs, without a user who signs in
//! ([Google's page](https://developers.google.com/identity/protocols/oauth2/service-account)).

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{
    Credentials, Error, OAuth2, OAuth2Token, Result, Secret,
    serde_json::{self, Value},
};
use oauth_fapi::{JwtAssertion, JwtBearerGrant, NoClientAuthentication, Signer, SigningKey};
use oauth_openid::Algorithm;

use crate::SPEC;

/// A service account of a Google Cloud project.
///
/// ```no_run
/// use oauth_google::service_account::ServiceAccount;
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let key_file = std::fs::read_to_string("key.json")?;
/// let robot = ServiceAccount::from_key_file(&key_file)?
///     .with_scopes(["https://www.googleapis.com/auth/devstorage.read_only"]);
/// let token = robot.get_token().await?;
/// // On behalf of a user, if an administrator of the domain has allowed it (domain-wide delegation).
/// let calendar = robot.with_scopes(["https://www.googleapis.com/auth/calendar.readonly"]);
/// let of_jane = calendar.get_token_as("jane@example.com").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServiceAccount {
    oauth2: OAuth2,
    assertion: JwtAssertion,
    scopes: Vec<String>,
}

/// The audience, also where the token endpoint was moved to a proxy.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
/// The longest life that Google allows.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

impl ServiceAccount {
    /// The service account of a key file, as the console gives it out: its text.
    ///
    /// Only the account's address, the key and the key's id are read. Where requests go is not for a file to say.
    ///
    /// # Errors
    ///
    /// A configuration error when it is not a key file of a service account, or its key cannot be used.
    pub fn from_key_file(json: &str) -> Result<Self> {
        let wrong = |problem: String| Error::configuration(SPEC.name, format!("the key file: {problem}"));
        // What serde says of the shape could quote the key.
        let file: Value = serde_json::from_str(json).map_err(|_| wrong("it is not JSON".to_owned()))?;
        if file["type"] != "service_account" {
            return Err(wrong(
                "its type is not service_account; it is of another kind of credentials".to_owned(),
            ));
        }
        let text = |name: &str| {
            let text = file[name].as_str().filter(|text| !text.is_empty());
            text.ok_or_else(|| wrong(format!("it has no {name}")))
        };
        let key = SigningKey::from_pem(text("private_key")?, Algorithm::RS256);
        let key = key.map_err(|error| wrong(error.to_string()))?.with_key_id(text("private_key_id")?);
        Ok(Self::new(text("client_email")?, Arc::new(key)))
    }

    /// The service account of this address, whose key is kept by a signer, such as a KMS. It signs by RS256.
    #[must_use]
    pub fn new(client_email: &str, signer: Arc<dyn Signer>) -> Self {
        let credentials = Credentials::authentication(NoClientAuthentication);
        let assertion = JwtAssertion::new(signer, client_email, AUDIENCE)
            .with_lifetime(AN_HOUR)
            .with_longest_lifetime(AN_HOUR)
            .without_subject();
        Self { oauth2: OAuth2::from_spec(&SPEC, client_email, credentials), assertion, scopes: Vec::new() }
    }

    /// Asks for these scopes.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Changes the client by which tokens are asked for: its HTTP client, its endpoints.
    #[must_use]
    pub fn with_client(mut self, change: impl FnOnce(OAuth2) -> OAuth2) -> Self {
        self.oauth2 = change(self.oauth2);
        self
    }

    /// The client by which tokens are asked for.
    #[must_use]
    pub fn oauth2(&self) -> &OAuth2 {
        &self.oauth2
    }

    /// A token of the service account's own. It lives an hour; there is no refresh token, so ask anew.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; `invalid_grant` when the key was deleted or the clock is wrong.
    pub async fn get_token(&self) -> Result<OAuth2Token> {
        self.token_of("").await
    }

    /// A token on behalf of a user, whose domain has delegated these scopes to the service account.
    ///
    /// # Errors
    ///
    /// As [`get_token`](Self::get_token), and a configuration error when no user is named; `unauthorized_client` when the domain has not
    /// delegated the scopes.
    pub async fn get_token_as(&self, user: &str) -> Result<OAuth2Token> {
        // Without a user, the token would be the service account's own.
        if user.is_empty() {
            return Err(Error::configuration(SPEC.name, "the user to act for is empty; see get_token"));
        }
        self.token_of(user).await
    }

    async fn token_of(&self, user: &str) -> Result<OAuth2Token> {
        let assertion = self.assertion(user).await?;
        JwtBearerGrant::new(assertion).send(&self.oauth2).await
    }

    /// The assertion, for a program that sends it itself: on behalf of a user, or without one if the text is empty.
    ///
    /// # Errors
    ///
    /// A configuration error without scopes, or what keeps the signer from signing.
    pub async fn assertion(&self, user: &str) -> Result<Secret> {
        if self.scopes.is_empty() {
            let problem = "a service account's token needs a scope; name it with with_scopes";
            return Err(Error::configuration(SPEC.name, problem));
        }
        let assertion = self.assertion.clone().with_clock(self.oauth2.clock().clone());
        let signed = assertion.with_claim("scope", self.scopes.join(" ")).sign(user).await;
        signed.map_err(|error| error.at(SPEC.name))
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("client_email", &self.oauth2.client_id())
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
