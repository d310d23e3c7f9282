//! Where the tokens of MCP servers come from when they have to be renewed.

use std::{sync::Arc, time::Duration};

use oauth_core::{Provider, Secret, async_trait};
use oauth_tokens::{
    ClientCredentials, JwtBearer, ProviderSource, SourceLookup, SourceLookupError, TokenKey, TokenManager,
    TokenManagerBuilder, TokenSealer, TokenSource, TokenStore,
};
use serde::{Deserialize, Serialize};

use crate::{
    authorizer::Authorizer, client::McpClient, error::McpError, grant::Grant, server_url::ServerUrl,
};

/// Which client is used at a server, and what it was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientBinding {
    pub(crate) resource: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    #[serde(default)]
    pub(crate) is_legacy: bool,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
}

impl Authorizer {
    /// Sets up a manager that refreshes the tokens of MCP servers, to be shared by all [`Access`](crate::Access)es.
    ///
    /// It can have further sources of tokens; those of MCP servers are looked up. A token is refreshed a minute before it expires, and
    /// short-lived ones of use for most of their life.
    pub fn token_manager(
        &self,
        store: impl TokenStore + 'static,
        sealer: impl TokenSealer + 'static,
    ) -> TokenManagerBuilder {
        TokenManager::builder(store, sealer)
            .lookup(McpSources(self.clone()))
            .refresh_ahead(Duration::from_secs(60))
    }
}

pub(crate) fn binding_key(server: &str, account: &str) -> String {
    format!("binding\n{server}\n{account}")
}

/// What is known of a server that a client was bound to.
pub(crate) struct BoundServer<'a> {
    resource: &'a str,
    issuer: &'a str,
    client_id: &'a str,
    is_legacy: bool,
}

impl ClientBinding {
    pub(crate) fn target(&self) -> BoundServer<'_> {
        BoundServer {
            resource: &self.resource,
            issuer: &self.issuer,
            client_id: &self.client_id,
            is_legacy: self.is_legacy,
        }
    }
}

impl Authorizer {
    pub(crate) async fn binding(&self, key: &str) -> Result<Option<ClientBinding>, McpError> {
        let Some(text) = self.load(key).await? else { return Ok(None) };
        Ok(serde_json::from_str(text.expose()).ok())
    }

    pub(crate) async fn client_of(
        &self,
        server: &ServerUrl,
        bound: &BoundServer<'_>,
    ) -> Result<McpClient, McpError> {
        let target = self.target_again(server, bound.resource, bound.issuer, bound.is_legacy, None).await?;
        let client = self.known(target.issuer(), bound.client_id).await?;
        self.mcp_client(&target, &client)
    }
}

/// Finds the client that refreshes a key's tokens.
struct McpSources(Authorizer);

#[async_trait]
impl SourceLookup for McpSources {
    async fn source(&self, key: &TokenKey) -> Result<Option<Arc<dyn TokenSource>>, SourceLookupError> {
        // It was checked when the token was asked for.
        let Ok(server) = ServerUrl::dangerously_over_plain_http(key.tenant()) else { return Ok(None) };
        let server = if key.tenant().contains('?') { server.with_query() } else { server };
        let found = self.0.binding(&binding_key(key.tenant(), key.subject())).await?;
        let binding = match found {
            Some(found) if found.issuer == key.provider() => found,
            // A token of an earlier time, which can still be revoked.
            _ => ClientBinding {
                resource: key.tenant().to_owned(),
                issuer: key.provider().to_owned(),
                client_id: key.label().to_owned(),
                is_legacy: false,
                scopes: Vec::new(),
            },
        };
        let bound = BoundServer { client_id: key.label(), ..binding.target() };
        let client = self.0.client_of(&server, &bound).await?;
        let resource = client.resource().map(str::to_owned);
        let scopes = binding.scopes.clone();
        let oauth2 = client.oauth2().clone();
        Ok(Some(match self.0.grant() {
            Grant::AuthorizationCode => Arc::new(ProviderSource::new(Arc::new(client))),
            Grant::ClientCredentials => {
                let source = ClientCredentials::new(oauth2).with_scopes(scopes);
                match resource {
                    Some(resource) => Arc::new(source.with_parameter("resource", resource)),
                    None => Arc::new(source),
                }
            }
            Grant::EnterpriseManaged(enterprise) => {
                let assertions = enterprise.assertions(&binding.issuer, &binding.resource, &scopes);
                jwt_bearer(JwtBearer::new(oauth2, assertions), scopes, resource)
            }
            Grant::WorkloadIdentity(identity) => {
                jwt_bearer(JwtBearer::new(oauth2, SharedSource(identity.source())), scopes, resource)
            }
        }))
    }

    fn cache_key(&self, key: &TokenKey) -> String {
        // Each account may have been given other scopes.
        format!("{}\n{}\n{}\n{}", key.provider(), key.tenant(), key.label(), key.subject())
    }
}

fn jwt_bearer(source: JwtBearer, scopes: Vec<String>, resource: Option<String>) -> Arc<dyn TokenSource> {
    let source = source.with_scopes(scopes);
    match resource {
        Some(resource) => Arc::new(source.with_parameter("resource", resource)),
        None => Arc::new(source),
    }
}

/// An assertion source that several clients ask.
struct SharedSource(Arc<dyn oauth_tokens::AssertionSource>);

#[async_trait]
impl oauth_tokens::AssertionSource for SharedSource {
    async fn assertion(&self, key: &TokenKey) -> Result<Secret, oauth_core::SecretSourceError> {
        self.0.assertion(key).await
    }
}
