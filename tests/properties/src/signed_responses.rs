//! Signed authorization responses that are made of the input (JARM section 2.4): a code is redeemed exactly if every rule holds.

use std::mem;

use arbitrary::{Result, Unstructured};
use oauth_core::{
    Callback, LoginOptions, Provider,
    provider_kit::says_success,
    serde_json::{Value, json},
};
use oauth_fapi::{SignedResponses, oauth_openid::Algorithm};

use crate::{
    jose,
    members::{change_one, members},
    rules::{self, MadeToken, Verdict, rule, worst},
    server::{CLIENT_SECRET, Server, block_on},
    shown::shows_none,
    signer_key::{NOW, SignerKey, now},
};

const CODE: &str = "the-code-81d2c3";

/// A response that the input changes, for a login that is under way.
pub(crate) fn check(input: &[u8]) {
    let server = Server::new(500, "");
    let accepted = SignedResponses::new().algorithms([Algorithm::ES256]);
    let client = jose::relying_party_of(&server).with_participant(accepted);
    let started = block_on(client.start_login("https://app.example/callback", LoginOptions::new())).unwrap();
    let state = started.attempt.state().to_owned();
    let mut made = MadeToken {
        header: members([("alg", json!("ES256")), ("kid", json!("es"))]),
        claims: members([
            ("iss", json!("https://op.example")),
            ("aud", json!("client-1")),
            ("exp", json!(NOW + 300)),
            ("code", json!(CODE)),
            ("state", json!(state)),
        ]),
        key: SignerKey::Es256,
        is_damaged: false,
        nonce: None,
        access_token: None,
        max_age: None,
        acr: Vec::new(),
    };
    // What is left of an input that ends early stays as it is.
    let _ = change(&mut Unstructured::new(input), &mut made, &state);
    let response = jose::signed(made.key, &made.header, &made.claims);
    let verdict = verdict(&made, &state);
    let callback = Callback::from_query(&format!("response={response}"));
    let error = block_on(client.finish_login(started.attempt, callback)).unwrap_err();
    match server.requests() {
        0 => assert_ne!(verdict, Verdict::Accept, "{error}: {made:?}"),
        _ => assert!(!matches!(verdict, Verdict::Refuse(_)), "redeemed, though {verdict:?}: {made:?}"),
    }
    let said: Vec<_> = ["error", "error_description", "error_uri"].map(|name| made.claim(name)).to_vec();
    let said = format!("{said:?}");
    let signature = response.rsplit('.').next().unwrap();
    let secrets = [&*state, CODE, CLIENT_SECRET, signature];
    shows_none(&format!("{error} {error:?}"), secrets.into_iter().filter(|secret| !said.contains(*secret)));
}

const HEADER: &[&str] = &["alg", "kid", "typ", "crit", "b64", "zip", "x"];

const CLAIMS: &[&str] = &[
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "code",
    "state",
    "error",
    "error_description",
    "id_token",
    "response",
    "sub",
    "x",
];

fn change(bytes: &mut Unstructured<'_>, made: &mut MadeToken, state: &str) -> Result<()> {
    const KEYS: &[(SignerKey, &str, &str)] = &[
        (SignerKey::EdDsa, "EdDSA", "ed"),
        (SignerKey::Rs256, "RS256", "rsa"),
        (SignerKey::Stranger, "ES256", "es"),
        (SignerKey::ClientSecret, "HS256", "es"),
        (SignerKey::PublicKeyAsSecret, "HS256", "es"),
        (SignerKey::Es256, "ES256", "es"),
    ];
    let value = |bytes: &mut Unstructured<'_>, name: &str| value(bytes, name, state);
    for _ in 0..bytes.int_in_range(0..=3)? {
        if bytes.ratio(1, 8)? {
            let (key, algorithm, id) = *bytes.choose(KEYS)?;
            made.key = key;
            made.header.retain(|(name, _)| name != "alg" && name != "kid");
            made.header.extend(members([("alg", json!(algorithm)), ("kid", json!(id))]));
            continue;
        }
        match bytes.ratio(1, 4)? {
            true => change_one(bytes, &mut made.header, HEADER, value)?,
            false => change_one(bytes, &mut made.claims, CLAIMS, value)?,
        }
    }
    Ok(())
}

fn value(bytes: &mut Unstructured<'_>, name: &str, state: &str) -> Result<Value> {
    let own: Vec<Value> = match name {
        "alg" => ["ES256", "ES384", "RS256", "HS256", "none"].map(Value::from).to_vec(),
        "kid" => ["es", "ed", "unknown"].map(Value::from).to_vec(),
        "typ" => ["JWT", "oauth-authz-req+jwt", "at+jwt", "logout+jwt"].map(Value::from).to_vec(),
        "iss" => {
            ["https://op.example", "https://op.example/", "https://evil.example"].map(Value::from).to_vec()
        }
        "aud" => vec![json!("client-1"), json!(["client-1"]), json!(["other"]), json!("other"), json!([])],
        "exp" | "iat" | "nbf" => {
            let offset = bytes.int_in_range(-200_i64..=200)?;
            vec![json!(NOW + offset), json!((NOW + offset).to_string()), json!(1e300), json!(0)]
        }
        "state" => vec![json!(state), json!(state.to_ascii_lowercase()), json!([state])],
        "code" => vec![json!(CODE), json!([CODE]), json!(7)],
        "error" => vec![json!("access_denied"), json!(["access_denied"])],
        _ => vec![json!("text"), json!(["text"]), json!(false)],
    };
    Ok(match bytes.int_in_range(0..=7)? {
        0 => Value::Null,
        1 => json!({ "a": 1 }),
        2 => json!(""),
        3 => json!(bytes.arbitrary::<&str>()?.chars().take(100).collect::<String>()),
        _ => bytes.choose(&own)?.clone(),
    })
}

fn verdict(made: &MadeToken, state: &str) -> Verdict {
    let mut once = made.clone();
    let (first, mut is_first) = (made.claim("iss"), true);
    once.claims.retain(|(name, value)| name != "iss" || mem::take(&mut is_first) || Some(value) != first);
    // Keycloak 26 writes the same issuer twice, which is taken from it.
    let repeats_issuer = once.claims.len() < made.claims.len();
    let made = &once;
    let kind = match made.in_header("typ") {
        None => Verdict::Accept,
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("JWT") => Verdict::Accept,
        // JARM names no type; whether one of another kind of JWT is refused is the library's choice.
        Some(_) => Verdict::Open,
    };
    let audience = match made.claim("aud") {
        Some(Value::String(one)) => rule(one == "client-1", "aud"),
        Some(Value::Array(all)) if all.len() == 1 => rule(all[0] == "client-1", "aud"),
        Some(Value::Array(all)) if all.iter().any(|one| one == "client-1") => Verdict::Open,
        _ => Verdict::Refuse("aud"),
    };
    let left = |name: &str| made.claim(name).and_then(Value::as_f64).map(|time| time - now());
    let expiry = match left("exp") {
        Some(left) if left > 0.0 && left < 1e9 => Verdict::Accept,
        // Clocks differ.
        Some(left) if left > -61.0 => Verdict::Open,
        _ => Verdict::Refuse("exp"),
    };
    let open_if = |is_there: bool| if is_there { Verdict::Open } else { Verdict::Accept };
    let is_text = |name: &str| made.claim(name).is_none_or(|value| value.is_string());
    let text = |name: &str| made.claim(name).and_then(Value::as_str);
    let texts = ["code", "state", "iss", "error", "error_description", "id_token"];
    worst([
        rules::signature_of_any_type(made),
        rule(made.key == SignerKey::Es256, "the algorithm that is accepted"),
        kind,
        audience,
        expiry,
        open_if(repeats_issuer),
        open_if(made.claim("iat").is_some() || made.claim("nbf").is_some()),
        rule(texts.iter().all(|name| is_text(name)), "a parameter that is not a text"),
        rule(text("state") == Some(state), "state"),
        rule(text("code").is_some_and(|code| !code.is_empty()), "code"),
        rule(text("error").is_none_or(says_nothing), "error"),
        open_if(["error", "id_token", "response"].iter().any(|name| made.claim(name).is_some())),
    ])
}

/// Whether the text of an error, without what no log shows, reads as if there had been no error.
fn says_nothing(error: &str) -> bool {
    let shown: String = error.chars().filter(|one| !one.is_control()).collect();
    shown.trim().is_empty() || says_success(&shown)
}
