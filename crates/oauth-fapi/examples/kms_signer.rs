//! A key that stays in a key management service: a `Signer` that calls out over HTTP.
//!
//! The service here takes `POST {url}/keys/{name}/sign` with the message in base64, and answers with the signature in base64; yours will
//! have other words. What matters: it signs the whole message, the signature of an EC key has the form of JWS (two integers of fixed
//! length, not DER), and an outage is told apart from a key that is gone.
//!
//! `cargo run -p oauth-fapi --example kms_signer` plays both sides, so that it can be tried.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use oauth_fapi::{
    PrivateKeyJwt, SignError, Signer, SigningKey, SigningKeys,
    oauth_core::{
        HttpClient, HttpError, OAuth2, Provider, Secret, async_trait, bytes::Bytes, http, serde_json,
    },
    oauth_openid::Algorithm,
};
use serde_json::{Map, Value, json};

/// A key in the service.
#[derive(Debug)]
struct KmsSigner {
    http: Arc<dyn HttpClient>,
    url: String,
    /// What the service lets this program in by. It has no `Debug` of its own to leak through.
    token: Secret,
    key_id: String,
    /// Read once, when the signer is made.
    public_jwk: Map<String, Value>,
}

#[async_trait]
impl Signer for KmsSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }

    fn key_id(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn public_jwk(&self) -> Map<String, Value> {
        self.public_jwk.clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let unavailable = |cause: String| SignError::Unavailable(cause.into());
        let request = http::Request::post(&self.url)
            .header("authorization", format!("Bearer {}", self.token.expose()))
            .header("content-type", "application/json")
            .body(Bytes::from(json!({ "message": STANDARD.encode(message) }).to_string()))
            .map_err(|error| SignError::Key(error.to_string()))?;
        let reply = self.http.send(request).await.map_err(|error| SignError::Unavailable(error.into()))?;
        match reply.status().as_u16() {
            200 => {}
            // Neither will be better the next time.
            403 => return Err(SignError::Key("the service does not let this program sign".to_owned())),
            404 => return Err(SignError::Key("the service has no such key".to_owned())),
            status => return Err(unavailable(format!("the service answered HTTP {status}"))),
        }
        let answer: Value =
            serde_json::from_slice(reply.body()).map_err(|error| unavailable(error.to_string()))?;
        let signature = answer["signature"].as_str().and_then(|text| STANDARD.decode(text).ok());
        signature.ok_or_else(|| unavailable("the answer has no signature".to_owned()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let in_the_service = SigningKey::generate(Algorithm::ES256)?;
    let signer = KmsSigner {
        public_jwk: in_the_service.public_jwk(),
        key_id: "projects/p/keys/k/versions/1".to_owned(),
        url: "https://kms.example/keys/k/sign".to_owned(),
        token: Secret::new("the program's own identity"),
        // In earnest: oauth_core::default_http_client()?
        http: Arc::new(PlayedService(in_the_service)),
    };
    let keys = SigningKeys::from(signer);
    println!("register this: {}", keys.public_jwks().json());

    let client = OAuth2::new(
        "CLIENT_ID",
        PrivateKeyJwt::new(keys.clone()),
        "https://as.example/authorize",
        "https://as.example/token",
    )
    .with_issuer("https://as.example");
    println!("{} signs in by {:?}", client.name(), client.credentials());
    let claims = Map::from_iter([("iss".to_owned(), json!("CLIENT_ID"))]);
    println!("signed by the service: {}", keys.sign_jwt(Map::new(), &claims).await?);
    Ok(())
}

/// The service, played in this process.
#[derive(Debug)]
struct PlayedService(SigningKey);

#[async_trait]
impl HttpClient for PlayedService {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let asked: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let message = STANDARD.decode(asked["message"].as_str().unwrap_or_default()).unwrap_or_default();
        let mut reply = http::Response::default();
        match self.0.sign(&message).await {
            Ok(signature) => {
                *reply.body_mut() = json!({"signature": STANDARD.encode(signature)}).to_string().into()
            }
            Err(_) => *reply.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE,
        }
        Ok(reply)
    }
}
