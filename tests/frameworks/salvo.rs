//! Salvo.

use oauth_clients::bff::Bff;
use oauth_web_salvo::{SignedIn, bff_handler, sign_in_router, signal_handler};
use salvo::{
    Depot, FlowCtrl, Handler, Listener, Request, Response, Router, Server, async_trait,
    conn::{Acceptor, TcpListener},
};

use crate::suite::{SET_COOKIE, Site};

struct Welcome(Site);

#[async_trait]
impl Handler for Welcome {
    async fn handle(&self, _: &mut Request, depot: &mut Depot, res: &mut Response, _: &mut FlowCtrl) {
        let user: SignedIn = depot.scrape().unwrap();
        res.add_header("set-cookie", SET_COOKIE, false).unwrap();
        res.add_header("cache-control", "public", true).unwrap();
        res.render(self.0.welcome(user));
    }
}

pub(crate) async fn serve(site: Site) -> String {
    let routes = sign_in_router(site.routes.clone(), Welcome(site.clone()));
    let router = Router::new()
        .push(Router::with_path("auth").push(routes))
        .push(Router::with_path("signals").goal(signal_handler(site.signals)));
    listen(router).await
}

pub(crate) async fn serve_bff(bff: Bff) -> String {
    listen(Router::new().push(Router::with_path("bff/{**path}").goal(bff_handler(bff)))).await
}

async fn listen(router: Router) -> String {
    let acceptor = TcpListener::new("127.0.0.1:0").bind().await;
    let address = acceptor.holdings()[0].local_addr.clone().into_std().unwrap();
    tokio::spawn(Server::new(acceptor).serve(router));
    format!("http://{address}")
}
