//! axum.

use axum::{
    Router,
    http::HeaderMap,
    response::{AppendHeaders, IntoResponse},
};
use oauth_clients::{
    bff::Bff,
    openid::{FrontChannelLogout, LogoutToken},
};
use oauth_web_axum::{SignInRoutes, SignedIn, signal_route};

use crate::suite::{SET_COOKIE, Site, framed};

pub(crate) async fn serve(site: Site) -> String {
    let (welcoming, ending) = (site.clone(), site.clone());
    let routes = SignInRoutes::new(site.sign_in);
    let all = routes
        .clone()
        .router(async move |SignedIn(user): SignedIn| {
            let headers = AppendHeaders([("set-cookie", SET_COOKIE), ("cache-control", "public")]);
            (headers, welcoming.welcome(user)).into_response()
        })
        .merge(routes.clone().back_channel_logout(None, move |token: LogoutToken| {
            let ending = ending.clone();
            async move { ending.end(token).await }
        }))
        .merge(
            routes.clone().front_channel_logout(async |said: FrontChannelLogout, _: HeaderMap| framed(&said)),
        )
        .merge(routes.initiated_login());
    let app: Router = Router::new().nest("/auth", all).route("/signals", signal_route(site.signals));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

pub(crate) async fn serve_bff(bff: Bff) -> String {
    let app: Router = Router::new().route_service("/bff/{*path}", bff);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}
