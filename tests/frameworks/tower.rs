//! A plain `tower` service, by hyper.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use oauth_web_tower::{SignInService, SignalService, SignedIn};
use tower_service::Service as _;

use crate::suite::{SET_COOKIE, Site};

pub(crate) fn service(site: &Site) -> SignInService {
    let welcoming = site.clone();
    SignInService::new("/auth", site.routes.clone(), move |user: SignedIn| {
        let mut response = Response::new(welcoming.welcome(user));
        response.headers_mut().insert("set-cookie", SET_COOKIE.parse().unwrap());
        response.headers_mut().insert("cache-control", "public".parse().unwrap());
        async { response }
    })
}

pub(crate) async fn serve(site: Site) -> String {
    let (sign_in, signals) = (service(&site), SignalService(site.signals.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (sign_in, signals) = (sign_in.clone(), signals.clone());
            let answer = service_fn(move |request: Request<Incoming>| {
                let (mut sign_in, mut signals) = (sign_in.clone(), signals.clone());
                async move {
                    match request.uri().path() {
                        "/signals" => signals.call(request).await,
                        _ => Ok::<_, Infallible>(sign_in.call(request).await?),
                    }
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    url
}
