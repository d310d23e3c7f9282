//! The client of one authorization server, for one MCP server.

use oauth_core::{CodeVerifier, OAuth2, OAuth2Token, Provider, Result, accessors, async_trait};

/// The client of one authorization server, for one MCP server: the generic client, with `resource` in each request (RFC 8707).
///
/// An [`Authorizer`](crate::Authorizer) makes it. It is a [`Provider`], so everything that takes one takes it.
#[derive(Clone, Debug)]
pub struct McpClient {
    oauth2: OAuth2,
    resource: Option<String>,
}

impl McpClient {
    pub(crate) fn new(oauth2: OAuth2, resource: Option<String>) -> Self {
        let oauth2 = match &resource {
            Some(resource) => oauth2.with_authorize_param("resource", resource.clone()),
            None => oauth2,
        };
        Self { oauth2, resource }
    }

    /// The resource that its requests name; `None` where that is switched off.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    fn with_resource<'a>(&'a self, extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let is_there = extra.iter().any(|(name, _)| *name == "resource");
        let own = self.resource().filter(|_| !is_there).map(|resource| ("resource", resource));
        own.into_iter().chain(extra.iter().copied()).collect()
    }
}

#[async_trait]
impl Provider for McpClient {
    accessors!();

    async fn get_access_token(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let extra = self.with_resource(extra);
        self.oauth2.get_access_token(code, redirect_uri, code_verifier, &extra).await
    }

    async fn refresh_token_with(
        &self,
        refresh_token: &str,
        scopes: Option<&[&str]>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let extra = self.with_resource(extra);
        self.oauth2.refresh_token_with(refresh_token, scopes, &extra).await
    }
}
