//! axum.

use axum::{
    Router,
    response::{AppendHeaders, IntoResponse},
};
use oauth_clients::bff::Bff;
use oauth_web_axum::{SignInRoutes, SignedIn, signal_route};

use crate::suite::{SET_COOKIE, Site};

pub(crate) async fn serve(site: Site) -> String {
    let welcoming = site.clone();
    let all = SignInRoutes::new(site.routes).router(async move |SignedIn(user): SignedIn| {
        let headers = AppendHeaders([("set-cookie", SET_COOKIE), ("cache-control", "public")]);
        (headers, welcoming.welcome(user)).into_response()
    });
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
