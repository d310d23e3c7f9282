//! warp, by the `tower` service.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use oauth_web_tower::SignalService;
use tower_service::Service;
use warp::{Filter, path::FullPath};

use crate::suite::Site;

/// A filter that passes the request to a service.
fn by<S>(service: S) -> impl Filter<Extract = (Response<String>,), Error = warp::Rejection> + Clone
where
    S: Service<Request<String>, Response = Response<String>, Error = std::convert::Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::bytes())
        .then(move |method: Method, path: FullPath, query: String, headers: HeaderMap, body: Bytes| {
            let mut service = service.clone();
            async move {
                let uri = if query.is_empty() {
                    path.as_str().to_owned()
                } else {
                    format!("{}?{query}", path.as_str())
                };
                // What is not text is not a form.
                let body = String::from_utf8(body.to_vec()).unwrap_or_else(|_| "%FF".to_owned());
                let mut request = Request::new(body);
                *request.method_mut() = method;
                *request.uri_mut() = uri.parse().unwrap_or_default();
                *request.headers_mut() = headers;
                service.call(request).await.unwrap_or_else(|never| match never {})
            }
        })
}

pub(crate) async fn serve(site: Site) -> String {
    let auth = warp::path("auth").and(by(crate::tower::service(&site)));
    let signals = warp::path("signals").and(by(SignalService(site.signals)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(warp::serve(auth.or(signals)).incoming(listener).run());
    url
}
