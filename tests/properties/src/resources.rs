//! What leads a client from an MCP server to its authorization server (RFC 9728, RFC 8414), all of which strangers write.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use oauth_core::{
    Challenge, HttpClient, HttpError, async_trait,
    bytes::Bytes,
    http,
    serde_json::{self, Value},
};
use oauth_mcp::{Authorizer, ServerUrl};
use url::{Host, Url};

use crate::server::{answer, block_on};

const SERVER: &str = "https://mcp.example/team/mcp";

/// Gives one document to whoever asks for a protected resource, and the other to everybody else.
#[derive(Clone, Debug)]
struct Documents {
    resource: String,
    server: String,
    asked: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl HttpClient for Documents {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let url = request.uri().to_string();
        assert_eq!(request.method(), http::Method::GET, "{url}");
        assert!(request.body().is_empty() && !request.headers().contains_key("authorization"));
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = asked.is_empty();
        asked.push(url.clone());
        let is_resource = is_first || url.contains("oauth-protected-resource");
        let document = if is_resource { &self.resource } else { &self.server };
        let status = if document.is_empty() { "404" } else { "200" };
        Ok(answer(status, [], document))
    }
}

/// A challenge, the metadata of the resource and those of the authorization server, with a tab between them. Nobody is asked but over https
/// and at a public address, and what is found belongs together.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.splitn(3, '\t').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let challenge = Challenge::parse(&part()).into_iter().next();
    let documents = Documents { resource: part(), server: part(), asked: Arc::default() };
    let server = ServerUrl::parse(SERVER).unwrap();
    let authorizer = Authorizer::new("fuzzed").with_http_client(documents.clone());
    let found = block_on(authorizer.discover(&server, challenge.as_ref()));
    let asked = documents.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(asked.len() <= 6, "{asked:?}");
    for url in &asked {
        assert!(is_public(url), "{url}");
    }
    let target = match found {
        Ok(target) => target,
        Err(error) => {
            let shown = error.to_string();
            return assert!(!shown.contains(['\n', '\r', '\u{202e}', '\u{1b}']), "{shown:?}");
        }
    };
    let read =
        |document: &str| serde_json::from_str::<Value>(document.trim_start_matches('\u{feff}')).unwrap();
    let (resource, metadata) = (read(&documents.resource), read(&documents.server));
    assert_eq!(metadata["issuer"].as_str(), Some(target.issuer()));
    let listed = resource["authorization_servers"].as_array().unwrap();
    let is_listed = |issuer: &Value| {
        issuer.as_str().is_some_and(|one| without_slash(one) == without_slash(target.issuer()))
    };
    assert!(listed.iter().any(is_listed), "{} of {listed:?}", target.issuer());
    assert_eq!(resource["resource"].as_str(), Some(target.resource()));
    assert!(covers(target.resource()), "{}", target.resource());
    for name in ["authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint"] {
        let endpoint = target.server_metadata().text(name);
        assert!(endpoint.is_none_or(is_safe), "{name} {endpoint:?}");
    }
    assert_eq!(target.server_metadata().text("issuer"), Some(target.issuer()));
}

fn without_slash(url: &str) -> &str {
    url.strip_suffix('/').unwrap_or(url)
}

/// Whether a resource is [`SERVER`] or holds it: same origin, and a path that ends where one of its segments does.
fn covers(resource: &str) -> bool {
    let (resource, server) = (Url::parse(resource).unwrap(), Url::parse(SERVER).unwrap());
    let path = resource.path().trim_end_matches('/');
    let is_above =
        server.path() == path || server.path().strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    resource.origin() == server.origin() && resource.username().is_empty() && is_above
}

/// Where a browser may be sent, and a request later, by a client that looks once more where that goes: https, without a user.
fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    url.scheme() == "https" && url.has_host() && is_plain
}

/// An address to which a stranger may send a client: that of nobody's own network.
fn is_public(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let is_public = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.contains('.') && !name.ends_with(".localhost") && !name.ends_with(".internal")
        }
        Some(Host::Ipv4(address)) => is_public_address(address.into()),
        Some(Host::Ipv6(address)) => is_public_address(address.into()),
        None => false,
    };
    is_public && is_safe(address)
}

fn is_public_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || is_shared
                || first == 0)
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}
