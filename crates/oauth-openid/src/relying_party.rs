//! What OpenID Connect adds to a client beyond its logins.

use std::{fmt, sync::Arc};

use oauth_core::{ErrorKind, JwtUse, OAuth2, Operation, Provider, Result, async_trait};
use serde::{Deserialize, Serialize};

use crate::{
    cached::KeptDocument,
    expectations::Expectations,
    id_token::IdToken,
    logout::{LogoutRequest, LogoutToken, StartedLogout, VERIFY_LOGOUT_TOKEN},
    metadata::ProviderMetadata,
    openid_connect::{MetadataSource, OpenIDConnect},
    policy::VerificationPolicy,
    verify::{Context, VERIFY_ID_TOKEN},
};

/// A client as the relying party of an OpenID Connect provider: verification of tokens that came from elsewhere, logout, metadata
/// and keys.
///
/// [`OpenIDConnect::of`] finds it in any client, chosen at run time or not:
///
/// ```no_run
/// use oauth_openid::{Expectations, OpenIDConnect, oauth_core::Provider};
///
/// # async fn f(provider: &dyn Provider, id_token: &str, nonce: &str) -> Result<(), oauth_openid::oauth_core::Error> {
/// if let Some(openid) = OpenIDConnect::of(provider) {
///     let id_token = openid.verify_id_token(id_token, &Expectations::new().nonce(nonce)).await?;
///     println!("{} signed in", id_token.subject());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct RelyingParty<'p> {
    provider: &'p dyn Provider,
    protocol: &'p OpenIDConnect,
}

impl OpenIDConnect {
    /// What OpenID Connect adds to a client; `None` for a client of a provider that does not speak it, such as GitHub's.
    #[must_use]
    pub fn of(provider: &dyn Provider) -> Option<RelyingParty<'_>> {
        let protocol = provider.oauth2().participant()?;
        Some(RelyingParty { provider, protocol })
    }
}

impl RelyingParty<'_> {
    /// Verifies an ID token that this client did not obtain by a login, such as one that a mobile application obtained itself. It
    /// takes no client secret.
    ///
    /// Whoever sends the token may have it from anywhere, so a nonce is required unless [`Expectations::without_nonce`] waives it,
    /// and tokens that show by their type, their `token_use` or their scopes that they are access tokens are refused.
    ///
    /// ```no_run
    /// use oauth_openid::{Expectations, OpenID, OpenIDProvider, oauth_core::ClientSecret};
    ///
    /// # async fn f(id_token: &str, nonce: &str) -> Result<(), oauth_core::Error> {
    /// let google = OpenID::lazy("WEB_CLIENT_ID", ClientSecret::NONE, "https://accounts.google.com")?;
    /// // On Android, Google's kit names the server's own id as the audience, and the application as the authorized party.
    /// let ids = ["WEB_CLIENT_ID", "IOS_CLIENT_ID", "ANDROID_CLIENT_ID"];
    /// let expected = Expectations::new().client_ids(ids).nonce(nonce);
    /// let id_token = google.verify_id_token(id_token, &expected).await?;
    /// println!("{} signed in", id_token.subject());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A configuration error when a nonce is neither expected nor waived; an [`ErrorKind::Jwt`] that says which check failed; or any
    /// error of reading metadata and keys.
    pub async fn verify_id_token(&self, id_token: &str, expected: &Expectations) -> Result<IdToken> {
        let operation = VERIFY_ID_TOKEN;
        // Before anything is sent: what is missing is missing for every token.
        expected.check_complete().map_err(|problem| {
            self.client().error(operation, ErrorKind::Configuration(problem.to_owned()))
        })?;
        let client = self.ready().await?;
        let verified =
            self.protocol_of(&client).verify_id_token(&client, operation, id_token, expected).await?;
        let context = Context::of_id_tokens(&client, operation);
        expected.check_kind(&verified.claims).map_err(|refusal| context.refuse(refusal))?;
        Ok(verified.completed(|identity| self.provider.complete_identity(identity)))
    }

    /// Verifies a logout token that the provider posted (OpenID Connect Back-Channel Logout section 2.6). Whether it was used
    /// before is for [`LogoutToken::use_once`] to tell.
    ///
    /// # Errors
    ///
    /// An [`ErrorKind::Jwt`] that says which check failed, or any error of reading metadata and keys.
    pub async fn verify_logout_token(&self, logout_token: &str) -> Result<LogoutToken> {
        let client = self.ready().await?;
        let protocol = self.protocol_of(&client);
        let context = Context::new(&client, VERIFY_LOGOUT_TOKEN, JwtUse::LogoutToken);
        let verified = protocol.verify(&context, logout_token, protocol.policy.encryption.id_token).await?;
        let token = LogoutToken::check(verified.claims, client.client_id(), &protocol.policy);
        let token = token.map_err(|refusal| context.refuse(refusal))?;
        Ok(token.known_to(&client, protocol))
    }

    /// Begins a logout at the provider too (OpenID Connect RP-Initiated Logout 1.0): the URL to send the browser to. End the
    /// application's own session first, because the provider may be down.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider has no such endpoint; a configuration error when the request cannot be
    /// made.
    pub async fn start_logout(&self, request: LogoutRequest) -> Result<StartedLogout> {
        request.started(&self.ready().await?).await
    }

    /// The provider's metadata; `None` for a provider whose endpoints are fixed.
    ///
    /// # Errors
    ///
    /// Any error of reading it.
    pub async fn metadata(&self) -> Result<Option<Arc<ProviderMetadata>>> {
        self.protocol.metadata(self.client()).await
    }

    /// Reads metadata and keys, if they have not been read yet, so that the first login need not wait for them.
    ///
    /// # Errors
    ///
    /// Any error of reading them.
    pub async fn warm_up(&self) -> Result<()> {
        let client = self.ready().await?;
        let protocol = self.protocol_of(&client);
        protocol.keys.read(&client, &protocol.policy).await
    }

    /// The metadata and keys that were read so far, for [`import_cache`](Self::import_cache) in another process.
    #[must_use]
    pub fn export_cache(&self) -> CacheExport {
        let (client, policy) = (self.client(), &self.protocol.policy);
        let metadata = match &self.protocol.source {
            MetadataSource::Discovered(discovered) => discovered.export(client, policy),
            _ => None,
        };
        CacheExport { metadata, keys: self.protocol.keys.export(client, policy) }
    }

    /// Takes the metadata and keys that another process exported, unless they are too old. The export must be trusted as much as
    /// the provider itself.
    ///
    /// # Errors
    ///
    /// A configuration error when the provider's metadata names no keys.
    pub async fn import_cache(&self, export: CacheExport) -> Result<()> {
        let policy = &self.protocol.policy;
        if let (MetadataSource::Discovered(discovered), Some(kept)) = (&self.protocol.source, export.metadata)
        {
            discovered.import(kept, self.client(), policy);
        }
        if export.keys.is_empty() {
            return Ok(());
        }
        self.protocol.keys.import(export.keys, &self.ready().await?, policy)
    }

    fn client(&self) -> &OAuth2 {
        self.provider.oauth2()
    }

    /// The client, with all that it must know before a request.
    pub(crate) async fn ready(&self) -> Result<OAuth2> {
        self.client().ready().await
    }

    /// The protocol of a client that was made ready, which remembers that it was.
    pub(crate) fn protocol_of<'c>(&'c self, ready: &'c OAuth2) -> &'c OpenIDConnect {
        ready.participant().unwrap_or(self.protocol)
    }
}

/// A client of an OpenID Connect provider. [`client!`](crate::client) implements it for the clients that it makes.
///
/// Its methods are those of [`RelyingParty`] for a client whose type is known. Where the provider is chosen at run time, use
/// [`OpenIDConnect::of`].
#[async_trait]
pub trait OpenIDProvider: Provider + Sized {
    /// Verifies an ID token that this client did not obtain by a login. See [`RelyingParty::verify_id_token`].
    ///
    /// # Errors
    ///
    /// As [`RelyingParty::verify_id_token`].
    async fn verify_id_token(&self, id_token: &str, expected: &Expectations) -> Result<IdToken> {
        relying_party(self, VERIFY_ID_TOKEN)?.verify_id_token(id_token, expected).await
    }

    /// Verifies a logout token that the provider posted. See [`RelyingParty::verify_logout_token`].
    ///
    /// # Errors
    ///
    /// As [`RelyingParty::verify_logout_token`].
    async fn verify_logout_token(&self, logout_token: &str) -> Result<LogoutToken> {
        relying_party(self, VERIFY_LOGOUT_TOKEN)?.verify_logout_token(logout_token).await
    }

    /// Begins a logout at the provider too. See [`RelyingParty::start_logout`].
    ///
    /// # Errors
    ///
    /// As [`RelyingParty::start_logout`].
    async fn start_logout(&self, request: LogoutRequest) -> Result<StartedLogout> {
        relying_party(self, crate::logout::START_LOGOUT)?.start_logout(request).await
    }

    /// The provider's metadata. See [`RelyingParty::metadata`].
    ///
    /// # Errors
    ///
    /// As [`RelyingParty::metadata`].
    async fn metadata(&self) -> Result<Option<Arc<ProviderMetadata>>> {
        relying_party(self, Operation::DISCOVER)?.metadata().await
    }

    /// Reads metadata and keys before the first login. See [`RelyingParty::warm_up`].
    ///
    /// # Errors
    ///
    /// As [`RelyingParty::warm_up`].
    async fn warm_up(&self) -> Result<()> {
        relying_party(self, Operation::GET_KEYS)?.warm_up().await
    }

    /// Changes what the client accepts of tokens, and how it keeps metadata and keys.
    ///
    /// ```
    /// use oauth_openid::{Algorithm, OpenID, OpenIDProvider};
    ///
    /// # fn f() -> Result<(), oauth_openid::oauth_core::Error> {
    /// let client = OpenID::lazy("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com")?
    ///     .with_policy(|policy| policy.algorithms([Algorithm::ES256]));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    fn with_policy(self, change: impl FnOnce(VerificationPolicy) -> VerificationPolicy) -> Self {
        let Some(protocol) = self.oauth2().participant::<OpenIDConnect>() else { return self };
        let changed = protocol.with_policy(change(protocol.policy.clone()));
        self.with_clock(changed.policy.clock.clone()).with_participant(changed)
    }
}

fn relying_party<P: Provider>(provider: &P, operation: Operation) -> Result<RelyingParty<'_>> {
    OpenIDConnect::of(provider).ok_or_else(|| {
        let reason =
            "the client was made without OpenID Connect; make it with oauth_openid::client_of or client_at";
        provider.oauth2().unsupported(operation, reason)
    })
}

/// The metadata and keys that a client keeps, for a process that lives shortly: serialize it, and import it into the next one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CacheExport {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    metadata: Option<KeptDocument>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    keys: Vec<KeptDocument>,
}

impl CacheExport {
    /// Whether there is anything in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metadata.is_none() && self.keys.is_empty()
    }
}

impl fmt::Debug for RelyingParty<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty").field("provider", &self.provider.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::{self, json};

    use super::*;

    #[test]
    fn an_export_is_empty_if_neither_metadata_nor_keys_are_in_it() {
        let document = json!({"url": "https://op.example/x", "document": {}, "read_at": 1, "fresh_for": 1});
        for (export, is_empty) in [
            (json!({}), true),
            (json!({ "metadata": document }), false),
            (json!({ "keys": [document] }), false),
            (json!({ "metadata": document, "keys": [document] }), false),
        ] {
            let read: CacheExport = serde_json::from_value(export.clone()).unwrap();
            assert_eq!(read.is_empty(), is_empty, "{export}");
            assert_eq!(
                serde_json::to_value(&read).unwrap().as_object().unwrap().len(),
                export.as_object().unwrap().len()
            );
        }
    }

    #[test]
    fn a_relying_party_shows_its_providers_name() {
        let client = crate::OpenID::lazy("id", "secret", "https://op.example").unwrap();
        let shown = format!("{:?}", OpenIDConnect::of(&client).unwrap());
        assert!(shown.contains("RelyingParty") && !shown.contains("secret"), "{shown}");
    }
}
