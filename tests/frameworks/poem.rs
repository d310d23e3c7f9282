//! Poem.

use oauth_clients::bff::Bff;
use oauth_web_poem::{SignedIn, bff_endpoint, sign_in_routes, signal_endpoint};
use poem::{IntoResponse, Request, Route, Server, listener::TcpAcceptor};

use crate::suite::{SET_COOKIE, Site};

pub(crate) async fn serve(site: Site) -> String {
    let welcoming = site.clone();
    let routes = sign_in_routes(site.routes, move |user: SignedIn, _: Request| {
        let text = welcoming.welcome(user);
        async move { text.with_header("set-cookie", SET_COOKIE).with_header("cache-control", "public") }
    });
    let app = Route::new().nest("/auth", routes).at("/signals", signal_endpoint(site.signals));
    listen(app).await
}

pub(crate) async fn serve_bff(bff: Bff) -> String {
    listen(Route::new().at("/bff/*path", bff_endpoint(bff))).await
}

async fn listen(app: Route) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
    url
}
