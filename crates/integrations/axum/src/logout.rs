//! Routes that an OpenID Connect provider or portal calls: logout, and logins that it starts.

use std::{fmt::Display, future::Future, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::HeaderMap,
    response::IntoResponse,
    routing::{get, post},
};
use oauth_core::SharedCache;
use oauth_openid::{FrontChannelLogout, LogoutToken};
use oauth_web::Answer;

use crate::routes::{PathParams, SignInRoutes, split};

impl SignInRoutes {
    /// The route by which a provider's server ends sessions (OpenID Connect Back-Channel Logout):
    /// `POST /{provider}/backchannel-logout`, to be nested beside [`router`](Self::router). No cookie comes with it.
    ///
    /// The handler ends the sessions that the verified token names, by issuer and session id or subject, or returns why it could
    /// not. The response is 200, or 400 for the provider to try again. Each token is accepted once. `used` remembers them; give a cache
    /// that all machines of the application share, or `None` to remember them in this process.
    pub fn back_channel_logout<S, H, F, E>(self, used: Option<Arc<dyn SharedCache>>, handler: H) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
        H: Fn(LogoutToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let logout = self.sign_in.clone().back_channel_logout(used, handler);
        let route = async move |params: PathParams, request: Request| {
            let (request, body) = split(params, request);
            let Answer { result, headers, .. } = logout.end_session(&request, body).await;
            let mut response = result.map_or_else(
                |error| {
                    // The provider reads JSON, and not the application's page.
                    let page = error.page().into_response();
                    self.failed(error);
                    page
                },
                IntoResponse::into_response,
            );
            headers.apply(response.headers_mut());
            response
        };
        Router::new().route("/{provider}/backchannel-logout", post(route))
    }

    /// The route that a provider requests in a hidden frame of the browser to end its session (OpenID Connect Front-Channel
    /// Logout): `GET /{provider}/frontchannel-logout`.
    ///
    /// The handler gets the logout and the request's headers. It ends this browser's session if [`FrontChannelLogout::is_of`] says that
    /// it is the one. Its cookie must be `SameSite=None`, or browsers do not send it.
    pub fn front_channel_logout<S, H, F, R>(self, handler: H) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
        H: Fn(FrontChannelLogout, HeaderMap) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse,
    {
        let route = async move |params: PathParams, request: Request| {
            let (request, _) = split(params, request);
            let Answer { result, headers, .. } = self.sign_in.front_channel_logout(&request).await;
            let mut response = match result {
                Ok(said) => handler(said, request.headers.clone()).await.into_response(),
                Err(error) => self.failed(error),
            };
            headers.apply(response.headers_mut());
            response
        };
        Router::new().route("/{provider}/frontchannel-logout", get(route))
    }

    /// The route by which the provider or a portal starts a login (OpenID Connect Core section 4):
    /// `/{provider}/initiate?iss=…&login_hint=…&target_link_uri=…`, by GET or by POST.
    ///
    /// It works like `/{provider}/login`, if `iss` is the provider's own issuer. The target must be on this site, like `return_to`.
    pub fn initiated_login<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let route = async move |params: PathParams, request: Request| {
            let (request, body) = split(params, request);
            self.respond(self.sign_in.initiated_login(&request, body).await)
        };
        Router::new().route("/{provider}/initiate", get(route.clone()).post(route))
    }
}
