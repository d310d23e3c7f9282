//! Keycloak in a container's network: browsers reach it at a public address, the application at an internal one, with a certificate of a
//! private authority.
//!
//! ```sh
//! KEYCLOAK_URL=https://login.corp.example/realms/demo \
//! KEYCLOAK_INTERNAL_URL=https://keycloak:8443/realms/demo \
//! KEYCLOAK_CA=/etc/ssl/private-ca.pem \
//! KEYCLOAK_CLIENT_ID=site KEYCLOAK_CLIENT_SECRET=… \
//!     cargo run -p oauth-examples --example keycloak-private-ca
//! ```
//!
//! At Keycloak, set `hostname` to the public address and `hostname-backchannel-dynamic` to true: the metadata that is read at the internal
//! address then names the public address as the issuer and for browsers, and the internal one for everything else.
//!
//! Redirect URI to register: `http://127.0.0.1:3000/auth/openid/callback`.

use std::env;

use axum::{Router, response::Html, routing::get};
use oauth_clients::{
    ReqwestClient, Sealer, SealingKey,
    axum::{SignIn, SignInRoutes, SignedIn},
    oauth_reqwest::rustls::pki_types::{CertificateDer, pem::PemObject as _},
    openid::{Discovery, OpenID},
    tls_trusting,
};
use oauth_examples::{Result, listen, sealing_key};

#[tokio::main]
async fn main() -> Result<()> {
    let ca: Vec<_> = CertificateDer::pem_file_iter(variable("KEYCLOAK_CA")?)?.collect::<Result<_, _>>()?;
    let client = client(
        &variable("KEYCLOAK_URL")?,
        &variable("KEYCLOAK_INTERNAL_URL")?,
        ca,
        (variable("KEYCLOAK_CLIENT_ID")?, variable("KEYCLOAK_CLIENT_SECRET")?),
    )?;
    let (listener, address) = listen().await?;
    println!("{address}");
    axum::serve(listener, app(client, &address, sealing_key()?)?).await?;
    Ok(())
}

/// The client of a realm that has two addresses.
pub(crate) fn client(
    public: &str,
    internal: &str,
    ca: Vec<CertificateDer<'static>>,
    (id, secret): (String, String),
) -> Result<OpenID> {
    // Besides the system's authorities. With the system's trust store or `SSL_CERT_FILE`, this is not needed.
    let http = ReqwestClient::with_tls(tls_trusting(ca)?)?;
    let discovery = Discovery::new(public)
        // The issuer in it must be the public one all the same.
        .with_document_url(format!("{internal}/.well-known/openid-configuration"))
        .with_http_client(http);
    Ok(discovery.client(id, secret)?)
}

pub(crate) fn app(client: OpenID, address: &str, key: SealingKey) -> Result<Router> {
    let sign_in = SignIn::new(Sealer::new(key)).at(address)?.provider(client)?;
    let signed_in = async |user: SignedIn| format!("{} of {}", user.identity.subject, user.identity.issuer);
    Ok(Router::new()
        .route("/", get(async || Html(r#"<a href="/auth/openid/login">Sign in</a>"#)))
        .nest("/auth", SignInRoutes::new(sign_in).router(signed_in)))
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("{name}: {error}; the top of this file says what to set").into())
}
