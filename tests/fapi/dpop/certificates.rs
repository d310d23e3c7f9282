//! Tokens that are bound to a TLS certificate, in the token manager.

use std::sync::{Arc, Mutex};

use oauth_clients::{
    BindingError, Error as CoreError, ErrorClass, ErrorKind, OAuth2, OAuth2Token, Operation, Participant,
    Provider,
};
use oauth_tokens::{AuthorizedClient, Hosts, MemoryStore, TokenError, TokenManager};
use serde_json::json;

use super::{keys::sealer, resources::key, server::Server};

const CALLBACK: &str = "https://app.example/cb";

/// Notes the client's certificate as a participant for mutual TLS does; the connection itself is tested elsewhere.
#[derive(Clone, Debug)]
struct Certificate(Arc<Mutex<&'static str>>);

impl Certificate {
    fn current(&self) -> &'static str {
        *self.0.lock().unwrap()
    }
}

impl Participant for Certificate {
    fn check_new_token(&self, _client: &OAuth2, token: &mut OAuth2Token) -> Result<(), CoreError> {
        let cnf = json!({"x5t#S256": self.current()});
        *token = token.clone().with_confirmation(cnf.as_object().unwrap().clone());
        Ok(())
    }

    fn check_use(&self, client: &OAuth2, token: &OAuth2Token) -> Result<(), CoreError> {
        let bound_to = token.confirmation().map(|cnf| cnf["x5t#S256"].as_str().unwrap().to_owned());
        match bound_to {
            Some(thumbprint) if thumbprint != self.current() => {
                let kind = ErrorKind::Binding(BindingError::OtherCertificate { thumbprint });
                Err(client.error(Operation::API_REQUEST, kind))
            }
            _ => Ok(()),
        }
    }

    fn check_before_refresh(&self, client: &OAuth2, token: &OAuth2Token) -> Result<(), CoreError> {
        match client.client_secret().is_empty() {
            true => self.check_use(client, token),
            false => Ok(()),
        }
    }
}

/// A manager with a live token that is bound to the certificate "one".
async fn signed_in(server: &Server, secret: &str) -> (Certificate, TokenManager) {
    let certificate = Certificate(Arc::new(Mutex::new("one")));
    let client = server.client(secret).with_participant(certificate.clone());
    let token = client.get_access_token("C", CALLBACK, None, &[]).await.unwrap();
    let manager =
        TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(client)).build().unwrap();
    manager.put(&key(), &token).await.unwrap();
    server.seen();
    (certificate, manager)
}

fn authorized(server: &Server, manager: &TokenManager) -> AuthorizedClient {
    let hosts = Hosts::new([server.origin.trim_start_matches("http://")]).unwrap();
    let http = oauth_reqwest::reqwest_client(|defaults| defaults).unwrap();
    AuthorizedClient::new(http, manager.clone(), key(), hosts)
}

#[tokio::test]
async fn ca_09_a_token_of_the_old_certificate_is_renewed_and_not_sent() {
    let server = Server::with(|switches| switches.token_type = "Bearer").await;
    let (certificate, manager) = signed_in(&server, "secret").await;
    *certificate.0.lock().unwrap() = "two";
    let http: reqwest::Client = oauth_reqwest::reqwest_client(|defaults| defaults).unwrap().into();
    let reply = authorized(&server, &manager).send(http.get(server.url("/api"))).await.unwrap();
    assert_eq!(reply.status(), 200);
    let seen = server.seen();
    assert_eq!(seen.iter().map(|one| &*one.path).collect::<Vec<_>>(), ["/token", "/api"]);
    assert_eq!(seen[1].authorization.as_deref(), Some("Bearer AT2"));
    let token = manager.get_token(&key()).await.unwrap();
    assert_eq!(token.confirmation().unwrap()["x5t#S256"], "two");
}

#[tokio::test]
async fn ca_08_without_its_certificate_a_public_clients_token_is_a_typed_error() {
    let server = Server::with(|switches| switches.token_type = "Bearer").await;
    let (certificate, manager) = signed_in(&server, "").await;
    *certificate.0.lock().unwrap() = "two";
    let http: reqwest::Client = oauth_reqwest::reqwest_client(|defaults| defaults).unwrap().into();
    authorized(&server, &manager).send(http.get(server.url("/api"))).await.unwrap_err();
    let error = manager.get_after_rejection(&key(), "AT1").await.unwrap_err();
    assert!(matches!(error, TokenError::BoundElsewhere { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    assert!(server.seen().is_empty());
    // The certificate is back, and nothing was lost.
    *certificate.0.lock().unwrap() = "one";
    manager.get(&key()).await.unwrap();
}
