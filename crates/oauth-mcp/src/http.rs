//! What sends requests to hosts that a stranger named.

use std::sync::Arc;

use oauth_core::{
    Credentials, Error as OAuthError, ErrorKind, HttpClient, HttpError, OAuth2, Operation, Provider,
    PublicHosts, async_trait, bytes::Bytes, default_http_client, http, serde_json::Value,
};
use url::Url;

use crate::{
    error::McpError,
    server_url::{HostClass, ServerUrl, check_url, class_of},
};

/// Sends requests to public hosts, and to private ones of the class that the MCP server's own URL is written with.
#[derive(Clone, Debug)]
pub(crate) struct FilteredClient {
    class: HostClass,
    public: Arc<dyn HttpClient>,
    any: Option<Arc<dyn HttpClient>>,
}

impl FilteredClient {
    pub(crate) fn new(server: &ServerUrl, given: Option<&Arc<dyn HttpClient>>) -> Self {
        let public = match given {
            Some(given) => PublicHosts::on(given.clone()),
            None => PublicHosts::new(),
        };
        Self { class: server.class(), public: Arc::new(public), any: given.cloned() }
    }
}

#[async_trait]
impl HttpClient for FilteredClient {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let class = Url::parse(&request.uri().to_string()).map_or(HostClass::Public, |url| class_of(&url));
        // What is written as an address, or as localhost, needs no look at what a name resolves to.
        if class == HostClass::Public || class != self.class {
            return self.public.send(request).await;
        }
        match &self.any {
            Some(given) => given.send(request).await,
            None => {
                let shared = default_http_client().map_err(|error| {
                    HttpError::new(oauth_core::HttpErrorKind::InvalidRequest).caused_by(error)
                })?;
                shared.send(request).await
            }
        }
    }
}

/// What came of asking for a document.
pub(crate) enum Fetched {
    Document(serde_json::Map<String, Value>),
    /// There is none, by this status: 4xx, or a success that is not a JSON object.
    Absent(u16),
}

/// Asks for a JSON document at a URL that somebody else named.
///
/// # Errors
///
/// An outage, which is not read as "there is none"; a redirect; a URL that is never asked.
pub(crate) async fn fetch(
    client: &OAuth2,
    what: &'static str,
    url: &str,
    server: &ServerUrl,
    headers: &[(&str, &str)],
    failed: impl Fn(OAuthError) -> McpError,
) -> Result<Fetched, McpError> {
    check_url(what, url, server)?;
    let mut request = client.request(Operation::DISCOVER, http::Method::GET, url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(reply) => match reply.object() {
            Ok(Value::Object(document)) => Ok(Fetched::Document(document)),
            _ => Ok(Fetched::Absent(reply.status().as_u16())),
        },
        Err(error) => match error.status().map(|status| status.as_u16()) {
            Some(408 | 425 | 429) => Err(failed(error)),
            Some(status @ 300..400) => Err(McpError::Redirected { url: url.to_owned(), status }),
            Some(status @ (200..300 | 400..500)) if !matches!(error.kind(), ErrorKind::Transport(_)) => {
                Ok(Fetched::Absent(status))
            }
            _ => Err(failed(error)),
        },
    }
}

/// A client that asks without being anybody.
pub(crate) fn nobody(http: Arc<dyn HttpClient>) -> OAuth2 {
    OAuth2::new("", Credentials::NONE, "", "").with_name("mcp").with_http_client(http)
}
