//! LB-03: what a hostile server could send, changed at random. Nothing that was changed is accepted, and nothing panics.
//!
//! The changes come of a fixed seed. A failure prints it with the number of the change; to see more of them, set `MUTANTS`.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    Callback, LoginOptions, Provider, ResponseMode, ResponseType,
    openid::{Expectations, OpenIDProvider, ProviderMetadata},
};
use serde_json::{Value, json};

use super::op::{CODE, Endpoint, Key, Op, SUBJECT, Signing, callback_body, left_half};
use crate::support::reply;

const SEED: u64 = 0x5eed_0123_4567_89ab;

/// SplitMix64: enough to change bytes with.
struct Random {
    state: u64,
    /// Told when a test panics.
    what: &'static str,
    number: usize,
}

impl Random {
    fn new(what: &'static str) -> Self {
        Self { state: SEED, what, number: 0 }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: change number {} of seed {SEED:#x}", self.what, self.number);
        }
    }
}

/// How many changes are tried.
fn mutants(usual: usize) -> usize {
    std::env::var("MUTANTS").ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}

/// Flips, cuts, doubles, inserts and moves bytes.
fn bytes_changed(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(changed.len());
        let length = random.below(changed.len() - at.min(changed.len())).min(40);
        match random.below(8) {
            0 if !changed.is_empty() => changed[at] ^= 1 << random.below(8),
            1 if !changed.is_empty() => changed[at] = random.next().to_le_bytes()[0],
            2 => drop(changed.drain(at..at + length)),
            3 => {
                let piece = changed[at..at + length].to_vec();
                let to = random.below(changed.len() + 1);
                changed.splice(to..to, piece);
            }
            4 => changed.insert(at, random.one_of(b"\0\n\r \t\"\\{}[],:.=&%+-/_0aZ\xff")),
            5 => changed.truncate(at),
            6 if at + 1 < changed.len() => changed.swap(at, at + 1),
            _ => {
                let piece =
                    random.one_of(&["null", "1e999", "-0", "\\u0000", "\"alg\":\"none\",", "[[[[", "=="]);
                changed.splice(at..at, piece.bytes());
            }
        }
    }
    changed
}

/// JSON of the same meaning, or nearly, written in another way: white space, order, members twice, huge numbers, deep nests.
fn json_changed(random: &mut Random, value: &Value) -> String {
    let mut text = String::new();
    write_odd(random, value, &mut text);
    match random.below(6) {
        0 => text = text.replacen('{', "{\"sub\":\"admin\",", 1),
        1 => text = text.replacen('{', "{\"exp\":1e400,", 1),
        2 => {
            let depth = random.below(2000);
            text = text.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(depth), "]".repeat(depth)), 1);
        }
        3 => text = text.replacen('{', "{\"x\":99999999999999999999999999999999999999,", 1),
        4 => text.push_str(random.one_of(&[" ", "\n", "{}", "\0", ",", "x"])),
        _ => {}
    }
    text
}

fn write_odd(random: &mut Random, value: &Value, text: &mut String) {
    let space = random.one_of(&["", "", "", " ", "\n\t", "\r\n"]);
    text.push_str(space);
    match value {
        Value::Object(members) => {
            text.push('{');
            let mut names: Vec<_> = members.keys().collect();
            let turn = random.below(names.len());
            names.rotate_left(turn);
            for (number, name) in names.into_iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write_odd(random, &Value::from(&**name), text);
                text.push(':');
                write_odd(random, &members[name], text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write_odd(random, item, text);
            }
            text.push(']');
        }
        Value::String(string) if random.below(4) == 0 => {
            text.push('"');
            for unit in string.encode_utf16() {
                write!(text, "\\u{unit:04x}").unwrap();
            }
            text.push('"');
        }
        other => text.push_str(&other.to_string()),
    }
    text.push_str(space);
}

/// A token whose parts were changed, with the old signature or none.
fn token_changed(random: &mut Random, token: &str) -> Vec<u8> {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    match random.below(5) {
        // The text itself.
        0 => return bytes_changed(random, token.as_bytes()),
        // The bytes of one part.
        1 | 2 => {
            let at = random.below(3);
            let decoded = URL_SAFE_NO_PAD.decode(&parts[at]).unwrap();
            parts[at] = URL_SAFE_NO_PAD.encode(bytes_changed(random, &decoded));
        }
        // The JSON of one part.
        3 => {
            let at = random.below(2);
            let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[at]).unwrap()).unwrap();
            parts[at] = URL_SAFE_NO_PAD.encode(json_changed(random, &value));
        }
        // Which part is where, and how many.
        _ => match random.below(4) {
            0 => parts.swap(random.below(3), random.below(3)),
            1 => drop(parts.remove(random.below(3))),
            2 => parts.insert(random.below(4), parts[random.below(3)].clone()),
            _ => parts[random.below(3)].clear(),
        },
    }
    parts.join(".").into_bytes()
}

/// A provider with keys of each kind, and a token of each.
fn tokens(op: &Op) -> Vec<String> {
    let all = [
        ("RS256", Key::Rsa),
        ("PS256", Key::Rsa),
        ("ES256", Key::P256),
        ("ES512", Key::P521),
        ("EdDSA", Key::Ed25519),
    ];
    op.bend(|state| {
        let keys: Vec<Value> = all.iter().map(|(algorithm, key)| key.bare(algorithm)).collect();
        state.jwks = json!({ "keys": keys });
        state.metadata["id_token_signing_alg_values_supported"] = json!(null);
    });
    let claims = op.claims();
    all.iter()
        .map(|&(algorithm, key)| {
            Signing::With(algorithm, key).token(&json!({"alg": algorithm, "kid": algorithm}), &claims)
        })
        .collect()
}

#[tokio::test]
async fn lb_03_no_changed_id_token_is_accepted() {
    let op = Op::new();
    let good = tokens(&op);
    let client = op.client();
    for token in &good {
        client.verify_id_token(token, &Expectations::new().without_nonce()).await.unwrap();
    }
    let mut random = Random::new("ID tokens");
    for number in 0..mutants(6000) {
        random.number = number;
        let token = &good[number % good.len()];
        let changed = token_changed(&mut random, token);
        let changed = String::from_utf8_lossy(&changed).into_owned();
        let outcome = client.verify_id_token(&changed, &Expectations::new().without_nonce()).await;
        match outcome {
            Ok(_) => assert_eq!(&changed, token, "another text was accepted"),
            Err(error) => assert!(error.jwt_check().is_some() || changed == *token, "{error}\n{changed}"),
        }
    }
    // All of it has cost a handful of requests for keys that nobody has.
    assert!(op.count(Endpoint::Keys) <= 3, "{}", op.count(Endpoint::Keys));
}

#[tokio::test]
async fn lb_03_a_token_that_is_signed_may_say_anything_and_breaks_nothing() {
    // The provider itself writes odd JSON, and signs it: what is accepted says what the right one says.
    let op = Op::new();
    let client = op.client();
    client.warm_up().await.unwrap();
    let claims = op.claims();
    let header = json!({"alg": "EdDSA", "kid": "k"});
    op.bend(|state| {
        state.jwks = json!({"keys": [Key::Ed25519.bare("k")]});
        state.metadata["id_token_signing_alg_values_supported"] = json!(null);
    });
    let client = op.client();
    let mut random = Random::new("signed ID tokens");
    let mut accepted = 0;
    for number in 0..mutants(4000) {
        random.number = number;
        let (head, body) = match random.below(3) {
            0 => (json_changed(&mut random, &header), json_changed(&mut random, &claims)),
            1 => {
                let body = bytes_changed(&mut random, claims.to_string().as_bytes());
                (header.to_string(), String::from_utf8_lossy(&body).into_owned())
            }
            _ => {
                let head = bytes_changed(&mut random, header.to_string().as_bytes());
                (String::from_utf8_lossy(&head).into_owned(), claims.to_string())
            }
        };
        let token = Signing::With("EdDSA", Key::Ed25519).token_of(&head, &body);
        if let Ok(id_token) = client.verify_id_token(&token, &Expectations::new().without_nonce()).await {
            accepted += 1;
            // What decides something was read as any reader of JSON reads it.
            let read: Value = serde_json::from_str(&body).unwrap();
            for name in ["iss", "sub", "aud", "exp", "iat"] {
                assert_eq!(id_token.get(name), read.get(name), "{body}");
            }
            assert_eq!(body.matches("\"sub\"").count().min(2), body.matches("\"sub\"").count(), "{body}");
            assert_eq!(id_token.issuer(), op.issuer);
        }
    }
    // Harmless spellings pass, so that the test is not one of a door that is always shut.
    assert!(accepted > 100, "{accepted}");
}

#[tokio::test]
async fn lb_03_no_changed_logout_token_is_accepted() {
    let op = Op::new();
    let client = op.client();
    let now = op.clock.seconds();
    let claims = json!({
        "iss": op.issuer, "aud": super::op::CLIENT_ID, "iat": now, "exp": now + 120, "jti": "1", "sub": SUBJECT,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    let header = json!({"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"});
    let token = Signing::With("RS256", Key::Rsa).token(&header, &claims);
    client.verify_logout_token(&token).await.unwrap();
    let mut random = Random::new("logout tokens");
    for number in 0..mutants(3000) {
        random.number = number;
        let changed = String::from_utf8_lossy(&token_changed(&mut random, &token)).into_owned();
        if client.verify_logout_token(&changed).await.is_ok() {
            assert_eq!(changed, token);
        }
        let body = bytes_changed(&mut random, format!("logout_token={token}").as_bytes());
        let body = String::from_utf8_lossy(&body);
        let _ =
            oauth_clients::openid::LogoutToken::of_request(Some("application/x-www-form-urlencoded"), &body);
    }
}

#[tokio::test]
async fn lb_03_a_changed_key_set_is_an_error_or_other_keys_and_never_a_panic() {
    let op = Op::new();
    let good = tokens(&op);
    let claims = op.claims();
    let jwks = op.state().jwks.clone();
    let mut random = Random::new("key sets");
    for number in 0..mutants(800) {
        random.number = number;
        let changed = match random.below(3) {
            0 => json_changed(&mut random, &jwks).into_bytes(),
            _ => bytes_changed(&mut random, jwks.to_string().as_bytes()),
        };
        op.bend(|state| {
            state.answer(Endpoint::Keys, move |_| Some(reply(200, "application/json", changed.clone())));
        });
        let client = op.client();
        let _ =
            client.verify_id_token(&good[number % good.len()], &Expectations::new().without_nonce()).await;
        // Whatever the keys have become, they are not those of somebody else.
        let forged = Signing::With("ES256", Key::OtherP256).token(&json!({"alg": "ES256"}), &claims);
        client.verify_id_token(&forged, &Expectations::new().without_nonce()).await.unwrap_err();
    }
}

#[tokio::test]
async fn lb_03_a_changed_discovery_document_is_of_the_issuer_or_an_error() {
    let op = Op::new();
    let document = op.state().metadata.clone();
    let mut random = Random::new("metadata");
    for number in 0..mutants(1500) {
        random.number = number;
        let changed = match random.below(3) {
            0 => json_changed(&mut random, &document).into_bytes(),
            _ => bytes_changed(&mut random, document.to_string().as_bytes()),
        };
        let read: Option<Value> = serde_json::from_slice(&changed).ok();
        let body = changed.clone();
        op.bend(|state| {
            state.answer(Endpoint::Discovery, move |_| Some(reply(200, "application/json", body.clone())));
        });
        let client = op.client();
        if client.metadata().await.is_ok() {
            assert_eq!(read.as_ref().unwrap()["issuer"], op.issuer);
        }
        // Whatever it says, nothing goes over plain http.
        if let Ok(started) = client.start_login(super::op::REDIRECT_URI, LoginOptions::new()).await {
            assert!(started.url.starts_with("https://"), "{}", started.url);
        }
        if let Some(Ok(metadata)) = read.map(ProviderMetadata::new) {
            let _ = oauth_clients::openid::OpenID::new("id", "secret", metadata);
        }
    }
    assert!(op.requests().iter().all(|sent| sent.url.starts_with("https://op.example/.well-known/")));
}

#[tokio::test]
async fn lb_03_a_changed_callback_is_no_login_unless_it_says_the_same() {
    let op = Op::bent(|state| state.sign_with("ES256", Key::P256, "k"));
    let client = op.client();
    let mut random = Random::new("callbacks");
    for number in 0..mutants(1000) {
        random.number = number;
        let hybrid = number % 2 == 0;
        let options = match hybrid {
            true => LoginOptions::new().response_type(ResponseType::CodeIdToken),
            false => LoginOptions::new().response_mode(ResponseMode::FormPost),
        };
        let attempt = op.start(&client, options).await.attempt;
        let id_token = op.id_token(json!({"c_hash": left_half("ES256", CODE)}));
        let extra: &[(&str, &str)] = if hybrid { &[("id_token", &id_token)] } else { &[] };
        let body = callback_body(&attempt, extra);
        let changed = bytes_changed(&mut random, body.as_bytes());
        let changed = String::from_utf8_lossy(&changed).into_owned();
        let callback = Callback::from_form(&changed);
        let (state, code) =
            (callback.get("state").map(str::to_owned), callback.get("code").map(str::to_owned));
        let before = op.count(Endpoint::Token);
        let outcome = client.finish_login(attempt.clone(), callback).await;
        if outcome.is_ok() || op.count(Endpoint::Token) > before {
            assert_eq!(state.as_deref(), Some(attempt.state()), "{changed}");
            if hybrid {
                // The ID token vouches for the code.
                assert_eq!(code.as_deref(), Some(CODE), "{changed}");
            }
        }
    }
}
