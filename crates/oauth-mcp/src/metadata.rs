//! The metadata of protected resources (RFC 9728) and of authorization servers (RFC 8414).

use oauth_core::{Endpoint, Endpoints};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    error::McpError,
    revision::Revision,
    server_url::{NameRules, ServerUrl, check_url},
};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// The metadata of a protected resource (RFC 9728 section 2).
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceMetadata(LenientMembers);

/// The metadata of an authorization server (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3).
#[derive(Clone, Debug, PartialEq)]
pub struct ServerMetadata(LenientMembers);

/// A JSON object whose optional members count as absent when they have the wrong type.
#[derive(Clone, Debug, Default, PartialEq)]
struct LenientMembers(Map<String, Value>);

impl LenientMembers {
    fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str().filter(|text| !text.is_empty())
    }

    fn list(&self, member: &str) -> Option<Vec<&str>> {
        Some(self.0.get(member)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    fn flag(&self, member: &str) -> bool {
        self.0.get(member) == Some(&Value::Bool(true))
    }
}

impl ResourceMetadata {
    /// Takes a document; `None` if it has no string `resource`.
    #[must_use]
    pub fn new(document: Map<String, Value>) -> Option<Self> {
        let document = LenientMembers(document);
        document.text("resource")?;
        Some(Self(document))
    }

    /// The resource that it is about.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.0.text("resource").unwrap_or_default()
    }

    /// The issuers of the authorization servers, in the server's order.
    #[must_use]
    pub fn authorization_servers(&self) -> Vec<&str> {
        let mut servers = self.0.list("authorization_servers").unwrap_or_default();
        servers.retain(|issuer| !issuer.is_empty());
        servers
    }

    /// The scopes that the server knows; `None` if it does not say.
    #[must_use]
    pub fn scopes_supported(&self) -> Option<Vec<&str>> {
        self.0.list("scopes_supported")
    }

    /// Whether it takes no other tokens than DPoP-bound ones (RFC 9728 section 2).
    #[must_use]
    pub fn demands_dpop(&self) -> bool {
        self.0.flag("dpop_bound_access_tokens_required")
    }

    /// A member that is a string.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.0.text(member)
    }
}

impl ServerMetadata {
    /// Takes a document; `None` if it has no string `issuer`.
    #[must_use]
    pub fn new(document: Map<String, Value>) -> Option<Self> {
        let document = LenientMembers(document);
        document.text("issuer")?;
        Some(Self(document))
    }

    /// The endpoints of a server without metadata, at its origin (MCP 2025-03-26).
    pub(crate) fn at_default_paths(origin: &str) -> Self {
        let members = [
            ("issuer", origin.to_owned()),
            ("authorization_endpoint", format!("{origin}/authorize")),
            ("token_endpoint", format!("{origin}/token")),
            ("registration_endpoint", format!("{origin}/register")),
        ];
        Self(LenientMembers(
            members.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect(),
        ))
    }

    /// The issuer, byte for byte as the document has it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.text("issuer").unwrap_or_default()
    }

    /// A member that is a string.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.0.text(member)
    }

    /// The texts in a member that is a list.
    #[must_use]
    pub fn list(&self, member: &str) -> Option<Vec<&str>> {
        self.0.list(member)
    }

    /// Whether a member is there and true. The text `"true"` is not.
    #[must_use]
    pub fn flag(&self, member: &str) -> bool {
        self.0.flag(member)
    }

    /// The endpoints, each of which may be asked.
    ///
    /// # Errors
    ///
    /// [`McpError::UnsafeUrl`] for the first one that may not.
    pub(crate) fn endpoints(&self, server: &ServerUrl) -> Result<Endpoints, McpError> {
        let known = [
            (Endpoint::Authorization, "authorization_endpoint"),
            (Endpoint::Token, "token_endpoint"),
            (Endpoint::Refresh, "token_endpoint"),
            (Endpoint::Revocation, "revocation_endpoint"),
            (Endpoint::DeviceAuthorization, "device_authorization_endpoint"),
        ];
        let mut endpoints = Endpoints::default();
        for (endpoint, member) in known {
            if let Some(url) = self.text(member) {
                check_url(member, url, server)?;
                endpoints = endpoints.with(endpoint, url.to_owned());
            }
        }
        Ok(endpoints)
    }

    /// Checks that the server says that it takes PKCE with S256; absent, that can be allowed.
    pub(crate) fn check_pkce(&self, may_be_absent: bool) -> Result<(), McpError> {
        let found = self.list("code_challenge_methods_supported");
        let says_nothing = found.as_ref().is_none_or(Vec::is_empty);
        let has_s256 = found.as_ref().is_some_and(|found| found.contains(&"S256"));
        if has_s256 || (says_nothing && may_be_absent) {
            return Ok(());
        }
        let found = found.map(|found| found.into_iter().map(str::to_owned).collect());
        Err(McpError::NoPkce { issuer: self.issuer().to_owned(), found })
    }

    /// Whether the document is that of an issuer.
    pub(crate) fn is_of(&self, issuer: &str, rules: NameRules) -> bool {
        self.issuer() == issuer || (rules == NameRules::Mcp && is_same_root(self.issuer(), issuer))
    }
}

/// Whether two issuers without a path differ by one slash at the end, and by nothing else.
fn is_same_root(one: &str, other: &str) -> bool {
    let has_no_path = |issuer: &str| {
        Url::parse(issuer)
            .is_ok_and(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none())
    };
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    long.strip_suffix('/') == Some(short) && has_no_path(long)
}

/// The places of an issuer's metadata, in the order in which they are asked (MCP 2025-11-25, authorization server metadata discovery).
///
/// ```
/// use oauth_mcp::{Revision, metadata_urls};
///
/// assert_eq!(
///     metadata_urls("https://as.example/tenant", Revision::V2025_11_25),
///     [
///         "https://as.example/.well-known/oauth-authorization-server/tenant",
///         "https://as.example/.well-known/openid-configuration/tenant",
///         "https://as.example/tenant/.well-known/openid-configuration",
///     ]
/// );
/// ```
#[must_use]
pub fn metadata_urls(issuer: &str, revision: Revision) -> Vec<String> {
    let host = issuer.find("://").map_or(0, |at| at + 3);
    let path = issuer[host..].find('/').map_or(issuer.len(), |at| host + at);
    let (origin, path) = issuer.split_at(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut urls = vec![format!("{origin}{OAUTH}{path}")];
    if revision.takes_openid_metadata() {
        urls.push(format!("{origin}{OPENID}{path}"));
        if !path.is_empty() {
            urls.push(format!("{origin}{path}{OPENID}"));
        }
    }
    urls
}
