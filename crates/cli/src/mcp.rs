//! Accounts at MCP servers.

use std::{error::Error as StdError, fs, io, path::PathBuf};

use oauth_clients::{Callback, Secret, async_trait, bytes::Bytes, http};
use oauth_mcp::{
    Access, Authorizer, Browser, Challenge, ClientIdQuestion, FileRecords, PendingLogin, ServerUrl, Target,
};
use oauth_native::{LocalTokens, LoopbackBrowser};
use serde_json::json;

use crate::{
    arguments::Common,
    config,
    exit::{CommandResult, Failure},
    managers, provider, store,
};

/// What finds out who lets clients into a server. The user has named the server, which may be on this machine.
pub(crate) fn authorizer(common: &Common) -> CommandResult<Authorizer> {
    let http = provider::http_client(common)?;
    Ok(Authorizer::new("oauth-clients").with_http_client(http).reaching_any_address())
}

/// The URL of a server; plain http at other machines only where the user says so.
pub(crate) fn server_url(url: &str, common: &Common) -> CommandResult<ServerUrl> {
    let wrong = |error: oauth_mcp::McpError| Failure::Usage(error.to_string());
    let server = ServerUrl::dangerously_over_plain_http(url).map_err(wrong)?;
    match ServerUrl::parse(url) {
        Ok(server) => Ok(server),
        Err(_) if common.dangerously_allow_plain_http => Ok(server),
        Err(_) => Err(Failure::Usage(format!(
            "{server} is plain http, over which everybody on the way reads the token; --dangerously-allow-plain-http allows it"
        ))),
    }
}

/// What a sign-in at a server would find. The server is asked first, because its challenge may be all that names its metadata.
pub(crate) async fn discover(
    server: &ServerUrl,
    common: &Common,
) -> CommandResult<(Greeting, Result<Target, oauth_mcp::McpError>)> {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "oauth-clients", "version": env!("CARGO_PKG_VERSION") },
        },
    });
    let request = http::Request::post(server.as_str())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Bytes::from(message.to_string()))
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let (greeting, challenge) = match provider::http_client(common)?.send(request).await {
        Ok(reply) => {
            let status = reply.status().as_u16();
            let challenge = Challenge::of_reply(reply.headers()).filter(|_| matches!(status, 401 | 403));
            let greeting = match challenge {
                Some(_) => Greeting::Challenged,
                None => Greeting::Unchallenged(status),
            };
            (greeting, challenge)
        }
        Err(error) => (Greeting::Unreachable(error.to_string()), None),
    };
    Ok((greeting, authorizer(common)?.discover(server, challenge.as_ref()).await))
}

/// How a server answers a first message that has no token.
pub(crate) enum Greeting {
    /// It says what it wants.
    Challenged,
    /// It does not, and answers with this status.
    Unchallenged(u16),
    /// It cannot be reached.
    Unreachable(String),
}

/// The tokens of an account at a server.
pub(crate) async fn access(
    server: &str,
    account: &str,
    authorizer: Authorizer,
    common: &Common,
) -> CommandResult<Access> {
    let local = store::open(common).await?;
    access_in(&local, server, account, authorizer, common)
}

/// The tokens of an account at a server, in what is open already.
pub(crate) fn access_in(
    local: &LocalTokens,
    server: &str,
    account: &str,
    authorizer: Authorizer,
    common: &Common,
) -> CommandResult<Access> {
    let server = server_url(server, common)?;
    let folder = registrations(common)?;
    let authorizer = authorizer.with_records(FileRecords::new(folder, local.sealer().clone()));
    let manager = authorizer.token_manager(local.store().clone(), local.sealer().clone()).build();
    let manager = manager.map_err(|error| Failure::Other(error.to_string()))?;
    Ok(Access::new(authorizer, managers::watched(manager), server, account))
}

/// Where the clients are that were registered.
pub(crate) fn registrations(common: &Common) -> CommandResult<PathBuf> {
    Ok(config::data_folder(common.home.as_deref())?.join("registrations"))
}

/// Forgets the clients that were registered.
pub(crate) fn forget_registrations(common: &Common) -> CommandResult {
    let folder = registrations(common)?;
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::Other(format!("cannot remove {}: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

impl From<oauth_mcp::McpError> for Failure {
    fn from(error: oauth_mcp::McpError) -> Self {
        let text = match &error {
            // The library names methods, which a user of this tool cannot call.
            oauth_mcp::McpError::NoResourceMetadata(tried) => {
                let places: Vec<String> =
                    tried.iter().map(|probe| format!("{} ({})", probe.url, probe.status)).collect();
                format!(
                    "no protected resource metadata at {}; is the URL right? `oauth-clients doctor --mcp` looks at the server",
                    places.join(", ")
                )
            }
            oauth_mcp::McpError::NoPkce { issuer, .. } => format!(
                "the authorization server {issuer} does not list S256 in code_challenge_methods_supported, and MCP forbids going on; \
                 whoever runs it must list what it takes"
            ),
            error => error.to_string(),
        };
        Self::of_class(&error.class(), text)
    }
}

/// The user's browser, and the client that the user has registered, if any.
pub(crate) struct UserAtServer {
    pub(crate) browser: LoopbackBrowser,
    pub(crate) client: Option<(String, Option<Secret>)>,
}

#[async_trait]
impl Browser for UserAtServer {
    fn redirect_uri(&self) -> &str {
        self.browser.redirect_uri()
    }

    async fn sign_in(&self, login: &PendingLogin) -> Result<Callback, Box<dyn StdError + Send + Sync>> {
        Browser::sign_in(&self.browser, login).await
    }

    async fn client_id(&self, _question: &ClientIdQuestion) -> Option<(String, Option<Secret>)> {
        self.client.clone()
    }
}
