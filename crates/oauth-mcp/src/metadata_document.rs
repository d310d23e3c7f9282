//! Client ID metadata documents: a client whose id is the URL of what it says of itself
//! (draft-ietf-oauth-client-id-metadata-document).

use oauth_core::serde_json::{Map, Value, json};
use serde::Serialize;
use url::Url;

use crate::error::McpError;

/// The largest document that a server has to read (section 6.6 of the draft).
const MOST_BYTES: usize = 5 * 1024;

/// A URL that is a client id. It is sent byte for byte as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdUrl(String);

impl ClientIdUrl {
    /// Checks a URL: https, with a path beyond `/` without `.` and `..`, and neither fragment nor user information.
    ///
    /// # Errors
    ///
    /// [`McpError::MetadataDocument`] that says what is wrong with it.
    pub fn parse(url: impl Into<String>) -> Result<Self, McpError> {
        let text = url.into();
        let wrong = |problem: &str| McpError::MetadataDocument(format!("the URL {text:?} {problem}"));
        if !text.starts_with("https://") {
            return Err(wrong("is not https"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(wrong("has white space or a backslash"));
        }
        if text.contains('#') {
            return Err(wrong("has a fragment"));
        }
        let parsed = Url::parse(&text).map_err(|_| wrong("is not a URL"))?;
        if !parsed.username().is_empty() || parsed.password().is_some() || authority(&text).contains('@') {
            return Err(wrong("has user information in front of its host"));
        }
        if authority(&text).is_empty() {
            return Err(wrong("has no host"));
        }
        // As it is written, because a parsed URL has no dot segments any more.
        let path = path_of(&text);
        if matches!(path, "" | "/") {
            return Err(wrong("has no path"));
        }
        let is_dots = |segment: &str| {
            let segment = segment.to_ascii_lowercase().replace("%2e", ".");
            segment == "." || segment == ".."
        };
        if path.split('/').any(is_dots) {
            return Err(wrong("has a . or .. in its path"));
        }
        Ok(Self(text))
    }

    /// The URL, byte for byte.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn authority(url: &str) -> &str {
    let rest = &url["https://".len()..];
    &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]
}

fn path_of(url: &str) -> &str {
    let rest = &url["https://".len()..];
    let rest = rest.split('?').next().unwrap_or_default();
    &rest[rest.find('/').unwrap_or(rest.len())..]
}

/// What a client says of itself, to be hosted at its client id: with status 200, as `application/json`, without a redirect, and cacheable.
///
/// ```
/// use oauth_mcp::{ClientIdUrl, MetadataDocument};
///
/// let url = ClientIdUrl::parse("https://app.example/oauth/client.json")?;
/// let document = MetadataDocument::new(&url, "My agent", ["http://127.0.0.1/callback", "http://[::1]/callback"]);
/// println!("{}", document.to_json()?);
/// # Ok::<(), oauth_mcp::McpError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataDocument {
    url: ClientIdUrl,
    members: Map<String, Value>,
}

impl MetadataDocument {
    /// The document of a public client with these redirect URIs, for the authorization code grant and refresh tokens.
    ///
    /// For a program on the user's machine: `http://127.0.0.1/PATH` and `http://[::1]/PATH` without a port, and a fixed port or two for
    /// servers that compare byte for byte.
    #[must_use]
    pub fn new<S: Into<String>>(
        url: &ClientIdUrl,
        client_name: &str,
        redirect_uris: impl IntoIterator<Item = S>,
    ) -> Self {
        let redirect_uris: Vec<String> = redirect_uris.into_iter().map(Into::into).collect();
        let document = Self { url: url.clone(), members: Map::new() };
        document
            .set("client_name", client_name)
            .set("redirect_uris", redirect_uris)
            .set("grant_types", ["authorization_code", "refresh_token"])
            .set("response_types", ["code"])
            .set("token_endpoint_auth_method", "none")
    }

    /// Sets a member, in place of one that is there, such as `client_uri`, `logo_uri`, `jwks_uri` or `token_endpoint_auth_method`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Serialize) -> Self {
        match oauth_core::serde_json::to_value(value) {
            Ok(Value::Null) | Err(_) => self.members.remove(name),
            Ok(value) => self.members.insert(name.to_owned(), value),
        };
        self
    }

    /// The document as JSON.
    ///
    /// # Errors
    ///
    /// [`McpError::MetadataDocument`] when a server would refuse it: no name, no redirect URI, a secret in it, a way to authenticate that takes
    /// a secret or a key that is not named, no refresh tokens, or more than 5 kB.
    pub fn to_json(&self) -> Result<String, McpError> {
        let wrong = |problem: &str| Err(McpError::MetadataDocument(problem.to_owned()));
        let text = |name: &str| {
            self.members.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
        };
        let list = |name: &str| {
            let items = self.members.get(name).and_then(Value::as_array);
            items.map(|items| items.iter().filter_map(Value::as_str).collect::<Vec<_>>()).unwrap_or_default()
        };
        if text("client_name").is_none() {
            return wrong("it has no client_name");
        }
        let redirect_uris = list("redirect_uris");
        if redirect_uris.is_empty() {
            return wrong("it has no redirect_uris");
        }
        if let Some(uri) = redirect_uris.iter().find(|uri| Url::parse(uri).is_err() || uri.contains('#')) {
            return Err(McpError::MetadataDocument(format!(
                "its redirect URI {uri:?} is not absolute or has a fragment"
            )));
        }
        for secret in ["client_secret", "client_secret_expires_at", "registration_access_token"] {
            if self.members.contains_key(secret) {
                return Err(McpError::MetadataDocument(format!(
                    "everybody can read it, so it must not have {secret}"
                )));
            }
        }
        if self.members.get("client_id").is_some_and(|id| id.as_str() != Some(self.url.as_str())) {
            return wrong("its client_id is not its URL");
        }
        let has_keys = self.members.contains_key("jwks") || self.members.contains_key("jwks_uri");
        match text("token_endpoint_auth_method").unwrap_or("client_secret_basic") {
            "none" => {}
            "private_key_jwt" | "tls_client_auth" | "self_signed_tls_client_auth" if has_keys => {}
            "private_key_jwt" | "tls_client_auth" | "self_signed_tls_client_auth" => {
                return wrong("it authenticates by a key, and has neither jwks nor jwks_uri");
            }
            _ => {
                return wrong(
                    "its token_endpoint_auth_method takes a secret, which a public document cannot have",
                );
            }
        }
        if let Some(keys) = self.members.get("jwks").and_then(|jwks| jwks["keys"].as_array())
            && keys.iter().any(|key| ["d", "p", "q", "k"].iter().any(|member| key.get(member).is_some()))
        {
            return wrong("its jwks holds a private key");
        }
        if !list("grant_types").contains(&"refresh_token") {
            return wrong("its grant_types lack refresh_token, so that users would sign in again and again");
        }
        let mut members = Map::new();
        members.insert("client_id".to_owned(), json!(self.url.as_str()));
        members.extend(self.members.iter().map(|(name, value)| (name.clone(), value.clone())));
        let json = Value::Object(members).to_string();
        match json.len() > MOST_BYTES {
            true => wrong("it has more than 5 kB, which servers need not read"),
            false => Ok(json),
        }
    }
}
