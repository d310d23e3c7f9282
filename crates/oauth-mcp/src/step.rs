//! What discovery finds, and the steps of a sign-in.

use std::{fmt, sync::Arc};

use oauth_core::{LoginAttempt, OAuth2Token};
use serde::{Deserialize, Serialize};

use crate::{
    client::McpClient,
    error::McpError,
    metadata::{ResourceMetadata, ServerMetadata},
    server_url::ServerUrl,
};

/// What discovery found: which authorization server lets clients into an MCP server, and what to ask it for.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) server: ServerUrl,
    pub(crate) resource: String,
    pub(crate) resource_metadata: Option<ResourceMetadata>,
    pub(crate) metadata: Arc<ServerMetadata>,
    pub(crate) challenged_scopes: Option<Vec<String>>,
    pub(crate) is_legacy: bool,
}

/// What is to be done next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Send the user's browser to a URL, and give what it brings back to [`Authorizer::finish`](crate::Authorizer::finish).
    OpenUrl(Box<PendingLogin>),
    /// Ask a person for a client id: there is no other way to get one here.
    AskForClientId(ClientIdQuestion),
    /// There is a token.
    Done(Box<Authorized>),
}

/// A sign-in that has begun. It serializes, for a program that is started anew for the callback; keep it where only this program
/// finds it, because the code verifier is in it.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingLogin {
    pub(crate) url: String,
    pub(crate) server: String,
    pub(crate) keeps_query: bool,
    pub(crate) resource: String,
    pub(crate) issuer: String,
    pub(crate) is_legacy: bool,
    pub(crate) client_id: String,
    #[serde(default)]
    pub(crate) is_second_registration: bool,
    pub(crate) attempt: LoginAttempt,
}

/// What a person has to answer: with which client id the program is registered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientIdQuestion {
    /// The authorization server.
    pub issuer: String,
    /// The redirect URI to register there.
    pub redirect_uri: String,
    pub(crate) target: Box<Target>,
}

/// A token, and what it is good for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Authorized {
    /// The token. It is for this MCP server, and no other may see it.
    pub token: OAuth2Token,
    /// The MCP server.
    pub server: ServerUrl,
    /// The resource that the token was asked for.
    pub resource: String,
    /// The authorization server.
    pub issuer: String,
    /// The client that it was issued to.
    pub client_id: String,
    /// The scopes that were asked for.
    pub requested_scopes: Vec<String>,
    /// The client, to refresh and revoke the token with.
    pub client: McpClient,
    pub(crate) is_legacy: bool,
}

impl Target {
    /// The authorization server's issuer, byte for byte as its metadata has it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.metadata.issuer()
    }

    /// The resource that requests name: as the server's metadata has it, or else its URL in canonical form.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The MCP server's metadata, if it has any.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&ResourceMetadata> {
        self.resource_metadata.as_ref()
    }

    /// The authorization server's metadata.
    #[must_use]
    pub fn server_metadata(&self) -> &ServerMetadata {
        &self.metadata
    }

    /// Whether the endpoints are those that MCP 2025-03-26 finds at the server's own origin.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        self.is_legacy
    }
}

impl PendingLogin {
    /// Where to send the user's browser: an http or https URL. Open it without a shell.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The redirect URI at which the callback arrives.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        self.attempt.redirect_uri()
    }

    /// The state by which a callback finds its sign-in.
    #[must_use]
    pub fn state(&self) -> &str {
        self.attempt.state()
    }

    /// The attempt, which a listener checks callbacks against.
    #[must_use]
    pub fn attempt(&self) -> &LoginAttempt {
        &self.attempt
    }

    /// The authorization server.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The scopes that it asks for.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.attempt.scopes()
    }

    pub(crate) fn server(&self) -> Result<ServerUrl, McpError> {
        // It was checked when the sign-in began.
        let server = ServerUrl::dangerously_over_plain_http(&self.server)?;
        Ok(if self.keeps_query { server.with_query() } else { server })
    }
}

impl fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL holds the state.
        f.debug_struct("PendingLogin")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
