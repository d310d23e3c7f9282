//! The routes.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use oauth_core::serde_json::{Value, json};
use oauth_web::{ResolveError, Routed, SignInRequest};
use tower_service::Service;

use crate::{
    bff::Bff,
    body::BffBody,
    error::BffError,
    events, guard,
    proxy::Passing,
    session::{self, FoundSession},
};

impl Bff {
    /// Answers a request whose path is below that of the routes; others with 404. The path must be the whole one that the browser asked for.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<BffBody>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let path = request.uri().path().to_owned();
        let rest = path.strip_prefix(&*self.all().base).and_then(|rest| rest.strip_prefix('/'));
        let (route, result) = match rest.and_then(|rest| rest.split_once('/')).or(rest.map(|rest| (rest, "")))
        {
            Some(("session", "")) => ("session", self.who(request.into_parts().0).await),
            Some(("logout", "")) => ("logout", self.logout(request.into_parts().0).await),
            Some(("api", rest)) => ("api", self.pass_on(request, rest).await),
            Some((provider, route)) => ("sign-in", self.sign_in_route(request, provider, route).await),
            None => ("none", Err(BffError::NotFound)),
        };
        let mut response = result.unwrap_or_else(|error| {
            events::refused(route, &error);
            error.response()
        });
        // All of it is for this user, now.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn who(&self, parts: Parts) -> Result<Response<BffBody>, BffError> {
        let site = self.site(&parts)?;
        guard::check(&parts.headers, &site)?;
        if parts.method != Method::GET {
            return Err(BffError::MethodNotAllowed("GET".to_owned()));
        }
        let is_there =
            !matches!(session::read(&parts.headers, self.sign_in().sealer(), &site), FoundSession::Nothing);
        match self.session(&parts).await {
            Ok(session) => Ok(json_response(&json!({
                "signed_in": true,
                "user": session.user(),
                "expires_at": session.until(),
            }))),
            Err(BffError::NoSession) => {
                let mut response = json_response(&json!({ "signed_in": false }));
                if is_there {
                    self.clear_cookie(&mut response, &site);
                }
                Ok(response)
            }
            Err(error) => Err(error),
        }
    }

    async fn logout(&self, parts: Parts) -> Result<Response<BffBody>, BffError> {
        let site = self.site(&parts)?;
        guard::check(&parts.headers, &site)?;
        if parts.method != Method::POST {
            return Err(BffError::MethodNotAllowed("POST".to_owned()));
        }
        let mut response = self.leave(&parts).await.unwrap_or_else(|error| {
            events::refused("logout", &error);
            error.response()
        });
        // Whatever failed, this browser is out.
        self.clear_cookie(&mut response, &site);
        Ok(response)
    }

    async fn leave(&self, parts: &Parts) -> Result<Response<BffBody>, BffError> {
        let mut response = Response::new(BffBody::from(String::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let session = match self.session(parts).await {
            Ok(session) => session,
            Err(BffError::NoSession) => return Ok(response),
            Err(error) => return Err(error),
        };
        self.end(&session).await?;
        // Before the tokens are gone: the provider's own logout may want the ID token.
        let location = match &self.all().on_logout {
            Some(on_logout) => on_logout(session.clone()).await.map_err(BffError::Application),
            None => Ok(None),
        };
        if self.all().revokes {
            self.revoke(&session).await;
        }
        Ok(match location? {
            Some(location) => json_response(&json!({ "location": location })),
            None => response,
        })
    }

    /// Revokes the user's tokens. The session is over already, whether or not the provider answers.
    async fn revoke(&self, session: &crate::session::Session) {
        let (tokens, key) = (&self.all().tokens, session.key());
        if let Err(error) = tokens.revoke(&key).await {
            events::tokens_not_revoked(&key, error.class());
            // At least nobody here uses them any more.
            let _ = tokens.delete(&key).await;
        }
    }

    async fn pass_on<B>(&self, request: Request<B>, rest: &str) -> Result<Response<BffBody>, BffError>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let (parts, body) = request.into_parts();
        guard::check(&parts.headers, &self.site(&parts)?)?;
        let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let upstream = self.all().upstreams.get(name).ok_or(BffError::NotFound)?;
        let passing = Passing::check(upstream, &parts, path)?;
        let session = self.session(&parts).await?;
        let settings = self.all();
        passing.send(&settings.http, &settings.tokens, &session, Request::from_parts(parts, body)).await
    }

    async fn sign_in_route<B>(
        &self,
        request: Request<B>,
        provider: &str,
        route: &str,
    ) -> Result<Response<BffBody>, BffError>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let (parts, body) = request.into_parts();
        let site = self.site(&parts);
        // No provider's name has a character that is encoded.
        let request = SignInRequest::new(parts, [("provider", provider)]);
        match self.all().routes.answer(route, &request, body).await {
            Routed::Response(response) => Ok(response.map(BffBody::from)),
            Routed::SignedIn(user, headers) => {
                let (is_popup, return_to) = (user.is_popup, user.return_to.clone());
                let result = self.welcome(*user, &site?, is_popup, return_to.as_deref()).await;
                let mut response = result.unwrap_or_else(|error| {
                    events::refused("sign-in", &error);
                    error.response()
                });
                headers.apply(response.headers_mut());
                Ok(response)
            }
            _ => Err(BffError::NotFound),
        }
    }

    async fn welcome(
        &self,
        user: oauth_web::SignedIn,
        site: &str,
        is_popup: bool,
        return_to: Option<&str>,
    ) -> Result<Response<BffBody>, BffError> {
        let session = self.begin(user).await?;
        let cookie = session::cookie(&session, self.sign_in().sealer(), site, self.all().same_site)
            .map_err(|problem| BffError::Application(problem.into()))?;
        let mut response = if is_popup {
            self.all().popup.response().map(BffBody::from)
        } else {
            let mut response = Response::new(BffBody::from(String::new()));
            *response.status_mut() = StatusCode::SEE_OTHER;
            let location = HeaderValue::try_from(return_to.unwrap_or("/"));
            response
                .headers_mut()
                .insert(header::LOCATION, location.unwrap_or(HeaderValue::from_static("/")));
            response
        };
        response.headers_mut().append(header::SET_COOKIE, cookie);
        Ok(response)
    }

    fn clear_cookie(&self, response: &mut Response<BffBody>, site: &str) {
        if let Some(cleared) = session::cleared(site, self.all().same_site) {
            response.headers_mut().append(header::SET_COOKIE, cleared);
        }
    }
}

fn json_response(value: &Value) -> Response<BffBody> {
    let mut response = Response::new(BffBody::from(value.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// For axum's `route_service`, hyper, warp, and whatever else serves a tower service.
impl<B> Service<Request<B>> for Bff
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<ResolveError>,
{
    type Response = Response<BffBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<BffBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let bff = self.clone();
        Box::pin(async move { Ok(bff.answer(request).await) })
    }
}
