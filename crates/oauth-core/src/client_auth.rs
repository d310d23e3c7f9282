//! Client authentication: how a client proves at an endpoint who it is (RFC 6749 section 2.3).

use std::{
    any::Any,
    error, fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use time::OffsetDateTime;

use crate::{
    endpoints::Endpoint,
    error::Operation,
    http_client::HttpClient,
    message::draft::RequestDraft,
    secret::{ClientSecret, Secret},
    spec::{ClientAuth, ErrorSpec},
    text::{
        form::encoded,
        json::{self, text_at},
    },
};

/// A way to prove who the client is: a secret, a signed assertion (RFC 7523), a TLS certificate (RFC 8705), or whatever a vault
/// signs.
///
/// It is asked for each request that the client authenticates, and again when a request is repeated, so that an assertion is used
/// once. It may wait: for a key in an HSM or a KMS.
///
/// ```
/// use oauth_core::{
///     AuthenticationError, ClientAuthentication, Credentials, OAuth2, RequestContext, RequestDraft, async_trait,
/// };
///
/// /// Has a vault sign who the client is.
/// #[derive(Debug)]
/// struct SignedByVault;
///
/// #[async_trait]
/// impl ClientAuthentication for SignedByVault {
///     fn method(&self) -> &str {
///         "private_key_jwt"
///     }
///
///     async fn authenticate(
///         &self,
///         context: &RequestContext<'_>,
///         request: &mut RequestDraft,
///     ) -> Result<(), AuthenticationError> {
///         let assertion = format!("signed by {} for {}", context.client_id, context.url);
///         request.add_field(request.client_id_param(), context.client_id)?;
///         request.add_field("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")?;
///         request.add_field("client_assertion", &assertion)?;
///         Ok(())
///     }
/// }
///
/// let client = OAuth2::new(
///     "CLIENT_ID",
///     Credentials::authentication(SignedByVault),
///     "https://as.example/authorize",
///     "https://as.example/token",
/// );
/// ```
#[async_trait]
pub trait ClientAuthentication: Any + fmt::Debug + Send + Sync {
    /// The method's registered name, such as `private_key_jwt` (RFC 7591 section 2). It is compared with what a provider's metadata
    /// offers.
    fn method(&self) -> &str;

    /// The address of an endpoint at which the client authenticates in this way.
    fn endpoint_alias(&self) -> EndpointAlias {
        EndpointAlias::Usual
    }

    /// The algorithm that it signs with, such as `PS256`, where it signs. It is compared with what a provider's metadata offers.
    fn signing_algorithm(&self) -> Option<String> {
        None
    }

    /// Whether it may be used only where the provider's metadata offers it, if the metadata has a list of methods.
    fn must_be_offered(&self) -> bool {
        true
    }

    /// The client secret, if that is what it signs with: the provider may sign ID tokens with it too.
    fn client_secret(&self) -> &ClientSecret {
        const NONE: &ClientSecret = &ClientSecret::NONE;
        NONE
    }

    /// The HTTP client to send the request with, where it is what authenticates: one that has the client's TLS certificate.
    fn transport(&self) -> Option<Arc<dyn HttpClient>> {
        None
    }

    /// Adds to the request what proves who the client is, and the client id too where the server wants it beside the proof: nothing
    /// else adds it.
    ///
    /// How long it may take is for the implementation to say: the time limit of a request begins when it is sent.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from proving it; the request is then not sent. The error must show no secret. An [`HttpError`](crate::HttpError), a
    /// [`SigningError`](crate::SigningError) or an [`Error`](crate::Error) keeps its class, so that an outage of a vault counts as one
    /// that may pass; anything else is a mistake in the configuration.
    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError>;

    /// Sees what the server answered, such as a new nonce or the date by which a clock can be corrected.
    async fn answered(&self, _context: &RequestContext<'_>, _reply: &http::Response<Bytes>) {}

    /// What to say beside the server's refusal of a request that was authenticated in this way, such as the time that was signed.
    fn advice(&self, _context: &RequestContext<'_>, _reply: &http::Response<Bytes>) -> Option<String> {
        None
    }

    /// Says whether the request is to be sent once more, after it was [answered](Self::answered): where another proof may be accepted.
    fn after_reply(&self, _context: &RequestContext<'_>, _reply: &http::Response<Bytes>) -> AfterReply {
        AfterReply::Done
    }
}

/// What to do after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterReply {
    /// The answer counts.
    Done,
    /// The request is sent once more; a second time it is not.
    SendAgain,
}

/// Why a request could not be authenticated or completed. Its text becomes part of the library's error.
pub type AuthenticationError = Box<dyn error::Error + Send + Sync>;

/// Which of its addresses an endpoint is asked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointAlias {
    /// The usual one.
    #[default]
    Usual,
    /// The one for mutual TLS, if the provider names one (`mtls_endpoint_aliases`, RFC 8705 section 5).
    MutualTls,
}

/// How a request is sent, where it is not by the client's own HTTP client to the usual address.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// What sends it.
    pub http: Arc<dyn HttpClient>,
    /// Which of its addresses an endpoint is asked at.
    pub alias: EndpointAlias,
}

impl Connection {
    /// A connection by this HTTP client.
    #[must_use]
    pub fn new(http: Arc<dyn HttpClient>, alias: EndpointAlias) -> Self {
        Self { http, alias }
    }
}

/// A request as those that take part in it know it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestContext<'c> {
    /// The method of the library that sends it.
    pub operation: Operation,
    /// What the URL is for, where it is an endpoint of the provider's.
    pub endpoint: Option<Endpoint>,
    /// Where the request goes.
    pub url: &'c str,
    /// The issuer identifier, where it is known.
    pub issuer: Option<&'c str>,
    /// The token endpoint, which some servers want as the audience of an assertion.
    pub token_endpoint: &'c str,
    /// The client id.
    pub client_id: &'c str,
    /// The time by the client's clock.
    pub now: OffsetDateTime,
    /// Whether the same request was sent before, and the server asked for it once more.
    pub is_repetition: bool,
    /// How the provider says that a request failed.
    pub(crate) errors: &'c ErrorSpec,
}

/// What a client has to prove who it is: a secret, nothing, or a [`ClientAuthentication`].
///
/// Whatever converts into a [`ClientSecret`] converts into credentials too, so that `GitHubOAuth2::new("id", "secret")` reads as
/// it should.
#[derive(Clone, Debug)]
pub struct Credentials(CredentialsKind);

#[derive(Clone, Debug)]
enum CredentialsKind {
    Secret(ClientSecret),
    Authentication(Arc<dyn ClientAuthentication>),
    /// The preferred ones first. There is at least one, and none of them is several.
    Several(Arc<[Credentials]>),
}

impl Credentials {
    /// The credentials of a public client (RFC 6749 section 2.1): it sends its id and proves nothing.
    pub const NONE: Self = Self(CredentialsKind::Secret(ClientSecret::NONE));

    /// Authenticates the client in this way, at each endpoint where it authenticates.
    pub fn authentication(authentication: impl ClientAuthentication + 'static) -> Self {
        Self(CredentialsKind::Authentication(Arc::new(authentication)))
    }

    /// Several credentials of one client, the preferred ones first: a client with discovery takes the first that the provider's
    /// metadata offers. A client without takes the first.
    ///
    /// ```
    /// use oauth_core::{ClientSecret, Credentials};
    /// # use oauth_core::ClientAuthentication;
    ///
    /// # fn f(signed: impl ClientAuthentication + 'static) -> Credentials {
    /// Credentials::any_of([Credentials::authentication(signed), "CLIENT_SECRET".into()])
    /// # }
    /// ```
    pub fn any_of(credentials: impl IntoIterator<Item = Self>) -> Self {
        let all: Vec<_> = credentials.into_iter().flat_map(|one| one.choices().to_vec()).collect();
        match all.len() {
            0 => Self::NONE,
            _ => Self(CredentialsKind::Several(all.into())),
        }
    }

    /// Each of [several](Self::any_of) credentials; else these alone.
    #[must_use]
    pub fn choices(&self) -> &[Self] {
        match &self.0 {
            CredentialsKind::Several(all) => all,
            _ => std::slice::from_ref(self),
        }
    }

    /// Those that are used while nobody has chosen.
    fn first(&self) -> &Self {
        self.choices().first().unwrap_or(self)
    }

    /// The authentication that was given in place of a secret.
    #[must_use]
    pub fn own_authentication(&self) -> Option<&Arc<dyn ClientAuthentication>> {
        match &self.first().0 {
            CredentialsKind::Authentication(authentication) => Some(authentication),
            CredentialsKind::Secret(_) | CredentialsKind::Several(_) => None,
        }
    }

    /// The client secret, if that is what there is.
    #[must_use]
    pub fn secret(&self) -> &ClientSecret {
        const NONE: &ClientSecret = &ClientSecret::NONE;
        // Those that are used first may be without one, and the provider sign with that of the others.
        self.choices().iter().filter_map(Self::own_secret).find(|secret| !secret.is_none()).unwrap_or(NONE)
    }

    fn own_secret(&self) -> Option<&ClientSecret> {
        match &self.0 {
            CredentialsKind::Secret(secret) => Some(secret),
            CredentialsKind::Authentication(authentication) => Some(authentication.client_secret()),
            CredentialsKind::Several(_) => None,
        }
    }

    /// Whether the client proves nothing.
    #[must_use]
    pub fn are_none(&self) -> bool {
        matches!(&self.first().0, CredentialsKind::Secret(secret) if secret.is_none())
    }

    /// Whether the server's answer can be a reason to send a request once more, with another proof.
    pub(crate) fn may_send_again(&self) -> bool {
        match &self.first().0 {
            CredentialsKind::Secret(secret) => secret.may_be_several(),
            CredentialsKind::Authentication(_) | CredentialsKind::Several(_) => true,
        }
    }

    /// The authentication of a request; a secret is sent by this method.
    pub(crate) fn authentication_by(&self, method: ClientAuth) -> Arc<dyn ClientAuthentication> {
        match &self.first().0 {
            CredentialsKind::Authentication(authentication) => authentication.clone(),
            _ => {
                let secret = self.first().own_secret().cloned().unwrap_or_default();
                Arc::new(SecretAuthentication { method, secret, used: Mutex::default() })
            }
        }
    }
}

impl<S: Into<ClientSecret>> From<S> for Credentials {
    fn from(secret: S) -> Self {
        Self(CredentialsKind::Secret(secret.into()))
    }
}

impl<A: ClientAuthentication + 'static> From<Arc<A>> for Credentials {
    fn from(authentication: Arc<A>) -> Self {
        Self(CredentialsKind::Authentication(authentication))
    }
}

/// `client_secret_post`, `client_secret_basic` and `none` (RFC 6749 section 2.3.1).
#[derive(Debug)]
struct SecretAuthentication {
    method: ClientAuth,
    secret: ClientSecret,
    /// What the request was last sent with, if there is another secret.
    used: Mutex<Option<Secret>>,
}

impl SecretAuthentication {
    fn used(&self) -> Option<Secret> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a server did not accept who the client says it is (RFC 6749 section 5.2), also in GitHub's words and Slack's, and by a code of
/// the provider's own, such as WeChat's numbers.
fn refuses_the_client(reply: &http::Response<Bytes>, errors: &ErrorSpec) -> bool {
    const REFUSALS: [&str; 3] = ["invalid_client", "incorrect_client_credentials", "bad_client_secret"];
    // Error replies are small. What is longer is something else, and is not searched to its end.
    let text = String::from_utf8_lossy(reply.body().get(..MAX_ERROR_BYTES).unwrap_or(reply.body()));
    let names_the_client =
        REFUSALS.iter().any(|code| text.contains(code)) || refuses_by_own_code(&text, errors);
    let status = reply.status();
    // A nonce is asked for in the body or in the challenge (RFC 9449 sections 8 and 9).
    let challenges = reply.headers().get_all(http::header::WWW_AUTHENTICATE);
    let asks_for_a_nonce = challenges
        .iter()
        .any(|challenge| String::from_utf8_lossy(challenge.as_bytes()).contains("use_dpop_nonce"));
    let is_about_something_else =
        asks_for_a_nonce || ["invalid_grant", "use_dpop_nonce"].iter().any(|code| text.contains(code));
    names_the_client || (status == http::StatusCode::UNAUTHORIZED && !is_about_something_else)
}

/// Whether a reply has a code that means, by the provider's description, that it does not accept the client.
fn refuses_by_own_code(text: &str, errors: &ErrorSpec) -> bool {
    if errors.codes.is_empty() {
        return false;
    }
    let Ok(reply) = json::parse(text.as_bytes()) else { return false };
    let places = [errors.code_at, errors.failed_at, Some("/error")];
    places
        .into_iter()
        .flatten()
        .filter_map(|place| text_at(&reply, place))
        .any(|own| errors.codes.iter().any(|(code, meaning)| *code == own && *meaning == "invalid_client"))
}

const MAX_ERROR_BYTES: usize = 16 * 1024;

#[async_trait]
impl ClientAuthentication for SecretAuthentication {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        let chosen = self.secret.choose(context.now).await;
        let (secret, has_another) =
            chosen.map_err(|cause| format!("could not obtain the client secret: {cause}"))?;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) =
            secret.as_deref().filter(|_| has_another).cloned();
        let id_param = request.client_id_param();
        match (self.method, secret.as_deref()) {
            // A public client names itself in the body, whatever a confidential one would do (RFC 6749 section 3.2.1).
            (ClientAuth::None, _) | (_, None) => request.add_field(id_param, context.client_id)?,
            (ClientAuth::Post, Some(secret)) => {
                request.add_field(id_param, context.client_id)?;
                if !secret.expose().is_empty() {
                    request.add_field(request.client_secret_param(), secret.expose())?;
                }
            }
            (ClientAuth::Basic | ClientAuth::BasicUnencoded, Some(secret)) => {
                // One method for each request (RFC 6749 section 2.3).
                let secret_param = request.client_secret_param();
                if request.has_field(secret_param) {
                    let problem = format!(
                        "the extra parameters hold {secret_param}, which the client sends itself; leave it out"
                    );
                    return Err(problem.into());
                }
                request.hide(secret.clone());
                let (id, secret) = match self.method {
                    ClientAuth::Basic => (encoded(context.client_id), encoded(secret.expose())),
                    _ => (context.client_id.to_owned(), secret.expose().to_owned()),
                };
                let credentials = Secret::new(STANDARD.encode(format!("{id}:{secret}")));
                request.set_secret_header("authorization", "Basic ", credentials)?;
            }
        }
        Ok(())
    }

    fn after_reply(&self, context: &RequestContext<'_>, reply: &http::Response<Bytes>) -> AfterReply {
        let Some(used) = self.used() else { return AfterReply::Done };
        let is_refused = refuses_the_client(reply, context.errors);
        if is_refused || reply.status().is_success() {
            self.secret.note(&used, !is_refused, context.now);
        }
        match is_refused {
            true => AfterReply::SendAgain,
            false => AfterReply::Done,
        }
    }
}
