//! Actix Web.

use actix_web::{
    App, HttpMessage as _, HttpRequest, HttpResponse, HttpServer, dev::Service as _, http::StatusCode,
    test::TestRequest,
};
use oauth_clients::{Sealer, SealingKey, bff::Bff, github::GitHubOAuth2};
use oauth_web_actix_web::{Routes, SignIn, SignedIn, bff_scope, sign_in_scope, signal_route};

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

pub(crate) async fn serve_bff(bff: Bff) -> String {
    let server = HttpServer::new(move || App::new().service(bff_scope(bff.clone())));
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    url
}

/// A session that a middleware has read is not in a header.
#[tokio::test]
async fn linking_sees_what_a_middleware_put_into_the_extensions() {
    #[derive(Clone)]
    struct Account(String);

    let sign_in = SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32])))
        .provider(GitHubOAuth2::new("github-client-id", "github-client-secret"))
        .unwrap()
        .linking(|request| {
            let account = request.extensions.get::<Account>().map(|account| account.0.clone());
            async move { Ok(account) }
        });
    let routes = Routes::new(sign_in);
    for (account, status) in [(Some("ada"), StatusCode::SEE_OTHER), (None, StatusCode::FORBIDDEN)] {
        let scope = sign_in_scope("/auth", routes.clone(), async |_: SignedIn, _: HttpRequest| "");
        let app = App::new().service(scope).wrap_fn(move |request, next| {
            let mut known = http::Extensions::new();
            if let Some(account) = account {
                known.insert(Account(account.to_owned()));
            }
            request.extensions_mut().insert(known);
            next.call(request)
        });
        let app = actix_web::test::init_service(app).await;
        let request = TestRequest::post().uri("/auth/github/link");
        let request =
            request.insert_header(("host", "localhost")).insert_header(("sec-fetch-site", "same-origin"));
        let response = app.call(request.to_request()).await.unwrap();
        assert_eq!(response.status(), status, "{account:?}");
    }
}
