use std::sync::Arc;

use oauth_core::{ClientSecret, ErrorKind, HttpClient, OAuth2, Operation, Provider, Result, http::Method};

use crate::{client::OpenID, metadata::ProviderMetadata};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A request for a provider's metadata (OpenID Connect Discovery 1.0 section 4).
///
/// ```no_run
/// use oauth_openid::Discovery;
///
/// # async fn f() -> Result<(), oauth_core::Error> {
/// let client = Discovery::new("https://accounts.platform.intuit.com")
///     .with_document_url("https://developer.api.intuit.com/.well-known/openid_configuration")
///     .connect("CLIENT_ID", "CLIENT_SECRET")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Discovery {
    issuers: Vec<String>,
    document_url: String,
    http: Option<Arc<dyn HttpClient>>,
    allows_http: bool,
}

impl Discovery {
    /// The metadata of an issuer, byte for byte as the provider writes it, or of the URL of its
    /// `/.well-known/openid-configuration`.
    pub fn new(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        match issuer.strip_suffix(WELL_KNOWN) {
            // One document serves an issuer with and without a slash at its end (Discovery section 4.1).
            Some(stem) => Self {
                issuers: vec![stem.to_owned(), format!("{stem}/")],
                document_url: issuer,
                http: None,
                allows_http: false,
            },
            None => Self {
                document_url: format!("{}{WELL_KNOWN}", issuer.strip_suffix('/').unwrap_or(&issuer)),
                issuers: vec![issuer],
                http: None,
                allows_http: false,
            },
        }
    }

    /// Reads the document elsewhere. The issuer in it must be the expected one all the same.
    pub fn with_document_url(mut self, url: impl Into<String>) -> Self {
        self.document_url = url.into();
        self
    }

    /// Sends this request, and those of the client that comes of it, with this HTTP client.
    pub fn with_http_client(mut self, http: impl HttpClient + 'static) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Reads metadata, and afterwards sends secrets, over plain http as well, where everybody on the way can read and
    /// change them. For test networks only.
    pub fn dangerously_allow_plain_http(mut self) -> Self {
        self.allows_http = true;
        self
    }

    /// Reads the metadata.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error). A document whose `issuer` is not, byte for byte, the expected one is refused (Discovery section 4.3).
    pub async fn fetch(&self) -> Result<ProviderMetadata> {
        let client = self.client();
        for issuer in &self.issuers {
            if issuer.contains(['?', '#']) {
                let problem = format!("the issuer {issuer:?} must have neither query nor fragment");
                return Err(client.error(Operation::DISCOVER, ErrorKind::Configuration(problem)));
            }
        }
        let reply = client.call(Operation::DISCOVER, Method::GET, &*self.document_url).send().await?;
        if reply.status() != 200 {
            return Err(
                reply.malformed("metadata comes with HTTP 200 (OpenID Connect Discovery section 4.2)")
            );
        }
        let metadata = ProviderMetadata::new(reply.object()?)
            .map_err(|_| reply.malformed("there is no string issuer in it"))?;
        if self.issuers.iter().any(|issuer| issuer == metadata.issuer()) {
            Ok(if self.allows_http { metadata.dangerously_allow_plain_http() } else { metadata })
        } else {
            Err(reply.malformed(format!(
                "its issuer is {:?}, but {:?} was asked for; they must be equal byte for byte, slash included",
                metadata.issuer(),
                self.issuers[0]
            )))
        }
    }

    /// Reads the metadata and makes a client of it.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch) and [`OpenID::new`].
    pub async fn connect(
        self,
        client_id: impl Into<String> + Send,
        client_secret: impl Into<ClientSecret> + Send,
    ) -> Result<OpenID> {
        let (client_id, client_secret) = (client_id.into(), client_secret.into());
        let metadata = self.fetch().await?;
        Ok(self.handed_to(OpenID::new(client_id, client_secret, metadata)?))
    }

    /// The client, sending its requests as this one is sent: for provider crates.
    pub fn handed_to<P: Provider>(&self, mut client: P) -> P {
        if let Some(http) = &self.http {
            client.oauth2_mut().set_http_client(http.clone());
        }
        client
    }

    fn client(&self) -> OAuth2 {
        let mut client = OAuth2::new("", ClientSecret::NONE, "", "").with_name("openid");
        if self.allows_http {
            client.dangerously_allow_plain_http();
        }
        self.handed_to(client)
    }
}
