//! What takes a program from an MCP server's challenge to a token: its settings.

mod clients;
mod discovery;
mod sign_in;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex},
    time::Instant,
};

use oauth_core::{
    Clock, Credentials, HttpClient, OAuth2, Secret, SystemClock,
    serde_json::{Map, Value},
};

use crate::{
    client::McpClient,
    grant::Grant,
    metadata::ServerMetadata,
    metadata_document::ClientIdUrl,
    records::{MemoryRecords, Records},
    registration::{ApplicationType, KnownClient},
    revision::Revision,
    server_url::NameRules,
};

type ChooseServer = dyn Fn(&[&str]) -> Option<String> + Send + Sync;
/// By resource and issuer.
type MetadataCache = HashMap<[String; 2], (Instant, Arc<ServerMetadata>)>;
/// By server, resource, issuer and client id, each with the metadata that it was made from.
type MadeClients = HashMap<[String; 4], (Arc<ServerMetadata>, McpClient)>;
type SetUp = dyn Fn(OAuth2) -> OAuth2 + Send + Sync;

/// Takes a program from an MCP server's challenge to a token.
///
/// It opens nothing and asks nobody: each [`Step`](crate::Step) says what is to be done next. [`Access`](crate::Access) does the rest. One serves any
/// number of MCP servers; a clone is the same one.
#[derive(Clone)]
pub struct Authorizer(Arc<AuthorizerSettings>);

#[derive(Clone)]
struct AuthorizerSettings {
    revision: Revision,
    names: NameRules,
    has_legacy_fallback: bool,
    http: Option<Arc<dyn HttpClient>>,
    reaches_any_address: bool,
    clients: Vec<KnownClient>,
    metadata_document: Option<(ClientIdUrl, Credentials)>,
    registers: Option<bool>,
    client_name: String,
    registration: Map<String, Value>,
    application_type: Option<ApplicationType>,
    /// By the issuer that gave them.
    initial_access_tokens: BTreeMap<String, Secret>,
    redirect_uris: Vec<String>,
    default_scopes: Vec<String>,
    wants_refresh: bool,
    unlisted_pkce: Vec<String>,
    without_resource: Vec<String>,
    choose_server: Option<Arc<ChooseServer>>,
    grant: Grant,
    set_up: Option<Arc<SetUp>>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    cache: Arc<Mutex<MetadataCache>>,
    made: Arc<Mutex<MadeClients>>,
}

/// Making one. Each method's description ends with the default, where there is one.
impl Authorizer {
    /// An authorizer of the newest revision that keeps registrations in memory.
    #[must_use]
    pub fn new(client_name: impl Into<String>) -> Self {
        Self(Arc::new(AuthorizerSettings {
            revision: Revision::default(),
            names: NameRules::Mcp,
            has_legacy_fallback: false,
            http: None,
            reaches_any_address: false,
            clients: Vec::new(),
            metadata_document: None,
            registers: None,
            client_name: client_name.into(),
            registration: Map::new(),
            application_type: None,
            initial_access_tokens: BTreeMap::new(),
            redirect_uris: Vec::new(),
            default_scopes: Vec::new(),
            wants_refresh: true,
            unlisted_pkce: Vec::new(),
            without_resource: Vec::new(),
            choose_server: None,
            grant: Grant::default(),
            set_up: None,
            records: Arc::new(MemoryRecords::new()),
            clock: Arc::new(SystemClock),
            cache: Arc::default(),
            made: Arc::default(),
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut AuthorizerSettings)) -> Self {
        let settings = Arc::make_mut(&mut self.0);
        change(settings);
        // What was found and made under other settings is not for these.
        settings.cache = Arc::default();
        settings.made = Arc::default();
        self
    }

    /// Does what this revision of MCP asks for. Default: the newest.
    #[must_use]
    pub fn with_revision(self, revision: Revision) -> Self {
        self.with(|settings| {
            settings.revision = revision;
            settings.has_legacy_fallback |= revision == Revision::V2025_03_26;
        })
    }

    /// Compares the names of resources and issuers by these rules. Default: [`NameRules::Mcp`].
    #[must_use]
    pub fn with_name_rules(self, rules: NameRules) -> Self {
        self.with(|settings| settings.names = rules)
    }

    /// Takes the endpoints of MCP 2025-03-26 where a server has no protected resource metadata at any place: the metadata at its origin,
    /// or `/authorize`, `/token` and `/register` there. Nothing vouches for these endpoints but the server itself. Default: no.
    #[must_use]
    pub fn with_legacy_fallback(self) -> Self {
        self.with(|settings| settings.has_legacy_fallback = true)
    }

    /// Sends all requests with this HTTP client. Which hosts may be reached is checked all the same, by what is written in URLs; what
    /// names resolve to is then for the client to check.
    #[must_use]
    pub fn with_http_client(self, http: impl HttpClient + 'static) -> Self {
        self.with(|settings| settings.http = Some(Arc::new(http)))
    }

    /// Reaches private addresses as well as public ones: for a tool on a desktop in a company's network. Default: public hosts only, but
    /// loopback or private addresses where the MCP server's own URL is written with one.
    #[must_use]
    pub fn reaching_any_address(self) -> Self {
        self.with(|settings| settings.reaches_any_address = true)
    }

    /// Uses a client that is registered already. It is used at its own issuer only, and once there is one, no other client is registered
    /// unless [`registering`](Self::registering) says so. Can be called for several.
    #[must_use]
    pub fn with_client(self, client: KnownClient) -> Self {
        self.with(|settings| settings.clients.push(client))
    }

    /// Uses a client ID metadata document, where the server takes one. The credentials are [`Credentials::NONE`] or a key method whose
    /// key the document names.
    #[must_use]
    pub fn with_metadata_document(self, url: ClientIdUrl, credentials: impl Into<Credentials>) -> Self {
        self.with(|settings| settings.metadata_document = Some((url, credentials.into())))
    }

    /// Registers clients dynamically (RFC 7591), or never does. Default: yes, unless there are clients that are registered already.
    #[must_use]
    pub fn registering(self, registers: bool) -> Self {
        self.with(|settings| settings.registers = Some(registers))
    }

    /// Registers with further members, such as `client_uri`, `software_id` or `software_statement`.
    #[must_use]
    pub fn with_registration(self, members: Map<String, Value>) -> Self {
        self.with(|settings| settings.registration.extend(members))
    }

    /// Registers as this type of program, for a server that refuses a redirect URI of the other. Default: what the redirect URI tells.
    #[must_use]
    pub fn with_application_type(self, application_type: ApplicationType) -> Self {
        self.with(|settings| settings.application_type = Some(application_type))
    }

    /// Registers at this issuer with an initial access token (RFC 7591 section 3), and at others without: an MCP server names its authorization
    /// server itself, and may name one of its own. Can be called for several. The issuer must be spelled as the server's metadata does, byte for byte
    /// (RFC 8414 section 3.3).
    #[must_use]
    pub fn with_initial_access_token(self, issuer: impl Into<String>, token: impl Into<Secret>) -> Self {
        self.with(|settings| drop(settings.initial_access_tokens.insert(issuer.into(), token.into())))
    }

    /// Registers these redirect URIs beside the one that is used first, so that later sign-ins by one of them need no new registration.
    #[must_use]
    pub fn with_redirect_uris<S: Into<String>>(self, uris: impl IntoIterator<Item = S>) -> Self {
        self.with(|settings| settings.redirect_uris = uris.into_iter().map(Into::into).collect())
    }

    /// Asks for these scopes where neither the challenge nor the server's metadata names any: some servers, such as Microsoft's, refuse
    /// requests without a scope.
    #[must_use]
    pub fn with_default_scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.with(|settings| settings.default_scopes = scopes.into_iter().map(Into::into).collect())
    }

    /// Does not ask for `offline_access` where the authorization server has it.
    #[must_use]
    pub fn without_refresh_tokens(self) -> Self {
        self.with(|settings| settings.wants_refresh = false)
    }

    /// Goes on with an issuer whose metadata does not say that it takes PKCE, because it is known to do so. S256 is sent all the same.
    #[must_use]
    pub fn allowing_unlisted_pkce(self, issuer: impl Into<String>) -> Self {
        self.with(|settings| settings.unlisted_pkce.push(issuer.into()))
    }

    /// Leaves `resource` out at this issuer, on all requests. Its tokens are then good wherever the issuer says, so use it only where
    /// the issuer refuses the parameter, as Microsoft's does beside scopes of another resource.
    #[must_use]
    pub fn without_resource_at(self, issuer: impl Into<String>) -> Self {
        self.with(|settings| settings.without_resource.push(issuer.into()))
    }

    /// Obtains tokens by this grant. Default: a user signs in by a browser.
    ///
    /// The others need a client that is [registered already](Self::with_client).
    #[must_use]
    pub fn with_grant(self, grant: Grant) -> Self {
        self.with(|settings| settings.grant = grant)
    }

    /// Chooses among several authorization servers. Default: one with a client that is registered already, or else the first.
    #[must_use]
    pub fn choosing_server(self, choose: impl Fn(&[&str]) -> Option<String> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.choose_server = Some(Arc::new(choose)))
    }

    /// Changes each client before it is used, such as to add a participant that proves possession of a key (DPoP, RFC 9449).
    #[must_use]
    pub fn with_client_setup(self, set_up: impl Fn(OAuth2) -> OAuth2 + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.set_up = Some(Arc::new(set_up)))
    }

    /// Keeps registrations here. Default: in memory.
    #[must_use]
    pub fn with_records(self, records: impl Records + 'static) -> Self {
        self.with(|settings| settings.records = Arc::new(records))
    }

    /// Uses this clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock + 'static) -> Self {
        self.with(|settings| settings.clock = Arc::new(clock))
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.0.grant
    }

    /// The revision of MCP that it does.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.revision
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer")
            .field("revision", &self.0.revision)
            .field("names", &self.0.names)
            .field("clients", &self.0.clients)
            .finish_non_exhaustive()
    }
}
