//! A guard that takes tokens which are bound to a key (RFC 9449 section 7).

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use oauth_core::{
    MemoryCache, async_trait,
    http::{HeaderMap, HeaderValue, Method, Uri, header::AUTHORIZATION},
    serde_json::{Map, Value, json},
};
use oauth_fapi::{DpopKey, DpopProofVerifier, Proof};
use oauth_mcp::server::{Guard, ProtectedResource, Refusal, TokenInfo, TokenVerifier, VerifyError};

const RESOURCE: &str = "https://mcp.example/mcp";

/// Knows a token that is bound to a key, and one that is bound to nothing.
#[derive(Debug)]
struct Known(String);

#[async_trait]
impl TokenVerifier for Known {
    async fn verify(&self, token: &str) -> Result<TokenInfo, VerifyError> {
        let claims = match token {
            "bound" => json!({ "aud": RESOURCE, "sub": "ada", "cnf": { "jkt": self.0 } }),
            "certificate" => json!({ "aud": RESOURCE, "cnf": { "jkt": self.0, "x5t#S256": "x" } }),
            "free" => json!({ "aud": RESOURCE, "sub": "ada" }),
            _ => return Err(VerifyError::Invalid("unknown".to_owned())),
        };
        let Value::Object(claims) = claims else { return Ok(TokenInfo::of_claims(Map::new())) };
        Ok(TokenInfo::of_claims(claims))
    }
}

fn guard(key: &DpopKey) -> Guard {
    let resource = ProtectedResource::new(RESOURCE, ["https://as.example"]).unwrap();
    Guard::new(resource, Known(key.thumbprint().to_owned()))
        .with_dpop(DpopProofVerifier::new(Arc::new(MemoryCache::new())))
}

fn request(scheme: &str, token: &str, proofs: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("{scheme} {token}")).unwrap());
    for proof in proofs {
        headers.append("dpop", HeaderValue::try_from(proof).unwrap());
    }
    headers
}

async fn proof(key: &DpopKey, method: &str, url: &str, token: &str) -> String {
    key.prove(&Proof::new(method, url).unwrap().with_access_token(token)).await.unwrap()
}

async fn check(guard: &Guard, headers: &HeaderMap) -> Result<TokenInfo, Refusal> {
    guard.check_request(&Method::POST, headers, &Uri::from_static("/mcp?x=1")).await
}

#[tokio::test]
async fn mc_53_a_bound_token_comes_with_a_proof_of_its_key_for_this_request() {
    let (key, other) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let guard = guard(&key);
    let good = request("DPoP", "bound", &[proof(&key, "POST", RESOURCE, "bound").await]);
    assert_eq!(check(&guard, &good).await.unwrap().subject.as_deref(), Some("ada"));
    // Overheard, and sent again.
    assert_eq!(check(&guard, &good).await, Err(Refusal::InvalidProof));
    let proofs = [
        (vec![], Refusal::InvalidProof),
        (vec!["no proof".to_owned()], Refusal::InvalidProof),
        (vec![proof(&key, "GET", RESOURCE, "bound").await], Refusal::InvalidProof),
        (vec![proof(&key, "POST", "https://mcp.example/other", "bound").await], Refusal::InvalidProof),
        (vec![proof(&key, "POST", "https://other.example/mcp", "bound").await], Refusal::InvalidProof),
        (vec![proof(&key, "POST", RESOURCE, "free").await], Refusal::InvalidProof),
        (vec![proof(&key, "POST", RESOURCE, "bound").await, "two".to_owned()], Refusal::InvalidProof),
        (vec![proof(&other, "POST", RESOURCE, "bound").await], Refusal::InvalidToken),
    ];
    for (at, (proofs, refusal)) in proofs.into_iter().enumerate() {
        assert_eq!(check(&guard, &request("DPoP", "bound", &proofs)).await, Err(refusal), "{at}");
    }
}

#[tokio::test]
async fn mc_53_a_bound_token_is_no_bearer_token_and_a_free_one_needs_no_proof() {
    let key = DpopKey::generate().unwrap();
    let guard = guard(&key);
    assert_eq!(check(&guard, &request("Bearer", "bound", &[])).await, Err(Refusal::InvalidToken));
    assert!(check(&guard, &request("Bearer", "free", &[])).await.is_ok());
    let free = request("DPoP", "free", &[proof(&key, "POST", RESOURCE, "free").await]);
    assert_eq!(check(&guard, &free).await, Err(Refusal::InvalidToken));
    // A binding that is not understood is none that was checked.
    let both = request("DPoP", "certificate", &[proof(&key, "POST", RESOURCE, "certificate").await]);
    assert_eq!(check(&guard, &both).await, Err(Refusal::InvalidToken));
    let strict = guard.requiring_dpop();
    assert_eq!(check(&strict, &request("Bearer", "free", &[])).await, Err(Refusal::InvalidToken));
    // Without the method nobody knows what the proof is for.
    let headers = request("DPoP", "bound", &[proof(&key, "POST", RESOURCE, "bound").await]);
    assert_eq!(strict.check(&headers, &Uri::from_static("/mcp")).await, Err(Refusal::InvalidProof));
}

#[tokio::test]
async fn mc_53_a_nonce_is_demanded_and_sent() {
    let key = DpopKey::generate().unwrap();
    let guard = guard(&key).with_dpop_nonce(|| "n1".to_owned());
    let without = request("DPoP", "bound", &[proof(&key, "POST", RESOURCE, "bound").await]);
    let refusal = check(&guard, &without).await.unwrap_err();
    assert_eq!(refusal, Refusal::UseNonce);
    let reply = guard.reply(&refusal);
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["dpop-nonce"]),
        (401, &HeaderValue::from_static("n1"))
    );
    assert!(guard.challenge(&refusal).starts_with("DPoP error=\"use_dpop_nonce\""));
    let proof = Proof::new("POST", RESOURCE).unwrap().with_access_token("bound").with_nonce("n1");
    let headers = request("DPoP", "bound", &[key.prove(&proof).await.unwrap()]);
    assert!(check(&guard, &headers).await.is_ok());
}

#[tokio::test]
async fn mc_53_a_challenge_offers_each_scheme_that_is_taken() {
    let key = DpopKey::generate().unwrap();
    let schemes = |guard: &Guard| {
        let reply = guard.reply(&Refusal::NoToken);
        let challenges = reply.headers().get_all("www-authenticate").iter();
        challenges
            .map(|value| value.to_str().unwrap().split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(schemes(&guard(&key)), ["Bearer", "DPoP"]);
    assert_eq!(schemes(&guard(&key).requiring_dpop()), ["DPoP"]);
    let resource = ProtectedResource::new(RESOURCE, ["https://as.example"]).unwrap();
    let bearer = Guard::new(resource, Known(String::new()));
    assert_eq!(schemes(&bearer), ["Bearer"]);
    let headers = request("DPoP", "bound", &[]);
    assert_eq!(check(&bearer, &headers).await, Err(Refusal::NoToken));
}
