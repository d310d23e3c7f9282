//! What reads an input of each kind, without what a property computes about it: for the time that it takes.

use oauth_clients::{Registry, RegistryConfig};
use oauth_core::{
    Callback, Challenge, LoginAttempt, LoginOptions, OAuth2Token, Provider, Sealer, SealingKey,
    http::HeaderValue,
    serde_json::{self, Value, json},
};
use oauth_mcp::{ResourceMetadata, ServerMetadata};
use oauth_openid::{Algorithm, JwkSet, OpenID, OpenIDConnect};
use oauth_web::ForwardedHeaders;

use crate::{
    cookies, files, jose, made_tokens,
    server::{CLIENT_SECRET, Server, block_on, client},
    signer_key::{NOW, SignerKey},
    sites,
};

/// Reads an input, whatever comes of it.
pub type Reader = fn(&str);

/// What reads the inputs of a target. Where there is none here, the property itself takes a time that grows with its input alone.
#[must_use]
pub fn reader(target: &str) -> Option<Reader> {
    Some(match target {
        "callbacks" => callback,
        "challenges" => challenge,
        "cookies" => cookie,
        "discovery" => discovery,
        "error_replies" => error_reply,
        "facts" => facts,
        "id_tokens" => id_token,
        "jwe" => jose::decrypted_to,
        "jwks" => jwks,
        "jws" => jws,
        "logout_tokens" => logout_token,
        "proxies" => proxy,
        "registry" => registry,
        "return_to" => return_to,
        "sealed_attempts" => sealed_attempt,
        "stored_attempts" => stored_attempt,
        "stored_tokens" => stored_token,
        "token_replies" => token_reply,
        _ => return None,
    })
}

fn callback(text: &str) {
    let client = client(&Server::new(200, r#"{"access_token":"AT"}"#));
    for callback in [Callback::from_query(text), Callback::from_form(text), Callback::from_url(text)] {
        let _ = format!("{callback:?}");
        let started =
            block_on(client.start_login("https://app.example/callback", LoginOptions::new())).unwrap();
        let _ = block_on(client.finish_login(started.attempt, callback)).map_err(|error| error.to_string());
    }
}

fn challenge(text: &str) {
    let _ = Challenge::parse(text);
    let Ok(header) = HeaderValue::from_str(text) else { return };
    let server = Server::new(401, "").challenging(header);
    let _ = block_on(client(&server).get_profile("AT")).map_err(|error| format!("{error} {error:?}"));
}

fn cookie(text: &str) {
    let (_, state) = cookies::started(1);
    let _ = cookies::is_accepted(text.as_bytes(), &state);
}

fn discovery(text: &str) {
    let client = OpenID::lazy("client-1", CLIENT_SECRET, "https://op.example").unwrap();
    let client = client.with_http_client(Server::new(200, text.to_owned()));
    let found = block_on(OpenIDConnect::of(&client).unwrap().metadata());
    let _ = found.map_err(|error| format!("{error} {error:?}"));
    let Ok(Value::Object(document)) = serde_json::from_str(text) else { return };
    let _ = (ResourceMetadata::new(document.clone()), ServerMetadata::new(document));
}

fn error_reply(text: &str) {
    reply(400, text);
}

fn token_reply(text: &str) {
    reply(200, text);
}

fn reply(status: u16, text: &str) {
    let client = client(&Server::new(status, text.to_owned()));
    let reply = block_on(client.get_access_token("the-code", "https://app.example/cb", None, &[]));
    let _ = match reply {
        Ok(token) => format!("{token:?} {:?}", token.scopes()),
        Err(error) => format!("{error} {error:?}"),
    };
}

fn facts(text: &str) {
    files::facts(text.as_bytes());
}

fn registry(text: &str) {
    let _ = match toml::from_str::<RegistryConfig>(text) {
        Ok(config) => block_on(Registry::from_config(&config)).map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(error.message().to_owned()),
    };
}

/// The text as all claims, and as the value of one.
fn id_token(text: &str) {
    for claims in claims_of(text) {
        let token = jose::signed_with(SignerKey::Es256, r#"{"alg":"ES256","kid":"es"}"#, &claims);
        let _ = made_tokens::failed_check(&token);
    }
    let _ = made_tokens::failed_check(text);
}

fn logout_token(text: &str) {
    let client = jose::relying_party();
    let openid = OpenIDConnect::of(&client).unwrap();
    for claims in claims_of(text) {
        let token = jose::signed_with(SignerKey::Es256, r#"{"alg":"ES256","typ":"logout+jwt"}"#, &claims);
        let _ = block_on(openid.verify_logout_token(&token)).map_err(|error| format!("{error} {error:?}"));
    }
}

fn claims_of(text: &str) -> [String; 2] {
    let with_text = json!({
        "iss": "https://op.example", "aud": "client-1", "sub": "user-1", "exp": NOW + 300, "iat": NOW, "x": text,
    });
    [text.to_owned(), with_text.to_string()]
}

fn jwks(text: &str) {
    let Ok(document) = serde_json::from_str::<Value>(text) else { return };
    let Ok(keys) = JwkSet::new(&document) else { return };
    let _ = keys.verify("e30.e30.", &[Algorithm::ES256]);
    let unsigned = format!("{}.e30.AA", jose::encoded(r#"{"alg":"ES256"}"#));
    let _ = keys.verify(&unsigned, &[Algorithm::ES256, Algorithm::RS256]);
}

/// The text as the token, as its header and as its claims.
fn jws(text: &str) {
    let (keys, algorithms) = (jose::jwk_set(), [Algorithm::ES256]);
    for token in [
        text.to_owned(),
        jose::signed_with(SignerKey::Es256, text, "{}"),
        jose::signed_with(SignerKey::Es256, r#"{"alg":"ES256"}"#, text),
    ] {
        let _ = keys.verify(&token, &algorithms);
    }
}

fn proxy(text: &str) {
    let _ = sites::redirect_uri_behind_proxy(ForwardedHeaders::XForwarded, &[("x-forwarded-host", text)]);
    let _ = sites::redirect_uri_behind_proxy(ForwardedHeaders::Forwarded, &[("forwarded", text)]);
}

fn return_to(text: &str) {
    let _ = sites::accepted_return_to("https://app.example", text);
}

fn sealed_attempt(text: &str) {
    let sealer = Sealer::new(SealingKey::from_bytes([1; 32]));
    let _ = (sealer.open_any(text).is_ok(), sealer.open_bytes(text.as_bytes(), b"here").is_ok());
}

fn stored_attempt(text: &str) {
    let _ = serde_json::from_str::<LoginAttempt>(text).map(|attempt| format!("{attempt:?}"));
}

fn stored_token(text: &str) {
    let _ = serde_json::from_str::<OAuth2Token>(text)
        .map(|token| (format!("{token:?} {:?}", token.scopes()), serde_json::to_string(&token)));
}
