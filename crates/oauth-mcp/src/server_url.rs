//! The URL of an MCP server, and which resource it is (RFC 8707, RFC 9728).

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use crate::error::{McpError, one_line};

/// Where the metadata of a protected resource is (RFC 9728 section 3.1).
const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// The URL of an MCP server.
///
/// ```
/// use oauth_mcp::ServerUrl;
///
/// let server = ServerUrl::parse("HTTPS://MCP.Example:443")?;
/// assert_eq!(server.resource(), "https://mcp.example");
/// # Ok::<(), oauth_mcp::McpError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    /// As it was given.
    given: String,
    url: Url,
    keeps_query: bool,
}

/// Where a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostClass {
    /// This machine, by an address or as `localhost`.
    Loopback,
    /// A private network, by an address.
    Private,
    /// Everything else; what a name resolves to is not known here.
    Public,
}

/// How strictly the names of a resource and of an issuer are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameRules {
    /// Byte for byte, as RFC 9728 section 3.3 and RFC 8414 section 3.3 have it.
    Exact,
    /// With what real MCP servers need: the resource may be an ancestor of the server's URL (same origin, a path that ends at a slash), and
    /// an issuer without a path may differ by one slash at its end.
    Mcp,
}

impl ServerUrl {
    /// The URL to which requests are sent: https, or http at this machine or at the address of a private network.
    ///
    /// # Errors
    ///
    /// [`McpError::ServerUrl`] for anything but an absolute URL of such a kind without user information.
    pub fn parse(given: &str) -> Result<Self, McpError> {
        let server = Self::dangerously_over_plain_http(given)?;
        if server.url.scheme() == "http" && server.class() == HostClass::Public {
            let problem = "it is plain http, over which everybody on the way reads the token; use https, or \
                           ServerUrl::dangerously_over_plain_http in a network of your own";
            return Err(McpError::ServerUrl { url: shown(given), problem: problem.to_owned() });
        }
        Ok(server)
    }

    /// As [`parse`](Self::parse), and http everywhere: whoever is on the way reads and changes what is sent, tokens included. It is for a
    /// network of your own in which servers have names, such as that of containers.
    ///
    /// # Errors
    ///
    /// [`McpError::ServerUrl`] for anything but an absolute http or https URL without user information.
    pub fn dangerously_over_plain_http(given: &str) -> Result<Self, McpError> {
        let wrong = |problem: &str| McpError::ServerUrl { url: shown(given), problem: problem.to_owned() };
        let mut url = Url::parse(given.trim()).map_err(|_| wrong("it is not an absolute URL"))?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err(wrong("it is neither https nor http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it has user information in front of its host"));
        }
        url.set_fragment(None);
        Ok(Self { given: given.trim().to_owned(), url, keeps_query: false })
    }

    /// Takes the query for a part of the resource's name, where it tells one server from another.
    #[must_use]
    pub fn with_query(mut self) -> Self {
        self.keeps_query = true;
        self
    }

    /// The URL to send requests to.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The resource that the server is, in its canonical form: scheme and host in lower case, no default port, no fragment, no query unless
    /// it [names the server](Self::with_query), no slash for an empty path.
    #[must_use]
    pub fn resource(&self) -> String {
        let mut url = self.url.clone();
        if !self.keeps_query {
            url.set_query(None);
        }
        match (url.path(), url.query()) {
            ("/", None) => url.as_str().trim_end_matches('/').to_owned(),
            ("/", Some(query)) => format!("{}?{query}", self.origin()),
            _ => url.into(),
        }
    }

    /// Scheme, host and port, without a slash.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The places of the server's metadata when no challenge names one, each with the resource that the document must be about.
    #[must_use]
    pub fn metadata_candidates(&self) -> Vec<(String, String)> {
        let origin = self.origin();
        let root = (format!("{origin}{PROTECTED_RESOURCE}"), origin.clone());
        let query = self.url.query().filter(|_| self.keeps_query);
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        match self.url.path() {
            "/" if query.is_empty() => vec![root],
            path => {
                let path = if path == "/" { "" } else { path };
                vec![(format!("{origin}{PROTECTED_RESOURCE}{path}{query}"), self.resource()), root]
            }
        }
    }

    /// Whether metadata that must be about one resource may be used although it names this one.
    #[must_use]
    pub fn accepts_resource(&self, found: &str, expected: &str, rules: NameRules) -> bool {
        let is_as_given = expected == self.resource() && found == self.given;
        found == expected || is_as_given || (rules == NameRules::Mcp && self.is_below(found))
    }

    /// Whether a resource is an ancestor of this server: same origin, and a path that ends where one of this server's segments does.
    fn is_below(&self, ancestor: &str) -> bool {
        let Ok(ancestor) = Url::parse(ancestor) else { return false };
        if ancestor.origin() != self.url.origin()
            || ancestor.fragment().is_some()
            || !ancestor.username().is_empty()
            || ancestor.password().is_some()
        {
            return false;
        }
        let (path, own) = (ancestor.path(), self.url.path());
        match own.strip_prefix(path) {
            Some(rest) => rest.is_empty() || path.ends_with('/') || rest.starts_with('/'),
            None => false,
        }
    }

    pub(crate) fn class(&self) -> HostClass {
        class_of(&self.url)
    }

    pub(crate) fn keeps_query(&self) -> bool {
        self.keeps_query
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }
}

/// Checks a URL that a server chose, before anything is sent there or a browser is shown it.
pub(crate) fn check_url(what: &'static str, url: &str, server: &ServerUrl) -> Result<Url, McpError> {
    let refuse =
        |problem: &str| McpError::UnsafeUrl { what, url: one_line(url), problem: problem.to_owned() };
    // A URL library passes over some of them, so that two texts would be one URL; others are not seen where an error shows them.
    let is_escaped = |c: char| c != '\'' && c.escape_debug().len() > 1;
    if url.chars().any(|c| c.is_whitespace() || is_escaped(c)) {
        return Err(refuse("it has white space, a backslash, or a character that is not shown"));
    }
    let parsed = Url::parse(url).map_err(|_| refuse("it is not an absolute URL"))?;
    match parsed.scheme() {
        "https" => {}
        "http" if class_of(&parsed) == HostClass::Loopback && server.class() == HostClass::Loopback => {}
        "http" => return Err(refuse("it is plain http")),
        _ => return Err(refuse("it is not https")),
    }
    if parsed.host().is_none() {
        return Err(refuse("it has no host"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(refuse("it has user information in front of its host"));
    }
    if url.contains('#') {
        return Err(refuse("it has a fragment"));
    }
    Ok(parsed)
}

/// What was given as a URL, without what may be a secret in it.
fn shown(given: &str) -> String {
    let text = given.split(['?', '#']).next().unwrap_or_default();
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            one_line(&format!("{}…{}", &text[..scheme + 3], &text[at..]))
        }
        _ => one_line(text),
    }
}

/// Where the host of a URL is, by what is written there.
pub(crate) fn class_of(url: &Url) -> HostClass {
    let address: IpAddr = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            return match name == "localhost" || name.ends_with(".localhost") {
                true => HostClass::Loopback,
                false => HostClass::Public,
            };
        }
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        None => return HostClass::Public,
    };
    let address = address.to_canonical();
    match oauth_core::provider_kit::is_public_address(address) {
        _ if address.is_loopback() => HostClass::Loopback,
        true => HostClass::Public,
        // A cloud's own services are there, and no MCP server is.
        false if is_link_local(address) || address.is_unspecified() || address.is_multicast() => {
            HostClass::Public
        }
        false => HostClass::Private,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

impl fmt::Display for ServerUrl {
    /// Without its query, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str().split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}
