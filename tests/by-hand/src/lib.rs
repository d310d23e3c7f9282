//! What this library does, done by hand with the crates that it is made of: the floor of the benchmark.
//! None of it checks what the library checks.

#![allow(clippy::expect_used, reason = "what is measured is known to succeed")]

mod fixed;
mod id_token;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    rand::{SecureRandom, SystemRandom},
};
use serde::Deserialize;
use serde_json::json;

pub use crate::{
    fixed::Fixed,
    id_token::{Claims, Header, IdTokenParts, read_id_token},
};

/// Of the client that all contenders are.
pub const CLIENT_ID: &str = "benchmark-client.apps.example";
/// Where a browser is sent.
pub const AUTHORIZE: &str = "https://accounts.example.com/o/oauth2/v2/auth";
/// Where it comes back to.
pub const REDIRECT_URI: &str = "https://app.example.com/auth/callback";
/// Three, as most applications ask for.
pub const SCOPES: [&str; 3] = ["openid", "email", "profile"];

/// An authorization request with a fresh state and a fresh code challenge.
#[derive(Debug)]
pub struct Authorization {
    /// Where to send the browser.
    pub url: String,
    /// What the callback must repeat.
    pub state: String,
    /// What the code exchange proves.
    pub verifier: String,
}

/// 32 bytes from the operating system in base64url, as this library makes them.
fn random() -> String {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).expect("there are random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An authorization URL by `form_urlencoded`.
pub fn authorization_url() -> Authorization {
    let (state, verifier) = (random(), random());
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let mut url = String::with_capacity(512);
    url.push_str(AUTHORIZE);
    url.push('?');
    let start = url.len();
    let url = form_urlencoded::Serializer::for_suffix(url, start)
        .append_pair("response_type", "code")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("state", &state)
        .append_pair("scope", &SCOPES.join(" "))
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        .finish();
    Authorization { url, state, verifier }
}

/// A request of a token endpoint, with this form.
pub fn token_request(url: &http::Uri, form: &[(&str, &str)]) -> http::Request<Bytes> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    http::Request::post(url.clone())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .header("user-agent", "bench/1.0")
        .body(Bytes::from(body))
        .expect("the request is valid")
}

/// A token endpoint's reply in a flat struct.
#[derive(Debug, Deserialize)]
pub struct Token {
    /// What APIs are called with.
    pub access_token: String,
    /// `Bearer`, mostly.
    pub token_type: String,
    /// In seconds.
    pub expires_in: Option<u64>,
    /// What buys the next access token.
    pub refresh_token: Option<String>,
    /// Separated by spaces.
    pub scope: Option<String>,
    /// As it came, not verified.
    pub id_token: Option<String>,
}

/// Reads a reply by `serde_json`.
pub fn read_token(body: &[u8]) -> Token {
    serde_json::from_slice(body).expect("it is a token")
}

/// A reply of about this size in bytes, most of which is tokens, as it is in life.
pub fn token_reply(size: usize) -> Vec<u8> {
    let text = |length: usize| -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..length).map(|at| alphabet[(at * 37 + length) % 64] as char).collect()
    };
    let each = (size - 160) / 3;
    json!({
        "access_token": text(each), "token_type": "Bearer", "expires_in": 3599, "refresh_token": text(each),
        "scope": "openid email profile", "id_token": text(each),
    })
    .to_string()
    .into_bytes()
}

/// ChaCha20-Poly1305 alone: no JSON and no base64.
#[derive(Debug)]
pub struct Aead(LessSafeKey);

impl Default for Aead {
    fn default() -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[7; 32]).expect("the key is valid")))
    }
}

impl Aead {
    /// Copies and seals with a fresh random nonce.
    pub fn seal(&self, text: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("there are random bytes");
        self.seal_with(nonce, text)
    }

    /// Sealed bytes for [`open`](Self::open).
    pub fn sealed(&self, text: &[u8]) -> Vec<u8> {
        self.seal_with([0; NONCE_LEN], text)
    }

    /// Copies and opens what [`sealed`](Self::sealed) made.
    pub fn open(&self, sealed: &[u8]) -> Vec<u8> {
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        self.0.open_in_place(nonce, Aad::empty(), &mut bytes).expect("it is whole");
        bytes
    }

    fn seal_with(&self, nonce: [u8; NONCE_LEN], text: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes).expect("it is small enough");
        bytes
    }
}
