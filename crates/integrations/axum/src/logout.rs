//! What an OpenID Connect provider or portal asks of the application: to end sessions, to begin a login.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use oauth_core::{Error, LinkIntent, LoginOptions, MemoryCache, SharedCache, serde_json::json};
use oauth_openid::{FrontChannelLogout, InitiatedLogin, LogoutToken, OpenIDProvider};

use crate::{SignIn, SignInError, router::MOST_BYTES};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type EndSession = dyn Fn(LogoutToken) -> BoxFuture<Result<(), String>> + Send + Sync;

impl SignIn {
    /// The route for providers that tell the application directly that a session has ended (OpenID Connect Back-Channel
    /// Logout): `POST /{provider}/backchannel-logout`, to be nested beside [`router`](Self::router). No cookie comes with it.
    ///
    /// The handler ends the sessions that the verified token names, by issuer and session id or subject, and says what kept it
    /// from doing so. The answer is 200, or 400 for the provider to try again. Each token counts once; `used` remembers them,
    /// on what all machines of the application share, or in this process where it is `None`.
    pub fn back_channel_logout<S, H, F, E>(self, used: Option<Arc<dyn SharedCache>>, handler: H) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
        H: Fn(LogoutToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let used = used.unwrap_or_else(|| Arc::new(MemoryCache::new()));
        let end: Arc<EndSession> = Arc::new(move |token| {
            let ended = handler(token);
            Box::pin(async move { ended.await.map_err(|error| error.to_string()) })
        });
        let route = async move |Path(name): Path<String>, request: Request| {
            let (parts, body) = request.into_parts();
            let outcome = self.end_session(&name, &parts.headers, body, &used, &end).await;
            let mut response = match outcome {
                Ok(()) => StatusCode::OK.into_response(),
                // What went wrong inside is nobody's business outside.
                Err(description) => {
                    let body = json!({ "error": "invalid_request", "error_description": description });
                    (StatusCode::BAD_REQUEST, Json(body)).into_response()
                }
            };
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        };
        Router::new().route("/{provider}/backchannel-logout", post(route))
    }

    async fn end_session(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: Body,
        used: &Arc<dyn SharedCache>,
        end: &Arc<EndSession>,
    ) -> Result<(), &'static str> {
        let provider = self.find(name, headers).await.map_err(|_| "there is no such provider")?;
        let body = axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| "the request is too large")?;
        let body = std::str::from_utf8(&body).map_err(|_| "the request is not a form")?;
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let refused = |_: Error| "the logout token is not valid";
        let token = LogoutToken::of_request(kind, body).map_err(refused)?;
        let token = provider.verify_logout_token(token.expose()).await.map_err(refused)?;
        match token.use_once(&**used).await {
            Ok(true) => {
                let (end, used) = (end.clone(), used.clone());
                // It is carried to its end even if the provider hangs up, or else the token would be used up for nothing.
                let ended = tokio::spawn(async move {
                    // In a task of its own, so that a panic is a failure like any other.
                    let of = token.clone();
                    let ended = tokio::spawn(async move { end(of).await }).await;
                    let ended = ended.unwrap_or_else(|panic| Err(panic.to_string()));
                    if ended.is_err() {
                        // If this fails too, the token stays used, and the session lives until it ends by itself.
                        let _ = token.forget_use(&*used).await;
                    }
                    ended
                });
                match ended.await {
                    Ok(Ok(())) => Ok(()),
                    _ => Err("the session could not be ended"),
                }
            }
            Ok(false) => Err("the logout token was used before"),
            Err(_) => Err("the logout token could not be looked up"),
        }
    }

    /// The route for providers that tell the application in a hidden frame of the browser that a session has ended (OpenID
    /// Connect Front-Channel Logout): `GET /{provider}/frontchannel-logout`.
    ///
    /// The handler sees what was said and the request's headers. It ends the session of this browser, if
    /// [`FrontChannelLogout::is_of`] it; the cookie of the session must be `SameSite=None` to come with the request.
    pub fn front_channel_logout<S, H, F, R>(self, handler: H) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
        H: Fn(FrontChannelLogout, HeaderMap) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse,
    {
        let route = async move |Path(name): Path<String>, request: Request| -> Response {
            let (parts, _) = request.into_parts();
            let mut response = match self.find(&name, &parts.headers).await {
                Ok(_) => {
                    let said = FrontChannelLogout::from_query(parts.uri.query().unwrap_or_default());
                    handler(said, parts.headers).await.into_response()
                }
                Err(error) => error.into_response(),
            };
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // The provider's page shows it in a frame.
            headers.remove(header::X_FRAME_OPTIONS);
            headers.remove(header::CONTENT_SECURITY_POLICY);
            response
        };
        Router::new().route("/{provider}/frontchannel-logout", get(route))
    }

    /// The route by which the provider or a portal begins a login (OpenID Connect Core section 4):
    /// `/{provider}/initiate?iss=…&login_hint=…&target_link_uri=…`, by GET or by POST.
    ///
    /// It begins a login as `/{provider}/login` does, if the wish names the provider's own issuer. The target must be of this
    /// site, as `return_to` must.
    pub fn initiated_login<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let route = async move |Path(name): Path<String>, request: Request| {
            let (parts, body) = request.into_parts();
            let answer = async {
                let wish = match parts.method == Method::POST {
                    true => {
                        let form = axum::body::to_bytes(body, MOST_BYTES).await;
                        let form = form.map_err(|_| SignInError::TooLarge)?;
                        InitiatedLogin::from_form(
                            std::str::from_utf8(&form).map_err(|_| SignInError::NotAForm)?,
                        )
                    }
                    false => InitiatedLogin::from_query(parts.uri.query().unwrap_or_default()),
                };
                let provider = self.find(&name, &parts.headers).await?;
                let client = provider.oauth2().ready().await.map_err(SignInError::Login)?;
                if !wish.is_for(&client) {
                    return Err(SignInError::UnknownProvider);
                }
                let hint = wish.login_hint().map(str::to_owned);
                let hinted = |options: LoginOptions| match &hint {
                    Some(hint) => options.login_hint(hint),
                    None => options,
                };
                // A portal signs somebody in; it does not speak for an account of this site.
                let intent = LinkIntent::SignIn;
                self.begin(&*provider, &name, &parts, wish.target_link_uri(), intent, hinted).await
            };
            let mut response = answer.await.unwrap_or_else(|error| self.answer_to(error));
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
            response
        };
        Router::new().route("/{provider}/initiate", get(route.clone()).post(route))
    }
}
