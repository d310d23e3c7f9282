//! What went wrong.

pub(crate) mod class;
pub(crate) mod transport;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;

use crate::{error::transport::HttpError, text::redaction::OneLine, token::OAuth2Token};

/// The result of everything in this library that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed, where, and what to do about it.
///
/// [`class`](Self::class) says what to do; [`kind`](Self::kind) says what happened. `Display` is one line with the
/// operation, the provider, the host, the status, the OAuth error code and its description. Neither `Display` nor `Debug` shows a
/// body or a secret; [`body`](Self::body) gives the reply to those who must see it.
///
/// `docs/errors.md` in the repository lists every kind, and the exception of httpx-oauth that it replaces.
///
/// It is cheap to clone, so that all who wait for one request can be told why it failed.
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Arc<Details>);

#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", OneLine(format_args!("{} at {}{}: {}{}{}", .operation, .provider, HostPart(.host), .kind, Suffix("; the callback says ", .callback_error), Suffix("; ", .advice))))]
struct Details {
    operation: Operation,
    provider: Cow<'static, str>,
    host: Option<String>,
    kind: ErrorKind,
    /// That of `kind`, where it has one: an `ErrorKind` in the chain of causes would say twice what the error says.
    #[source]
    cause: Option<HttpError>,
    tokens: Option<OAuth2Token>,
    /// What a callback that was refused says of itself.
    callback_error: Option<String>,
    /// What the client knows about the request that was refused.
    advice: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No complete reply came: connection, TLS, time limit, size limit.
    #[error(transparent)]
    Transport(HttpError),
    /// The provider answered with an OAuth error (RFC 6749 section 5.2), whatever the HTTP status.
    #[error("HTTP {}: {error}", .reply.status.as_u16())]
    Refused {
        /// The error it named.
        error: OAuthError,
        /// The reply that named it.
        reply: FailedReply,
    },
    /// The provider answered with a status that is not a success, and without an OAuth error.
    #[error("HTTP {} without an OAuth error{}", .reply.status.as_u16(), Suffix(": ", .message))]
    UnexpectedStatus {
        /// What the reply says in other words than OAuth's, if it does. Text of the server, not to be trusted.
        message: Option<String>,
        /// The reply.
        reply: FailedReply,
    },
    /// The provider reported success, but its reply is not what the operation needs.
    #[error("HTTP {} with a reply that cannot be used: {}", .reply.status.as_u16(), OneLine(.reason))]
    MalformedReply {
        /// What is wrong with it.
        reason: String,
        /// The reply.
        reply: FailedReply,
    },
    /// The provider has no such operation.
    #[error("not supported by this provider: {}", OneLine(.0))]
    Unsupported(String),
    /// The client is set up in a way that cannot work; nothing was sent.
    #[error("{}", OneLine(.0))]
    Configuration(String),
    /// A sign-in that ends at the callback, before the code was exchanged.
    #[error(transparent)]
    Login(LoginError),
    /// A signed token that failed a check, such as an ID token (OpenID Connect Core section 3.1.3.7).
    #[error(transparent)]
    Jwt(JwtError),
    /// The signer of what was to be sent did not sign it; nothing was sent.
    #[error(transparent)]
    Signing(SigningError),
    /// A token is not bound to what this client can prove: a key (RFC 9449) or a certificate (RFC 8705).
    #[error(transparent)]
    Binding(BindingError),
}

/// Why a signer did not sign: a key in memory, in an HSM, in a KMS.
///
/// A [`ClientAuthentication`](crate::ClientAuthentication) or a [`Participant`](crate::Participant) that returns it has it become an
/// [`ErrorKind::Signing`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The key cannot be used: it will not work the next time either.
    #[error("the signing key cannot be used: {}", OneLine(.0))]
    Key(String),
    /// What holds the key did not answer, or said that it cannot now.
    #[error("the signer could not be reached: {}", OneLine(.0))]
    Unavailable(String),
    /// What holds the key did not answer in time.
    #[error("the signer did not answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// What is wrong with what a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingError {
    /// The token is bound to a key that this client does not have, or no longer. Nothing was sent.
    #[error(
        "the token is bound to the key {}, which is not known here; find the key again, or sign in again", OneLine(.thumbprint)
    )]
    UnknownKey {
        /// The thumbprint of the key (RFC 7638).
        thumbprint: String,
    },
    /// The token is bound to another certificate than the client has now. Nothing was sent.
    #[error(
        "the token is bound to the certificate {}, and the client has another one; get a new token, or sign in again", OneLine(.thumbprint)
    )]
    OtherCertificate {
        /// The SHA-256 thumbprint of the certificate that the token is bound to (RFC 8705 section 3.1).
        thumbprint: String,
    },
    /// The server issued a token that is not bound, though a bound one was asked for (RFC 9449 section 5).
    #[error("the server issued a token of type {} that is not bound to the client's key; {advice}", OneLine(.token_type))]
    NotBound {
        /// The type that the server named, `Bearer` if it named none. Text of the server, not to be trusted.
        token_type: String,
        /// What to do about it.
        advice: String,
    },
    /// The server says that the token is bound to something else than what the client has proved.
    #[error("the server bound the token to {}, which is not what the client has proved", OneLine(.bound_to))]
    BoundElsewhere {
        /// What it is bound to. Text of the server, not to be trusted.
        bound_to: String,
    },
}

/// Which check a signed token failed.
// Participants and provider crates build it, so it is not `non_exhaustive`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not valid: {}", .token.name(), OneLine(.reason))]
pub struct JwtError {
    /// What the token is for.
    pub token: JwtUse,
    /// The check that it failed, the first of them.
    pub check: JwtCheck,
    /// What is wrong, in a sentence. It quotes claims that decide something, and no others.
    pub reason: String,
}

/// What a signed token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtUse {
    /// An ID token (OpenID Connect Core section 2).
    IdToken,
    /// A UserInfo reply, signed or not (OpenID Connect Core section 5.3.2).
    UserInfo,
    /// A logout token (OpenID Connect Back-Channel Logout section 2.4).
    LogoutToken,
    /// A security event token (RFC 8417).
    SecurityEvent,
    /// An authorization response (JARM section 2.1).
    AuthorizationResponse,
    /// An introspection response (RFC 9701 section 5).
    IntrospectionResponse,
    /// An access token, verified by a resource server (RFC 9068 section 4).
    AccessToken,
    /// Another kind of token.
    Other,
}

impl JwtUse {
    fn name(self) -> &'static str {
        match self {
            Self::IdToken => "the ID token",
            Self::UserInfo => "UserInfo",
            Self::LogoutToken => "the logout token",
            Self::SecurityEvent => "the security event token",
            Self::AuthorizationResponse => "the signed authorization response",
            Self::IntrospectionResponse => "the signed introspection response",
            Self::AccessToken => "the access token",
            Self::Other => "the signed token",
        }
    }
}

/// The checks of a signed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JwtCheck {
    /// The token is there at all.
    Presence,
    /// It has the form that was registered: encrypted, signed or plain.
    Encryption,
    /// It is a JWS in compact form with a JSON object as its header and claims (RFC 7515 section 7.1).
    Form,
    /// Its header demands nothing that is not understood (`crit`, RFC 7515 section 4.1.11).
    Critical,
    /// Its `typ` is not that of another kind of token (RFC 8725 section 3.11).
    Type,
    /// Its `alg` is among those that the client accepts (RFC 8725 section 3.1).
    Algorithm,
    /// `iss`.
    Issuer,
    /// A key of the issuer fits `kid` and `alg`.
    Key,
    /// The signature.
    Signature,
    /// `aud`.
    Audience,
    /// `azp`.
    AuthorizedParty,
    /// `sub`.
    Subject,
    /// `exp`.
    Expiry,
    /// `iat`.
    IssuedAt,
    /// `nbf`.
    NotBefore,
    /// `nonce`.
    Nonce,
    /// `at_hash`, of the access token.
    AccessTokenHash,
    /// `c_hash`, of the code.
    CodeHash,
    /// `auth_time`, for `max_age`.
    AuthTime,
    /// `acr`.
    Acr,
    /// The tenant, organization or domain of the user is one that may sign in.
    Restriction,
    /// `events` of a logout token or a security event token.
    Events,
    /// `sid` or `sub` of a logout token.
    Session,
    /// `jti`: the token was not used before.
    Replay,
    /// It agrees with another token of the same sign-in: that of the callback, of the login, of UserInfo.
    Agreement,
}

/// Why a callback did not become a login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The authorization server sent an error, such as `access_denied` when the user said no (RFC 6749 section 4.1.2.1).
    #[error("the provider refused the sign-in: {0}")]
    Refused(OAuthError),
    /// The attempt was started at another provider, or by another client that goes by the same name.
    #[error("the sign-in was started by another client, at {}; finish it with that one", OneLine(.started_at))]
    OtherProvider {
        /// The provider that the attempt belongs to.
        started_at: String,
    },
    /// The attempt is older than a sign-in may take.
    #[error("the sign-in took too long; start it again")]
    Expired,
    /// The callback has no `state`.
    #[error("the callback has no state; start the sign-in again")]
    MissingState,
    /// The callback's `state` is not the attempt's: it belongs to another browser or another attempt.
    #[error("the callback's state belongs to another sign-in; start it again in this browser")]
    StateMismatch,
    /// The callback's `iss` is not the issuer the attempt was started at (RFC 9207 section 2.4).
    #[error("the callback's iss is not the issuer that the sign-in was started at")]
    IssuerMismatch,
    /// The provider announces `iss` in its callbacks, and this one has none (RFC 9207 section 2.4).
    #[error("the callback has no iss, although the provider announces it")]
    MissingIssuer,
    /// The callback has neither a code nor an error.
    #[error("the callback has neither a code nor an error")]
    MissingCode,
    /// The callback has a parameter more than once (RFC 6749 section 3.1).
    #[error("the callback has the parameter {} more than once", OneLine(.0))]
    DuplicateParameter(String),
    /// The callback did not come by the response mode that was asked for (OAuth 2.0 Multiple Response Types section 2.1, JARM section
    /// 2.3): also plain parameters where a signed response was asked for, and the other way round.
    #[error(
        "the callback did not come by the response mode that was asked for: a query, a fragment or a form, signed (JARM) or not"
    )]
    WrongResponseMode,
    /// A whole URL was read by [`Callback::from_query`](crate::Callback::from_query), which wants the query alone.
    #[error("the callback is a whole URL and was read as a query; use from_url for it")]
    NotAQuery,
    /// The provider's own check of the callback failed, such as Shopify's `hmac`.
    #[error("{}", OneLine(.0))]
    ProviderCheck(String),
    /// The account may not sign in: it belongs to another organization or domain than the client or the login is restricted to, or
    /// nothing in the provider's answer says where it belongs.
    #[error("{}; sign in with an account that may", OneLine(.0))]
    Restricted(String),
}

/// An OAuth error (RFC 6749 sections 4.1.2.1 and 5.2), or what the provider sends in its place.
///
/// All of it is text that a server chose: escape it before it enters a page.
// Provider crates build it, so it is not `non_exhaustive`.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", OneLine(.code), Suffix(": ", .description))]
pub struct OAuthError {
    /// `error`, such as `invalid_grant`.
    pub code: String,
    /// `error_description`.
    pub description: Option<String>,
    /// `error_uri`.
    pub uri: Option<String>,
}

/// The reply of a request that failed. Its `Debug` shows no body.
#[derive(Clone)]
pub struct FailedReply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<Duration>,
    /// Whether the provider's own error code means `invalid_grant`.
    pub(crate) is_invalid_grant: bool,
    /// Whether the error calls itself temporary, as Facebook's do (`is_transient`).
    pub(crate) is_transient: bool,
    /// Whether the request was authorized by an access token, so that 401 means that it is dead.
    pub(crate) used_token: bool,
}

/// The method during which an error happened, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Operation(&'static str);

impl Operation {
    /// Setting up a client.
    pub const CONFIGURE: Self = Self("configure");
    /// Reading a provider's metadata (OpenID Connect Discovery 1.0).
    pub const DISCOVER: Self = Self("discover");
    /// `start_login`.
    pub const START_LOGIN: Self = Self("start_login");
    /// `finish_login`, up to the exchange of the code.
    pub const FINISH_LOGIN: Self = Self("finish_login");
    /// `get_authorization_url`.
    pub const GET_AUTHORIZATION_URL: Self = Self("get_authorization_url");
    /// The push of an authorization request (RFC 9126), before the browser is sent anywhere.
    pub const PUSH_AUTHORIZATION_REQUEST: Self = Self("push_authorization_request");
    /// `get_access_token`.
    pub const GET_ACCESS_TOKEN: Self = Self("get_access_token");
    /// `refresh_token`.
    pub const REFRESH_TOKEN: Self = Self("refresh_token");
    /// `revoke_token`.
    pub const REVOKE_TOKEN: Self = Self("revoke_token");
    /// `introspect_token`.
    pub const INTROSPECT_TOKEN: Self = Self("introspect_token");
    /// `get_profile`.
    pub const GET_PROFILE: Self = Self("get_profile");
    /// `get_identity` and `get_id_email`.
    pub const GET_IDENTITY: Self = Self("get_identity");
    /// Reading the keys with which a provider signs (RFC 7517).
    pub const GET_KEYS: Self = Self("get_keys");

    /// A request of the application's own to an API.
    pub const API_REQUEST: Self = Self("api_request");

    /// A method that only one provider has.
    #[must_use]
    pub const fn new(method: &'static str) -> Self {
        Self(method)
    }

    /// The method's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether the request carries a grant, and not an access token.
    pub(crate) fn is_token_request(self) -> bool {
        self == Self::GET_ACCESS_TOKEN || self == Self::REFRESH_TOKEN
    }
}

impl Error {
    /// An error of any kind.
    pub fn new(operation: Operation, provider: impl Into<Cow<'static, str>>, kind: ErrorKind) -> Self {
        Self::of(operation, provider.into(), kind)
    }

    /// Makes the error in one place that is kept out of line, because errors are many and rarely happen.
    #[cold]
    #[inline(never)]
    fn of(operation: Operation, provider: Cow<'static, str>, kind: ErrorKind) -> Self {
        let cause = match &kind {
            ErrorKind::Transport(error) => Some(error.clone()),
            _ => None,
        };
        let details = Details {
            operation,
            provider,
            host: None,
            kind,
            cause,
            tokens: None,
            callback_error: None,
            advice: None,
        };
        Self(Arc::new(details))
    }

    /// A client that is set up wrongly. The message says what to do.
    pub fn configuration(provider: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::of(Operation::CONFIGURE, provider.into(), ErrorKind::Configuration(message.into()))
    }

    /// Says that the error happened during another operation.
    #[must_use]
    pub fn during(mut self, operation: Operation) -> Self {
        Arc::make_mut(&mut self.0).operation = operation;
        self
    }

    /// Gives a refusal the code that the standards have for it (RFC 6749 section 5.2, RFC 6750 section 3.1), for a provider that
    /// refuses in words of its own. An error that is not a refusal by the provider stays as it is.
    #[must_use]
    pub fn under_code(self, code: &str) -> Self {
        let (description, uri, reply) = match &self.0.kind {
            ErrorKind::Refused { error, reply } => (&error.description, error.uri.clone(), reply),
            ErrorKind::UnexpectedStatus { message, reply } => (message, None, reply),
            _ => return self,
        };
        let error = OAuthError { code: code.to_owned(), description: description.clone(), uri };
        // The new code decides.
        let reply = FailedReply { is_invalid_grant: false, ..reply.clone() };
        let kind = ErrorKind::Refused { error, reply };
        let translated = Self::of(self.0.operation, self.0.provider.clone(), kind);
        match &self.0.host {
            Some(host) => translated.with_host(&**host),
            None => translated,
        }
    }

    /// Says at which provider the error happened.
    #[must_use]
    pub fn at(self, provider: impl Into<Cow<'static, str>>) -> Self {
        self.of_provider(provider.into())
    }

    fn of_provider(mut self, provider: Cow<'static, str>) -> Self {
        Arc::make_mut(&mut self.0).provider = provider;
        self
    }

    /// Keeps no more than 4 KiB of the reply's body, for a program that stores many errors.
    #[must_use]
    pub fn with_short_body(mut self) -> Self {
        const SHORT: usize = 4 * 1024;
        if self.body().is_some_and(|body| body.len() > SHORT)
            && let ErrorKind::Refused { reply, .. }
            | ErrorKind::UnexpectedStatus { reply, .. }
            | ErrorKind::MalformedReply { reply, .. } = &mut Arc::make_mut(&mut self.0).kind
        {
            // A copy, because a slice would keep all of it.
            reply.body = Bytes::copy_from_slice(&reply.body[..SHORT]);
        }
        self
    }

    /// The method during which it happened.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The name of the provider at which it happened.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Names the host that was asked.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).host = Some(host.into());
        self
    }

    /// The host that was asked, with its port unless it is the usual one; `None` where nothing was sent.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The HTTP status of the reply, if one came.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.0.kind {
            ErrorKind::Transport(error) => error.status(),
            _ => self.reply().map(|reply| reply.status),
        }
    }

    /// The body of the reply as it came, if one did. It can hold secrets: a token that could not be read, or what the server echoes.
    /// Nothing else of an error shows it.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.reply().map(|reply| &*reply.body)
    }

    /// The OAuth error that the provider named, in a reply or at the callback.
    #[must_use]
    pub fn oauth_error(&self) -> Option<&OAuthError> {
        match &self.0.kind {
            ErrorKind::Refused { error, .. } | ErrorKind::Login(LoginError::Refused(error)) => Some(error),
            _ => None,
        }
    }

    /// The tokens that the provider issued before the error, such as those of a refresh that belong to another user. The refresh token
    /// that they replace is spent. Store them where nobody uses them, or revoke them; do not serve them.
    #[must_use]
    pub fn tokens(&self) -> Option<&OAuth2Token> {
        self.0.tokens.as_ref()
    }

    /// This error with the tokens that the provider issued before it, so that they are not lost.
    #[must_use]
    pub fn with_tokens(mut self, tokens: OAuth2Token) -> Self {
        Arc::make_mut(&mut self.0).tokens = Some(tokens);
        self
    }

    /// This error of a callback with the error that the callback names, for whoever looks for the cause. Nobody knows who sent it, so
    /// it decides nothing and is not [`oauth_error`](Self::oauth_error).
    pub(crate) fn quoting(mut self, callback_error: Option<OAuthError>) -> Self {
        Arc::make_mut(&mut self.0).callback_error = callback_error.map(|error| error.to_string());
        self
    }

    /// Whether it happened while an authorization request was pushed (RFC 9126), so that the user's browser was not sent anywhere. Where
    /// the provider refused the request, the [`oauth_error`](Self::oauth_error) is one of those that a callback brings otherwise.
    #[must_use]
    pub fn is_before_the_browser(&self) -> bool {
        self.0.operation == Operation::PUSH_AUTHORIZATION_REQUEST
    }

    /// This error with what the client knows about the request that was refused, such as the time at which it was signed. It is shown
    /// behind what the server said.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        let details = Arc::make_mut(&mut self.0);
        details.advice = Some(match details.advice.take() {
            Some(earlier) => format!("{earlier}; {}", advice.into()),
            None => advice.into(),
        });
        self
    }

    /// The check that a signed token failed.
    #[must_use]
    pub fn jwt_check(&self) -> Option<JwtCheck> {
        match &self.0.kind {
            ErrorKind::Jwt(error) => Some(error.check),
            _ => None,
        }
    }

    /// How long the provider asks to wait (`Retry-After`, RFC 9110 section 10.2.3).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.reply().and_then(|reply| reply.retry_after)
    }

    fn reply(&self) -> Option<&FailedReply> {
        match &self.0.kind {
            ErrorKind::Refused { reply, .. }
            | ErrorKind::UnexpectedStatus { reply, .. }
            | ErrorKind::MalformedReply { reply, .. } => Some(reply),
            _ => None,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `fn main() -> Result<(), Error>` shows an error by `Debug`: first what a person needs.
        write!(f, "{self} (")?;
        f.debug_struct("Error").field("kind", &self.0.kind).finish()?;
        f.write_str(")")
    }
}

/// The host that was asked, in parentheses behind the provider.
struct HostPart<'a>(&'a Option<String>);

impl fmt::Display for HostPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(host) => write!(f, " ({host})"),
            None => Ok(()),
        }
    }
}

/// A text that need not be there, with what separates it from the text before it.
struct Suffix<'a>(&'static str, &'a Option<String>);

impl fmt::Display for Suffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(text) => write!(f, "{}{}", self.0, OneLine(text)),
            None => Ok(()),
        }
    }
}

impl FailedReply {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body, as it came.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for FailedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedReply")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
