use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use oauth_core::{
    Credentials, Error, ErrorKind, HttpClient, OAuth2, Operation, Provider, PublicHosts, Result, Spec,
    provider_kit::check_public_url, serde_json::Value,
};

use crate::{
    cached::{Cached, Kept, Reader, Reading, Shared},
    client::{OpenID, SPEC},
    issuer::{Issuers, Tenants, slash},
    jws::quoted,
    metadata::ProviderMetadata,
    policy::VerificationPolicy,
    protocol::{OpenIDConnect, Source},
};

/// What stands behind an issuer's path (OpenID Connect Discovery 1.0 section 4).
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// What stands between an issuer's host and its path (RFC 8414 section 3.1).
const OAUTH_AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

/// Where a provider's metadata stands, and which issuer must stand in it.
///
/// ```
/// use oauth_openid::Discovery;
///
/// # fn f() -> Result<(), oauth_core::Error> {
/// let client = Discovery::new("https://accounts.platform.intuit.com")
///     .with_document_url("https://developer.api.intuit.com/.well-known/openid_configuration")
///     .client("CLIENT_ID", "CLIENT_SECRET")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Discovery {
    issuers: Vec<String>,
    /// The issuer in the document of a provider whose tenants have issuers of their own.
    tenants: Option<(String, Tenants)>,
    document_url: String,
    http: Option<Arc<dyn HttpClient>>,
    allows_http: bool,
    public_hosts_only: bool,
}

impl Discovery {
    /// The metadata of an issuer, byte for byte as the provider writes it, or of the URL of its
    /// `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 section 4).
    pub fn new(issuer: impl Into<String>) -> Self {
        Self::of(issuer.into())
    }

    fn of(issuer: String) -> Self {
        match issuer.strip_suffix(OPENID_CONFIGURATION) {
            // One document serves an issuer with and without a slash at its end (section 4.1).
            Some(stem) => Self::at(vec![stem.to_owned(), format!("{stem}/")], issuer.clone()),
            None => {
                let url = format!("{}{OPENID_CONFIGURATION}", issuer.strip_suffix('/').unwrap_or(&issuer));
                Self::at(vec![issuer], url)
            }
        }
    }

    /// The metadata of an OAuth 2.0 authorization server (RFC 8414 section 3), whose document stands between host and path.
    pub fn rfc_8414(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        let host = issuer.find("://").map_or(0, |at| at + 3);
        let path = issuer[host..].find('/').map_or(issuer.len(), |at| host + at);
        let (origin, path) = issuer.split_at(path);
        let url = format!("{origin}{OAUTH_AUTHORIZATION_SERVER}{}", path.strip_suffix('/').unwrap_or(path));
        Self::at(vec![issuer], url)
    }

    fn at(issuers: Vec<String>, document_url: String) -> Self {
        Self {
            issuers,
            tenants: None,
            document_url,
            http: None,
            allows_http: false,
            public_hosts_only: false,
        }
    }

    /// Reads the document elsewhere. The issuer in it must be the expected one all the same, but whoever chooses the URL chooses the
    /// keys, and can speak for that issuer: it is never for a stranger to choose.
    pub fn with_document_url(mut self, url: impl Into<String>) -> Self {
        self.document_url = url.into();
        self
    }

    /// Expects another issuer in the document than the one by which it was found, for a provider whose documentation says so.
    pub fn with_expected_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers = vec![issuer.into()];
        self
    }

    /// Expects a template in place of an issuer, in which `{tenantid}` stands for each of these tenants, as Microsoft has it.
    pub fn with_tenants(mut self, template: impl Into<String>, tenants: Tenants) -> Self {
        let template = template.into();
        self.issuers = vec![template.clone()];
        self.tenants = Some((template, tenants));
        self
    }

    /// Sends the requests of the client that comes of it with this HTTP client.
    pub fn with_http_client(mut self, http: impl HttpClient + 'static) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Asks public hosts only, for an issuer that a stranger or a tenant supplied: for its metadata, its keys and its tokens, for a
    /// registration, and for whatever else the client that comes of it sends.
    ///
    /// The issuer and each endpoint in its metadata must have a public host ([`check_public_url`]), and each request goes by way of
    /// [`PublicHosts`], which looks at the addresses that a name resolves to as well, and refuses to send anything while the
    /// environment names a proxy. Of an HTTP client that was given, only what stands in URLs is checked: it resolves names itself.
    /// To change how `PublicHosts` works, give one to [`with_http_client`](Self::with_http_client) in place of this. An HTTP client
    /// that is given later, to the client that comes of it, takes the rule's place.
    ///
    /// ```
    /// use oauth_openid::Discovery;
    ///
    /// let of_a_tenant = Discovery::new("https://169.254.169.254").public_hosts_only();
    /// assert!(of_a_tenant.client("CLIENT_ID", "CLIENT_SECRET").is_err());
    /// ```
    pub fn public_hosts_only(mut self) -> Self {
        self.public_hosts_only = true;
        self
    }

    /// Reads metadata, and afterwards sends secrets, over plain http as well, where everybody on the way can read and
    /// change them. For test networks only.
    pub fn dangerously_allow_plain_http(mut self) -> Self {
        self.allows_http = true;
        self
    }

    /// Reads the metadata now.
    ///
    /// # Errors
    ///
    /// Any [`Error`]. A document whose `issuer` is not, byte for byte, the expected one is refused (Discovery section 4.3).
    pub async fn fetch(&self) -> Result<ProviderMetadata> {
        let client = self.prepared(OAuth2::from_spec(&SPEC, "", Credentials::NONE));
        let metadata = self.discovered(SPEC.name)?.get(&client, &VerificationPolicy::new()).await?;
        Ok((*metadata).clone())
    }

    /// A client that reads the metadata when it is first needed, and anew now and then. Nothing is sent yet, so that a provider
    /// that is down does not keep the application from starting.
    ///
    /// # Errors
    ///
    /// A configuration error when the issuer is no URL without query and fragment.
    pub fn client(self, client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Result<OpenID> {
        let policy = VerificationPolicy::new().openid_always();
        Ok(OpenID::of(self.client_of(&SPEC, policy, client_id.into(), credentials.into())?))
    }

    /// The same for a provider whose name, colour and scopes are known.
    pub(crate) fn client_of(
        &self,
        spec: &Spec,
        policy: VerificationPolicy,
        client_id: String,
        credentials: Credentials,
    ) -> Result<OAuth2> {
        let client = OAuth2::from_spec(spec, client_id, credentials);
        client.check_credentials()?;
        self.discovering(client, policy)
    }

    /// A client of nobody, for what is asked before there is a client id.
    pub(crate) fn client_of_nobody(&self) -> Result<OpenID> {
        let client = OAuth2::from_spec(&SPEC, "", Credentials::NONE);
        Ok(OpenID::of(self.discovering(client, VerificationPolicy::new().openid_always())?))
    }

    fn discovering(&self, client: OAuth2, policy: VerificationPolicy) -> Result<OAuth2> {
        let mut client = self.prepared(client);
        let policy = match &self.tenants {
            Some((template, tenants)) if policy.issuers.is_none() => {
                policy.issuers(Issuers::Tenants { template: template.clone(), tenants: tenants.clone() })
            }
            _ => policy,
        };
        let discovered = self.discovered(client.spec().name)?;
        client.add_participant(OpenIDConnect::new(Source::Discovered(Arc::new(discovered)), policy));
        Ok(client)
    }

    /// A client that knows the metadata already, or the reason why it cannot be had.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch), and a configuration error when the metadata cannot be used.
    pub async fn connect(
        self,
        client_id: impl Into<String> + Send,
        credentials: impl Into<Credentials> + Send,
    ) -> Result<OpenID> {
        let client = self.client(client_id, credentials)?;
        client.oauth2().ready().await?;
        Ok(client)
    }

    fn prepared(&self, mut client: OAuth2) -> OAuth2 {
        match (&self.http, self.public_hosts_only) {
            (Some(http), true) => client.set_http_client(Arc::new(PublicHosts::on(http.clone()))),
            (None, true) => client.set_http_client(Arc::new(PublicHosts::new())),
            (Some(http), false) => client.set_http_client(http.clone()),
            (None, false) => {}
        }
        if self.allows_http {
            client.dangerously_allow_plain_http();
        }
        if let [issuer] = &*self.issuers {
            client.set_issuer(issuer.clone());
        }
        client
    }

    fn discovered(&self, provider: &'static str) -> Result<Discovered> {
        let wrong = |problem: String| {
            Err(Error::new(Operation::DISCOVER, provider, ErrorKind::Configuration(problem)))
        };
        for issuer in &self.issuers {
            if issuer.contains(['?', '#']) {
                return wrong(format!("the issuer {} must have neither query nor fragment", quoted(issuer)));
            }
            // An issuer without a scheme is for those who say where the document stands.
            if issuer.contains("://") && !url::Url::parse(issuer).is_ok_and(|url| url.has_host()) {
                return wrong(format!("the issuer {} is no URL with a host", quoted(issuer)));
            }
            if issuer.is_empty() {
                return wrong(
                    "the issuer is empty; it is a URL such as https://login.example.com".to_owned(),
                );
            }
        }
        if self.public_hosts_only {
            for url in self.issuers.iter().chain([&self.document_url]) {
                if let Err(problem) = check_public_url(url) {
                    return wrong(format!("the issuer's URL {} is refused: {problem}", quoted(url)));
                }
            }
        }
        Ok(Discovered {
            issuers: self.issuers.clone(),
            url: self.document_url.clone(),
            allows_http: self.allows_http,
            public_hosts_only: self.public_hosts_only,
            cached: Mutex::default(),
        })
    }
}

/// Metadata that is read and kept.
pub(crate) struct Discovered {
    issuers: Vec<String>,
    url: String,
    allows_http: bool,
    public_hosts_only: bool,
    /// By who reads it, the oldest first.
    cached: Mutex<Vec<(Reader, Arc<Cached<ProviderMetadata>>)>>,
}

/// The most readers of one provider's metadata: clones of a client with HTTP clients of their own.
const MOST_READERS: usize = 64;

impl Discovered {
    pub(crate) async fn get(
        &self,
        client: &OAuth2,
        policy: &VerificationPolicy,
    ) -> Result<Arc<ProviderMetadata>> {
        self.of(client, policy).get(client, &self.reading(client, policy)).await
    }

    pub(crate) fn export(&self, client: &OAuth2, policy: &VerificationPolicy) -> Option<Kept> {
        self.of(client, policy).export()
    }

    pub(crate) fn import(&self, kept: Kept, client: &OAuth2, policy: &VerificationPolicy) {
        self.of(client, policy).import(kept, &self.reading(client, policy));
    }

    fn of(&self, client: &OAuth2, policy: &VerificationPolicy) -> Arc<Cached<ProviderMetadata>> {
        let reader = Reader::of(client, policy);
        let mut all = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cached)) = all.iter().find(|(own, _)| *own == reader) {
            return cached.clone();
        }
        if all.len() == MOST_READERS {
            all.remove(0);
        }
        let cached = Arc::default();
        all.push((reader, Arc::clone(&cached)));
        cached
    }

    fn reading(&self, client: &OAuth2, policy: &VerificationPolicy) -> Reading<ProviderMetadata> {
        let (issuers, allows_http) = (self.issuers.clone(), self.allows_http);
        let public_hosts_only = self.public_hosts_only;
        Reading {
            operation: Operation::DISCOVER,
            url: self.url.clone(),
            issuer: self.issuers.first().cloned().unwrap_or_default(),
            policy: policy.metadata_cache,
            clock: policy.clock.clone(),
            shared: Shared::of(client, policy),
            parse: Arc::new(move |document| {
                let metadata = read(document, &issuers, allows_http)?;
                if public_hosts_only {
                    check_public_endpoints(&metadata)?;
                }
                Ok(metadata)
            }),
        }
    }
}

fn read(document: Value, issuers: &[String], allows_http: bool) -> Result<ProviderMetadata, String> {
    let metadata =
        ProviderMetadata::new(document).map_err(|_| "there is no string issuer in it".to_owned())?;
    let found = metadata.issuer();
    if issuers.iter().any(|issuer| issuer == found) {
        return Ok(if allows_http { metadata.dangerously_allow_plain_http() } else { metadata });
    }
    let expected = issuers.first().map_or("", |issuer| issuer);
    Err(format!(
        "its issuer is {}, but {} was asked for; they must be equal byte for byte{}",
        quoted(found),
        quoted(expected),
        slash(found, expected)
    ))
}

/// Checks that metadata sends nobody into a private network, neither the application nor its users' browsers.
fn check_public_endpoints(metadata: &ProviderMetadata) -> Result<(), String> {
    // Requests with a client certificate go to these (RFC 8705 section 5).
    let aliases = metadata.members().get("mtls_endpoint_aliases").and_then(Value::as_object);
    for (name, url) in metadata.members().iter().chain(aliases.into_iter().flatten()) {
        if name != "jwks_uri" && !name.ends_with("_endpoint") {
            continue;
        }
        if let Some(Err(problem)) = url.as_str().map(check_public_url) {
            return Err(format!("its {} is refused: {problem}", quoted(name)));
        }
    }
    Ok(())
}

impl fmt::Debug for Discovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovered")
            .field("issuers", &self.issuers)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
