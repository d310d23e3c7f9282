//! The emulator as an application's HTTP client sees it.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use oauth_core::{
    Endpoint, Error, HttpClient, HttpError, HttpErrorKind, Provider, Result, async_trait, bytes::Bytes,
    default_http_client, http,
};

use crate::{emulator::Emulator, proof::CLIENT_CERT};

impl Emulator {
    /// An HTTP client that reaches the providers' real URLs at the emulator: give it to a provider's `with_http_client`,
    /// and the application under test stays as it is.
    ///
    /// # Errors
    ///
    /// A configuration error when no HTTP client can be made.
    pub fn http_client(&self) -> Result<EmulatorClient> {
        Ok(EmulatorClient { emulator: self.clone(), http: default_http_client()?, certificate: None })
    }

    /// A provider that signs in at the emulator: its requests go there, and so does the browser, because its authorization
    /// endpoint is the emulator's, and so is the one where a browser signs out, if the provider has one.
    ///
    /// # Errors
    ///
    /// A configuration error when no HTTP client can be made or the emulator does not play the provider, and for a provider with
    /// discovery, any error of its discovery.
    pub async fn connect<P: Provider>(&self, provider: P) -> Result<P> {
        let provider = provider.with_http_client(self.http_client()?);
        let client = provider.oauth2().ready().await?;
        let authorization = client.endpoints().authorization();
        if authorization.starts_with("https://") && !self.serves(authorization) {
            let problem = format!(
                "the emulator serves no {authorization}; it plays {}; give another provider's client a server of your own by with_endpoints",
                self.providers().join(", ")
            );
            return Err(Error::configuration(client.name().to_owned(), problem));
        }
        let moved = [Endpoint::Authorization, Endpoint::EndSession].into_iter().filter_map(|endpoint| {
            let url = client.endpoints().get(endpoint)?;
            Some((endpoint, self.local(url)))
        });
        let moved: Vec<_> = moved.collect();
        Ok(provider.with_endpoints(|all| {
            moved.into_iter().fold(all, |all, (endpoint, url)| all.with(endpoint, url))
        }))
    }
}

/// Sends what is meant for a provider to the emulator that plays it.
#[derive(Clone, Debug)]
pub struct EmulatorClient {
    emulator: Emulator,
    http: Arc<dyn HttpClient>,
    certificate: Option<http::HeaderValue>,
}

impl EmulatorClient {
    /// Shows this certificate (DER) where the provider asks for one, as a client with TLS would: at the addresses of
    /// `mtls_endpoint_aliases` and at the APIs (RFC 8705). The emulator speaks no TLS. It reads the certificate from the header `Client-Cert`,
    /// as an application behind a TLS proxy does (RFC 9440).
    ///
    /// # Errors
    ///
    /// A configuration error when the certificate is empty.
    pub fn with_certificate(mut self, der: &[u8]) -> Result<Self> {
        let header = http::HeaderValue::try_from(format!(":{}:", STANDARD.encode(der)))
            .ok()
            .filter(|_| !der.is_empty());
        self.certificate =
            Some(header.ok_or_else(|| Error::configuration("emulator", "the certificate is empty"))?);
        Ok(self)
    }
}

#[async_trait]
impl HttpClient for EmulatorClient {
    async fn send(&self, mut request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        if let Some(certificate) = &self.certificate
            && self.emulator.asks_for_certificate(&request.uri().to_string())
        {
            request.headers_mut().insert(CLIENT_CERT, certificate.clone());
        }
        *request.uri_mut() = self.emulator.local(&request.uri().to_string()).parse().map_err(
            |cause: http::uri::InvalidUri| HttpError::new(HttpErrorKind::InvalidRequest).caused_by(cause),
        )?;
        self.http.send(request).await
    }
}
