//! The emulator over real HTTP, as a browser and an application's back end see it.

// A helper that fails should fail the test; Clippy's own exemption covers only functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod apple;
mod authorize;
mod faults;
mod high_security;
mod more_providers;
mod openid;
mod profile;
mod revoke;
mod sign_in;
mod strict;
mod token;
mod words;

use std::{collections::HashMap, time::Duration};

use aws_lc_rs::{
    digest, hmac,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, EcdsaKeyPair, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, jwk::JwkSet};
use oauth_core::{HttpClient, OffsetDateTime};
use oauth_emulator::{
    App, Arrival, BadSignature, ClientAuthMethod, Consent, EmulatedEndpoint, Emulator, Fault, NonceFault,
    SigningAlg, User,
};
use oauth_reqwest::{ReqwestClient, reqwest_client};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

const REDIRECT: &str = "https://app.example/callback?tenant=1";
const STATE: &str = "state-of-thirty-two-characters-or-more";
const NONCE: &str = "nonce-of-thirty-two-characters-or-more";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

type Fields = HashMap<String, String>;

/// A profile URL, and what is at some JSON pointers of its reply.
type Expected<'a> = (Case, &'a str, &'a [(&'a str, Value)]);

/// How one provider is signed in at; the tests know it on their own, not from the table.
#[derive(Clone, Copy)]
struct Case {
    provider: &'static str,
    authorize: &'static str,
    token: &'static str,
    scope: &'static str,
    extra: &'static [(&'static str, &'static str)],
    basic: bool,
    pkce: bool,
    /// Whether a refresh token comes with `extra` and `scope`.
    refresh: bool,
}

const OPENID: Case = Case {
    provider: "openid",
    authorize: "https://openid.example/authorize",
    token: "https://openid.example/token",
    scope: "openid profile email",
    extra: &[("nonce", NONCE)],
    basic: true,
    pkce: true,
    refresh: true,
};
const OAUTH2: Case = Case {
    provider: "oauth2",
    authorize: "https://oauth2.example/authorize",
    token: "https://oauth2.example/token",
    scope: "profile email",
    extra: &[],
    ..OPENID
};
const APPLE: Case = Case {
    provider: "apple",
    authorize: "https://appleid.apple.com/auth/authorize",
    token: "https://appleid.apple.com/auth/token",
    scope: "name email",
    extra: &[("nonce", NONCE), ("response_mode", "form_post")],
    basic: false,
    pkce: false,
    ..OPENID
};
const DISCORD: Case = Case {
    provider: "discord",
    authorize: "https://discord.com/oauth2/authorize",
    token: "https://discord.com/api/oauth2/token",
    scope: "identify email",
    extra: &[],
    ..OPENID
};
const FACEBOOK: Case = Case {
    provider: "facebook",
    authorize: "https://www.facebook.com/v26.0/dialog/oauth",
    token: "https://graph.facebook.com/v26.0/oauth/access_token",
    scope: "email,public_profile",
    extra: &[],
    basic: false,
    refresh: false,
    ..OPENID
};
const FRANCECONNECT: Case = Case {
    provider: "franceconnect",
    authorize: "https://oidc.franceconnect.gouv.fr/api/v2/authorize",
    token: "https://oidc.franceconnect.gouv.fr/api/v2/token",
    scope: "openid email",
    extra: &[("nonce", NONCE), ("acr_values", "eidas1")],
    pkce: false,
    basic: false,
    refresh: false,
};
const FRANCECONNECT_1: Case = Case {
    authorize: "https://app.franceconnect.gouv.fr/api/v1/authorize",
    token: "https://app.franceconnect.gouv.fr/api/v1/token",
    extra: &[("nonce", NONCE)],
    ..FRANCECONNECT
};
const GITHUB: Case = Case {
    provider: "github",
    authorize: "https://github.com/login/oauth/authorize",
    token: "https://github.com/login/oauth/access_token",
    scope: "read:user user:email",
    extra: &[],
    refresh: false,
    ..OPENID
};
const GOOGLE: Case = Case {
    provider: "google",
    authorize: "https://accounts.google.com/o/oauth2/v2/auth",
    token: "https://oauth2.googleapis.com/token",
    extra: &[("access_type", "offline"), ("nonce", NONCE)],
    basic: false,
    ..OPENID
};
const KAKAO: Case = Case {
    provider: "kakao",
    authorize: "https://kauth.kakao.com/oauth/authorize",
    token: "https://kauth.kakao.com/oauth/token",
    scope: "profile_nickname,account_email",
    extra: &[],
    basic: false,
    ..OPENID
};
const LINKEDIN: Case = Case {
    provider: "linkedin",
    authorize: "https://www.linkedin.com/oauth/v2/authorization",
    token: "https://www.linkedin.com/oauth/v2/accessToken",
    basic: false,
    pkce: false,
    refresh: false,
    ..OPENID
};
const MICROSOFT: Case = Case {
    provider: "microsoft",
    authorize: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    token: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    scope: "openid profile email offline_access User.Read",
    basic: false,
    ..OPENID
};
const NAVER: Case = Case {
    provider: "naver",
    authorize: "https://nid.naver.com/oauth2.0/authorize",
    token: "https://nid.naver.com/oauth2.0/token",
    scope: "",
    extra: &[],
    basic: false,
    pkce: false,
    ..OPENID
};
const OKTA: Case = Case {
    provider: "okta",
    authorize: "https://dev-1.okta.com/oauth2/default/v1/authorize",
    token: "https://dev-1.okta.com/oauth2/default/v1/token",
    scope: "openid profile email offline_access",
    ..OPENID
};
const OKTA_ORG: Case = Case {
    authorize: "https://dev-1.okta.com/oauth2/v1/authorize",
    token: "https://dev-1.okta.com/oauth2/v1/token",
    ..OKTA
};
const REDDIT: Case = Case {
    provider: "reddit",
    authorize: "https://www.reddit.com/api/v1/authorize",
    token: "https://www.reddit.com/api/v1/access_token",
    scope: "identity",
    extra: &[("duration", "permanent")],
    pkce: false,
    ..OPENID
};
const SHOPIFY: Case = Case {
    provider: "shopify",
    authorize: "https://tea-house.myshopify.com/admin/oauth/authorize",
    token: "https://tea-house.myshopify.com/admin/oauth/access_token",
    scope: "read_customers",
    extra: &[],
    basic: false,
    pkce: false,
    refresh: false,
};
const ALL: [Case; 17] = [
    APPLE,
    OPENID,
    OAUTH2,
    DISCORD,
    FACEBOOK,
    FRANCECONNECT,
    FRANCECONNECT_1,
    GITHUB,
    GOOGLE,
    KAKAO,
    LINKEDIN,
    MICROSOFT,
    NAVER,
    OKTA,
    OKTA_ORG,
    REDDIT,
    SHOPIFY,
];

impl Case {
    fn id(&self) -> String {
        format!("{}-client-id", self.provider)
    }

    fn secret(&self) -> String {
        match self.provider {
            "line" => "line-client-secret-0123456789abc".to_owned(),
            provider => format!("{provider}-client-secret"),
        }
    }

    /// The parameters of a complete authorization request.
    fn params(&self) -> Vec<(String, String)> {
        let mut params = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.id()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("state", STATE.to_owned()),
        ];
        if !self.scope.is_empty() {
            params.push(("scope", self.scope.to_owned()));
        }
        if self.pkce {
            params.push(("code_challenge", challenge()));
            params.push(("code_challenge_method", "S256".to_owned()));
        }
        let extra = self.extra.iter().map(|(name, value)| (*name, (*value).to_owned()));
        params.into_iter().chain(extra).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The form of a complete token request.
    fn form(&self, code: &str) -> Vec<(String, String)> {
        let mut form = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", REDIRECT.to_owned()),
        ];
        if self.pkce {
            form.push(("code_verifier", VERIFIER.to_owned()));
        }
        // Naver wants it in the exchange too.
        if self.provider == "naver" {
            form.push(("state", STATE.to_owned()));
        }
        form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()))
}

fn set(pairs: &mut Vec<(String, String)>, name: &str, value: &str) {
    pairs.retain(|(other, _)| other != name);
    pairs.push((name.to_owned(), value.to_owned()));
}

fn without(mut pairs: Vec<(String, String)>, name: &str) -> Vec<(String, String)> {
    pairs.retain(|(other, _)| other != name);
    pairs
}

struct Lab {
    emulator: Emulator,
    /// With a cookie jar, like a browser.
    browser: ReqwestClient,
    /// Without, like a server.
    backend: ReqwestClient,
}

impl Lab {
    async fn new() -> Self {
        Self::with(Emulator::start().await.unwrap())
    }

    fn with(emulator: Emulator) -> Self {
        let agent = "web:emulator-tests:1.0";
        let browser = reqwest_client(|defaults| defaults.user_agent(agent).cookie_store(true)).unwrap();
        Self { emulator, browser, backend: reqwest_client(|defaults| defaults.user_agent(agent)).unwrap() }
    }

    async fn authorize(&self, case: &Case, params: &[(String, String)]) -> Response {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        // Apple takes a plus sign for itself.
        let query = query.replace('+', "%20");
        self.browser.get(self.emulator.local(&format!("{}?{query}", case.authorize))).send().await.unwrap()
    }

    /// Answers the consent page and returns the callback's parameters.
    async fn answer(&self, page: Response, decision: &str) -> Fields {
        assert_eq!(page.status(), 200);
        let html = page.text().await.unwrap();
        let mut form = hidden(&html);
        form.insert(
            "user".into(),
            html.split("name=\"user\" value=\"").nth(1).unwrap().split('"').next().unwrap().into(),
        );
        form.insert("decision".into(), decision.into());
        let reply = self
            .browser
            .post(format!("{}/.consent", self.emulator.origin()))
            .form(&form)
            .send()
            .await
            .unwrap();
        match reply.headers().contains_key("location") {
            true => {
                assert_eq!(reply.status(), 303);
                callback(&reply)
            }
            false => posted(reply).await,
        }
    }

    async fn code(&self, case: &Case) -> Fields {
        let page = self.authorize(case, &case.params()).await;
        let callback = self.answer(page, "allow").await;
        assert_eq!(callback["state"], STATE, "{}", case.provider);
        callback
    }

    fn token(&self, case: &Case, form: &[(String, String)]) -> RequestBuilder {
        let request = self.backend.post(self.emulator.local(case.token)).header("accept", "application/json");
        if case.basic {
            request.basic_auth(case.id(), Some(case.secret())).form(form)
        } else {
            let mut form = form.to_vec();
            form.push(("client_id".into(), case.id()));
            match case.provider {
                "apple" => form.push(("client_secret".into(), self.apple_secret(|_, _| ()))),
                // A public client.
                "login-gov" => {}
                _ => form.push(("client_secret".into(), case.secret())),
            }
            request.form(&form)
        }
    }

    /// A client secret as Apple wants it, after a change.
    fn apple_secret(&self, change: impl FnOnce(&mut Header, &mut Value)) -> String {
        let key = self.emulator.apple_key();
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key.key_id);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": key.team_id,
            "iat": now,
            "exp": now + 300,
            "aud": "https://appleid.apple.com",
            "sub": APPLE.id(),
        });
        change(&mut header, &mut claims);
        let lines: String = key.private_key_pem.lines().filter(|line| !line.starts_with('-')).collect();
        let private = EncodingKey::from_ec_der(&STANDARD.decode(lines).unwrap());
        jsonwebtoken::encode(&header, &claims, &private).unwrap()
    }

    async fn sign_in(&self, case: &Case) -> Value {
        let code = self.code(case).await.remove("code").unwrap();
        let reply = self.token(case, &case.form(&code)).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{}", case.provider);
        let token: Value = reply.json().await.unwrap();
        assert!(token["access_token"].is_string(), "{}: {token}", case.provider);
        token
    }

    fn get(&self, url: &str, token: &Value) -> RequestBuilder {
        let token = token["access_token"].as_str().unwrap();
        if url.contains("myshopify.com") {
            self.shop_query(url).header("X-Shopify-Access-Token", token)
        } else {
            self.backend.get(self.emulator.local(url)).bearer_auth(token)
        }
    }

    /// What Shopify answers by GraphQL.
    fn shop_query(&self, url: &str) -> RequestBuilder {
        let query = json!({"query": "{ shop { id email myshopifyDomain } }"});
        self.backend.post(self.emulator.local(url)).json(&query)
    }

    async fn profile(&self, url: &str, token: &Value) -> Value {
        let reply = self.get(url, token).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{url}");
        reply.json().await.unwrap()
    }
}

fn hidden(html: &str) -> Fields {
    html.split("type=\"hidden\" name=\"")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once("\" value=\"").unwrap();
            (name.to_owned(), rest.split('"').next().unwrap().to_owned())
        })
        .collect()
}

fn callback(reply: &Response) -> Fields {
    let location = reply.headers()["location"].to_str().unwrap();
    let query =
        location.strip_prefix(REDIRECT).expect("the redirect URI, byte for byte").strip_prefix('&').unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The fields of the form that a page posts to the application.
async fn posted(reply: Response) -> Fields {
    assert_eq!(reply.status(), 200);
    assert!(reply.headers().get("location").is_none());
    // With no-referrer the browser would send `Origin: null` along with the form.
    assert_eq!(reply.headers()["referrer-policy"], "strict-origin");
    let html = reply.text().await.unwrap();
    assert!(html.contains(&format!("<form method=\"post\" action=\"{REDIRECT}\">")), "{html}");
    assert!(html.contains("<button") && !html.contains("<script"));
    hidden(&html).into_iter().map(|(name, value)| (name, value.replace("&quot;", "\""))).collect()
}

async fn json(reply: Response) -> (StatusCode, Value) {
    (reply.status(), reply.json().await.unwrap())
}

async fn keys(lab: &Lab, url: &str) -> JwkSet {
    lab.backend.get(lab.emulator.local(url)).send().await.unwrap().json().await.unwrap()
}

fn claims(jwt: &str, keys: &JwkSet, alg: Algorithm, audience: &str) -> Option<Value> {
    let kid = jsonwebtoken::decode_header(jwt).unwrap().kid?;
    let key = DecodingKey::from_jwk(keys.find(&kid)?).unwrap();
    let mut validation = Validation::new(alg);
    validation.set_audience(&[audience]);
    Some(jsonwebtoken::decode::<Value>(jwt, &key, &validation).unwrap().claims)
}

/// The claims of a JWT, whether it is good or not.
fn payload(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}
