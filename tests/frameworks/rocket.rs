//! Rocket.

use oauth_clients::bff::Bff;
use oauth_web_rocket::{SignInHandler, SignedIn, bff_routes, sign_in_routes, signal_routes};
use rocket::{
    Build, Config, Request, Rocket,
    config::{LogLevel, Shutdown},
    fairing::AdHoc,
    http::Header,
    response::{self, Responder},
    shield::{Frame, Shield},
};

use crate::suite::{SET_COOKIE, Site};

#[rocket::async_trait]
impl SignInHandler for Site {
    async fn signed_in<'r>(&self, user: SignedIn, request: &'r Request<'_>) -> response::Result<'r> {
        let mut response = self.welcome(user).respond_to(request)?;
        response.adjoin_header(Header::new("set-cookie", SET_COOKIE));
        response.set_header(Header::new("cache-control", "public"));
        Ok(response)
    }
}

pub(crate) async fn serve(site: Site) -> String {
    launch(|rocket| {
        rocket
            .mount("/auth", sign_in_routes(site.routes.clone(), site.clone()))
            .mount("/signals", signal_routes(&site.signals))
            // The provider's page frames a front-channel logout.
            .attach(Shield::default().disable::<Frame>())
    })
    .await
}

pub(crate) async fn serve_bff(bff: Bff) -> String {
    launch(|rocket| rocket.mount("/bff", bff_routes(&bff))).await
}

async fn launch(set: impl FnOnce(Rocket<Build>) -> Rocket<Build>) -> String {
    // Rocket opens its own listener, at a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shutdown = Shutdown { ctrlc: false, ..Shutdown::default() };
    let config = Config { port, workers: 1, log_level: LogLevel::Off, shutdown, ..Config::debug_default() };
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let ready = std::sync::Mutex::new(Some(ready));
    let server = set(rocket::custom(config)).attach(AdHoc::on_liftoff("ready", move |_| {
        let _ = ready.lock().unwrap().take().unwrap().send(());
        Box::pin(async {})
    }));
    tokio::spawn(server.launch());
    is_ready.await.unwrap();
    format!("http://127.0.0.1:{port}")
}
