//! Errors, with messages for users and for the log.

use std::error::Error as StdError;

use http::{HeaderValue, Response, StatusCode, header};
use oauth_core::{Error, ErrorClass, ErrorKind, LoginError, SealError, SharedCacheError, serde_json::json};

use crate::{error_pages::ChosenPages, reason::SignInReason};

/// The error of the application's own function that looks up a provider or an account.
pub type ResolveError = Box<dyn StdError + Send + Sync>;

/// A sign-in that failed, or was refused. [`page`](Self::page) is a response with the status that [`SignInErrorKind`] lists.
///
/// Its `source` is the [`kind`](Self::kind), and behind that what caused it.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct SignInError {
    #[source]
    kind: SignInErrorKind,
    provider: String,
    retry: Option<String>,
    pages: Option<Box<ChosenPages>>,
}

impl SignInError {
    pub(crate) fn new(
        kind: SignInErrorKind,
        provider: &str,
        retry: Option<String>,
        pages: Option<ChosenPages>,
    ) -> Self {
        let retry = retry.filter(|_| kind.may_pass());
        Self { kind, provider: provider.to_owned(), retry, pages: pages.map(Box::new) }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &SignInErrorKind {
        &self.kind
    }

    /// The provider's name in the path. Anybody can choose it: escape it in a page.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The URL at which the user can start again, relative to the request: `login`, with `return_to` if it is known. It is absolute where
    /// [`SignIn::redirect_uri`](crate::SignIn::redirect_uri) has another address for the callback. `None` if starting again would not help. Escape it in a page, like every URL.
    #[must_use]
    pub fn retry(&self) -> Option<&str> {
        self.retry.as_deref()
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Whether the user declined, which is nobody's fault.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.kind.is_denied()
    }

    /// The reason that the user is told: what to translate.
    #[must_use]
    pub fn reason(&self) -> SignInReason {
        self.kind.reason()
    }

    /// A message for the user that contains no text from outside.
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.reason().message()
    }

    /// A plain page that says what went wrong, and offers to try again if that may help. It contains no text from outside.
    ///
    /// [`SignIn::error_pages`](crate::SignIn::error_pages) changes its texts, its language and its HTML.
    ///
    /// For a back-channel logout ([`Logout`](SignInErrorKind::Logout), [`LogoutFailed`](SignInErrorKind::LogoutFailed)) it is that
    /// [for the provider](Self::for_provider) (OpenID Connect Back-Channel Logout section 2.8).
    #[must_use]
    pub fn page(&self) -> Response<String> {
        self.for_provider().unwrap_or_else(|| {
            let pages = self.pages.as_deref().cloned().unwrap_or_else(ChosenPages::plain);
            pages.response(self.reason(), self.status(), self.retry())
        })
    }

    /// The response in JSON to a back-channel logout, which a provider's server requests; `None` for what a browser requests. No page of the
    /// application is to take its place.
    #[must_use]
    pub fn for_provider(&self) -> Option<Response<String>> {
        let (code, problem) = match &self.kind {
            SignInErrorKind::Logout { problem, .. } => ("invalid_request", problem),
            SignInErrorKind::LogoutFailed { problem, .. } => ("server_error", problem),
            _ => return None,
        };
        let body = json!({ "error": code, "error_description": problem });
        let mut response = Response::new(body.to_string());
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(response)
    }
}

/// A setting that [`SignIn`](crate::SignIn) does not accept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The address cannot be that of a site. It is not quoted, because it may contain a password.
    #[error("the address of this site is not usable: {0}; give one such as https://app.example")]
    Address(&'static str),
    /// Two providers have the same name, so that only one of them could be reached.
    #[error("there are two providers named {0:?}; rename one of them with with_name")]
    SameName(String),
    /// The text is not a redirect URI that could be registered. It is not quoted, because it may contain a password.
    #[error(
        "the redirect URI is not usable: {0}; give one such as https://app.example/auth/{{provider}}/callback"
    )]
    RedirectUri(&'static str),
    /// The text is not an origin that a relay may send callbacks to.
    #[error(
        "the origin is not usable: {0}; give one such as https://app.example or https://*.preview.example.dev"
    )]
    Pattern(&'static str),
}

/// What went wrong in a [`SignInError`].
///
/// | error | status |
/// | --- | --- |
/// | [`UnknownProvider`](Self::UnknownProvider) | 404 |
/// | [`NoAttempt`](Self::NoAttempt), [`Sealed`](Self::Sealed), [`AlreadyUsed`](Self::AlreadyUsed), [`WrongMethod`](Self::WrongMethod), [`ReturnTo`](Self::ReturnTo), [`ReturnToTooLong`](Self::ReturnToTooLong), [`UnknownHost`](Self::UnknownHost), [`NotAForm`](Self::NotAForm), [`NotRelayed`](Self::NotRelayed), [`Logout`](Self::Logout), [`LogoutFailed`](Self::LogoutFailed) | 400 |
/// | [`ForeignForm`](Self::ForeignForm), [`NotSignedIn`](Self::NotSignedIn), [`OtherAccount`](Self::OtherAccount) | 403 |
/// | [`TooLarge`](Self::TooLarge) | 413 |
/// | [`Login`](Self::Login): the user declined, or the provider refused | 403 |
/// | [`Login`](Self::Login): the callback does not belong to the attempt, or its code is spent | 400 |
/// | [`Login`](Self::Login): the provider cannot be reached | 503 |
/// | [`Login`](Self::Login): the provider's answer is not usable | 502 |
/// | [`Login`](Self::Login): the client is configured wrongly | 500 |
/// | [`Resolve`](Self::Resolve), [`Account`](Self::Account), [`Store`](Self::Store) | 500 |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInErrorKind {
    /// The path names no provider of this application.
    #[error("there is no such provider")]
    UnknownProvider,
    /// The callback's state belongs to no cookie of this browser: no sign-in was started here, it took too long, or it was
    /// finished already.
    #[error("no sign-in was started in this browser, or it is over")]
    NoAttempt,
    /// The attempt's cookie cannot be opened.
    #[error("{0}")]
    Sealed(SealError),
    /// The attempt was used before.
    #[error("this sign-in was finished already")]
    AlreadyUsed,
    /// The callback was posted though the provider was asked for a redirect, or the other way round; or it was asked for by a method
    /// such as `HEAD`, which uses nothing up.
    #[error("the provider answered in a way that it was not asked for")]
    WrongMethod,
    /// The callback's query or form has more than 16 KiB.
    #[error("the callback is too large")]
    TooLarge,
    /// The posted body is not a form.
    #[error("the callback is not a form")]
    NotAForm,
    /// The address to return to is not on this site.
    #[error("the address to return to is not on this site")]
    ReturnTo,
    /// The address to return to has more than 1024 bytes.
    #[error("the address to return to has more than 1024 bytes")]
    ReturnToTooLong,
    /// The request does not say under which host it was made.
    #[error("the request names no host")]
    UnknownHost,
    /// The callback came through a relay, and belongs to another deployment, or to one that the relay does not list.
    #[error("the callback does not belong to a deployment that the relay may send it to")]
    NotRelayed,
    /// The form that asks to link an account did not come from this site, or the browser does not say so.
    #[error("the form to link an account did not come from this site")]
    ForeignForm,
    /// Nobody is signed in whose account the provider could be linked to. If that happens in the callback, the session's cookie may be
    /// `SameSite=Strict`, which browsers do not send there; it must be `Lax`.
    #[error("nobody is signed in to link an account")]
    NotSignedIn,
    /// The account that is signed in is not the one that began to link.
    #[error("the account that is signed in is not the one that began to link")]
    OtherAccount,
    /// The sign-in itself failed.
    #[error(transparent)]
    Login(Error),
    /// The application's function that looks up a provider failed.
    #[error("the provider could not be looked up")]
    Resolve(#[source] ResolveError),
    /// The application's function that looks up the signed-in account failed.
    #[error("the signed-in account could not be looked up")]
    Account(#[source] ResolveError),
    /// The cache of used attempts failed.
    #[error("the cache of used attempts failed")]
    Store(#[source] SharedCacheError),
    /// A back-channel logout was refused: the request or its token is not valid. The provider is told `invalid_request`.
    #[error("{problem}")]
    Logout {
        /// What the provider is told.
        problem: &'static str,
        /// The cause, which the provider is not told.
        #[source]
        cause: Option<ResolveError>,
    },
    /// A back-channel logout failed, though nothing is known to be wrong with its token: the session lives on, unless the provider sends the
    /// token again. The provider is told `server_error`, with the status that OpenID Connect Back-Channel Logout section 2.8 demands for this
    /// too, 400.
    #[error("{problem}")]
    LogoutFailed {
        /// What the provider is told.
        problem: &'static str,
        /// The cause, which the provider is not told.
        #[source]
        cause: ResolveError,
    },
}

impl SignInErrorKind {
    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownProvider => StatusCode::NOT_FOUND,
            Self::NoAttempt
            | Self::Sealed(_)
            | Self::AlreadyUsed
            | Self::WrongMethod
            | Self::NotAForm
            | Self::ReturnTo
            | Self::ReturnToTooLong
            | Self::UnknownHost
            | Self::NotRelayed
            | Self::Logout { .. }
            | Self::LogoutFailed { .. } => StatusCode::BAD_REQUEST,
            Self::ForeignForm | Self::NotSignedIn | Self::OtherAccount => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Resolve(_) | Self::Account(_) | Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Login(error) => match (error.kind(), error.class()) {
                (ErrorKind::Login(LoginError::Refused(_)), ErrorClass::Reauthorize) => StatusCode::FORBIDDEN,
                (_, ErrorClass::Transient { .. }) => StatusCode::SERVICE_UNAVAILABLE,
                (_, ErrorClass::Configuration) => StatusCode::INTERNAL_SERVER_ERROR,
                (ErrorKind::Login(_), _) | (_, ErrorClass::Reauthorize) => StatusCode::BAD_REQUEST,
                _ => StatusCode::BAD_GATEWAY,
            },
        }
    }

    fn is_denied(&self) -> bool {
        // The second is Apple's and LinkedIn's, the third LinkedIn's for a user who does not even sign in there.
        const DENIED: [&str; 3] = ["access_denied", "user_cancelled_authorize", "user_cancelled_login"];
        matches!(self, Self::Login(error) if matches!(error.kind(), ErrorKind::Login(LoginError::Refused(refused))
            if DENIED.contains(&&*refused.code)))
    }

    fn reason(&self) -> SignInReason {
        match self {
            Self::UnknownProvider => SignInReason::UnknownProvider,
            Self::ReturnTo => SignInReason::ReturnTo,
            Self::ReturnToTooLong => SignInReason::ReturnToTooLong,
            Self::Logout { .. } | Self::LogoutFailed { .. } => SignInReason::LogoutFailed,
            Self::UnknownHost | Self::NotRelayed | Self::TooLarge | Self::NotAForm | Self::WrongMethod => {
                SignInReason::NotACallback
            }
            Self::AlreadyUsed => SignInReason::AlreadyUsed,
            Self::Sealed(SealError::Expired) => SignInReason::Expired,
            Self::NoAttempt | Self::Sealed(_) => SignInReason::NoAttempt,
            Self::Login(_) if self.is_denied() => SignInReason::Denied,
            Self::Login(error) => match error.class() {
                ErrorClass::Transient { .. } => SignInReason::ProviderUnreachable,
                ErrorClass::Reauthorize => SignInReason::NotValid,
                ErrorClass::Configuration => SignInReason::Misconfigured,
                _ => SignInReason::UnusableAnswer,
            },
            Self::ForeignForm => SignInReason::ForeignForm,
            Self::NotSignedIn => SignInReason::NotSignedIn,
            Self::OtherAccount => SignInReason::OtherAccount,
            Self::Resolve(_) | Self::Account(_) | Self::Store(_) => SignInReason::ApplicationFailed,
        }
    }

    /// Whether starting again may help.
    fn may_pass(&self) -> bool {
        match self {
            Self::NoAttempt
            | Self::Sealed(_)
            | Self::AlreadyUsed
            | Self::WrongMethod
            | Self::TooLarge
            | Self::NotAForm
            | Self::Resolve(_)
            | Self::Store(_) => true,
            Self::Login(error) => error.class() != ErrorClass::Configuration,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::{HttpError, HttpErrorKind, OAuthError, Operation};

    use super::*;

    fn failed(kind: ErrorKind) -> SignInErrorKind {
        SignInErrorKind::Login(Error::new(Operation::GET_ACCESS_TOKEN, "acme", kind))
    }

    fn login(error: LoginError) -> SignInErrorKind {
        failed(ErrorKind::Login(error))
    }

    fn refused(code: &str) -> SignInErrorKind {
        login(LoginError::Refused(OAuthError { code: code.to_owned(), ..OAuthError::default() }))
    }

    fn transport(kind: HttpErrorKind) -> SignInErrorKind {
        failed(ErrorKind::Transport(HttpError::new(kind)))
    }

    /// The statuses are those of the table at [`SignInErrorKind`].
    #[test]
    fn each_kind_has_a_status_a_reason_and_perhaps_another_try() {
        use SignInErrorKind as Kind;
        use SignInReason as Reason;

        for (kind, status, reason, may_pass) in [
            (Kind::UnknownProvider, 404, Reason::UnknownProvider, false),
            (Kind::NoAttempt, 400, Reason::NoAttempt, true),
            (Kind::Sealed(SealError::Damaged), 400, Reason::NoAttempt, true),
            (Kind::Sealed(SealError::Expired), 400, Reason::Expired, true),
            (Kind::AlreadyUsed, 400, Reason::AlreadyUsed, true),
            (Kind::WrongMethod, 400, Reason::NotACallback, true),
            (Kind::TooLarge, 413, Reason::NotACallback, true),
            (Kind::NotAForm, 400, Reason::NotACallback, true),
            (Kind::ReturnTo, 400, Reason::ReturnTo, false),
            (Kind::ReturnToTooLong, 400, Reason::ReturnToTooLong, false),
            (Kind::UnknownHost, 400, Reason::NotACallback, false),
            (Kind::NotRelayed, 400, Reason::NotACallback, false),
            (Kind::ForeignForm, 403, Reason::ForeignForm, false),
            (Kind::NotSignedIn, 403, Reason::NotSignedIn, false),
            (Kind::OtherAccount, 403, Reason::OtherAccount, false),
            (Kind::Resolve("down".into()), 500, Reason::ApplicationFailed, true),
            (Kind::Account("down".into()), 500, Reason::ApplicationFailed, false),
            (Kind::Store("down".into()), 500, Reason::ApplicationFailed, true),
            (
                Kind::Logout { problem: "the request is not a form", cause: None },
                400,
                Reason::LogoutFailed,
                false,
            ),
            (
                Kind::LogoutFailed { problem: "the session could not be ended", cause: "down".into() },
                400,
                Reason::LogoutFailed,
                false,
            ),
            (refused("access_denied"), 403, Reason::Denied, true),
            (refused("user_cancelled_authorize"), 403, Reason::Denied, true),
            (refused("login_required"), 403, Reason::NotValid, true),
            (refused("temporarily_unavailable"), 503, Reason::ProviderUnreachable, true),
            (refused("unauthorized_client"), 500, Reason::Misconfigured, false),
            (login(LoginError::StateMismatch), 400, Reason::NotValid, true),
            (login(LoginError::IssuerMismatch), 400, Reason::UnusableAnswer, true),
            (transport(HttpErrorKind::Timeout), 503, Reason::ProviderUnreachable, true),
            (transport(HttpErrorKind::TooLarge), 502, Reason::UnusableAnswer, true),
            (transport(HttpErrorKind::Certificate), 500, Reason::Misconfigured, false),
        ] {
            let name = format!("{kind:?}");
            let error = SignInError::new(kind, "acme", Some("login".to_owned()), None);
            assert_eq!((error.status().as_u16(), error.reason()), (status, reason), "{name}");
            assert_eq!(error.retry(), may_pass.then_some("login"), "{name}");
            assert_eq!(error.is_denied(), reason == Reason::Denied, "{name}");
            assert_eq!(error.message(), reason.message(), "{name}");
            let page = error.page();
            assert_eq!(page.status().as_u16(), status, "{name}");
            let is_json = page.headers()[header::CONTENT_TYPE] == "application/json";
            assert_eq!(is_json, reason == Reason::LogoutFailed, "{name}");
        }
    }
}
