//! Server apps: tokens of an enterprise's service account or of its users, without a login
//! ([Box's page](https://developer.box.com/guides/authentication/jwt/)).

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{
    Error, OAuth2Token, Provider, Result,
    serde_json::{self, Value},
};
use oauth_fapi::{JwtAssertion, JwtBearerGrant, Signer, SigningKey, oauth_openid::Algorithm};

use crate::{BoxOAuth2, SPEC};

/// An app with "Server Authentication (with JWT)".
///
/// ```no_run
/// use oauth_box::server::BoxServer;
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// // The file that the console gives out when it makes a key pair.
/// let config = std::fs::read_to_string("config.json")?;
/// let server = BoxServer::from_config(&config)?;
/// let token = server.get_enterprise_token().await?;
/// let of_a_user = server.get_user_token("17").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BoxServer {
    client: BoxOAuth2,
    enterprise_id: String,
    signer: Arc<dyn Signer>,
}

/// The audience, also where the token endpoint was moved to a proxy.
const AUDIENCE: &str = "https://api.box.com/oauth2/token";
/// Box allows a minute at most, by its own clock, which may be behind.
const LIFETIME: Duration = Duration::from_secs(45);

impl BoxServer {
    /// The app of a configuration file, as the console gives it out: its text. The key in it is encrypted, by a passphrase beside it.
    ///
    /// # Errors
    ///
    /// A configuration error when it is no such file, or its key cannot be used.
    pub fn from_config(json: &str) -> Result<Self> {
        let wrong =
            |problem: String| Error::configuration(SPEC.name, format!("the configuration file: {problem}"));
        // What serde says of the shape could quote the key.
        let file: Value = serde_json::from_str(json).map_err(|_| wrong("it is not JSON".to_owned()))?;
        let text = |pointer: &str| {
            let text = file.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.ok_or_else(|| wrong(format!("it has no text at {pointer}")))
        };
        let pem = text("/boxAppSettings/appAuth/privateKey")?;
        // By its words: keys that the application encrypts itself need not be.
        let key = match file.pointer("/boxAppSettings/appAuth/passphrase").and_then(Value::as_str) {
            Some(passphrase) if !passphrase.is_empty() => {
                SigningKey::from_encrypted_pem(pem, passphrase, Algorithm::RS256)
            }
            _ => SigningKey::from_pem(pem, Algorithm::RS256),
        };
        let key = key.map_err(|error| wrong(error.to_string()))?;
        let key = key.with_key_id(text("/boxAppSettings/appAuth/publicKeyID")?);
        let client = BoxOAuth2::new(text("/boxAppSettings/clientID")?, text("/boxAppSettings/clientSecret")?);
        Ok(Self::new(client, text("/enterpriseID")?, Arc::new(key)))
    }

    /// The app of this client, for an enterprise, whose key is kept by a signer: by RS256, RS384 or RS512, with the id of the public key
    /// as its `kid`.
    #[must_use]
    pub fn new(client: BoxOAuth2, enterprise_id: impl Into<String>, signer: Arc<dyn Signer>) -> Self {
        Self { client, enterprise_id: enterprise_id.into(), signer }
    }

    /// Changes the client by which tokens are asked for: its HTTP client, its endpoints.
    #[must_use]
    pub fn with_client(mut self, change: impl FnOnce(BoxOAuth2) -> BoxOAuth2) -> Self {
        self.client = change(self.client);
        self
    }

    /// The client by which tokens are asked for.
    #[must_use]
    pub fn client(&self) -> &BoxOAuth2 {
        &self.client
    }

    /// A token of the service account. It lives an hour; there is no refresh token, so ask anew.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn get_enterprise_token(&self) -> Result<OAuth2Token> {
        self.get_token("enterprise", &self.enterprise_id).await
    }

    /// A token of a user of the enterprise, or of an app user, by the user's id.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn get_user_token(&self, user_id: &str) -> Result<OAuth2Token> {
        self.get_token("user", user_id).await
    }

    async fn get_token(&self, kind: &str, subject: &str) -> Result<OAuth2Token> {
        let client = self.client.oauth2();
        if subject.is_empty() {
            return Err(Error::configuration(SPEC.name, format!("the id of the {kind} is empty")));
        }
        let assertion = JwtAssertion::new(self.signer.clone(), client.client_id(), AUDIENCE)
            .with_claim("box_sub_type", kind)
            .with_lifetime(LIFETIME)
            .with_longest_lifetime(LIFETIME)
            .with_clock(client.clock().clone())
            .sign(subject)
            .await
            .map_err(|error| error.at(SPEC.name))?;
        JwtBearerGrant::new(assertion).send(&self.client).await
    }
}

impl fmt::Debug for BoxServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxServer")
            .field("client", &self.client)
            .field("enterprise_id", &self.enterprise_id)
            .finish_non_exhaustive()
    }
}
