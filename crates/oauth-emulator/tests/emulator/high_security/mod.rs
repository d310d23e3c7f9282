//! Signed, pushed and bound requests at the generic provider, as an application made by hand sends them.

mod backchannel;
mod bound;
mod grants;
mod signed;

use aws_lc_rs::digest;
use oauth_emulator::Demands;
use reqwest::header::HeaderMap;

use crate::*;

const ISSUER: &str = "https://openid.example";
const TOKEN: &str = "https://openid.example/token";
const PAR: &str = "https://openid.example/par";
const CLIENT: &str = "openid-client-id";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A key of the application's, with which it signs and proves possession.
struct Key {
    private: EncodingKey,
    jwk: Value,
}

impl Key {
    fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let private = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        let mut jwk = json!(jsonwebtoken::jwk::Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap());
        jwk["kid"] = json!(kid);
        Self { private, jwk }
    }

    fn sign(&self, typ: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.into());
        header.kid = self.jwk["kid"].as_str().map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }

    fn proof(&self, method: &str, url: &str, more: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dpop+jwt".into());
        let mut public = self.jwk.clone();
        public.as_object_mut().unwrap().remove("kid");
        header.jwk = Some(serde_json::from_value(public).unwrap());
        let mut claims = json!({"htm": method, "htu": url, "iat": now(), "jti": unique()});
        merge(&mut claims, more);
        jsonwebtoken::encode(&header, &claims, &self.private).unwrap()
    }
}

/// An application at a provider that demands something.
struct Bank {
    lab: Lab,
    key: Key,
}

impl Bank {
    async fn new(demands: Demands, change: impl FnOnce(&mut App)) -> Self {
        let key = Key::new("one");
        let mut app = App::default_of("openid")
            .with_client_secret(None)
            .with_client_auth([ClientAuthMethod::PrivateKeyJwt])
            .with_jwks(json!({"keys": [key.jwk]}));
        change(&mut app);
        let emulator =
            Emulator::builder().demands("openid", demands).app("openid", app).start().await.unwrap();
        Self { lab: Lab::with(emulator), key }
    }

    fn assertion(&self, more: &Value) -> String {
        let mut claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "iat": now(), "exp": now() + 60, "jti": unique()});
        merge(&mut claims, more);
        self.key.sign("client-authentication+jwt", &claims)
    }

    async fn post(
        &self,
        url: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> (u16, HeaderMap, Value) {
        let assertion = self.assertion(&json!({}));
        let mut all = vec![
            ("client_id", CLIENT),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &assertion),
        ];
        all.extend_from_slice(form);
        self.send(url, &all, headers).await
    }

    async fn send(
        &self,
        url: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> (u16, HeaderMap, Value) {
        let mut request = self.lab.backend.post(self.lab.emulator.local(url)).form(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        (status, headers, serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap_or_default())
    }

    /// A pushed request, and what the browser brings back for it.
    async fn pushed(&self, more: &[(&str, &str)], headers: &[(&str, &str)]) -> Fields {
        let (status, _, body) = self.post(PAR, &request(more), headers).await;
        assert_eq!(status, 201, "{body}");
        self.visit(body["request_uri"].as_str().unwrap()).await
    }

    async fn visit(&self, request_uri: &str) -> Fields {
        let url = reqwest::Url::parse_with_params(
            "https://openid.example/authorize",
            [("client_id", CLIENT), ("request_uri", request_uri)],
        );
        self.browse(url.unwrap().as_str()).await.unwrap()
    }

    async fn browse(&self, url: &str) -> Result<Fields, String> {
        let arrival =
            self.lab.emulator.browse(url, Consent::Allow).await.map_err(|error| error.to_string())?;
        let url = arrival.into_url();
        let query = url.split_once('&').or(url.split_once('#')).unwrap().1;
        Ok(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    async fn redeem(&self, code: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Value) {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.post(TOKEN, &form, headers).await
    }
}

fn request<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email"),
        ("state", STATE),
        ("nonce", NONCE),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    all.retain(|(name, _)| !more.iter().any(|(other, _)| name == other));
    all.extend_from_slice(more);
    all
}

fn merge(into: &mut Value, more: &Value) {
    for (name, value) in more.as_object().unwrap() {
        into[name] = value.clone();
    }
    into.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

fn unique() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    URL_SAFE_NO_PAD.encode(bytes)
}

fn s256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}
