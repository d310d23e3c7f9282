//! CA-09: tokens that are bound to a certificate, kept over its rotation.

use std::sync::Arc;

use oauth_clients::{
    Provider, Sealer, SealingKey,
    fapi::{CertificateBoundTokens, ClientCertificates, TlsClientAuth},
};
use oauth_reqwest::ReqwestClient;
use oauth_tokens::{AuthorizedClient, Hosts, MemoryStore, TokenKey, TokenManager};

use super::client_auth_tls::{
    Identity, Server, calls, certificate, client, exchange, plain, with_certificate,
};

#[tokio::test]
async fn ca_09_a_token_of_the_former_certificate_is_renewed_before_an_api_sees_it() {
    let (old, new) = (Identity::new(2098), Identity::new(2099));
    let server = Server::new(&[&old, &new]).await;
    let certificates = ClientCertificates::new(certificate(&old, &[&server]));
    let client = client(&server, TlsClientAuth::new(certificates.clone()), plain(&[&server]))
        .with_participant(CertificateBoundTokens::new(certificates.clone()));
    let token = exchange(&client).await.unwrap();
    let sealer =
        Sealer::new(SealingKey::from_base64("5RqPqvrbSrF4AsdeKiDfTmdKtF6HNrXAcGhIKqQZXxM=").unwrap());
    let manager =
        TokenManager::builder(MemoryStore::new(), sealer).provider(Arc::new(client)).build().unwrap();
    let key = TokenKey::new("oauth2", "user-17");
    manager.put(&key, &token).await.unwrap();

    certificates.replace(certificate(&new, &[&server]));
    let http = ReqwestClient::with_tls(with_certificate(&new, &[&server])).unwrap().into_inner();
    let hosts = Hosts::new([server.url.trim_start_matches("https://")]).unwrap();
    let api = AuthorizedClient::new(http.clone(), manager, key, hosts);
    let sent = server.seen().len();
    for _ in 0..2 {
        api.send(http.get(format!("{}/api", server.url))).await.unwrap();
    }
    let expected = [("POST /token", true), ("GET /api", true), ("GET /api", true)];
    assert_eq!(server.shown_since(sent, &new), calls(&expected));
}
