//! Mutual TLS: client authentication by a certificate, and tokens that are bound to one (RFC 8705).

use std::{
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use oauth_core::{
    AfterReply, AuthenticationError, BindingError, ClientAuthentication, Connection, Credentials, Endpoint,
    EndpointAlias, ErrorKind, HttpClient, HttpError, OAuth2, OAuth2Token, OffsetDateTime, Operation,
    Participant, RequestContext, RequestDraft, Result, http,
};
use serde_json::{Map, Value};

use crate::{assertion_field::add_client_id, key_error::KeyError, x509::Certificate};

/// A client's TLS certificate, with the HTTP client that shows it.
///
/// The HTTP client is made with the certificate and its key by `with_client_certificate` of `oauth-reqwest` or `oauth-hyper`. A client that
/// has several certificates has an HTTP client for each, so that no connection of one is used for another.
pub struct ClientCertificate {
    http: Arc<dyn HttpClient>,
    thumbprint: String,
    not_before: Option<OffsetDateTime>,
    not_after: Option<OffsetDateTime>,
}

impl ClientCertificate {
    /// A certificate (PEM or DER; in PEM, the first one) with the HTTP client that shows it.
    ///
    /// # Errors
    ///
    /// [`KeyError::Form`] when it is not an X.509 certificate.
    pub fn new(certificate: impl AsRef<[u8]>, http: impl HttpClient + 'static) -> Result<Self, KeyError> {
        let certificate = Certificate::read(certificate.as_ref())?;
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate.der));
        let Certificate { not_before, not_after, .. } = certificate;
        Ok(Self { http: Arc::new(http), thumbprint, not_before, not_after })
    }

    /// Its SHA-256 in base64url: the `x5t#S256` of tokens that are bound to it (RFC 8705 section 3.1).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Until when it is good, if it says so in a way that can be read.
    #[must_use]
    pub fn not_after(&self) -> Option<OffsetDateTime> {
        self.not_after
    }

    fn check(&self, now: OffsetDateTime) -> std::result::Result<(), AuthenticationError> {
        if let Some(end) = self.not_after.filter(|end| *end < now) {
            let problem = format!(
                "the client certificate expired on {}; put its successor in its place with ClientCertificates::replace",
                end.date()
            );
            return Err(problem.into());
        }
        if let Some(begin) = self.not_before.filter(|begin| *begin > now) {
            let problem =
                format!("the client certificate is not good before {begin}; is this machine's clock right?");
            return Err(problem.into());
        }
        Ok(())
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint", &self.thumbprint)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The certificate of one client, which another one replaces without a restart. Copies share it.
///
/// Requests that were sent before end on the connections of the former one. Tokens that are bound to it are not sent any more:
/// [`CertificateBoundTokens`].
#[derive(Clone, Debug)]
pub struct ClientCertificates(Arc<RwLock<Arc<ClientCertificate>>>);

impl ClientCertificates {
    /// Begins with this certificate.
    #[must_use]
    pub fn new(certificate: ClientCertificate) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(certificate))))
    }

    /// Shows this certificate from now on.
    pub fn replace(&self, certificate: ClientCertificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
    }

    /// The certificate that is shown now.
    #[must_use]
    pub fn current(&self) -> Arc<ClientCertificate> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientCertificates {
    fn transport(&self) -> Arc<dyn HttpClient> {
        Arc::new(ShowsCurrent(self.clone()))
    }
}

/// Shows the certificate that is the current one when a request is sent. Signing may have taken its time before that.
#[derive(Debug)]
struct ShowsCurrent(ClientCertificates);

#[async_trait]
impl HttpClient for ShowsCurrent {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> std::result::Result<http::Response<Bytes>, HttpError> {
        let certificate = self.0.current();
        let mut reply = certificate.http.send(request).await?;
        // What the token is bound to is the certificate that was shown, and not the one that was meant to be.
        reply.extensions_mut().insert(ShownCertificate(certificate));
        Ok(reply)
    }
}

impl From<ClientCertificate> for ClientCertificates {
    fn from(certificate: ClientCertificate) -> Self {
        Self::new(certificate)
    }
}

/// `tls_client_auth` and `self_signed_tls_client_auth`: the client proves who it is by its TLS certificate (RFC 8705 section 2).
///
/// Its requests go to the endpoints for mutual TLS, those that the provider has (`mtls_endpoint_aliases`), and to the usual one where it
/// has none. If the client was registered for certificate-bound tokens, it needs [`CertificateBoundTokens`] too.
///
/// ```
/// use oauth_fapi::{ClientCertificate, TlsClientAuth, oauth_core::{HttpClient, OAuth2}};
///
/// # fn f(certificate: &str, http_with_certificate: impl HttpClient + 'static) -> Result<(), oauth_fapi::KeyError> {
/// let certificate = ClientCertificate::new(certificate, http_with_certificate)?;
/// let authentication = TlsClientAuth::new(certificate);
/// let client = OAuth2::new("CLIENT_ID", authentication, "https://as.example/authorize", "https://as.example/token");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TlsClientAuth {
    certificates: ClientCertificates,
    method: &'static str,
}

impl TlsClientAuth {
    /// `tls_client_auth`: by a certificate of an authority that the server trusts (RFC 8705 section 2.1).
    pub fn new(certificates: impl Into<ClientCertificates>) -> Self {
        Self { certificates: certificates.into(), method: "tls_client_auth" }
    }

    /// `self_signed_tls_client_auth`: by a certificate that the client registered itself (RFC 8705 section 2.2).
    pub fn self_signed(certificates: impl Into<ClientCertificates>) -> Self {
        Self { certificates: certificates.into(), method: "self_signed_tls_client_auth" }
    }
}

#[async_trait]
impl ClientAuthentication for TlsClientAuth {
    fn method(&self) -> &str {
        self.method
    }

    fn endpoint_alias(&self) -> EndpointAlias {
        EndpointAlias::MutualTls
    }

    fn transport(&self) -> Option<Arc<dyn HttpClient>> {
        Some(self.certificates.transport())
    }

    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> std::result::Result<(), AuthenticationError> {
        self.certificates.current().check(context.now)?;
        add_client_id(context, request)
    }
}

impl From<TlsClientAuth> for Credentials {
    fn from(authentication: TlsClientAuth) -> Self {
        Self::authentication(authentication)
    }
}

/// Tokens that are bound to the client's TLS certificate (RFC 8705 section 3), as a participant of a client.
///
/// It is for a client that was registered with `tls_client_certificate_bound_access_tokens`, however it authenticates. The requests that
/// get a token and those that use one go by the certificate, to the endpoints for mutual TLS where the provider has them; all others go
/// where they went. New tokens note the certificate, and are not sent by another one: after [`ClientCertificates::replace`] they
/// are refreshed first.
///
/// ```
/// use oauth_fapi::{
///     CertificateBoundTokens, ClientCertificate, PrivateKeyJwt, SigningKey,
///     oauth_core::{HttpClient, OAuth2, Provider},
/// };
///
/// # fn f(key: SigningKey, certificate: &str, http_with_certificate: impl HttpClient + 'static) -> Result<(), oauth_fapi::KeyError> {
/// let certificate = ClientCertificate::new(certificate, http_with_certificate)?;
/// let client =
///     OAuth2::new("CLIENT_ID", PrivateKeyJwt::new(key), "https://as.example/authorize", "https://as.example/token")
///         .with_participant(CertificateBoundTokens::new(certificate));
/// # Ok(())
/// # }
/// ```
///
/// An application's own requests to an API are its own to send by an HTTP client with the same certificate.
#[derive(Clone, Debug)]
pub struct CertificateBoundTokens {
    certificates: ClientCertificates,
    is_shown_everywhere: bool,
    is_agreed: bool,
}

/// The confirmation method of a certificate (RFC 8705 section 3.1).
const X5T: &str = "x5t#S256";

impl CertificateBoundTokens {
    /// Binds tokens to this certificate.
    pub fn new(certificates: impl Into<ClientCertificates>) -> Self {
        Self { certificates: certificates.into(), is_shown_everywhere: false, is_agreed: false }
    }

    /// Shows the certificate on every connection to the provider, metadata and keys among them, for ecosystems that demand mutual TLS
    /// everywhere. Endpoints for mutual TLS are asked where they would be without this.
    #[must_use]
    pub fn on_every_connection(mut self) -> Self {
        self.is_shown_everywhere = true;
        self
    }

    /// Says that the provider binds tokens to certificates although its metadata do not say so
    /// (`tls_client_certificate_bound_access_tokens`), because its documentation or a contract does. Only a [`Profile`](crate::Profile) asks
    /// for it: nothing in an answer shows that a token is bound, so a client that relies on it must know from elsewhere.
    #[must_use]
    pub fn binding_is_agreed(mut self) -> Self {
        self.is_agreed = true;
        self
    }

    pub(crate) fn is_binding_agreed(&self) -> bool {
        self.is_agreed
    }

    /// That what a token is bound to is the certificate that is shown now.
    fn check_binding(&self, client: &OAuth2, operation: Operation, cnf: Option<&Value>) -> Result<()> {
        match cnf.and_then(|cnf| cnf.get(X5T)) {
            // One that was stored before tokens were bound is the server's to judge.
            None => Ok(()),
            Some(bound_to) if bound_to == self.certificates.current().thumbprint() => Ok(()),
            Some(bound_to) => {
                let thumbprint = bound_to.as_str().unwrap_or_default().to_owned();
                let kind = ErrorKind::Binding(BindingError::OtherCertificate { thumbprint });
                Err(client.error(operation, kind))
            }
        }
    }

    /// At which address a request goes by the certificate; `None` for one that goes without.
    fn alias(&self, context: &RequestContext<'_>, request: &RequestDraft) -> Option<EndpointAlias> {
        let gets_token = matches!(context.endpoint, Some(Endpoint::Token | Endpoint::Refresh));
        if gets_token || request.access_token().is_some() {
            Some(EndpointAlias::MutualTls)
        } else if self.is_shown_everywhere {
            Some(EndpointAlias::Usual)
        } else {
            None
        }
    }
}

#[async_trait]
impl Participant for CertificateBoundTokens {
    fn connection(&self, context: &RequestContext<'_>, request: &RequestDraft) -> Option<Connection> {
        let alias = self.alias(context, request)?;
        Some(Connection::new(self.certificates.transport(), alias))
    }

    async fn before_send(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> std::result::Result<(), AuthenticationError> {
        if self.alias(context, request).is_some() {
            let certificate = self.certificates.current();
            certificate.check(context.now)?;
            request.extensions_mut().insert(SentBy { meant: certificate, shown: Arc::default() });
        }
        Ok(())
    }

    async fn after_reply(
        &self,
        _context: &RequestContext<'_>,
        request: &RequestDraft,
        reply: &http::Response<Bytes>,
    ) -> AfterReply {
        if let (Some(sent), Some(ShownCertificate(shown))) =
            (request.extensions().get::<SentBy>(), reply.extensions().get::<ShownCertificate>())
        {
            // It is empty: each sending notes its own.
            let _ = sent.shown.set(shown.clone());
        }
        AfterReply::Done
    }

    fn check_new_token(&self, _client: &OAuth2, token: &mut OAuth2Token) -> Result<()> {
        note(token, &self.certificates.current());
        Ok(())
    }

    fn check_issued_token(
        &self,
        client: &OAuth2,
        request: &RequestDraft,
        token: &mut OAuth2Token,
    ) -> Result<()> {
        match request.extensions().get::<SentBy>() {
            // Meanwhile another one may have taken its place.
            Some(sent) => note(token, sent.shown.get().unwrap_or(&sent.meant)),
            None => self.check_new_token(client, token)?,
        }
        Ok(())
    }

    fn check_use(&self, client: &OAuth2, token: &OAuth2Token) -> Result<()> {
        self.check_binding(client, Operation::API_REQUEST, token.confirmation())
    }

    fn check_before_refresh(&self, client: &OAuth2, token: &OAuth2Token) -> Result<()> {
        // The refresh token of a client that authenticates is bound to the client; that of a public one to the certificate (RFC 8705
        // section 4).
        match client.credentials().are_none() {
            true => self.check_binding(client, Operation::REFRESH_TOKEN, token.refresh_confirmation()),
            false => Ok(()),
        }
    }
}

/// The certificate that a reply was received by.
#[derive(Clone)]
struct ShownCertificate(Arc<ClientCertificate>);

/// The certificate that a request is to be sent by, and the one that it was sent by in the end.
#[derive(Clone)]
struct SentBy {
    meant: Arc<ClientCertificate>,
    shown: Arc<OnceLock<Arc<ClientCertificate>>>,
}

/// Notes what a token is bound to, beside what else it is bound to.
fn note(token: &mut OAuth2Token, certificate: &ClientCertificate) {
    let noted = token.confirmation().and_then(Value::as_object).cloned().unwrap_or_default();
    let own = Map::from_iter([(X5T.to_owned(), certificate.thumbprint().into())]);
    *token = token.clone().with_confirmation(noted.into_iter().chain(own).collect());
}
