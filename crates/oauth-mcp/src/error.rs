//! Why a program does not get into an MCP server.

use oauth_core::{ErrorClass, HttpErrorKind};

/// Why a program does not get into an MCP server.
///
/// [`class`](Self::class) says what to do. Texts that a server chose are in it in one line, without control characters.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum McpError {
    /// What was given as the URL of an MCP server is none.
    #[error("{url:?} cannot be the URL of an MCP server: {problem}")]
    ServerUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The server answered neither 401 nor 403, so it says nothing of authorization.
    #[error(
        "the MCP server answered HTTP {status} without asking for authorization; nothing needs to be done"
    )]
    NotChallenged {
        /// The status of its answer.
        status: u16,
    },
    /// A URL in metadata or in a challenge is one that is never asked: not https, with user information or a fragment.
    #[error("the {what} that the server names is refused: {problem}: {url:?}")]
    UnsafeUrl {
        /// What the URL is for.
        what: &'static str,
        /// The URL, cut short.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The server has no protected resource metadata (RFC 9728) at any place where it may be.
    #[error(
        "the MCP server has no protected resource metadata: asked {}; an older server may need Authorizer::with_legacy_fallback",
        self::tried(.0)
    )]
    NoResourceMetadata(Vec<Probe>),
    /// The server's protected resource metadata cannot be used.
    #[error("protected resource metadata: {cause}")]
    ResourceMetadata {
        /// The URL that was asked.
        url: String,
        /// Why not.
        cause: oauth_core::Error,
    },
    /// The metadata is about another resource than the server that was called (RFC 9728 section 3.3).
    #[error(
        "the metadata at {url} is about {found:?}, but it must be about {expected:?}; nothing was sent on its behalf"
    )]
    ResourceMismatch {
        /// The URL of the metadata.
        url: String,
        /// The resource that it must name.
        expected: String,
        /// The resource that it names.
        found: String,
    },
    /// The server's metadata names no authorization server.
    #[error("the metadata at {url} names no authorization server (authorization_servers)")]
    NoAuthorizationServer {
        /// The URL of the metadata.
        url: String,
    },
    /// The application's choice is not among the server's authorization servers.
    #[error("the application chose {chosen:?}, which is not among the server's authorization servers")]
    NotAnAuthorizationServer {
        /// What the application chose.
        chosen: String,
    },
    /// The authorization server has no metadata at any place where it may be.
    #[error("the authorization server {issuer:?} has no metadata: asked {}", self::tried(.tried))]
    NoServerMetadata {
        /// The issuer.
        issuer: String,
        /// What was asked, and what came.
        tried: Vec<Probe>,
    },
    /// The authorization server's metadata cannot be used.
    #[error("metadata of the authorization server {issuer:?}: {cause}")]
    ServerMetadata {
        /// The issuer.
        issuer: String,
        /// The URL that was asked.
        url: String,
        /// Why not.
        cause: oauth_core::Error,
    },
    /// The document names another issuer than the one that was asked for (RFC 8414 section 3.3).
    #[error(
        "the metadata at {url} is that of {found:?}, but the MCP server named {expected:?}; nothing was sent there"
    )]
    IssuerMismatch {
        /// The URL of the document.
        url: String,
        /// The issuer that was asked for.
        expected: String,
        /// The issuer in the document.
        found: String,
    },
    /// Metadata is somewhere else, and redirects are not followed.
    #[error("{url} redirects (HTTP {status}); metadata is not read by way of a redirect")]
    Redirected {
        /// The URL that was asked.
        url: String,
        /// The status.
        status: u16,
    },
    /// The authorization server does not say that it takes PKCE with S256.
    #[error(
        "the authorization server {issuer:?} does not list S256 in code_challenge_methods_supported ({}); MCP forbids to go on; if it is \
         known to do S256 and not to say so, allow that with Authorizer::allowing_unlisted_pkce",
        found.as_ref().map_or_else(|| "absent".to_owned(), |found| format!("{found:?}"))
    )]
    NoPkce {
        /// The issuer.
        issuer: String,
        /// What it lists; `None` if it says nothing.
        found: Option<Vec<String>>,
    },
    /// The application's clients are registered with other authorization servers (credentials are good for one issuer).
    #[error(
        "the MCP server names the authorization server {issuer:?}, and the application's clients are registered elsewhere ({}); they are \
         not used there",
        registered.join(", ")
    )]
    ClientOfOtherIssuer {
        /// The issuer that the server names.
        issuer: String,
        /// The issuers for which there are clients.
        registered: Vec<String>,
    },
    /// Dynamic registration was refused, or its reply cannot be used.
    #[error("registration at {issuer:?} with the redirect URI {redirect_uri:?}: {cause}")]
    Registration {
        /// The issuer.
        issuer: String,
        /// The redirect URI that was to be registered.
        redirect_uri: String,
        /// What the server answered. `invalid_redirect_uri` and `invalid_client_metadata` may go away with another
        /// [application type](crate::ApplicationType), a fixed port or `localhost`.
        cause: oauth_core::Error,
    },
    /// The client cannot authenticate in any way that the authorization server takes.
    #[error("the authorization server {issuer:?} takes {}, and the client has {has}", offered.join(", "))]
    NoClientAuthentication {
        /// The issuer.
        issuer: String,
        /// The methods that it lists.
        offered: Vec<String>,
        /// What the client has.
        has: String,
    },
    /// A client ID metadata document that no server would accept.
    #[error("the client ID metadata document: {0}")]
    MetadataDocument(String),
    /// A login that was begun with a client that is not known any more.
    #[error("the client {client_id:?} of {issuer:?} is not known any more; start again")]
    UnknownClient {
        /// The issuer.
        issuer: String,
        /// The client id.
        client_id: String,
    },
    /// The server wants more scopes again and again.
    #[error("the MCP server still refuses, after {times} sign-ins for the scopes {}", scopes.join(" "))]
    StepUpLimit {
        /// How often the user was asked.
        times: u32,
        /// The scopes that were asked for last.
        scopes: Vec<String>,
    },
    /// The server refuses a token that was just issued for it.
    #[error(
        "the MCP server refuses the token that was just issued for it (HTTP 401); does it accept tokens of this authorization server?"
    )]
    StillUnauthorized,
    /// The server refuses the request for another reason than a missing scope.
    #[error("the MCP server refuses the request (HTTP 403){}", ServerReason(.reason))]
    Forbidden {
        /// What it says, as text that is not to be trusted.
        reason: Option<String>,
    },
    /// The server wants something of a user, and this client has none.
    #[error("the MCP server wants more than a client without a user can get: {0}")]
    NoUser(String),
    /// The organization's identity provider does not let this user in (a matter of its policy; no other way is tried).
    #[error("the organization's identity provider refuses access: {0}")]
    RefusedByPolicy(oauth_core::Error),
    /// The place where registrations are kept cannot be read or written.
    #[error("registrations of clients: {0}")]
    Records(String),
    /// The user's browser could not be shown the page, or brought nothing back.
    #[error("sign-in: {0}")]
    Browser(String),
    /// What the authorization server refused, or why it could not be asked.
    #[error(transparent)]
    OAuth(#[from] oauth_core::Error),
    /// What went wrong with the tokens that are kept.
    #[error(transparent)]
    Tokens(#[from] oauth_tokens::TokenError),
}

/// One place that was asked for a document, and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// The URL.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
}

impl McpError {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::ResourceMetadata { cause, .. } | Self::ServerMetadata { cause, .. } => cause.class(),
            Self::Registration { cause, .. } | Self::RefusedByPolicy(cause) | Self::OAuth(cause) => {
                cause.class()
            }
            Self::Tokens(cause) => cause.class(),
            Self::UnknownClient { .. } | Self::Browser(_) => ErrorClass::Reauthorize,
            Self::NoResourceMetadata(_)
            | Self::UnsafeUrl { .. }
            | Self::ResourceMismatch { .. }
            | Self::NoAuthorizationServer { .. }
            | Self::NoServerMetadata { .. }
            | Self::IssuerMismatch { .. }
            | Self::Redirected { .. }
            | Self::StepUpLimit { .. }
            | Self::StillUnauthorized
            | Self::NotChallenged { .. } => ErrorClass::Protocol,
            _ => ErrorClass::Configuration,
        }
    }

    /// The error of the OAuth library underneath, if that is where it comes from.
    #[must_use]
    pub fn oauth(&self) -> Option<&oauth_core::Error> {
        match self {
            Self::ResourceMetadata { cause, .. }
            | Self::ServerMetadata { cause, .. }
            | Self::Registration { cause, .. }
            | Self::RefusedByPolicy(cause)
            | Self::OAuth(cause) => Some(cause),
            _ => None,
        }
    }

    /// Whether nothing was sent because the address is not one of the public internet.
    #[must_use]
    pub fn is_not_public(&self) -> bool {
        matches!(
            self.oauth().map(oauth_core::Error::kind),
            Some(oauth_core::ErrorKind::Transport(error)) if error.kind() == HttpErrorKind::NotPublic
        )
    }
}

struct ServerReason<'a>(&'a Option<String>);

impl std::fmt::Display for ServerReason<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(reason) => write!(f, ": {reason:?}"),
            None => Ok(()),
        }
    }
}

fn tried(probes: &[Probe]) -> String {
    let texts: Vec<_> = probes.iter().map(|probe| format!("{} (HTTP {})", probe.url, probe.status)).collect();
    texts.join(", ")
}

/// A text of a server's in one line, and not too long.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
