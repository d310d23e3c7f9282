//! Authentication on another device: poll, ping and push.

use oauth_emulator::DeliveryMode;

use super::*;

const ASK: &str = "https://openid.example/bc-authorize";
const CIBA: &str = "urn:openid:params:grant-type:ciba";

async fn ask(bank: &Bank, more: &[(&str, &str)]) -> (u16, Value) {
    let mut form = vec![
        ("scope", "openid"),
        ("login_hint", "ada@example.com"),
        ("client_notification_token", "token-of-the-client"),
    ];
    form.retain(|(name, _)| !more.iter().any(|(other, _)| name == other));
    form.extend_from_slice(more);
    form.retain(|(_, value)| !value.is_empty());
    let (status, _, body) = bank.post(ASK, &form, &[]).await;
    (status, body)
}

async fn poll(bank: &Bank, id: &str) -> Value {
    bank.post(TOKEN, &[("grant_type", CIBA), ("auth_req_id", id)], &[]).await.2
}

#[tokio::test]
async fn a_poll_waits_for_the_answer() {
    let bank = Bank::new(Demands::none().poll_interval(60), |_| ()).await;
    let (status, body) = ask(&bank, &[("binding_message", "W4SCT")]).await;
    assert_eq!((status, &body["interval"]), (200, &json!(60)), "{body}");
    let id = body["auth_req_id"].as_str().unwrap();
    assert_eq!(poll(&bank, id).await["error"], "authorization_pending");
    assert_eq!(poll(&bank, id).await["error"], "slow_down");
    let waiting = bank.lab.emulator.backchannel_requests();
    assert_eq!((waiting.len(), waiting[0].binding_message.as_deref()), (1, Some("W4SCT")));
    let posted = bank.lab.emulator.answer_backchannel(id, Consent::Allow).unwrap();
    assert!(posted.is_none() && bank.lab.emulator.backchannel_requests().is_empty());
    assert!(poll(&bank, id).await["id_token"].is_string());
    assert_eq!(poll(&bank, id).await["error"], "invalid_grant", "once");

    let id = ask(&bank, &[]).await.1["auth_req_id"].as_str().unwrap().to_owned();
    bank.lab.emulator.answer_backchannel(&id, Consent::Deny).unwrap();
    assert_eq!(poll(&bank, &id).await["error"], "access_denied");
    assert!(bank.lab.emulator.answer_backchannel(&id, Consent::Allow).is_err());
}

#[tokio::test]
async fn a_bad_request_has_its_own_error() {
    let bank = Bank::new(Demands::none(), |_| ()).await;
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("login_hint", "")], "invalid_request"),
        (&[("id_token_hint", "x")], "invalid_request"),
        (&[("login_hint", "nobody")], "unknown_user_id"),
        (&[("scope", "email")], "invalid_request"),
        (&[("binding_message", "\u{7}")], "invalid_binding_message"),
        (&[("requested_expiry", "-1")], "invalid_request"),
    ];
    for (more, code) in cases {
        let (status, body) = ask(&bank, more).await;
        assert_eq!((status, &body["error"]), (400, &json!(code)), "{more:?}");
    }
}

#[tokio::test]
async fn a_ping_and_a_push_bring_the_token_of_the_client() {
    for (mode, with_tokens) in [(DeliveryMode::Ping, false), (DeliveryMode::Push, true)] {
        let bank = Bank::new(Demands::none(), |app| app.backchannel_token_delivery_mode = mode).await;
        assert_eq!(ask(&bank, &[("client_notification_token", "")]).await.1["error"], "invalid_request");
        let id = ask(&bank, &[]).await.1["auth_req_id"].as_str().unwrap().to_owned();
        let posted = bank.lab.emulator.answer_backchannel(&id, Consent::Allow).unwrap().unwrap();
        assert!(posted.headers.contains(&("authorization".into(), "Bearer token-of-the-client".into())));
        let body: Value = serde_json::from_str(&posted.body).unwrap();
        assert_eq!(body["auth_req_id"], json!(id));
        assert_eq!(body.get("access_token").is_some(), with_tokens);
        if with_tokens {
            let claims = payload(body["id_token"].as_str().unwrap());
            assert_eq!(claims["urn:openid:params:jwt:claim:auth_req_id"], json!(id));
            assert!(
                claims["urn:openid:params:jwt:claim:rt_hash"].is_string() && claims["at_hash"].is_string()
            );
            assert_eq!(poll(&bank, &id).await["error"], "unauthorized_client");
        }
    }
}

#[tokio::test]
async fn a_notification_can_name_another_request() {
    let bank =
        Bank::new(Demands::none(), |app| app.backchannel_token_delivery_mode = DeliveryMode::Push).await;
    let id = ask(&bank, &[]).await.1["auth_req_id"].as_str().unwrap().to_owned();
    let at = EmulatedEndpoint::BackchannelNotification;
    bank.lab.emulator.fault_at("openid", at, Fault::member("auth_req_id", "another")).unwrap();
    let posted = bank.lab.emulator.answer_backchannel(&id, Consent::Allow).unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&posted.body).unwrap()["auth_req_id"], "another");
}
