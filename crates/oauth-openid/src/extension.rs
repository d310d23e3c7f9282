use std::sync::Arc;

use oauth_core::{ErrorKind, JwtUse, OAuth2, Operation, Provider, Result, async_trait};
use serde::{Deserialize, Serialize};

use crate::{
    cached::Kept,
    id_token::{Expectations, IdToken},
    logout::{LogoutRequest, LogoutToken, StartedLogout},
    metadata::ProviderMetadata,
    policy::VerificationPolicy,
    protocol::{OpenIDConnect, Source},
    verify,
};

/// The method [`OpenIDProvider::verify_id_token`], in errors.
pub const VERIFY_ID_TOKEN: Operation = Operation::new("verify_id_token");
/// The method [`OpenIDProvider::verify_logout_token`], in errors.
pub const VERIFY_LOGOUT_TOKEN: Operation = Operation::new("verify_logout_token");
/// The method [`OpenIDProvider::start_logout`], in errors.
pub const START_LOGOUT: Operation = Operation::new("start_logout");

/// What OpenID Connect adds to a [`Provider`]. Every provider has it; one that does not speak the protocol answers with an
/// unsupported-operation error.
#[async_trait]
pub trait OpenIDProvider: Provider {
    /// Verifies an ID token that this client did not obtain by a login: one that a mobile application got itself. It takes no
    /// client secret.
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
    async fn verify_id_token(&self, id_token: &str, expected: &Expectations) -> Result<IdToken> {
        let id_token = verify_id_token(self.oauth2(), id_token, expected).await?;
        Ok(id_token.completed(|identity| self.complete_identity(identity)))
    }

    /// Verifies a logout token that the provider posted (OpenID Connect Back-Channel Logout section 2.6). Whether it was used
    /// before is for [`LogoutToken::use_once`] to tell.
    ///
    /// # Errors
    ///
    /// An [`ErrorKind::Jwt`] that says which check failed, or any error of reading metadata and keys.
    async fn verify_logout_token(&self, logout_token: &str) -> Result<LogoutToken> {
        verify_logout_token(self.oauth2(), logout_token).await
    }

    /// Where to send the browser to sign out at the provider too (OpenID Connect RP-Initiated Logout 1.0). End the application's
    /// own session first: the provider may be down.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider has no such endpoint; a configuration error when the request cannot be
    /// made.
    async fn start_logout(&self, request: LogoutRequest) -> Result<StartedLogout> {
        start_logout(self.oauth2(), request).await
    }

    /// The provider's metadata; `None` for a provider whose endpoints are fixed.
    ///
    /// # Errors
    ///
    /// Any error of reading it.
    async fn metadata(&self) -> Result<Option<Arc<ProviderMetadata>>> {
        metadata(self.oauth2()).await
    }

    /// Reads metadata and keys, if they are not there yet, so that the first login need not wait for them.
    ///
    /// # Errors
    ///
    /// Any error of reading them.
    async fn warm_up(&self) -> Result<()> {
        warm_up(self.oauth2()).await
    }

    /// The metadata and keys that were read so far, for [`import_cache`](Self::import_cache) in another process.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error for a provider that does not speak OpenID Connect.
    fn export_cache(&self) -> Result<CacheExport> {
        export_cache(self.oauth2())
    }

    /// Takes the metadata and keys that another process exported, unless they are too old. What is read from there must be
    /// trusted as the provider itself.
    ///
    /// # Errors
    ///
    /// A configuration error when the provider's metadata names no keys.
    async fn import_cache(&self, export: CacheExport) -> Result<()> {
        import_cache(self.oauth2(), export).await
    }

    /// Changes what the client accepts of tokens, and how it keeps metadata and keys.
    #[must_use]
    fn with_policy(mut self, changed: impl FnOnce(VerificationPolicy) -> VerificationPolicy) -> Self
    where
        Self: Sized,
    {
        if let Some(policy) = policy_of(self.oauth2()) {
            set_policy(self.oauth2_mut(), changed(policy));
        }
        self
    }
}

async fn verify_id_token(client: &OAuth2, id_token: &str, expected: &Expectations) -> Result<IdToken> {
    // Before anything is sent: what is missing is missing for every token.
    protocol_of(client, VERIFY_ID_TOKEN)?;
    expected
        .check_complete()
        .map_err(|problem| client.error(VERIFY_ID_TOKEN, ErrorKind::Configuration(problem.to_owned())))?;
    let client = ready(client, VERIFY_ID_TOKEN).await?;
    let protocol = protocol_of(&client, VERIFY_ID_TOKEN)?;
    let verified = protocol.verify_id_token(&client, VERIFY_ID_TOKEN, id_token, expected).await?;
    let context = verify::Context { client: &client, operation: VERIFY_ID_TOKEN, token: JwtUse::IdToken };
    expected.check_kind(&verified.claims).map_err(|refusal| context.refuse(refusal))?;
    Ok(verified)
}

async fn verify_logout_token(client: &OAuth2, logout_token: &str) -> Result<LogoutToken> {
    let client = ready(client, VERIFY_LOGOUT_TOKEN).await?;
    let protocol = protocol_of(&client, VERIFY_LOGOUT_TOKEN)?;
    let context =
        verify::Context { client: &client, operation: VERIFY_LOGOUT_TOKEN, token: JwtUse::LogoutToken };
    let verified = protocol.verify(&context, logout_token, protocol.policy.encryption.id_token).await?;
    LogoutToken::check(verified.claims, client.client_id(), &protocol.policy)
        .map_err(|refusal| context.refuse(refusal))
}

async fn start_logout(client: &OAuth2, request: LogoutRequest) -> Result<StartedLogout> {
    request.started(&ready(client, START_LOGOUT).await?)
}

async fn metadata(client: &OAuth2) -> Result<Option<Arc<ProviderMetadata>>> {
    protocol_of(client, Operation::DISCOVER)?.metadata(client).await
}

async fn warm_up(client: &OAuth2) -> Result<()> {
    let client = ready(client, Operation::GET_KEYS).await?;
    let protocol = protocol_of(&client, Operation::GET_KEYS)?;
    protocol.keys.read(&client, &protocol.policy).await
}

fn export_cache(client: &OAuth2) -> Result<CacheExport> {
    let protocol = protocol_of(client, Operation::DISCOVER)?;
    let metadata = match &protocol.source {
        Source::Discovered(discovered) => discovered.export(client, &protocol.policy),
        _ => None,
    };
    Ok(CacheExport { metadata, keys: protocol.keys.export(client, &protocol.policy) })
}

async fn import_cache(client: &OAuth2, export: CacheExport) -> Result<()> {
    let protocol = protocol_of(client, Operation::DISCOVER)?;
    if let (Source::Discovered(discovered), Some(kept)) = (&protocol.source, export.metadata) {
        discovered.import(kept, client, &protocol.policy);
    }
    if export.keys.is_empty() {
        return Ok(());
    }
    let client = ready(client, Operation::DISCOVER).await?;
    protocol.keys.import(export.keys, &client, &protocol.policy)
}

fn policy_of(client: &OAuth2) -> Option<VerificationPolicy> {
    client.participant::<OpenIDConnect>().map(|protocol| protocol.policy.clone())
}

fn set_policy(client: &mut OAuth2, policy: VerificationPolicy) {
    if let Some(protocol) = client.participant::<OpenIDConnect>() {
        let clock = policy.clock.clone();
        let protocol = protocol.with_policy(policy);
        client.set_clock(clock);
        client.add_participant(protocol);
    }
}

impl<P: Provider + ?Sized> OpenIDProvider for P {}

/// The metadata and keys that a client keeps, for a process that lives shortly: serialize it, and import it into the next one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CacheExport {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    metadata: Option<Kept>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    keys: Vec<Kept>,
}

impl CacheExport {
    /// Whether there is anything in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metadata.is_none() && self.keys.is_empty()
    }
}

/// The client, with all that it must know.
async fn ready(client: &OAuth2, operation: Operation) -> Result<OAuth2> {
    match protocol_of(client, operation)?.is_ready(client) {
        // What a verification with warm keys finds; it saves the way there.
        true => Ok(client.clone()),
        false => client.ready().await,
    }
}

fn protocol_of(client: &OAuth2, operation: Operation) -> Result<&OpenIDConnect> {
    client.participant().ok_or_else(|| {
        let reason = "it does not speak OpenID Connect".to_owned();
        client.error(operation, ErrorKind::Unsupported(reason))
    })
}
