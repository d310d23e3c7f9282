//! Grants without a browser: client credentials, an organization's identity provider, workload identity (MCP's extensions).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use oauth_core::{
    Error as OAuthError, ErrorKind, OAuth2, OffsetDateTime, Operation, Response, Secret, async_trait,
    http::Method,
};
use oauth_tokens::{AssertionSource, TokenKey};

use crate::error::McpError;

/// The exchange of an ID token for an identity assertion, in errors.
pub const EXCHANGE_FOR_ID_JAG: Operation = Operation::new("exchange_for_id_jag");

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// How tokens are obtained.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Grant {
    /// A user signs in by a browser (authorization code).
    #[default]
    AuthorizationCode,
    /// The program is the client and there is no user (`io.modelcontextprotocol/oauth-client-credentials`).
    ClientCredentials,
    /// The organization's identity provider lets the user in (`io.modelcontextprotocol/enterprise-managed-authorization`).
    EnterpriseManaged(Enterprise),
    /// The platform on which the program runs vouches for it by a JWT (`io.modelcontextprotocol/auth/wif`, RFC 7523). The assertion's
    /// audience is the authorization server's issuer.
    WorkloadIdentity(WorkloadIdentity),
}

/// Where a workload's own JWT comes from: the platform's file or metadata service.
#[derive(Clone)]
pub struct WorkloadIdentity(Arc<dyn AssertionSource>);

impl WorkloadIdentity {
    /// Asks this source for each assertion.
    pub fn new(assertions: impl AssertionSource + 'static) -> Self {
        Self(Arc::new(assertions))
    }

    pub(crate) fn source(&self) -> Arc<dyn AssertionSource> {
        self.0.clone()
    }
}

impl fmt::Debug for WorkloadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkloadIdentity(…)")
    }
}

/// What kind of token tells the identity provider who the user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectKind {
    /// An ID token.
    IdToken,
    /// A SAML 2.0 assertion.
    Saml2,
    /// A refresh token of the identity provider.
    RefreshToken,
}

impl SubjectKind {
    fn token_type(self) -> &'static str {
        match self {
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
        }
    }
}

/// Gives the token by which the identity provider knows the user.
#[async_trait]
pub trait SubjectTokens: Send + Sync {
    /// Returns a live one for this account.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from doing so. The text must show no token.
    async fn subject_token(
        &self,
        account: &str,
    ) -> Result<(SubjectKind, Secret), Box<dyn std::error::Error + Send + Sync>>;
}

#[async_trait]
impl<F> SubjectTokens for F
where
    F: Fn(&str) -> Result<(SubjectKind, Secret), Box<dyn std::error::Error + Send + Sync>> + Send + Sync,
{
    async fn subject_token(
        &self,
        account: &str,
    ) -> Result<(SubjectKind, Secret), Box<dyn std::error::Error + Send + Sync>> {
        self(account)
    }
}

/// An organization's identity provider, which decides who gets into which MCP server.
#[derive(Clone)]
pub struct Enterprise {
    idp: OAuth2,
    subjects: Arc<dyn SubjectTokens>,
    /// What the identity provider said last to those accounts that it refused.
    refusals: Arc<Mutex<HashMap<String, OAuthError>>>,
}

impl Enterprise {
    /// The identity provider's client, which is another one than that of the MCP server's authorization server, and where its users' tokens
    /// come from.
    #[must_use]
    pub fn new(idp: OAuth2, subjects: impl SubjectTokens + 'static) -> Self {
        Self { idp, subjects: Arc::new(subjects), refusals: Arc::default() }
    }

    /// Exchanges the user's token for an assertion that lets the user into one MCP server (RFC 8693, ID-JAG).
    ///
    /// # Errors
    ///
    /// [`McpError::RefusedByPolicy`] when the identity provider refuses; any other one of the request; a malformed reply when what it issued
    /// is something else.
    pub async fn identity_assertion(
        &self,
        account: &str,
        issuer: &str,
        resource: &str,
        scopes: &[String],
    ) -> Result<IdentityAssertion, McpError> {
        let client = self.idp.ready().await?;
        let (kind, subject_token) = self.subjects.subject_token(account).await.map_err(|cause| {
            let problem = format!("could not obtain the user's token of the identity provider: {cause}");
            client.error(EXCHANGE_FOR_ID_JAG, ErrorKind::Configuration(problem))
        })?;
        let scope = scopes.join(client.scope_separator());
        let form = [
            ("grant_type", TOKEN_EXCHANGE),
            ("requested_token_type", ID_JAG),
            ("audience", issuer),
            ("resource", resource),
            ("scope", &*scope),
            ("subject_token", subject_token.expose()),
            ("subject_token_type", kind.token_type()),
        ];
        let request = client.request(EXCHANGE_FOR_ID_JAG, Method::POST, client.endpoints().token());
        let request =
            request.endpoint(oauth_core::Endpoint::Token).client_auth(client.client_auth()).form(form);
        let reply = request.hide(subject_token.expose()).send().await.map_err(policy)?;
        Ok(IdentityAssertion::read(&reply)?)
    }

    /// Why the identity provider did not let an account in, if it did not.
    pub(crate) fn refusal(&self, account: &str) -> Option<OAuthError> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    fn note(&self, account: &str, outcome: &Result<IdentityAssertion, McpError>) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Err(McpError::RefusedByPolicy(error)) => drop(refusals.insert(account.to_owned(), error.clone())),
            _ => drop(refusals.remove(account)),
        }
    }

    pub(crate) fn assertions(&self, issuer: &str, resource: &str, scopes: &[String]) -> EnterpriseAssertions {
        EnterpriseAssertions {
            enterprise: self.clone(),
            issuer: issuer.to_owned(),
            resource: resource.to_owned(),
            scopes: scopes.to_vec(),
            kept: Mutex::default(),
        }
    }
}

impl fmt::Debug for Enterprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enterprise").field("idp", &self.idp).finish_non_exhaustive()
    }
}

/// A refusal is the organization's policy, and no reason to try another way.
fn policy(error: OAuthError) -> McpError {
    const REFUSALS: [&str; 3] = ["invalid_grant", "access_denied", "unauthorized_client"];
    match error.oauth_error().is_some_and(|refusal| REFUSALS.contains(&&*refusal.code)) {
        true => McpError::RefusedByPolicy(error),
        false => McpError::OAuth(error),
    }
}

/// An identity assertion (ID-JAG): good to be redeemed at one authorization server, and not an access token. Nothing here sends it as one.
#[derive(Clone)]
pub struct IdentityAssertion {
    value: Secret,
    expires_in: Option<u64>,
}

impl IdentityAssertion {
    /// Reads the reply of a token exchange: what was issued must be what was asked for.
    fn read(reply: &Response) -> Result<Self, OAuthError> {
        let object = reply.object()?;
        let text = |name: &str| object[name].as_str().filter(|text| !text.is_empty());
        match text("issued_token_type") {
            Some(ID_JAG) => {}
            Some(_) => {
                return Err(
                    reply.malformed("issued_token_type is not that of an ID-JAG, which was asked for")
                );
            }
            None => return Err(reply.malformed("it has no issued_token_type")),
        }
        if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("N_A")) {
            return Err(reply.malformed("token_type must be N_A, because an ID-JAG is not an access token"));
        }
        let value = text("access_token").ok_or_else(|| reply.malformed("it has no access_token"))?;
        let expires_in = object["expires_in"].as_u64();
        Ok(Self { value: value.into(), expires_in })
    }

    /// The assertion itself, to be redeemed by the JWT bearer grant.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.value.expose()
    }

    /// For how many seconds it is good, if the identity provider said so.
    #[must_use]
    pub fn expires_in(&self) -> Option<u64> {
        self.expires_in
    }
}

impl fmt::Debug for IdentityAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityAssertion").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Makes assertions for one MCP server, and keeps one while it lives.
pub(crate) struct EnterpriseAssertions {
    enterprise: Enterprise,
    issuer: String,
    resource: String,
    scopes: Vec<String>,
    kept: Mutex<Option<(String, OffsetDateTime, IdentityAssertion)>>,
}

#[async_trait]
impl AssertionSource for EnterpriseAssertions {
    async fn assertion(&self, key: &TokenKey) -> Result<Secret, oauth_core::SecretSourceError> {
        let now = OffsetDateTime::now_utc();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((account, until, assertion)) = kept
            && account == key.subject()
            && now < until
        {
            return Ok(assertion.value);
        }
        let outcome = self
            .enterprise
            .identity_assertion(key.subject(), &self.issuer, &self.resource, &self.scopes)
            .await;
        self.enterprise.note(key.subject(), &outcome);
        let assertion = outcome?;
        // Half of its life, so that it does not expire on the way; without one, it is used once.
        if let Some(seconds) = assertion.expires_in.map(|seconds| seconds.min(3600) / 2) {
            let until = now + std::time::Duration::from_secs(seconds);
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((key.subject().to_owned(), until, assertion.clone()));
        }
        Ok(assertion.value)
    }
}
