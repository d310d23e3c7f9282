//! The callback: the route that the provider sends the user back to.

use http::Method;
use http_body::Body;
use oauth_core::{Callback, LinkIntent, LoginAttempt, bytes::Bytes, serde_json::Value};

use crate::{
    answer::{Answer, AnswerHeaders},
    cookies,
    error::SignInErrorKind,
    events,
    login::retry,
    origin::SiteAddress,
    parameters::{form_text, query_text},
    request::SignInRequest,
    sign_in::SignIn,
    signed_in::SignedIn,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is known about a callback that fails.
struct Progress {
    /// The name of the cookie to clear.
    cookie: Option<String>,
    /// Where the user can start again.
    retry: Option<String>,
}

impl SignIn {
    /// Finishes a sign-in: `GET /{provider}/callback`, or POST for providers that answer by form post.
    ///
    /// The body is read only if it is a form, up to 16 KiB. The result is the user who signed in; the application decides what to answer.
    /// [`Answer::headers`] clear the attempt's cookie in either case.
    pub async fn callback<B>(&self, request: &SignInRequest, body: B) -> Answer<SignedIn>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let mut progress = Progress { cookie: None, retry: Some(retry(None, false)) };
        let result = self.finish(request, body, &mut progress).await;
        let result = result.map_err(|kind| self.refusal(kind, request, progress.retry));
        match &result {
            Ok(signed_in) => events::signed_in(signed_in.provider.name(), &signed_in.intent),
            Err(error) => events::refused("callback", error),
        }
        let mut headers = AnswerHeaders::private();
        // Whatever the outcome, the attempt is over.
        if let Some(cleared) = progress.cookie.and_then(|name| cookies::clear(&name)) {
            headers.add_cookie(cleared);
        }
        Answer::new(result, headers)
    }

    async fn finish<B>(
        &self,
        request: &SignInRequest,
        body: B,
        progress: &mut Progress,
    ) -> Result<SignedIn, SignInErrorKind>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let provider = self.find(request).await?;
        let site = self.site(request)?;
        let redirect_uri = self.redirect_uri_of(&site, request);
        progress.retry = progress.retry.take().map(|retry| self.retry_at(&site, request, retry));
        let callback = self.read(request, body, &redirect_uri, &site).await?;

        // The state in a signed response is for its participant to read, and nothing is believed of it: it finds the cookie.
        let state = match callback.signed_response() {
            None => callback.get("state").unwrap_or_default().to_owned(),
            Some(_) => {
                let client = provider.oauth2().ready().await.map_err(SignInErrorKind::Login)?;
                client.state_of_callback(&callback).await.unwrap_or_default()
            }
        };
        let found =
            cookies::find(&request.headers, &state, site.is_https()).ok_or(SignInErrorKind::NoAttempt)?;
        progress.cookie = Some(found.name);
        let attempt = self.sealer().open(&found.sealed, provider.name(), &redirect_uri);
        let attempt = attempt.map_err(SignInErrorKind::Sealed)?;
        progress.retry = match attempt.data()["link_to"] {
            Value::Null => {
                let relative = retry(attempt.data()["return_to"].as_str(), attempt.data()["popup"] == true);
                Some(self.retry_at(&site, request, relative))
            }
            // A user who wanted to link does not want to sign in.
            _ => None,
        };
        // Only the holder of the whole state may use the attempt up: the cookie's name is but a part of it.
        let client = provider.oauth2().ready().await.map_err(SignInErrorKind::Login)?;
        let callback = client.open_callback(&attempt, callback).await.map_err(SignInErrorKind::Login)?;
        // An error may come any way: some servers tell it in the query, whatever was asked for. A code may not. The next check would
        // refuse it too, as an answer of the provider's; most likely it is somebody else's.
        let is_error = callback.get("error").is_some_and(|error| !error.is_empty());
        if !is_error && attempt.is_form_post() != (request.method == Method::POST) {
            return Err(SignInErrorKind::WrongMethod);
        }
        client.check_callback(&attempt, &callback).map_err(SignInErrorKind::Login)?;
        let name = format!("login_attempt:{}", attempt.state());
        let is_first = self.used().put_new(&name, Bytes::new(), attempt.lifetime()).await;
        if !is_first.map_err(SignInErrorKind::Store)? {
            return Err(SignInErrorKind::AlreadyUsed);
        }
        let intent = self.intent(&attempt, request).await?;
        let login = provider.finish_login(attempt, callback.clone()).await.map_err(SignInErrorKind::Login)?;
        let identity = provider.get_identity(&login.token).await.map_err(SignInErrorKind::Login)?;
        Ok(SignedIn::new(provider, identity, login, intent, callback, request.headers.clone()))
    }

    /// The parameters of a callback: the query of a GET, the form of a POST (OAuth 2.0 Form Post Response Mode section 2).
    async fn read<B>(
        &self,
        request: &SignInRequest,
        body: B,
        redirect_uri: &str,
        site: &SiteAddress,
    ) -> Result<Callback, SignInErrorKind>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        if request.method == Method::HEAD {
            // A browser or a proxy that looks ahead must not use the code up.
            return Err(SignInErrorKind::WrongMethod);
        }
        let is_form = request.method == Method::POST;
        let text = match is_form {
            true => form_text(request, body).await?,
            false => query_text(request)?.to_owned(),
        };
        let text = match self.relay() {
            Some(relay) => relay.unrelayed(&text, redirect_uri, &site.callback_url(request))?,
            None => text,
        };
        Ok(if is_form { Callback::from_form(&text) } else { Callback::from_query(&text) })
    }

    /// The purpose of the login, if the account that began to link is still signed in.
    async fn intent(
        &self,
        attempt: &LoginAttempt,
        request: &SignInRequest,
    ) -> Result<LinkIntent<String>, SignInErrorKind> {
        let account = match attempt.data().get("link_to") {
            None | Some(Value::Null) => return Ok(LinkIntent::SignIn),
            Some(account) => account.as_str().ok_or(SignInErrorKind::OtherAccount)?,
        };
        match self.current_account(request).await? {
            Some(current) if current == account => {}
            Some(_) => return Err(SignInErrorKind::OtherAccount),
            // The cookie of the session may have stayed behind; that of the attempt is of this browser.
            None if attempt.is_form_post() => {}
            None => return Err(SignInErrorKind::NotSignedIn),
        }
        Ok(LinkIntent::LinkTo(account.to_owned()))
    }
}
