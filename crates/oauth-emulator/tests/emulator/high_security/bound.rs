//! Tokens that are bound to a key or a certificate, and APIs that want to see it.

use oauth_core::{bytes::Bytes, http};

use super::*;

const ACCOUNTS: &str = "https://api.openid.example/accounts";
const TRANSFERS: &str = "https://api.openid.example/transfers";
const USERINFO: &str = "https://openid.example/userinfo";

async fn api(bank: &Bank, url: &str, scheme: &str, token: &str, proof: Option<&str>) -> (u16, String) {
    let mut request = bank.lab.backend.get(bank.lab.emulator.local(url));
    request = request.header("authorization", format!("{scheme} {token}"));
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    let reply = request.send().await.unwrap();
    let challenge = reply.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (reply.status().as_u16(), challenge.unwrap_or_default())
}

#[tokio::test]
async fn a_token_is_bound_to_the_key_of_the_proof() {
    let bank = Bank::new(Demands::fapi2_security(), |_| ()).await;
    let key = Key::new("dpop");
    let callback = bank.pushed(&[], &[("dpop", &key.proof("POST", PAR, &json!({})))]).await;
    let (status, _, body) = bank.redeem(&callback["code"], &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "without a proof");
    let other = Key::new("other").proof("POST", TOKEN, &json!({}));
    let (status, _, body) = bank.redeem(&callback["code"], &[("dpop", &other)]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "another key than at PAR");
    let (status, _, body) =
        bank.redeem(&callback["code"], &[("dpop", &key.proof("POST", TOKEN, &json!({})))]).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("DPoP")), "{body}");

    let token = body["access_token"].as_str().unwrap();
    for url in [ACCOUNTS, USERINFO] {
        let ath = json!({"ath": s256(token)});
        let good = key.proof("GET", url, &ath);
        assert_eq!(api(&bank, url, "DPoP", token, Some(&good)).await.0, 200);
        let (status, challenge) = api(&bank, url, "DPoP", token, Some(&good)).await;
        assert_eq!(status, 401, "used twice");
        assert!(challenge.starts_with("DPoP error=\"invalid_dpop_proof\""), "{challenge}");
        let wrong = [
            Some(key.proof("GET", url, &json!({}))),
            Some(key.proof("POST", url, &ath)),
            Some(key.proof("GET", "https://api.openid.example/other", &ath)),
            Some(key.proof("GET", url, &json!({"ath": s256(token), "iat": now() - 600}))),
            Some(Key::new("other").proof("GET", url, &ath)),
            None,
        ];
        for proof in wrong {
            assert_eq!(api(&bank, url, "DPoP", token, proof.as_deref()).await.0, 401);
        }
        let good = key.proof("GET", url, &ath);
        assert_eq!(api(&bank, url, "Bearer", token, Some(&good)).await.0, 401, "as Bearer");
    }
}

#[tokio::test]
async fn a_nonce_is_demanded_as_the_switches_say() {
    let bank = Bank::new(Demands::none().dpop_nonces(), |_| ()).await;
    let key = Key::new("dpop");
    let ask = async |nonce: Option<&str>| {
        let more = nonce.map_or(json!({}), |nonce| json!({"nonce": nonce}));
        let proof = key.proof("POST", TOKEN, &more);
        let (status, headers, body) =
            bank.post(TOKEN, &[("grant_type", "client_credentials")], &[("dpop", &proof)]).await;
        let nonce = headers.get("dpop-nonce").map(|nonce| nonce.to_str().unwrap().to_owned());
        (status, body["error"].as_str().unwrap_or_default().to_owned(), nonce)
    };
    let (status, error, nonce) = ask(None).await;
    assert_eq!((status, error.as_str()), (400, "use_dpop_nonce"));
    let nonce = nonce.unwrap();
    assert_eq!(ask(Some(&nonce)).await.0, 200);
    assert_eq!(ask(Some(&nonce)).await.0, 200, "good until it is rotated");
    bank.lab.emulator.rotate_nonces();
    assert_eq!(ask(Some(&nonce)).await.1, "use_dpop_nonce");

    bank.lab.emulator.fault("openid", Fault::DpopNonce(NonceFault::ForEver)).unwrap();
    let mut nonce = ask(None).await.2;
    for _ in 0..3 {
        let (_, error, next) = ask(nonce.as_deref()).await;
        assert_eq!(error, "use_dpop_nonce");
        nonce = next;
    }
    bank.lab.emulator.clear_faults();
    bank.lab.emulator.fault("openid", Fault::DpopNonce(NonceFault::Twice)).unwrap();
    bank.lab.emulator.rotate_nonces();
    let first = ask(None).await.2;
    let (_, error, second) = ask(first.as_deref()).await;
    assert_eq!(error, "use_dpop_nonce");
    assert_eq!(ask(second.as_deref()).await.0, 200);
    bank.lab.emulator.clear_faults();
    bank.lab.emulator.fault("openid", Fault::DpopNonce(NonceFault::NotGiven)).unwrap();
    assert_eq!(ask(None).await.2, None);
}

#[tokio::test]
async fn a_token_can_be_unbound_or_bound_to_another_key() {
    let bank = Bank::new(Demands::none().dpop(), |_| ()).await;
    let key = Key::new("dpop");
    let ask = async || {
        let proof = key.proof("POST", TOKEN, &json!({}));
        bank.post(TOKEN, &[("grant_type", "client_credentials")], &[("dpop", &proof)]).await.2
    };
    bank.lab.emulator.fault("openid", Fault::UnboundToken).unwrap();
    assert_eq!(ask().await["token_type"], "Bearer");
    bank.lab.emulator.clear_faults();
    bank.lab.emulator.fault("openid", Fault::TokenOfAnotherKey).unwrap();
    let body = ask().await;
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(body["token_type"], "DPoP");
    let proof = key.proof("GET", ACCOUNTS, &json!({"ath": s256(token)}));
    let (status, challenge) = api(&bank, ACCOUNTS, "DPoP", token, Some(&proof)).await;
    assert!(status == 401 && challenge.contains("another key"), "{challenge}");
}

#[tokio::test]
async fn a_certificate_authenticates_and_binds_where_one_is_asked_for() {
    let certificate = b"a certificate".to_vec();
    let own = certificate.clone();
    let bank = Bank::new(Demands::none(), |app| {
        app.jwks = None;
        app.client_auth = vec![ClientAuthMethod::TlsClientAuth];
        app.certificates = vec![own];
        app.tls_client_certificate_bound_access_tokens = true;
    })
    .await;
    let client = bank.lab.emulator.http_client().unwrap().with_certificate(&certificate).unwrap();
    let other = bank.lab.emulator.http_client().unwrap().with_certificate(b"another").unwrap();
    let form = format!("grant_type=client_credentials&client_id={CLIENT}");
    let post = |url: &str| {
        http::Request::post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form.clone()))
            .unwrap()
    };
    let mtls = "https://mtls.openid.example/token";
    assert_eq!(client.send(post(TOKEN)).await.unwrap().status(), 401, "nobody asks for a certificate there");
    assert_eq!(other.send(post(mtls)).await.unwrap().status(), 401);
    let reply = client.send(post(mtls)).await.unwrap();
    assert_eq!(reply.status(), 200);
    let body: Value = serde_json::from_slice(reply.body()).unwrap();
    let token = body["access_token"].as_str().unwrap();
    let get = || {
        http::Request::get(ACCOUNTS)
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new())
            .unwrap()
    };
    assert_eq!(client.send(get()).await.unwrap().status(), 200);
    assert_eq!(other.send(get()).await.unwrap().status(), 401);
    bank.lab.emulator.fault("openid", Fault::ExpiredCertificate).unwrap();
    assert_eq!(client.send(post(mtls)).await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_transfer_wants_two_factors() {
    let bank = Bank::new(Demands::none(), |_| ()).await;
    let token = async |more: &[(&str, &str)]| {
        let callback = bank.pushed(more, &[]).await;
        bank.redeem(&callback["code"], &[]).await.2["access_token"].as_str().unwrap().to_owned()
    };
    let (status, challenge) = api(&bank, TRANSFERS, "Bearer", &token(&[]).await, None).await;
    assert_eq!(status, 401);
    let expected = "Bearer error=\"insufficient_user_authentication\"";
    assert!(challenge.starts_with(expected) && challenge.contains("max_age=\"300\""), "{challenge}");
    let strong = token(&[("acr_values", "urn:emulator:two-factors")]).await;
    assert_eq!(api(&bank, TRANSFERS, "Bearer", &strong, None).await.0, 200);
    let elsewhere = token(&[("resource", "https://other.example/")]).await;
    assert_eq!(api(&bank, ACCOUNTS, "Bearer", &elsewhere, None).await.0, 401, "for another API");
}
