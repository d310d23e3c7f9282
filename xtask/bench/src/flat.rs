//! What a program reads replies into that has no library.

use serde::Deserialize;

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is what is measured")]
pub struct Token {
    pub access_token: String,
    pub token_type: String,
    pub expires_in: Option<u64>,
    pub refresh_token: Option<String>,
    pub scope: Option<String>,
    pub id_token: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is read is what is measured")]
pub struct Header {
    pub alg: String,
    pub kid: Option<String>,
    pub typ: Option<String>,
}

#[derive(Clone, Deserialize)]
#[expect(dead_code, reason = "what is read is what is measured")]
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
