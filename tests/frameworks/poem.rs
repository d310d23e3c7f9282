//! Poem.

use oauth_web_poem::{SignedIn, sign_in_routes, signal_endpoint};
use poem::{IntoResponse, Request, Route, Server, listener::TcpAcceptor};

use crate::suite::{SET_COOKIE, Site};

pub(crate) async fn serve(site: Site) -> String {
    let welcoming = site.clone();
    let routes = sign_in_routes(site.routes, move |user: SignedIn, _: Request| {
        let text = welcoming.welcome(user);
        async move { text.with_header("set-cookie", SET_COOKIE).with_header("cache-control", "public") }
    });
    let app = Route::new().nest("/auth", routes).at("/signals", signal_endpoint(site.signals));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
    url
}
