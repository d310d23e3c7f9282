//! Where a provider's metadata is, and which issuer it must name.

use std::sync::{Arc, Mutex};

use oauth_core::{
    Credentials, Error, ErrorKind, HttpClient, OAuth2, Operation, Provider, PublicHosts, Result,
    provider_kit::check_public_url,
};

use crate::{
    discovered::Discovered, issuer::Tenants, jws::quoted, metadata::ProviderMetadata,
    policy::VerificationPolicy, spec::SPEC,
};

/// What follows an issuer's path (OpenID Connect Discovery 1.0 section 4).
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// What is between an issuer's host and its path (RFC 8414 section 3.1).
const OAUTH_AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

/// Where a provider's metadata is, and which issuer it must name.
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
    pub(crate) tenants: Option<(String, Tenants)>,
    document_url: String,
    /// Whether the document of RFC 8414 is read, too.
    is_supplemented: bool,
    http: Option<Arc<dyn HttpClient>>,
    allows_http: bool,
    public_hosts_only: bool,
}

impl Discovery {
    /// The metadata of an issuer, byte for byte as the provider writes it, or of the URL of its document, such as
    /// `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 section 4).
    pub fn new(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        Self::at_document(&issuer).unwrap_or_else(|| {
            let url = format!("{}{OPENID_CONFIGURATION}", issuer.strip_suffix('/').unwrap_or(&issuer));
            Self::at(vec![issuer], url)
        })
    }

    /// The metadata of an OAuth 2.0 authorization server (RFC 8414 section 3), whose document is between host and path.
    pub fn rfc_8414(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        Self::at_document(&issuer).unwrap_or_else(|| {
            let url = rfc_8414_url(&issuer);
            Self::at(vec![issuer], url)
        })
    }

    /// The metadata at the URL of a document, if that is what was given in place of the issuer.
    fn at_document(given: &str) -> Option<Self> {
        let document = given.strip_suffix('/').unwrap_or(given);
        let (origin, path) = [OPENID_CONFIGURATION, OAUTH_AUTHORIZATION_SERVER]
            .iter()
            .find_map(|name| document.split_once(name))
            .filter(|(_, path)| path.is_empty() || path.starts_with('/'))?;
        // One document serves an issuer with and without a slash at its end (section 4.1).
        let issuer = format!("{origin}{path}");
        Some(Self::at(vec![issuer.clone(), format!("{issuer}/")], document.to_owned()))
    }

    fn at(issuers: Vec<String>, document_url: String) -> Self {
        Self {
            issuers,
            tenants: None,
            document_url,
            is_supplemented: false,
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

    /// Reads the document of RFC 8414 as well, for what the other one lacks: some servers, such as django-oauth-toolkit, name their
    /// endpoints for revocation and introspection only there. Where the issuer has a path, servers that put the document behind the
    /// path are asked there. Its issuer must be the same.
    pub fn with_rfc_8414_document(mut self) -> Self {
        self.is_supplemented = true;
        self
    }

    /// Expects another issuer in the document than the one by which it was found, for a provider whose documentation says so.
    pub fn with_expected_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers = vec![issuer.into()];
        self
    }

    /// Expects a template in place of an issuer, in which `{tenantid}` is replaced by each of these tenants, as Microsoft has it.
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
    /// environment names a proxy. Of an HTTP client that was given, only the URLs are checked: it resolves names itself.
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

    pub(crate) fn prepared(&self, client: OAuth2) -> OAuth2 {
        let mut client = match (&self.http, self.public_hosts_only) {
            (Some(http), true) => client.with_http_client(PublicHosts::on(http.clone())),
            (None, true) => client.with_http_client(PublicHosts::new()),
            (Some(http), false) => client.with_http_client(http.clone()),
            (None, false) => client,
        };
        if self.allows_http {
            client = client.dangerously_allow_plain_http();
        }
        match &*self.issuers {
            [issuer] => client.with_issuer(issuer.clone()),
            _ => client,
        }
    }

    pub(crate) fn discovered(&self, provider: &'static str) -> Result<Discovered> {
        let wrong = |problem: String| {
            Err(Error::new(Operation::DISCOVER, provider, ErrorKind::Configuration(problem)))
        };
        for issuer in &self.issuers {
            if issuer.contains(['?', '#']) {
                return wrong(format!(
                    "the issuer {} must have neither query nor fragment; a document's URL that has one goes to \
                     Discovery::with_document_url",
                    quoted(issuer)
                ));
            }
            // An issuer without a scheme is for those who say where the document is.
            if issuer.contains("://") && !url::Url::parse(issuer).is_ok_and(|url| url.has_host()) {
                return wrong(format!("the issuer {} is not a URL with a host", quoted(issuer)));
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
            supplements: self.supplements(),
            allows_http: self.allows_http,
            public_hosts_only: self.public_hosts_only,
            cached: Mutex::default(),
        })
    }

    /// Where the second document may be.
    fn supplements(&self) -> Vec<String> {
        let Some(issuer) = self.issuers.first().filter(|_| self.is_supplemented) else { return Vec::new() };
        let stem = issuer.strip_suffix('/').unwrap_or(issuer);
        let mut urls = vec![rfc_8414_url(issuer), format!("{stem}{OAUTH_AUTHORIZATION_SERVER}")];
        urls.dedup();
        urls
    }
}

/// Where RFC 8414 section 3.1 puts an issuer's document.
fn rfc_8414_url(issuer: &str) -> String {
    let host = issuer.find("://").map_or(0, |at| at + 3);
    let path = issuer[host..].find('/').map_or(issuer.len(), |at| host + at);
    let (origin, path) = issuer.split_at(path);
    format!("{origin}{OAUTH_AUTHORIZATION_SERVER}{}", path.strip_suffix('/').unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md_the_document_of_rfc_8414_is_between_host_and_path() {
        for (issuer, url) in [
            ("https://a.b", "https://a.b/.well-known/oauth-authorization-server"),
            ("https://a.b/", "https://a.b/.well-known/oauth-authorization-server"),
            ("https://a.b/c/d", "https://a.b/.well-known/oauth-authorization-server/c/d"),
            (
                "https://login.example.com/c/",
                "https://login.example.com/.well-known/oauth-authorization-server/c",
            ),
        ] {
            assert_eq!(rfc_8414_url(issuer), url);
        }
    }
}
