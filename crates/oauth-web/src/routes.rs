//! All routes of a sign-in behind one method, for adapters whose framework leaves routing to them.

use std::{fmt, sync::Arc};

use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::Body;
#[cfg(feature = "openid")]
use {
    crate::logout::BackChannelLogout,
    http::HeaderMap,
    oauth_core::SharedCache,
    oauth_openid::{FrontChannelLogout, LogoutToken},
    std::{future::Future, pin::Pin},
};

use crate::{
    answer::{Answer, AnswerHeaders},
    error::{ResolveError, SignInError},
    request::SignInRequest,
    sign_in::SignIn,
    signed_in::SignedIn,
};

type OnError = dyn Fn(SignInError) -> Response<String> + Send + Sync;
#[cfg(feature = "openid")]
type FrontChannel = dyn Fn(FrontChannelLogout, HeaderMap) -> Pin<Box<dyn Future<Output = Response<String>> + Send>>
    + Send
    + Sync;

/// The routes of a sign-in, for any framework: its adapter only translates requests and responses.
///
/// The last segment of a path is the route, and the one before it the provider, such as `/auth/github/login`:
///
/// | request | answer |
/// | --- | --- |
/// | `GET /{provider}/login` | 303 to the provider, with a cookie that holds the sealed attempt |
/// | `GET /{provider}/login?return_to=/path` | as above; the path is in [`SignedIn::return_to`], if it is on this site |
/// | `GET /{provider}/callback` | the application's own response, or a page that says what went wrong |
/// | `POST /{provider}/callback` | as above, for providers that answer by form post |
/// | `POST /{provider}/link` | 303 to the provider, to link it to the account that is signed in; with [`SignIn::linking`] only |
/// | `POST /{provider}/backchannel-logout` | 200 for the provider's server; with `back_channel_logout` only |
/// | `GET /{provider}/frontchannel-logout` | the application's own response; with `front_channel_logout` only |
/// | `GET` and `POST /{provider}/initiate` | 303 to the provider; with `initiated_login` only |
///
/// The redirect URI to register at a provider is the address of its callback.
///
/// ```
/// use oauth_web::{Routed, Routes, SignInRequest};
///
/// async fn answer(routes: &Routes, request: http::Request<String>) -> http::Response<String> {
///     let (parts, body) = request.into_parts();
///     let path = parts.uri.path().to_owned();
///     let Some((provider, route)) = path.strip_prefix("/auth/").and_then(|rest| rest.split_once('/')) else {
///         return http::Response::new("not found".to_owned());
///     };
///     match routes.answer(route, &SignInRequest::new(parts, [("provider", provider)]), body).await {
///         Routed::Response(response) => response,
///         Routed::SignedIn(user, headers) => {
///             // The application's response, with a session of its own.
///             let mut response = http::Response::new(user.identity.subject.clone());
///             headers.apply(response.headers_mut());
///             response
///         }
///         _ => http::Response::new("not found".to_owned()),
///     }
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Routes {
    sign_in: SignIn,
    on_error: Arc<OnError>,
    #[cfg(feature = "openid")]
    back_channel: Option<BackChannelLogout>,
    #[cfg(feature = "openid")]
    front_channel: Option<Arc<FrontChannel>>,
    #[cfg(feature = "openid")]
    initiated_login: bool,
}

/// What a request to [`Routes`] led to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Routed {
    /// The response is complete.
    Response(Response<String>),
    /// The user signed in. The application makes the response, to which the headers are to be [applied](AnswerHeaders::apply).
    SignedIn(Box<SignedIn>, AnswerHeaders),
    /// There is no such route.
    NotFound,
}

impl Routes {
    /// Makes routes that answer failures with [`SignInError::page`].
    pub fn new(sign_in: SignIn) -> Self {
        Self {
            sign_in,
            on_error: Arc::new(|error| error.page()),
            #[cfg(feature = "openid")]
            back_channel: None,
            #[cfg(feature = "openid")]
            front_channel: None,
            #[cfg(feature = "openid")]
            initiated_login: false,
        }
    }

    /// Sets the function that answers failures.
    ///
    /// It is also called for failed back-channel logouts, but the provider is always answered in JSON.
    pub fn on_error(self, answer: impl Fn(SignInError) -> Response<String> + Send + Sync + 'static) -> Self {
        Self { on_error: Arc::new(answer), ..self }
    }

    /// The settings that the routes were made of.
    pub fn sign_in(&self) -> &SignIn {
        &self.sign_in
    }

    /// Adds `POST /{provider}/backchannel-logout`, by which a provider's server ends sessions, as [`SignIn::back_channel_logout`] does.
    #[cfg(feature = "openid")]
    pub fn back_channel_logout<H, F, E>(mut self, used: Option<Arc<dyn SharedCache>>, handler: H) -> Self
    where
        H: Fn(LogoutToken) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.back_channel = Some(self.sign_in.clone().back_channel_logout(used, handler));
        self
    }

    /// Adds `GET /{provider}/frontchannel-logout`, which a provider requests in a hidden frame, as [`SignIn::front_channel_logout`] does.
    /// The handler gets the logout and the headers of the request, ends this browser's session if it is the one, and answers.
    #[cfg(feature = "openid")]
    pub fn front_channel_logout<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(FrontChannelLogout, HeaderMap) -> F + Send + Sync + 'static,
        F: Future<Output = Response<String>> + Send + 'static,
    {
        self.front_channel = Some(Arc::new(move |logout, headers| Box::pin(handler(logout, headers))));
        self
    }

    /// Adds `/{provider}/initiate`, by which the provider or a portal starts a login, as [`SignIn::initiated_login`] does.
    #[cfg(feature = "openid")]
    pub fn initiated_login(mut self) -> Self {
        self.initiated_login = true;
        self
    }

    /// The names of the routes that there are, such as `login`, for a framework whose own router knows each of them.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().filter(|name| self.methods(name).is_some())
    }

    /// Answers a request to the route of this name. A method that the route does not have is answered with 405.
    pub async fn answer<B>(&self, route: &str, request: &SignInRequest, body: B) -> Routed
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        self.try_answer(route, request, body).await.unwrap_or_else(|(error, headers)| {
            let mut response = self.failure(*error);
            if request.method == Method::HEAD {
                response.body_mut().clear();
            }
            headers.apply(response.headers_mut());
            Routed::Response(response)
        })
    }

    /// Answers a request like [`answer`](Self::answer), but leaves the response to a failure to the adapter, whose framework may have richer
    /// ones than [`on_error`](Self::on_error) can make.
    ///
    /// # Errors
    ///
    /// The failure, and the headers to apply to its response. [`SignInError::for_provider`] says whether that is JSON.
    pub async fn try_answer<B>(
        &self,
        route: &str,
        request: &SignInRequest,
        body: B,
    ) -> Result<Routed, (Box<SignInError>, AnswerHeaders)>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let Some(methods) = self.methods(route) else { return Ok(Routed::NotFound) };
        if !methods.split(", ").any(|method| method == request.method) {
            return Ok(Routed::Response(not_allowed(methods)));
        }
        let answer = match route {
            "callback" => {
                let Answer { result, headers } = self.sign_in.callback(request, body).await;
                return match result {
                    Ok(signed_in) => Ok(Routed::SignedIn(Box::new(signed_in), headers)),
                    Err(error) => Err((Box::new(error), headers)),
                };
            }
            "link" => self.sign_in.link(request).await,
            #[cfg(feature = "openid")]
            "initiate" => self.sign_in.initiated_login(request, body).await,
            #[cfg(feature = "openid")]
            "backchannel-logout" | "frontchannel-logout" => self.logout(request, body).await,
            _ => self.sign_in.login(request).await,
        };
        let Answer { result, headers } = answer;
        match result {
            Ok(mut response) => {
                if request.method == Method::HEAD {
                    response.body_mut().clear();
                }
                headers.apply(response.headers_mut());
                Ok(Routed::Response(response))
            }
            Err(error) => Err((Box::new(error), headers)),
        }
    }

    /// The response to a failure: what [`on_error`](Self::on_error) makes of it, but for a back-channel logout the JSON that its provider
    /// reads.
    pub fn failure(&self, error: SignInError) -> Response<String> {
        let for_provider = error.for_provider();
        let own = (self.on_error)(error);
        for_provider.unwrap_or(own)
    }

    /// The methods of a route; `None` if there is no such route.
    fn methods(&self, route: &str) -> Option<&'static str> {
        match route {
            "login" => Some("GET, HEAD"),
            "callback" => Some("GET, HEAD, POST"),
            "link" if self.sign_in.can_link() => Some("POST"),
            #[cfg(feature = "openid")]
            "initiate" if self.initiated_login => Some("GET, HEAD, POST"),
            #[cfg(feature = "openid")]
            "backchannel-logout" if self.back_channel.is_some() => Some("POST"),
            #[cfg(feature = "openid")]
            "frontchannel-logout" if self.front_channel.is_some() => Some("GET, HEAD"),
            _ => None,
        }
    }

    #[cfg(feature = "openid")]
    async fn logout<B>(&self, request: &SignInRequest, body: B) -> Answer<Response<String>>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        if request.method == Method::POST
            && let Some(back_channel) = &self.back_channel
        {
            let Answer { result, headers } = back_channel.end_session(request, body).await;
            return Answer::new(result.map(|()| Response::new(String::new())), headers);
        }
        let Answer { result, headers } = self.sign_in.front_channel_logout(request).await;
        let result = match (result, &self.front_channel) {
            (Ok(said), Some(handler)) => Ok(handler(said, request.headers.clone()).await),
            (Ok(_), None) => Ok(Response::new(String::new())),
            (Err(error), _) => Err(error),
        };
        Answer::new(result, headers)
    }
}

/// The names of all routes.
const NAMES: [&str; 6] =
    ["login", "callback", "link", "initiate", "backchannel-logout", "frontchannel-logout"];

fn not_allowed(methods: &'static str) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

impl From<SignIn> for Routes {
    fn from(sign_in: SignIn) -> Self {
        Self::new(sign_in)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("sign_in", &self.sign_in).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ready, request, sign_in};

    /// The status of a route's answer, and the methods that it allows; 0 if there is no such route.
    fn status(routes: &Routes, method: &str, route: &str) -> (u16, Option<String>) {
        let headers = [("sec-fetch-site", "same-origin")];
        let request = request(method, &format!("/auth/acme/{route}"), &headers);
        match ready(routes.answer(route, &request, String::new())) {
            Routed::Response(response) => {
                let allow = response.headers().get(header::ALLOW);
                assert!(method != "HEAD" || response.body().is_empty(), "{route}");
                (response.status().as_u16(), allow.map(|allow| allow.to_str().unwrap().to_owned()))
            }
            Routed::SignedIn(..) => panic!("{method} {route} signed somebody in"),
            Routed::NotFound => (0, None),
        }
    }

    #[test]
    fn a_route_is_there_if_it_was_asked_for_and_has_its_methods_alone() {
        let linking = sign_in().linking(|_| async { Ok(Some("ada".to_owned())) });
        let (few, all) = (Routes::new(sign_in()), Routes::new(linking));
        #[cfg(feature = "openid")]
        let all = all
            .back_channel_logout(None, |_| async { Ok::<_, std::io::Error>(()) })
            .front_channel_logout(|_, _| async { Response::new("logged out".to_owned()) })
            .initiated_login();
        for (route, method, expected) in [
            ("login", "GET", 303),
            ("login", "HEAD", 303),
            ("callback", "GET", 400),
            ("callback", "HEAD", 400),
            ("callback", "POST", 400),
            ("", "GET", 0),
            ("logins", "GET", 0),
        ] {
            for routes in [&few, &all] {
                assert_eq!(status(routes, method, route), (expected, None), "{method} {route}");
            }
        }
        assert_eq!(status(&all, "POST", "link"), (303, None));
        assert_eq!(status(&few, "POST", "link"), (0, None));
        #[cfg(feature = "openid")]
        for (route, method, expected) in [
            ("initiate", "GET", 404),
            ("initiate", "POST", 404),
            ("backchannel-logout", "POST", 400),
            ("frontchannel-logout", "GET", 200),
        ] {
            assert_eq!(status(&all, method, route), (expected, None), "{method} {route}");
            assert_eq!(status(&few, method, route), (0, None), "{method} {route}");
        }
        for (route, method, allowed) in [
            ("login", "POST", "GET, HEAD"),
            ("callback", "PUT", "GET, HEAD, POST"),
            ("link", "GET", "POST"),
            #[cfg(feature = "openid")]
            ("initiate", "PUT", "GET, HEAD, POST"),
            #[cfg(feature = "openid")]
            ("backchannel-logout", "GET", "POST"),
            #[cfg(feature = "openid")]
            ("frontchannel-logout", "POST", "GET, HEAD"),
        ] {
            assert_eq!(status(&all, method, route), (405, Some(allowed.to_owned())), "{method} {route}");
        }
    }

    #[test]
    fn the_names_are_those_of_the_routes_that_there_are() {
        let linking = sign_in().linking(|_| async { Ok(Some("ada".to_owned())) });
        let (few, all) = (Routes::new(sign_in()), Routes::from(linking));
        #[cfg(feature = "openid")]
        let all = all
            .back_channel_logout(None, |_| async { Ok::<_, std::io::Error>(()) })
            .front_channel_logout(|_, _| async { Response::new(String::new()) })
            .initiated_login();
        assert_eq!(few.names().collect::<Vec<_>>(), ["login", "callback"]);
        let expected = if cfg!(feature = "openid") { &NAMES[..] } else { &NAMES[..3] };
        assert_eq!(all.names().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_failure_can_be_left_to_the_adapter() {
        let request = request("GET", "/auth/acme/callback", &[]);
        let tried = ready(Routes::new(sign_in()).try_answer("callback", &request, String::new()));
        let (error, headers) = tried.unwrap_err();
        assert_eq!(error.status(), 400);
        let mut applied = http::HeaderMap::new();
        headers.apply(&mut applied);
        assert_eq!(applied[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn an_answer_is_the_one_of_its_own_route() {
        let told = |error: SignInError| Response::new(format!("{:?} {}", error.kind(), error.provider()));
        let linking = sign_in().linking(|_| async { Ok(Some("ada".to_owned())) });
        let routes = Routes::new(linking).on_error(told);
        #[cfg(feature = "openid")]
        let routes = routes
            .back_channel_logout(None, |_| async { Ok::<_, std::io::Error>(()) })
            .front_channel_logout(|_, _| async { Response::new("logged out".to_owned()) });
        for (route, method, body) in [
            ("callback", "GET", "NoAttempt acme"),
            ("link", "POST", "ForeignForm acme"),
            #[cfg(feature = "openid")]
            ("frontchannel-logout", "GET", "logged out"),
            #[cfg(feature = "openid")]
            (
                "backchannel-logout",
                "POST",
                r#"{"error":"invalid_request","error_description":"the logout token is not valid"}"#,
            ),
        ] {
            let request = request(method, &format!("/auth/acme/{route}"), &[]);
            let Routed::Response(response) = ready(routes.answer(route, &request, String::new())) else {
                panic!("{route}");
            };
            assert_eq!(response.body(), body, "{route}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "{route}");
        }
    }
}
