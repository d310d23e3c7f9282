//! A server that has a user authenticated on a telephone (CIBA, ping mode): it asks the provider, is told by it, and fetches the tokens.
//!
//! ```text
//! ISSUER=https://bank.example CLIENT_ID=… CLIENT_SECRET=… cargo run -p oauth-fapi --example ciba_notifications -- jane@example.com
//! ```
//!
//! Register `https://YOUR-HOST/ciba` as the client's `backchannel_client_notification_endpoint`, and have it forwarded to port 3000.

use std::{env, error::Error, sync::Arc};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use oauth_core::MemoryCache;
use oauth_fapi::{
    Ciba, CibaDelivery, CibaEndpoint, CibaNotification, CibaRequest, oauth_core, oauth_openid::OpenID,
};
use tokio::{net::TcpListener, sync::mpsc};

#[derive(Clone)]
struct App {
    endpoint: CibaEndpoint,
    notifications: mpsc::Sender<CibaNotification>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str| env::var(name).map_err(|_| format!("set {name}"));
    let bank = OpenID::lazy(setting("CLIENT_ID")?, setting("CLIENT_SECRET")?, setting("ISSUER")?)?;
    let user = env::args().nth(1).ok_or("name the user")?;

    // The cache is a shared one where several processes serve the endpoint.
    let endpoint = CibaEndpoint::new(Arc::new(MemoryCache::new()));
    let (notifications, mut arrived) = mpsc::channel(16);
    let app = App { endpoint: endpoint.clone(), notifications };
    let router = Router::new().route("/ciba", post(notified)).with_state(app);
    let listener = TcpListener::bind(("127.0.0.1", 3000)).await?;
    tokio::spawn(async move { axum::serve(listener, router).await });

    let ciba = Ciba::new(&bank).with_delivery(CibaDelivery::Ping);
    let attempt = ciba.start(&CibaRequest::for_login_hint(user).with_binding_message("W4SCT")).await?;
    endpoint.expect(&attempt).await?;
    println!("compare W4SCT with what the telephone shows");

    // Should the notification be lost, it asks once a minute all the same.
    let ping = async {
        arrived.recv().await;
    };
    let login = ciba.finish_when_pinged(&attempt, ping).await?;
    println!("{} agreed", login.id_token.subject());
    Ok(())
}

/// Axum refuses bodies of more than two megabytes by itself.
async fn notified(State(app): State<App>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let answer = app.endpoint.receive(&headers, &body).await;
    if let Some(notification) = answer.notification {
        // Only noted here, because the provider waits for the answer.
        let _ = app.notifications.try_send(notification);
    }
    answer.status
}
