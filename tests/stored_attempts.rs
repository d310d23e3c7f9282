//! Login attempts that were stored or sealed by this version and by earlier ones.
//!
//! `tests/data/attempts_4.json` was written by the version that sealed the form 4; each later form has a file of its own. A
//! file never changes: what is in it is in somebody's browser or database.

use oauth_clients::{
    Aead, Callback, ErrorClass, ErrorKind, LoginAttempt, LoginError, LoginOptions, OAuth2, Provider,
    SealError, Sealer, SealingKey,
    openid::{OpenID, ProviderMetadata},
};
use serde_json::{Value, json};

use crate::support::Script;

const FILES: [(&str, &str); 3] = [
    ("4", include_str!("data/attempts_4.json")),
    ("5", include_str!("data/attempts_5.json")),
    ("5, AES-256-GCM", include_str!("data/attempts_5_aes_256_gcm.json")),
];

/// Sealing as the file was sealed, which ChaCha20-Poly1305 was until it says otherwise.
fn sealer(file: &Value) -> Sealer {
    let sealer = Sealer::new(SealingKey::from_base64(file["key"].as_str().unwrap()).unwrap());
    match file["aead"].as_str() {
        Some("AES-256-GCM") => sealer.with_aead(Aead::Aes256Gcm).unwrap(),
        _ => sealer,
    }
}

fn decoded(base64: &Value) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(base64.as_str().unwrap()).unwrap()
}

#[test]
fn az_15_an_attempt_of_every_version_opens() {
    for (version, text) in FILES {
        let file: Value = serde_json::from_str(text).unwrap();
        let sealer = sealer(&file);
        let attempts = file["attempts"].as_array().unwrap();
        assert!(attempts.len() > 20);
        for golden in attempts {
            let (stored, sealed) = (&golden["stored"], golden["sealed"].as_str().unwrap());
            let text = |name: &str| stored[name].as_str().unwrap();
            let attempt = sealer.open(sealed, text("provider"), text("redirect_uri"));
            let attempt = attempt.unwrap_or_else(|error| panic!("{version}: {error}: {stored}"));
            assert_eq!(serde_json::to_value(&attempt).unwrap(), *stored, "{version}");
            let read: LoginAttempt = serde_json::from_value(stored.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), *stored, "{version}");
            assert_eq!(read.code_verifier(), attempt.code_verifier());
            assert_eq!(read.nonce(), attempt.nonce());
        }
    }
}

#[test]
fn bytes_of_every_version_open() {
    for (version, text) in FILES {
        let file: Value = serde_json::from_str(text).unwrap();
        let bytes = &file["bytes"];
        let context = bytes["context"].as_str().unwrap().as_bytes();
        let opened = sealer(&file).open_bytes(&decoded(&bytes["sealed"]), context).unwrap();
        assert_eq!(opened.plain.as_slice(), bytes["plain"].as_str().unwrap().as_bytes(), "{version}");
        assert!(opened.is_current);
        let elsewhere = sealer(&file).open_bytes(&decoded(&bytes["sealed"]), b"row 2");
        assert_eq!(elsewhere.unwrap_err(), SealError::Damaged);
    }
}

/// Writes the file of a new form, from the attempts of the first. Run it once, before the form is released.
#[test]
#[ignore = "writes a file; for a new form of what is sealed"]
fn write_the_attempts_of_this_version() {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let mut file: Value = serde_json::from_str(FILES[0].1).unwrap();
    // Or what the new form is.
    file["aead"] = Aead::Aes256Gcm.to_string().into();
    let sealer = sealer(&file);
    for golden in file["attempts"].as_array_mut().unwrap() {
        let attempt: LoginAttempt = serde_json::from_value(golden["stored"].clone()).unwrap();
        golden["sealed"] = sealer.seal(&attempt).unwrap().into();
    }
    let bytes = sealer.seal_bytes(b"a refresh token", b"row 1").unwrap();
    file["bytes"]["sealed"] = STANDARD.encode(bytes).into();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/attempts_new.json");
    std::fs::write(path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
}

#[test]
fn a_stored_attempt_that_was_made_up_is_an_error() {
    let file: Value = serde_json::from_str(FILES[0].1).unwrap();
    let whole = file["attempts"].as_array().unwrap().last().unwrap()["stored"].clone();
    assert!(serde_json::from_value::<LoginAttempt>(whole.clone()).is_ok());
    for (name, value) in [
        ("started_at", json!("2026-01-01")),
        ("lifetime", json!(-1)),
        ("lifetime", json!(1e300)),
        ("max_age", json!(-1)),
        ("code_verifier", json!("x".repeat(1 << 20))),
        ("response_mode", json!("jwt")),
        ("organization_of_a_later_version", json!("org_A")),
        ("Provider", json!("other")),
    ] {
        let mut attempt = whole.clone();
        attempt[name] = value.clone();
        let error = serde_json::from_value::<LoginAttempt>(attempt.clone()).unwrap_err().to_string();
        assert!(!error.contains("org_A") && !error.contains("xxx"), "{error}");
        assert!(serde_json::from_str::<LoginAttempt>(&attempt.to_string()).is_err(), "{name} {value}");
    }
    for name in ["state", "code_verifier", "nonce", "data"] {
        let twice = format!("{{\"{name}\":{},{}", whole[name], &whole.to_string()[1..]);
        let error = serde_json::from_str::<LoginAttempt>(&twice).unwrap_err().to_string();
        assert!(error.starts_with("an object names a member twice"), "{error}");
    }
}

#[tokio::test]
async fn an_attempt_with_times_that_no_calendar_has_is_expired() {
    let metadata = json!({
        "issuer": "https://op.example", "authorization_endpoint": "https://op.example/authorize",
        "token_endpoint": "https://op.example/token", "jwks_uri": "https://op.example/jwks",
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    let token = json!({"access_token": "AT", "token_type": "Bearer", "id_token": "a.b.c"});
    let now = 1_700_000_000_i64;
    for started_at in [i64::MIN, -377_705_116_800, -1, now, 253_402_300_800, i64::MAX] {
        for lifetime in [253_402_300_800, i64::MAX as u64, u64::MAX] {
            let metadata = ProviderMetadata::new(metadata.clone()).unwrap();
            let client = OpenID::new("id", "secret", metadata).unwrap();
            let client = client.with_http_client(Script::json(200, &token));
            let begun = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
            let mut stored = serde_json::to_value(&begun.attempt).unwrap();
            stored["started_at"] = started_at.into();
            stored["lifetime"] = lifetime.into();
            let attempt: LoginAttempt = serde_json::from_value(stored).unwrap();
            let callback = format!("code=c&state={}", begun.attempt.state());
            let error = client.finish_login(attempt, Callback::from_query(&callback)).await.unwrap_err();
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::Login(LoginError::Expired)),
                "{started_at} {lifetime}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn data_that_could_not_be_read_again_begins_no_login() {
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token");
    let nested = |depth: usize| (0..depth).fold(json!("/"), |inner, _| json!([inner]));
    let start = |data: Value| client.start_login("https://app.example/cb", LoginOptions::new().data(data));
    let attempt = start(nested(100)).await.unwrap().attempt;
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    assert_eq!(sealer.open_any(&sealer.seal(&attempt).unwrap()).unwrap().data(), attempt.data());
    let stored = serde_json::to_string(&attempt).unwrap();
    assert_eq!(serde_json::from_str::<LoginAttempt>(&stored).unwrap().data(), attempt.data());
    for depth in [101, 1000] {
        assert_eq!(start(nested(depth)).await.unwrap_err().class(), ErrorClass::Configuration);
    }
}

#[test]
fn the_debug_form_of_an_attempt_shows_no_secret() {
    let file: Value = serde_json::from_str(FILES[0].1).unwrap();
    let stored = &file["attempts"].as_array().unwrap().last().unwrap()["stored"];
    let attempt: LoginAttempt = serde_json::from_value(stored.clone()).unwrap();
    let shown = format!("{attempt:?} {:?}", attempt.code_verifier());
    for name in ["state", "code_verifier", "nonce"] {
        assert!(!shown.contains(stored[name].as_str().unwrap()), "{shown}");
    }
}
