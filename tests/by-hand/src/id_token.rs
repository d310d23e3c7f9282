//! An ID token, read by hand.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// The header, flat.
#[expect(missing_docs, reason = "the members are those of RFC 7515")]
#[derive(Debug, Deserialize)]
pub struct Header {
    pub alg: String,
    pub kid: Option<String>,
    pub typ: Option<String>,
}

/// The claims, flat.
#[expect(missing_docs, reason = "the members are those of OpenID Connect Core")]
#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub azp: Option<String>,
    pub nonce: Option<String>,
    pub iat: i64,
    pub exp: i64,
    pub auth_time: Option<i64>,
    pub email: Option<String>,
    pub email_verified: Option<bool>,
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub picture: Option<String>,
    pub locale: Option<String>,
}

/// A token taken apart. Whoever took it apart has yet to verify the signature.
#[derive(Debug)]
pub struct IdTokenParts<'a> {
    /// What says how it is signed.
    pub header: Header,
    /// What it says.
    pub claims: Claims,
    /// What is signed, as it came.
    pub signed: &'a [u8],
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

/// Decodes the parts and reads them into flat structs by `serde_json`.
pub fn read_id_token(token: &str) -> IdTokenParts<'_> {
    let (signed, signature) = token.rsplit_once('.').expect("it has parts");
    let (header, claims) = signed.split_once('.').expect("it has parts");
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("it is base64url");
    IdTokenParts {
        header: serde_json::from_slice(&bytes(header)).expect("it is JSON"),
        claims: serde_json::from_slice(&bytes(claims)).expect("it is JSON"),
        signed: signed.as_bytes(),
        signature: bytes(signature),
    }
}
