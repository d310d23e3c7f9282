//! How a client comes by its client id: pre-registered, a document at a URL, registered dynamically, or asked for.

use std::fmt;

use oauth_core::{
    ClientAuth, Credentials, Error as OAuthError, OAuth2, OffsetDateTime, Operation, Response, Secret,
    http::Method,
    serde_json::{Map, Value, json},
};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{
    error::McpError,
    metadata::ServerMetadata,
    server_url::{ServerUrl, check_url},
};

/// The operation of dynamic client registration (RFC 7591), in errors.
pub const REGISTER: Operation = Operation::new("register");

/// What kind of program a client is (OpenID Connect Dynamic Client Registration section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplicationType {
    /// A program on the user's machine: redirect URIs on loopback, or of a scheme of its own.
    Native,
    /// A web server: https redirect URIs.
    Web,
}

impl ApplicationType {
    /// The type that a redirect URI tells: web for https, else native.
    #[must_use]
    pub fn of(redirect_uri: &str) -> Self {
        match redirect_uri.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            true if !is_loopback(redirect_uri) => Self::Web,
            _ => Self::Native,
        }
    }

    /// Its name in a registration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Web => "web",
        }
    }
}

/// A client that an authorization server knows, and which none but that server gets to see.
#[derive(Clone)]
pub struct KnownClient {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) credentials: Credentials,
    pub(crate) auth: Option<ClientAuth>,
}

impl KnownClient {
    /// A client that is registered with this issuer.
    ///
    /// The issuer is the one in the authorization server's metadata, byte for byte. The credentials are a secret, none
    /// ([`Credentials::NONE`]), or a [`ClientAuthentication`](oauth_core::ClientAuthentication) such as `private_key_jwt`.
    pub fn new(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            credentials: credentials.into(),
            auth: None,
        }
    }

    /// Sends the secret this way. Without it, the way is one that the server's metadata lists, `client_secret_basic` first.
    #[must_use]
    pub fn with_client_auth(mut self, auth: ClientAuth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// How the client authenticates at a server.
    pub(crate) fn auth_at(&self, metadata: &ServerMetadata) -> Result<ClientAuth, McpError> {
        if let Some(auth) = self.auth {
            return Ok(auth);
        }
        let offered = metadata.list("token_endpoint_auth_methods_supported");
        let refuse = |has: &str, offered: &[&str]| McpError::NoClientAuthentication {
            issuer: self.issuer.clone(),
            offered: offered.iter().map(|&method| method.to_owned()).collect(),
            has: has.to_owned(),
        };
        if let Some(own) = self.credentials.own_authentication() {
            return match offered {
                Some(offered) if !offered.contains(&own.method()) => Err(refuse(own.method(), &offered)),
                // It goes its own way, whatever is chosen here.
                _ => {
                    let algorithms = metadata.list("token_endpoint_auth_signing_alg_values_supported");
                    match (algorithms, own.signing_algorithm()) {
                        (Some(offered), Some(signs))
                            if !offered.iter().any(|other| is_same(other, &signs)) =>
                        {
                            Err(refuse(&format!("{} with {signs}", own.method()), &offered))
                        }
                        _ => Ok(ClientAuth::Post),
                    }
                }
            };
        }
        if self.credentials.are_none() {
            return Ok(ClientAuth::None);
        }
        // What it means not to say it (RFC 8414 section 2).
        let Some(offered) = offered else { return Ok(ClientAuth::Basic) };
        let by_name = |name| offered.contains(&name);
        match (by_name("client_secret_basic"), by_name("client_secret_post")) {
            (true, _) => Ok(ClientAuth::Basic),
            (false, true) => Ok(ClientAuth::Post),
            (false, false) => Err(refuse("a client secret", &offered)),
        }
    }
}

/// Whether two names are those of one algorithm: RFC 9864 gave EdDSA with Ed25519 a name of its own.
fn is_same(one: &str, other: &str) -> bool {
    let plain = |name: &str| if name == "Ed25519" { "EdDSA".to_owned() } else { name.to_owned() };
    plain(one) == plain(other)
}

impl fmt::Debug for KnownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownClient")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The client that an [`Access`](crate::Access)'s token was issued to, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The authorization server.
    pub issuer: String,
    /// The client's id there.
    pub client_id: String,
    /// When the secret expires that the server gave to a client that registered itself, if it does.
    pub secret_expires_at: Option<OffsetDateTime>,
    /// Whether the client is among the application's own, or was registered and is kept. The tokens of one that is not cannot be refreshed.
    pub is_known: bool,
}

/// A client that was registered dynamically, as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// As a Unix time; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    method: String,
    /// Whether a person gave the client id, so that no new registration replaces it.
    #[serde(default)]
    pub(crate) is_given: bool,
}

impl Registered {
    /// A client id that a person entered.
    pub(crate) fn given(
        issuer: &str,
        client_id: &str,
        secret: Option<&Secret>,
        metadata: &ServerMetadata,
    ) -> Result<Self, McpError> {
        let credentials = match secret {
            Some(secret) => Credentials::from(secret.expose()),
            None => Credentials::NONE,
        };
        let auth = KnownClient::new(issuer, client_id, credentials).auth_at(metadata)?;
        Ok(Self {
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            expires_at: None,
            method: auth.as_str().to_owned(),
            is_given: true,
        })
    }

    pub(crate) fn secret_expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())
    }

    pub(crate) fn is_expired(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_some_and(|at| at <= now.unix_timestamp())
    }

    pub(crate) fn client(&self) -> KnownClient {
        let auth = method_of(&self.method).unwrap_or(ClientAuth::None);
        let credentials = match &self.client_secret {
            Some(secret) if auth != ClientAuth::None => Credentials::from(&**secret),
            _ => Credentials::NONE,
        };
        KnownClient::new(&*self.issuer, &*self.client_id, credentials).with_client_auth(auth)
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

fn method_of(name: &str) -> Option<ClientAuth> {
    match name {
        "none" => Some(ClientAuth::None),
        "client_secret_basic" => Some(ClientAuth::Basic),
        "client_secret_post" => Some(ClientAuth::Post),
        _ => None,
    }
}

/// What a client says of itself when it registers.
#[derive(Clone, Debug)]
pub(crate) struct Applicant<'a> {
    pub(crate) client_name: &'a str,
    pub(crate) redirect_uris: &'a [String],
    pub(crate) application_type: ApplicationType,
    pub(crate) scopes: Option<&'a [String]>,
    /// Members of the application's own, which win.
    pub(crate) further: &'a Map<String, Value>,
}

impl Applicant<'_> {
    /// The way to authenticate that is asked for: none, because a program on the user's machine keeps no secret; else what there is.
    fn method(
        metadata: &ServerMetadata,
        application_type: ApplicationType,
    ) -> Result<&'static str, McpError> {
        let offered = metadata.list("token_endpoint_auth_methods_supported");
        let order = match application_type {
            ApplicationType::Native => ["none", "client_secret_basic", "client_secret_post"],
            ApplicationType::Web => ["client_secret_basic", "client_secret_post", "none"],
        };
        let Some(offered) = offered else { return Ok(order[0]) };
        order.into_iter().find(|method| offered.contains(method)).ok_or_else(|| {
            McpError::NoClientAuthentication {
                issuer: metadata.issuer().to_owned(),
                offered: offered.iter().map(|&method| method.to_owned()).collect(),
                has: "no key".to_owned(),
            }
        })
    }

    fn body(&self, method: &str) -> Map<String, Value> {
        let mut body = Map::new();
        let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        set("client_name", json!(self.client_name));
        set("redirect_uris", json!(self.redirect_uris));
        set("grant_types", json!(["authorization_code", "refresh_token"]));
        set("response_types", json!(["code"]));
        set("token_endpoint_auth_method", json!(method));
        set("application_type", json!(self.application_type.as_str()));
        if let Some(scopes) = self.scopes {
            set("scope", json!(scopes.join(" ")));
        }
        body.extend(self.further.iter().map(|(name, value)| (name.clone(), value.clone())));
        body
    }
}

/// Registers a client (RFC 7591 section 3).
pub(crate) async fn register(
    nobody: &OAuth2,
    metadata: &ServerMetadata,
    server: &ServerUrl,
    applicant: &Applicant<'_>,
    initial_access_token: Option<&Secret>,
) -> Result<Registered, McpError> {
    let endpoint = metadata.text("registration_endpoint").unwrap_or_default();
    check_url("registration_endpoint", endpoint, server)?;
    let asked = Applicant::method(metadata, applicant.application_type)?;
    let body = applicant.body(asked);
    let failed = |cause: OAuthError| McpError::Registration {
        issuer: metadata.issuer().to_owned(),
        redirect_uri: applicant.redirect_uris.first().cloned().unwrap_or_default(),
        cause,
    };
    let mut request = nobody.request(REGISTER, Method::POST, endpoint);
    if let Some(token) = initial_access_token {
        request = request.bearer(token.expose());
    }
    let reply = request.json(Value::Object(body)).send().await.map_err(failed)?;
    read(&reply, metadata.issuer(), asked, applicant.redirect_uris).map_err(failed)
}

/// Reads a registration: what the server registered counts, not what was asked for (RFC 7591 section 3.2.1).
fn read(
    reply: &Response,
    issuer: &str,
    asked: &str,
    redirect_uris: &[String],
) -> Result<Registered, OAuthError> {
    let object = reply.object()?;
    let text = |name: &str| object[name].as_str().filter(|text| !text.is_empty());
    let client_id = text("client_id").ok_or_else(|| reply.malformed("it has no client_id"))?.to_owned();
    let secret = text("client_secret").map(str::to_owned);
    let method = match text("token_endpoint_auth_method") {
        Some(method) => method.to_owned(),
        // Without a secret there is but one way.
        None if secret.is_none() => "none".to_owned(),
        None => asked.to_owned(),
    };
    match method_of(&method) {
        None => {
            return Err(reply.malformed(
                "it registers a token_endpoint_auth_method that was not asked for and is not known here",
            ));
        }
        Some(ClientAuth::None) => {}
        Some(_) if secret.is_none() => {
            return Err(reply.malformed(
                "it registers a client that authenticates by a secret, and has no client_secret",
            ));
        }
        Some(_) => {}
    }
    if let Some(registered) = object["redirect_uris"].as_array()
        && !redirect_uris.iter().all(|uri| {
            registered.iter().filter_map(Value::as_str).any(|other| is_same_redirect_uri(uri, other))
        })
    {
        return Err(reply.malformed("it registers other redirect URIs than were asked for"));
    }
    // Zero means never, and so does silence.
    let expires_at = object["client_secret_expires_at"].as_i64().filter(|at| *at != 0 && secret.is_some());
    Ok(Registered {
        issuer: issuer.to_owned(),
        client_id,
        client_secret: secret,
        expires_at,
        method,
        is_given: false,
    })
}

/// Whether two redirect URIs are one: byte for byte, but that a server may leave out a loopback port (RFC 8252 section 7.3).
fn is_same_redirect_uri(asked: &str, registered: &str) -> bool {
    let without_port = |uri: &str| {
        let mut url = Url::parse(uri).ok()?;
        url.set_port(None).ok()?;
        Some(url)
    };
    asked == registered || (is_loopback(asked) && without_port(asked) == without_port(registered))
}

fn is_loopback(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// How a client comes by its client id at one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationMethod {
    /// The application has a client of this issuer.
    PreRegistered,
    /// The URL of the application's own metadata document is the client id.
    MetadataDocument,
    /// The client is registered now (RFC 7591).
    Dynamic,
    /// A person has to register the client and enter its id.
    Ask,
}

impl RegistrationMethod {
    /// The first way that there is (MCP 2025-11-25, client registration approaches).
    #[must_use]
    pub fn choose(
        metadata: &ServerMetadata,
        is_pre_registered: bool,
        has_metadata_document: bool,
        may_register: bool,
    ) -> Self {
        if is_pre_registered {
            Self::PreRegistered
        } else if has_metadata_document && metadata.flag("client_id_metadata_document_supported") {
            Self::MetadataDocument
        } else if may_register && metadata.text("registration_endpoint").is_some() {
            Self::Dynamic
        } else {
            Self::Ask
        }
    }
}

/// Whether the server does not know the client (any more).
pub(crate) fn refuses_the_client(error: &oauth_core::Error) -> bool {
    error.oauth_error().is_some_and(|error| error.code == "invalid_client")
}
