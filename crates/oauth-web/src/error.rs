//! What can go wrong, in words for the user and for the log.

use std::{error::Error as StdError, fmt};

use http::{HeaderValue, Response, StatusCode, header};
use oauth_core::{Error, ErrorClass, ErrorKind, LoginError, SealError, SharedCacheError, serde_json::json};

/// Why a function of the application's, which finds a provider or an account, failed.
pub type ResolveError = Box<dyn StdError + Send + Sync>;

/// Why nobody was signed in, and at which provider. [`page`](Self::page) is a response with the status of [`SignInErrorKind`]'s table.
#[derive(Debug)]
pub struct SignInError {
    kind: SignInErrorKind,
    provider: String,
    retry: Option<String>,
}

impl SignInError {
    pub(crate) fn new(kind: SignInErrorKind, provider: &str, retry: Option<String>) -> Self {
        let retry = retry.filter(|_| kind.may_pass());
        Self { kind, provider: provider.to_owned(), retry }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &SignInErrorKind {
        &self.kind
    }

    /// The provider's name in the path. Text that somebody else may have chosen: escape it before it enters a page.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Where the user can start the sign-in again, relative to the address of the request: `login`, with the address to return to where it
    /// is known. `None` where that would not help. Escape it, as every URL in a page.
    #[must_use]
    pub fn retry(&self) -> Option<&str> {
        self.retry.as_deref()
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Whether the user said no, which is nobody's fault.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.kind.is_denied()
    }

    pub(crate) fn is_of_application(&self) -> bool {
        self.kind.is_of_application()
    }

    /// What to tell the user, in words of this library alone.
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.kind.message()
    }

    /// A plain page that says what went wrong, and offers to start again where that may help. It shows no text that somebody else chose.
    ///
    /// A provider that says by itself that a session has ended is answered in JSON (OpenID Connect Back-Channel Logout section 2.8).
    #[must_use]
    pub fn page(&self) -> Response<String> {
        if let SignInErrorKind::Logout { problem, .. } = &self.kind {
            let body = json!({ "error": "invalid_request", "error_description": problem });
            return self.response("application/json", body.to_string());
        }
        let retry = self.retry().map(|to| {
            // A relative address of this library's own, whose parameters are percent-encoded.
            let to = to.replace('&', "&amp;").replace('"', "&quot;");
            format!("<p><a href=\"{to}\">Try again</a></p>")
        });
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Sign-in</title>\
             <style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}}</style>\
             <main><h1>You are not signed in</h1><p>{}</p>{}</main></html>",
            self.message(),
            retry.unwrap_or_default(),
        );
        let mut response = self.response("text/html; charset=utf-8", page);
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        response
    }

    fn response(&self, media_type: &'static str, body: String) -> Response<String> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    }
}

/// Why a setting of [`SignIn`](crate::SignIn) was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The address of this site is none. It is not quoted: a password may be in it.
    #[error("this cannot be the site's address: {0}; give one such as https://app.example")]
    Address(&'static str),
    /// Two providers have one name, so that one of them could not be reached.
    #[error("there are two providers named {0:?}; give one of them a name of its own by with_name")]
    SameName(String),
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl StdError for SignInError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.kind.source()
    }
}

/// The kinds of [`SignInError`].
///
/// | error | status |
/// | --- | --- |
/// | [`UnknownProvider`](Self::UnknownProvider) | 404 |
/// | [`NoAttempt`](Self::NoAttempt), [`Sealed`](Self::Sealed), [`AlreadyUsed`](Self::AlreadyUsed), [`WrongMethod`](Self::WrongMethod), [`ReturnTo`](Self::ReturnTo), [`ReturnToTooLong`](Self::ReturnToTooLong), [`UnknownHost`](Self::UnknownHost), [`NotAForm`](Self::NotAForm), [`Logout`](Self::Logout) | 400 |
/// | [`ForeignForm`](Self::ForeignForm), [`NotSignedIn`](Self::NotSignedIn), [`OtherAccount`](Self::OtherAccount) | 403 |
/// | [`TooLarge`](Self::TooLarge) | 413 |
/// | [`Login`](Self::Login): the user or the provider said no | 403 |
/// | [`Login`](Self::Login): the callback does not belong to the attempt, or its code is spent | 400 |
/// | [`Login`](Self::Login): the provider cannot be reached | 503 |
/// | [`Login`](Self::Login): the provider answered what it should not | 502 |
/// | [`Login`](Self::Login): the client is set up wrongly | 500 |
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
    /// The attempt's cookie does not open.
    #[error("{0}")]
    Sealed(SealError),
    /// The attempt was used before.
    #[error("this sign-in was finished already")]
    AlreadyUsed,
    /// The callback was posted though the provider was asked for a redirect, or the other way round.
    #[error("the provider answered in a way that it was not asked for")]
    WrongMethod,
    /// The callback's query or form is larger than any provider's.
    #[error("the callback is too large")]
    TooLarge,
    /// The callback was posted as something else than a form.
    #[error("the callback is not a form")]
    NotAForm,
    /// The address to return to is not of this site.
    #[error("the address to return to is not of this site")]
    ReturnTo,
    /// The address to return to has more than 1024 bytes.
    #[error("the address to return to has more than 1024 bytes")]
    ReturnToTooLong,
    /// The request does not say under which host it was made.
    #[error("the request names no host")]
    UnknownHost,
    /// The form that asks to link an account is not of this site, or the browser does not say so.
    #[error("the form to link an account is not of this site")]
    ForeignForm,
    /// A provider was to be linked to an account, and nobody is signed in: at the start, or any more when the callback came. A session
    /// cookie that is `SameSite=Strict` does not come with a callback; it must be `Lax`.
    #[error("nobody is signed in to link an account")]
    NotSignedIn,
    /// A provider was to be linked to another account than the one that is signed in now.
    #[error("another account is signed in than the one that began to link")]
    OtherAccount,
    /// The sign-in itself failed.
    #[error("{0}")]
    Login(#[source] Error),
    /// The application's function that finds a provider failed.
    #[error("the provider could not be looked up")]
    Resolve(#[source] ResolveError),
    /// The application's function that says who is signed in failed.
    #[error("who is signed in could not be looked up")]
    Account(#[source] ResolveError),
    /// The store of used attempts could not be asked.
    #[error("the store of used attempts could not be asked")]
    Store(#[source] SharedCacheError),
    /// The provider said that a session has ended, and nothing was done about it.
    #[error("{problem}")]
    Logout {
        /// What kept it.
        problem: &'static str,
        /// What is behind it, for the log alone.
        #[source]
        cause: Option<ResolveError>,
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
            | Self::Logout { .. } => StatusCode::BAD_REQUEST,
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
        // The second is Apple's and LinkedIn's, the third LinkedIn's for who does not even sign in there.
        const DENIED: [&str; 3] = ["access_denied", "user_cancelled_authorize", "user_cancelled_login"];
        matches!(self, Self::Login(error) if matches!(error.kind(), ErrorKind::Login(LoginError::Refused(refused))
            if DENIED.contains(&&*refused.code)))
    }

    fn message(&self) -> &'static str {
        match self {
            Self::UnknownProvider => "There is no such provider.",
            Self::ReturnTo => "The address to return to is not of this site.",
            Self::ReturnToTooLong => "The address to return to is too long.",
            Self::Logout { .. } => "The session could not be ended.",
            Self::UnknownHost | Self::TooLarge | Self::NotAForm | Self::WrongMethod => {
                "This request is not the answer to a sign-in."
            }
            Self::AlreadyUsed => "This sign-in was finished already. Start it again if you need to.",
            Self::Sealed(SealError::Expired) => "The sign-in took too long. Please start it again.",
            Self::NoAttempt | Self::Sealed(_) => {
                "No sign-in was started in this browser, or it is over. Please start it again."
            }
            Self::Login(_) if self.is_denied() => "You did not allow the sign-in. Nothing was changed.",
            Self::Login(error) => match error.class() {
                ErrorClass::Transient { .. } => {
                    "The provider cannot be reached right now. Please try again later."
                }
                ErrorClass::Reauthorize => "The sign-in is no longer valid. Please start it again.",
                ErrorClass::Configuration => "Sign-in with this provider is not set up correctly.",
                _ => "The provider sent an answer that cannot be used. Please start the sign-in again.",
            },
            Self::ForeignForm => "This form is not from a page of this site. Nothing was changed.",
            Self::NotSignedIn => "Please sign in first, and then connect the provider. Nothing was changed.",
            Self::OtherAccount => "Another account is signed in now. Nothing was changed.",
            Self::Resolve(_) | Self::Account(_) | Self::Store(_) => {
                "Something went wrong here. Please try again later."
            }
        }
    }

    /// Whether what failed is the application's own.
    fn is_of_application(&self) -> bool {
        match self {
            Self::Resolve(_) | Self::Account(_) | Self::Store(_) => true,
            // A token that is not valid is somebody else's.
            Self::Logout { cause: Some(cause), .. } => !cause.is::<Error>(),
            _ => false,
        }
    }

    /// Whether the user may succeed by starting again.
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
