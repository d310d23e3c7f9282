//! Logout at the request of an OpenID Connect provider.

use std::{future::Future, pin::Pin, sync::Arc};

use http_body::Body;
use oauth_core::{Error, ErrorKind, MemoryCache, SharedCache};
use oauth_openid::{FrontChannelLogout, LogoutToken, OpenIDConnect};

use crate::{
    answer::{Answer, AnswerHeaders},
    error::{ResolveError, SignInError, SignInErrorKind},
    events,
    parameters::{content_type, read_text},
    request::SignInRequest,
    sign_in::SignIn,
    task,
};

type EndSession =
    dyn Fn(LogoutToken) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// The route by which a provider's server ends sessions (OpenID Connect Back-Channel Logout), made by [`SignIn::back_channel_logout`].
#[derive(Clone)]
#[must_use]
pub struct BackChannelLogout {
    sign_in: SignIn,
    used: Arc<dyn SharedCache>,
    end: Arc<EndSession>,
}

impl SignIn {
    /// Creates the route for back-channel logout. The handler ends the sessions that the verified token names, by issuer and session id or
    /// subject, or returns why it could not.
    ///
    /// Each token is accepted once. `used` remembers them; give a cache that all machines of the application share, or `None` to remember
    /// them in this process.
    pub fn back_channel_logout<H, F, E>(
        self,
        used: Option<Arc<dyn SharedCache>>,
        handler: H,
    ) -> BackChannelLogout
    where
        H: Fn(LogoutToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let used = used.unwrap_or_else(|| Arc::new(MemoryCache::new()));
        let end: Arc<EndSession> = Arc::new(move |token| {
            let ended = handler(token);
            Box::pin(async move { ended.await.map_err(|error| error.to_string()) })
        });
        BackChannelLogout { sign_in: self, used, end }
    }

    /// Reads a front-channel logout, which a provider requests in a hidden frame of the browser (OpenID Connect Front-Channel Logout):
    /// `GET /{provider}/frontchannel-logout`.
    ///
    /// The application ends this browser's session if [`FrontChannelLogout::is_of`] says that it is the one. Its cookie must be
    /// `SameSite=None`, or browsers do not send it. [`Answer::headers`] allow the provider's page to frame the response.
    pub async fn front_channel_logout(&self, request: &SignInRequest) -> Answer<FrontChannelLogout> {
        let found = self.find(request).await;
        let result = found
            .map(|_| FrontChannelLogout::from_query(request.uri.query().unwrap_or_default()))
            .map_err(|kind| self.refusal(kind, request, None));
        if let Err(error) = &result {
            events::refused(events::FRONT_CHANNEL_LOGOUT, error);
        }
        Answer::new(result, AnswerHeaders::not_kept().may_be_framed())
    }
}

impl BackChannelLogout {
    /// Ends a session: `POST /{provider}/backchannel-logout`. No cookie comes with it.
    ///
    /// Answer with 200, or with [`SignInError::page`], which tells the provider in JSON that it was refused
    /// ([`SignInErrorKind::Logout`]) or that it failed ([`SignInErrorKind::LogoutFailed`]).
    pub async fn end_session<B>(&self, request: &SignInRequest, body: B) -> Answer<()>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let result = self.ended(request, body).await;
        let result = result.map_err(|kind| SignInError::new(kind, request.provider(), None, None));
        match &result {
            Ok(()) => events::logout_received("backchannel-logout", request.provider()),
            Err(error) => events::refused("backchannel-logout", error),
        }
        Answer::new(result, AnswerHeaders::not_kept())
    }

    async fn ended<B>(&self, request: &SignInRequest, body: B) -> Result<(), SignInErrorKind>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let provider = self.sign_in.find(request).await.map_err(|kind| match kind {
            SignInErrorKind::Resolve(cause) => failed("the provider could not be looked up", cause),
            _ => refused("there is no such provider"),
        })?;
        let body = read_text(body).await.map_err(|kind| match kind {
            SignInErrorKind::TooLarge => refused("the request is too large"),
            _ => refused("the request is not a form"),
        })?;
        let token = LogoutToken::of_request(Some(content_type(request)), &body);
        let token = token.map_err(|error| not_verified(error.at(provider.name().to_owned())))?;
        let openid = OpenIDConnect::of(&*provider)
            .ok_or_else(|| refused("the provider does not speak OpenID Connect"))?;
        let token = openid.verify_logout_token(token.expose()).await.map_err(not_verified)?;
        match token.use_once(&*self.used).await {
            Ok(true) => {
                let (end, used) = (self.end.clone(), self.used.clone());
                // It is carried to its end even if the provider hangs up, or else the token would be used up for nothing.
                let ended = task::to_the_end(async move {
                    // In a task of its own, so that a panic is a failure like any other.
                    let of = token.clone();
                    let ended = task::to_the_end(async move { end(of).await }).await;
                    if ended.is_err() {
                        // If this fails too, the token stays used, and the session lives until it ends by itself.
                        let _ = token.forget_use(&*used).await;
                    }
                    ended
                });
                ended.await.map_err(|cause| failed("the session could not be ended", cause.into()))
            }
            Ok(false) => Err(refused("the logout token was used before")),
            Err(error) => Err(failed("the logout token could not be looked up", error)),
        }
    }
}

fn refused(problem: &'static str) -> SignInErrorKind {
    SignInErrorKind::Logout { problem, cause: None }
}

fn failed(problem: &'static str, cause: ResolveError) -> SignInErrorKind {
    SignInErrorKind::LogoutFailed { problem, cause }
}

/// A token that failed a check is told from one that nobody could check, such as when the provider's keys could not be fetched.
fn not_verified(error: Error) -> SignInErrorKind {
    match error.kind() {
        ErrorKind::Jwt(_) => {
            SignInErrorKind::Logout { problem: "the logout token is not valid", cause: Some(error.into()) }
        }
        _ => failed("the logout token could not be verified", error.into()),
    }
}

impl std::fmt::Debug for BackChannelLogout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackChannelLogout").field("sign_in", &self.sign_in).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ready, request, sealer, sign_in};

    #[test]
    fn a_provider_is_told_what_is_wrong_and_the_application_the_cause_too() {
        let ends = |sign_in: SignIn| sign_in.back_channel_logout(None, |_| async { Ok::<_, String>(()) });
        let resolving = SignIn::new(sealer()).at("https://app.example").unwrap();
        let resolving = resolving.resolve_with(|_, _| async { Err("the database is down".into()) });
        for (sign_in, body, problem, code, told) in [
            (sign_in(), "x".repeat(16 * 1024 + 1), "the request is too large", "invalid_request", None),
            (sign_in(), "x=1".to_owned(), "the logout token is not valid", "invalid_request", None),
            (
                resolving,
                "x=1".to_owned(),
                "the provider could not be looked up",
                "server_error",
                Some("the database is down"),
            ),
        ] {
            let request = request("POST", "/auth/acme/backchannel-logout", &[]);
            let error = ready(ends(sign_in).end_session(&request, body)).result.unwrap_err();
            assert_eq!(error.to_string(), problem);
            assert_eq!(error.status().as_u16(), 400);
            let is_failure = matches!(error.kind(), SignInErrorKind::LogoutFailed { .. });
            assert_eq!(is_failure, told.is_some(), "{problem}");
            assert!(error.page().body().contains(code), "{problem}");
            if let Some(told) = told {
                let cause = std::error::Error::source(error.kind()).map(ToString::to_string);
                assert_eq!(cause.as_deref(), Some(told));
            }
            assert!(!error.page().body().contains("database"), "{problem}");
        }
    }
}
