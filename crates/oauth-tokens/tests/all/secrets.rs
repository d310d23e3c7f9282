//! A client secret is replaced while tokens are refreshed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use oauth_core::{
    ClientSecret, DatedSecret, HttpClient, HttpError, OAuth2, OffsetDateTime, Provider, Secret, SecretSource,
    SecretSourceError, async_trait,
    bytes::Bytes,
    http::{Request, Response},
};
use oauth_tokens::{MemoryStore, TokenError, TokenManager, testkit::RotatingServer};

use crate::support::{key, sealer};

/// A server that accepts some client secrets, which change.
#[derive(Clone, Debug)]
struct Strict {
    server: RotatingServer,
    accepts: Arc<Mutex<Vec<&'static str>>>,
    refusal: (u16, &'static str),
    refused: Arc<Mutex<usize>>,
}

const INVALID_CLIENT: (u16, &str) = (401, r#"{"error": "invalid_client"}"#);

impl Strict {
    fn new(accepts: &[&'static str], refusal: (u16, &'static str)) -> Self {
        let accepts = Arc::new(Mutex::new(accepts.to_vec()));
        Self { server: RotatingServer::new(), accepts, refusal, refused: Arc::default() }
    }

    fn manager(&self, secret: ClientSecret) -> TokenManager {
        let client =
            OAuth2::new("client", secret, "https://as.example/authorize", "https://as.example/token")
                .with_refresh_endpoint("https://as.example/token")
                .with_http_client(self.clone())
                .with_name("testkit");
        TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(client)).build().unwrap()
    }

    async fn refresh(&self, manager: &TokenManager) -> Result<(), TokenError> {
        manager.put(&key(), &self.server.sign_in_expired().unwrap()).await.unwrap();
        manager.get(&key()).await.map(drop)
    }

    fn refused(&self) -> usize {
        *self.refused.lock().unwrap()
    }
}

#[async_trait]
impl HttpClient for Strict {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let accepts = self.accepts.lock().unwrap().clone();
        if accepts.iter().any(|secret| body.contains(&format!("client_secret={secret}"))) {
            return self.server.send(request).await;
        }
        *self.refused.lock().unwrap() += 1;
        let (status, body) = self.refusal;
        Ok(Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
    }
}

fn both() -> ClientSecret {
    ClientSecret::rotating([DatedSecret::new("NEW"), DatedSecret::new("OLD")])
}

#[tokio::test]
async fn old_and_new_secret_work_side_by_side() {
    for refusal in [
        INVALID_CLIENT,
        (400, r#"{"error": "invalid_client"}"#),
        (200, r#"{"error": "incorrect_client_credentials"}"#),
        (200, "error=incorrect_client_credentials"),
        (401, "<!doctype html>"),
    ] {
        let strict = Strict::new(&["OLD"], refusal);
        let manager = strict.manager(both());
        for _ in 0..10 {
            strict.refresh(&manager).await.unwrap();
        }
        assert_eq!(strict.refused(), 1, "{refusal:?}: it remembers which one is accepted");
        // The provider switches over.
        *strict.accepts.lock().unwrap() = vec!["NEW"];
        for _ in 0..10 {
            strict.refresh(&manager).await.unwrap();
        }
        assert_eq!(strict.refused(), 2, "{refusal:?}");
        assert_eq!(strict.server.ended_grants(), 0);
    }
}

#[tokio::test]
async fn a_request_is_sent_twice_at_most_and_once_with_one_secret() {
    for (secret, requests) in [(both(), 2), (ClientSecret::from("ONE"), 1)] {
        let strict = Strict::new(&[], INVALID_CLIENT);
        let manager = strict.manager(secret);
        let error = strict.refresh(&manager).await.unwrap_err();
        assert!(error.to_string().contains("invalid_client"), "{error}");
        assert_eq!(strict.refused(), requests);
    }
    // What is said of the grant is not said of the secret.
    let strict = Strict::new(&[], (401, r#"{"error": "invalid_grant"}"#));
    let manager = strict.manager(both());
    assert!(matches!(strict.refresh(&manager).await, Err(TokenError::Dead { .. })));
    assert_eq!(strict.refused(), 1);
}

/// Secrets as a vault has them, and what was said of their end.
#[derive(Clone, Debug, Default)]
struct Vault {
    secrets: Arc<Mutex<Vec<DatedSecret>>>,
    told: Arc<Mutex<Vec<OffsetDateTime>>>,
}

#[async_trait]
impl SecretSource for Vault {
    async fn client_secret(&self) -> Result<Secret, SecretSourceError> {
        Err("it has several".into())
    }

    async fn client_secrets(&self) -> Result<Vec<DatedSecret>, SecretSourceError> {
        tokio::task::yield_now().await;
        Ok(self.secrets.lock().unwrap().clone())
    }

    fn expires_soon(&self, expires_at: OffsetDateTime) {
        self.told.lock().unwrap().push(expires_at);
    }
}

#[tokio::test]
async fn a_vault_replaces_a_secret_and_nothing_is_restarted() {
    let now = OffsetDateTime::now_utc();
    let day = Duration::from_secs(24 * 60 * 60);
    let (strict, vault) = (Strict::new(&["ONE"], INVALID_CLIENT), Vault::default());
    let set = |secrets: &[DatedSecret]| *vault.secrets.lock().unwrap() = secrets.to_vec();
    let manager = strict.manager(ClientSecret::made_by(vault.clone()));
    set(&[DatedSecret::new("ONE").until(now + 10 * day)]);
    for _ in 0..3 {
        strict.refresh(&manager).await.unwrap();
    }
    assert_eq!(*vault.told.lock().unwrap(), [now + 10 * day], "said once");

    set(&[DatedSecret::new("TWO").until(now + 300 * day), DatedSecret::new("ONE").until(now + 10 * day)]);
    strict.refresh(&manager).await.unwrap();
    *strict.accepts.lock().unwrap() = vec!["TWO"];
    strict.refresh(&manager).await.unwrap();
    // One that has expired is not even sent.
    set(&[DatedSecret::new("ONE").until(now - day), DatedSecret::new("TWO")]);
    let refused = strict.refused();
    strict.refresh(&manager).await.unwrap();
    assert_eq!(strict.refused(), refused);
    assert_eq!(vault.told.lock().unwrap().len(), 1, "there is a later one");

    set(&[]);
    let error = strict.refresh(&manager).await.unwrap_err();
    assert!(error.to_string().contains("no client secret"), "{error}");
}
