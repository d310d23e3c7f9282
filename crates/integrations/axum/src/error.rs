use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use oauth_core::{Error, ErrorClass, ErrorKind, LoginError, SealError};

/// Why nobody was signed in. As a response it is a plain page with the status of the table, which shows no text that
/// somebody else chose.
///
/// | error | status |
/// | --- | --- |
/// | [`UnknownProvider`](Self::UnknownProvider) | 404 |
/// | [`NoAttempt`](Self::NoAttempt), [`Sealed`](Self::Sealed), [`AlreadyUsed`](Self::AlreadyUsed), [`WrongMethod`](Self::WrongMethod), [`ReturnTo`](Self::ReturnTo), [`UnknownHost`](Self::UnknownHost), [`NotAForm`](Self::NotAForm) | 400 |
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
pub enum SignInError {
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
    Resolve(#[source] crate::ResolveError),
    /// The application's function that says who is signed in failed.
    #[error("who is signed in could not be looked up")]
    Account(#[source] crate::ResolveError),
    /// The store of used attempts could not be asked.
    #[error("the store of used attempts could not be asked")]
    Store(#[source] oauth_core::SharedCacheError),
}

impl SignInError {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownProvider => StatusCode::NOT_FOUND,
            Self::NoAttempt
            | Self::Sealed(_)
            | Self::AlreadyUsed
            | Self::WrongMethod
            | Self::NotAForm
            | Self::ReturnTo
            | Self::UnknownHost => StatusCode::BAD_REQUEST,
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

    /// Whether the user said no, which is nobody's fault.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        // The second is Apple's and LinkedIn's, the third LinkedIn's for who does not even sign in there.
        const DENIED: [&str; 3] = ["access_denied", "user_cancelled_authorize", "user_cancelled_login"];
        matches!(self, Self::Login(error) if matches!(error.kind(), ErrorKind::Login(LoginError::Refused(refused))
            if DENIED.contains(&&*refused.code)))
    }

    /// What to tell the user, in words of this library alone.
    #[must_use]
    pub fn message(&self) -> &'static str {
        match self {
            Self::UnknownProvider => "There is no such provider.",
            Self::ReturnTo => "The address to return to is not of this site.",
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
}

impl IntoResponse for SignInError {
    fn into_response(self) -> Response {
        let status = self.status();
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Sign-in</title>\
             <style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}}</style>\
             <main><h1>You are not signed in</h1><p>{}</p></main></html>",
            self.message()
        );
        let mut response = (status, Html(page)).into_response();
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        response
    }
}
