//! The document of a protected resource (RFC 9728), as its server publishes it.

use oauth_core::{
    bytes::Bytes,
    http::{
        HeaderValue, Response,
        header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE},
    },
    serde_json::{Map, Value, json},
};
use serde::Serialize;
use url::Url;

use crate::{
    error::{McpError, one_line},
    server_url::{ServerUrl, check_url},
};

/// An MCP server as a protected resource: its name, its authorization servers, its scopes (RFC 9728 section 2).
///
/// ```
/// use oauth_mcp::server::ProtectedResource;
///
/// let resource = ProtectedResource::new("https://mcp.example/mcp", ["https://login.example"])?.with_scopes(["files:read"]);
/// assert_eq!(resource.metadata_path(), "/.well-known/oauth-protected-resource/mcp");
/// # Ok::<(), oauth_mcp::McpError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProtectedResource {
    resource: String,
    metadata_url: String,
    metadata_path: String,
    members: Map<String, Value>,
}

impl ProtectedResource {
    /// The resource at this URL, which is the one that clients send their requests to, and the issuers of its authorization servers.
    ///
    /// The URL is taken in its canonical form. It is what access tokens must be for (`aud`).
    ///
    /// # Errors
    ///
    /// [`McpError::ServerUrl`] or [`McpError::UnsafeUrl`] for URLs that no client would accept: plain http elsewhere than on this machine, a
    /// fragment, user information.
    pub fn new<S: Into<String>>(
        resource: &str,
        issuers: impl IntoIterator<Item = S>,
    ) -> Result<Self, McpError> {
        let server = ServerUrl::parse(resource)?;
        check_url("resource", resource, &server)?;
        let issuers: Vec<String> = issuers.into_iter().map(Into::into).collect();
        for issuer in &issuers {
            check_url("issuer", issuer, &server)?;
        }
        if issuers.is_empty() {
            return Err(McpError::NoAuthorizationServer { url: one_line(resource) });
        }
        let server = if server.as_str().contains('?') { server.with_query() } else { server };
        let metadata_url =
            server.metadata_candidates().into_iter().next().map(|(url, _)| url).unwrap_or_default();
        let metadata_path = Url::parse(&metadata_url).map(|url| url.path().to_owned()).unwrap_or_default();
        let mut members = Map::new();
        members.insert("resource".to_owned(), json!(server.resource()));
        members.insert("authorization_servers".to_owned(), json!(issuers));
        members.insert("bearer_methods_supported".to_owned(), json!(["header"]));
        Ok(Self { resource: server.resource(), metadata_url, metadata_path, members })
    }

    /// Says which scopes a client needs for what it usually does; clients ask for all of them.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        self.set("scopes_supported", scopes)
    }

    /// Sets another member of the document, such as `resource_name` or `resource_documentation`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Serialize) -> Self {
        match oauth_core::serde_json::to_value(value) {
            Ok(Value::Null) | Err(_) => self.members.remove(name),
            Ok(value) => self.members.insert(name.to_owned(), value),
        };
        self
    }

    /// The resource's name, which is what the audience of access tokens must be.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The path at which to serve the document.
    #[must_use]
    pub fn metadata_path(&self) -> &str {
        &self.metadata_path
    }

    /// The document's URL, which challenges name.
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// The document.
    #[must_use]
    pub fn metadata(&self) -> Value {
        Value::Object(self.members.clone())
    }

    /// The reply with the document, which pages of any origin may read: it is public.
    #[must_use]
    pub fn metadata_reply(&self) -> Response<Bytes> {
        let mut reply = Response::new(Bytes::from(self.metadata().to_string()));
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        reply
    }
}
