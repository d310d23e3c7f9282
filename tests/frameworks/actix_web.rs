//! Actix Web.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use oauth_web_actix_web::{SignedIn, sign_in_scope, signal_route};

use crate::suite::{SET_COOKIE, Site};

pub(crate) async fn serve(site: Site) -> String {
    let server = HttpServer::new(move || {
        let welcoming = site.clone();
        let scope = sign_in_scope("/auth", site.routes.clone(), move |user: SignedIn, _: HttpRequest| {
            let text = welcoming.welcome(user);
            async move {
                HttpResponse::Ok()
                    .append_header(("set-cookie", SET_COOKIE))
                    .append_header(("cache-control", "public"))
                    .body(text)
            }
        });
        App::new().service(scope).service(signal_route("/signals", site.signals.clone()))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    url
}
