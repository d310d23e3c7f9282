//! The emulator over real HTTP, as a browser and an application's back end see it.

// A helper that fails should fail the test; Clippy's own exemption covers only functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::HashMap, time::Duration};

use aws_lc_rs::{digest, hmac};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, jwk::JwkSet};
use oauth_core::{OffsetDateTime, reqwest_client};
use oauth_emulator::{App, Arrival, ClientAuth, Consent, Emulator, Endpoint, Fault, User};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

const REDIRECT: &str = "https://app.example/callback?tenant=1";
const STATE: &str = "state-of-thirty-two-characters-or-more";
const NONCE: &str = "nonce-of-thirty-two-characters-or-more";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

type Pairs = HashMap<String, String>;

/// A profile URL, and what stands at some JSON pointers of its reply.
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
    authorize: "https://www.facebook.com/v25.0/dialog/oauth",
    token: "https://graph.facebook.com/v25.0/oauth/access_token",
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
    basic: false,
    refresh: false,
    ..OPENID
};
const FRANCECONNECT_1: Case = Case {
    authorize: "https://app.franceconnect.gouv.fr/api/v1/authorize",
    token: "https://app.franceconnect.gouv.fr/api/v1/token",
    extra: &[("nonce", NONCE)],
    pkce: false,
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
        format!("{}-client-secret", self.provider)
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
    browser: Client,
    /// Without, like a server.
    backend: Client,
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
    async fn answer(&self, page: Response, decision: &str) -> Pairs {
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

    async fn code(&self, case: &Case) -> Pairs {
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
            let secret = if case.provider == "apple" { self.apple_secret(|_, _| ()) } else { case.secret() };
            form.push(("client_secret".into(), secret));
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
        let request = self.backend.get(self.emulator.local(url));
        if url.contains("myshopify.com") {
            request.header("X-Shopify-Access-Token", token)
        } else {
            request.bearer_auth(token)
        }
    }

    async fn profile(&self, url: &str, token: &Value) -> Value {
        let reply = self.get(url, token).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{url}");
        reply.json().await.unwrap()
    }
}

fn hidden(html: &str) -> Pairs {
    html.split("type=\"hidden\" name=\"")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once("\" value=\"").unwrap();
            (name.to_owned(), rest.split('"').next().unwrap().to_owned())
        })
        .collect()
}

fn callback(reply: &Response) -> Pairs {
    let location = reply.headers()["location"].to_str().unwrap();
    let query =
        location.strip_prefix(REDIRECT).expect("the redirect URI, byte for byte").strip_prefix('&').unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The fields of the form that a page posts to the application.
async fn posted(reply: Response) -> Pairs {
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

#[tokio::test]
async fn every_provider_signs_in() {
    let lab = Lab::new().await;
    for case in &ALL {
        let token = lab.sign_in(case).await;
        assert_eq!(token.get("refresh_token").is_some(), case.refresh, "{}", case.provider);
        if let Some(refresh_token) = token["refresh_token"].as_str() {
            let form = [
                ("grant_type".to_owned(), "refresh_token".to_owned()),
                ("refresh_token".to_owned(), refresh_token.to_owned()),
            ];
            let (status, fresh) = json(lab.token(case, &form).send().await.unwrap()).await;
            assert_eq!(status, 200, "{}: {fresh}", case.provider);
            assert_ne!(fresh["access_token"], token["access_token"]);
        }
    }
}

#[tokio::test]
async fn profiles_have_the_providers_shapes() {
    let lab = Lab::new().await;
    let id = "1815121018521127";
    let number: u64 = id.parse().unwrap();
    let expect: [Expected<'_>; 16] = [
        (OPENID, "https://openid.example/userinfo", &[("/sub", json!(id)), ("/email_verified", json!(true))]),
        (
            OAUTH2,
            "https://oauth2.example/profile",
            &[("/id", json!(id)), ("/email", json!("ada@example.com"))],
        ),
        (
            DISCORD,
            "https://discord.com/api/users/@me",
            &[
                ("/id", json!(id)),
                ("/email", json!("ada@example.com")),
                ("/verified", json!(true)),
                ("/username", json!("ada")),
            ],
        ),
        (
            FACEBOOK,
            "https://graph.facebook.com/v25.0/me?fields=id,email,picture",
            &[
                ("/id", json!(id)),
                ("/email", json!("ada@example.com")),
                ("/picture/data/url", json!("https://example.com/ada.png")),
                ("/name", Value::Null),
            ],
        ),
        (FRANCECONNECT_1, "https://app.franceconnect.gouv.fr/api/v1/userinfo", &[("/sub", json!(id))]),
        (
            GITHUB,
            "https://api.github.com/user",
            &[("/id", json!(number)), ("/email", Value::Null), ("/login", json!("ada"))],
        ),
        (
            GITHUB,
            "https://api.github.com/user/emails",
            &[
                ("/0/email", json!("ada@example.com")),
                ("/0/primary", json!(true)),
                ("/0/verified", json!(true)),
            ],
        ),
        (
            GOOGLE,
            "https://openidconnect.googleapis.com/v1/userinfo",
            &[("/sub", json!(id)), ("/email_verified", json!(true))],
        ),
        (
            GOOGLE,
            "https://people.googleapis.com/v1/people/me?personFields=emailAddresses",
            &[
                ("/resourceName", json!(format!("people/{id}"))),
                ("/emailAddresses/0/metadata/primary", json!(true)),
                ("/emailAddresses/0/value", json!("ada@example.com")),
            ],
        ),
        (
            KAKAO,
            "https://kapi.kakao.com/v2/user/me",
            &[
                ("/id", json!(number)),
                ("/kakao_account/email", json!("ada@example.com")),
                ("/kakao_account/is_email_verified", json!(true)),
                ("/kakao_account/profile/nickname", json!("Ada Lovelace")),
            ],
        ),
        (
            LINKEDIN,
            "https://api.linkedin.com/v2/userinfo",
            &[("/sub", json!(id)), ("/email", json!("ada@example.com"))],
        ),
        (
            MICROSOFT,
            "https://graph.microsoft.com/v1.0/me",
            &[
                ("/id", json!(id)),
                ("/mail", json!("ada@example.com")),
                ("/userPrincipalName", json!("ada@contoso.onmicrosoft.example")),
            ],
        ),
        (
            NAVER,
            "https://openapi.naver.com/v1/nid/me",
            &[
                ("/resultcode", json!("00")),
                ("/response/id", json!(id)),
                ("/response/email", json!("ada@example.com")),
            ],
        ),
        (OKTA, "https://dev-1.okta.com/oauth2/default/v1/userinfo", &[("/sub", json!(id))]),
        (
            REDDIT,
            "https://oauth.reddit.com/api/v1/me",
            &[("/id", json!(id)), ("/name", json!("ada")), ("/email", Value::Null)],
        ),
        (
            SHOPIFY,
            "https://tea-house.myshopify.com/admin/api/2026-10/shop.json",
            &[
                ("/shop/id", json!(number)),
                ("/shop/email", json!("ada@example.com")),
                ("/shop/myshopify_domain", json!("tea-house.myshopify.com")),
            ],
        ),
    ];
    for (case, url, members) in expect {
        let token = lab.sign_in(&case).await;
        let profile = lab.profile(url, &token).await;
        for (pointer, value) in members {
            assert_eq!(profile.pointer(pointer).unwrap_or(&Value::Null), value, "{url} {pointer}: {profile}");
        }
    }
}

#[tokio::test]
async fn the_legacy_linkedin_calls_need_the_legacy_scopes() {
    let lab = Lab::new().await;
    let case = Case { scope: "r_liteprofile r_emailaddress", ..LINKEDIN };
    let token = lab.sign_in(&case).await;
    let me = lab.profile("https://api.linkedin.com/v2/me?projection=(id)", &token).await;
    assert_eq!(me, json!({"id": "1815121018521127"}));
    let url = "https://api.linkedin.com/v2/emailAddress?q=members&projection=(elements*(handle~))";
    let email = lab.profile(url, &token).await;
    assert_eq!(email["elements"][0]["handle~"]["emailAddress"], "ada@example.com");
    let modern = lab.sign_in(&LINKEDIN).await;
    assert_eq!(lab.get(url, &modern).send().await.unwrap().status(), 403);
    assert_eq!(lab.get("https://api.linkedin.com/v2/userinfo", &token).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn token_replies_are_in_the_providers_dialect() {
    let lab = Lab::new().await;
    let github = lab.sign_in(&GITHUB).await;
    assert_eq!((&github["scope"], &github["token_type"]), (&json!("read:user,user:email"), &json!("bearer")));
    assert!(github.get("expires_in").is_none());
    assert_eq!(lab.sign_in(&NAVER).await["expires_in"], json!("3600"));
    let linkedin = lab.sign_in(&LINKEDIN).await;
    assert!(linkedin.get("token_type").is_none());
    let shopify = lab.sign_in(&SHOPIFY).await;
    assert_eq!(shopify.as_object().unwrap().keys().collect::<Vec<_>>(), ["access_token", "scope"]);
    let online = lab.sign_in(&Case { extra: &[("grant_options[]", "per-user")], ..SHOPIFY }).await;
    assert_eq!(online["associated_user"]["email"], "ada@example.com");
    let google = lab.sign_in(&GOOGLE).await;
    assert!(google["scope"].as_str().unwrap().contains("https://www.googleapis.com/auth/userinfo.email"));
    assert!(lab.sign_in(&Case { extra: &[], ..GOOGLE }).await.get("refresh_token").is_none());
    let microsoft = lab.sign_in(&MICROSOFT).await;
    assert_eq!(microsoft["ext_expires_in"], microsoft["expires_in"]);
    assert!(lab.sign_in(&Case { scope: "User.Read", ..MICROSOFT }).await.get("refresh_token").is_none());
    assert!(lab.sign_in(&Case { extra: &[], ..REDDIT }).await.get("refresh_token").is_none());
    assert!(lab.sign_in(&KAKAO).await["refresh_token_expires_in"].is_number());

    let code = lab.code(&GITHUB).await.remove("code").unwrap();
    let form = GITHUB.form(&code);
    let plain =
        lab.backend.post(lab.emulator.local(GITHUB.token)).basic_auth(GITHUB.id(), Some(GITHUB.secret()));
    let reply = plain.form(&form).send().await.unwrap();
    assert!(
        reply.headers()["content-type"].to_str().unwrap().starts_with("application/x-www-form-urlencoded")
    );
    assert!(reply.text().await.unwrap().contains("access_token=gho_"));
}

#[tokio::test]
async fn unknown_urls_say_what_is_known() {
    let lab = Lab::new().await;
    let reply =
        lab.backend.get(lab.emulator.local("https://github.com/login/oauth/authorise")).send().await.unwrap();
    assert_eq!(reply.status(), 404);
    assert!(reply.text().await.unwrap().contains("https://github.com/login/oauth/authorize"));
    for wrong in [
        "https://api.github.com/login/oauth/authorize",
        "https://github.com/user",
        "https://dev-1.okta.com.evil.example/oauth2/v1/authorize",
        "https://a.b.myshopify.com/admin/oauth/authorize",
        "https://graph.facebook.com/latest/me",
        "https://openid.example/",
    ] {
        assert_eq!(lab.backend.get(lab.emulator.local(wrong)).send().await.unwrap().status(), 404, "{wrong}");
    }
    let enterprise = "https://github.acme.example/login/oauth/authorize";
    assert_eq!(lab.backend.get(lab.emulator.local(enterprise)).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn authorization_requests_that_cannot_be_trusted_stay_on_the_page() {
    let lab = Lab::new().await;
    let mut twice = OPENID.params();
    twice.push(("state".into(), "other".into()));
    let mut cases =
        vec![twice, without(OPENID.params(), "client_id"), without(OPENID.params(), "redirect_uri")];
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "/callback"),
        ("redirect_uri", "https://app.example/callback#fragment"),
    ] {
        let mut params = OPENID.params();
        set(&mut params, name, value);
        cases.push(params);
    }
    for params in cases {
        let reply = lab.authorize(&OPENID, &params).await;
        assert_eq!(reply.status(), 400, "{params:?}");
        assert!(reply.headers().get("location").is_none());
    }
}

#[tokio::test]
async fn other_authorization_errors_go_to_the_callback() {
    let lab = Lab::new().await;
    let change = |case: Case, name: &'static str, value: &'static str| {
        let mut params = case.params();
        set(&mut params, name, value);
        (case, params)
    };
    let drop = |case: Case, name: &'static str| (case, without(case.params(), name));
    let cases = [
        (change(OPENID, "response_type", "token"), "unsupported_response_type"),
        (drop(OPENID, "response_type"), "invalid_request"),
        (drop(OPENID, "scope"), "invalid_request"),
        (change(OPENID, "code_challenge_method", "plain"), "invalid_request"),
        (drop(OPENID, "code_challenge_method"), "invalid_request"),
        (change(OPENID, "code_challenge", "short"), "invalid_request"),
        (change(OPENID, "scope", "openid,email"), "invalid_scope"),
        (change(OPENID, "response_mode", "fragment"), "invalid_request"),
        (change(FACEBOOK, "scope", "email public_profile"), "invalid_scope"),
        (change(KAKAO, "scope", "profile_nickname account_email"), "invalid_scope"),
        (change(SHOPIFY, "scope", "read_customers read_orders"), "invalid_scope"),
        (drop(FRANCECONNECT, "nonce"), "invalid_request"),
        (drop(FRANCECONNECT, "acr_values"), "invalid_request"),
        (drop(FRANCECONNECT_1, "nonce"), "invalid_request"),
        (drop(NAVER, "state"), "invalid_request"),
    ];
    for ((case, params), code) in cases {
        let reply = lab.authorize(&case, &params).await;
        assert_eq!(reply.status(), 302, "{} {params:?}", case.provider);
        assert_eq!(callback(&reply)["error"], code, "{} {params:?}", case.provider);
    }
}

#[tokio::test]
async fn the_consent_page_is_bound_to_its_browser_and_used_once() {
    let lab = Lab::new().await;
    let page = lab.authorize(&OPENID, &OPENID.params()).await;
    let cookie = page.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let html = page.text().await.unwrap();
    assert!(!html.contains("<script") && html.contains("prefers-color-scheme"));
    let mut form = hidden(&html);
    form.insert("user".into(), "1815121018521127".into());
    form.insert("decision".into(), "allow".into());
    let url = format!("{}/.consent", lab.emulator.origin());
    let status = |client: &Client, form: &Pairs| {
        let request = client.post(&url).form(form);
        async { request.send().await.unwrap().status() }
    };
    assert_eq!(status(&lab.backend, &form).await, 400, "no cookie");
    let forged = Pairs::from_iter(form.clone().into_iter().map(|(name, value)| {
        let value = if name == "csrf" { "forged".into() } else { value };
        (name, value)
    }));
    assert_eq!(status(&lab.browser, &forged).await, 400, "wrong csrf");
    assert_eq!(status(&lab.browser, &form).await, 303);
    assert_eq!(status(&lab.browser, &form).await, 400, "answered before");
}

#[tokio::test]
async fn refusal_is_told_in_the_providers_form() {
    let lab = Lab::new().await;
    let denied = lab.answer(lab.authorize(&OPENID, &OPENID.params()).await, "deny").await;
    assert_eq!((denied["error"].as_str(), denied["state"].as_str()), ("access_denied", STATE));
    assert_eq!(denied["iss"], "https://openid.example");
    let facebook = lab.answer(lab.authorize(&FACEBOOK, &FACEBOOK.params()).await, "deny").await;
    assert_eq!(facebook["error_reason"], "user_denied");
    lab.emulator.fault("google", Fault::Deny).unwrap();
    let google = lab.answer(lab.authorize(&GOOGLE, &GOOGLE.params()).await, "allow").await;
    assert!(google.contains_key("error") && !google.contains_key("code"));
}

#[tokio::test]
async fn iss_is_sent_by_the_providers_that_send_it() {
    let lab = Lab::new().await;
    let issuers = [
        (OPENID, "https://openid.example"),
        (DISCORD, "https://discord.com"),
        (FRANCECONNECT, "https://oidc.franceconnect.gouv.fr/api/v2"),
    ];
    for (case, issuer) in issuers {
        assert_eq!(lab.code(&case).await["iss"], issuer);
    }
    assert!(!lab.code(&GITHUB).await.contains_key("iss"));
    lab.emulator.fault("openid", Fault::WrongIssuer).unwrap();
    assert_ne!(lab.code(&OPENID).await["iss"], "https://openid.example");
}

#[tokio::test]
async fn the_shopify_callback_is_signed() {
    let lab = Lab::new().await;
    let mut callback = lab.code(&SHOPIFY).await;
    assert_eq!(callback["shop"], "tea-house.myshopify.com");
    let signature = callback.remove("hmac").unwrap();
    let mut pairs: Vec<String> = callback.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SHOPIFY.secret().as_bytes());
    let expected: String =
        hmac::sign(&key, pairs.join("&").as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(signature, expected);
}

#[tokio::test]
async fn the_token_endpoint_takes_a_posted_form_and_one_client_authentication() {
    let lab = Lab::new().await;
    let url = lab.emulator.local(OPENID.token);
    let form = OPENID.form("none");
    let (id, secret) = (OPENID.id(), OPENID.secret());
    let with = |extra: &[(&str, &str)]| {
        let mut form = form.clone();
        form.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        form
    };
    assert_eq!(lab.backend.get(&url).send().await.unwrap().status(), 405);

    let post = |url: &str| lab.backend.post(url);
    let refused = [
        (post(&url).basic_auth(&id, Some(&secret)).json(&json!({"code": "none"})), 400, "invalid_request"),
        (post(&url).form(&form), 401, "invalid_client"),
        (post(&url).basic_auth(&id, Some("wrong")).form(&form), 401, "invalid_client"),
        (post(&url).header("authorization", "Basic !!!").form(&form), 401, "invalid_client"),
        (post(&url).form(&with(&[("client_id", &id)])), 401, "invalid_client"),
        (
            post(&url)
                .basic_auth(&id, Some(&secret))
                .form(&with(&[("client_id", &id), ("client_secret", &secret)])),
            400,
            "invalid_request",
        ),
        (
            post(&url).basic_auth(&id, Some(&secret)).form(&with(&[("client_id", "other")])),
            400,
            "invalid_request",
        ),
        (post(&url).basic_auth(&id, Some(&secret)).form(&with(&[("code", "again")])), 400, "invalid_request"),
        (
            post(&format!("{url}?client_secret={secret}")).basic_auth(&id, Some(&secret)).form(&form),
            400,
            "invalid_request",
        ),
        (
            post(&url).basic_auth(&id, Some(&secret)).form(&[("grant_type", "password")]),
            400,
            "unsupported_grant_type",
        ),
        (post(&url).basic_auth(&id, Some(&secret)).form(&[("code", "x")]), 400, "invalid_request"),
        (post(&url).basic_auth(&id, Some(&secret)).form(&form), 400, "invalid_grant"),
    ];
    for (at, (request, status, code)) in refused.into_iter().enumerate() {
        let (found, body) = json(request.send().await.unwrap()).await;
        assert_eq!((found.as_u16(), body["error"].as_str().unwrap()), (status, code), "case {at}: {body}");
    }
}

#[tokio::test]
async fn basic_credentials_are_form_decoded() {
    let app = App {
        client_id: "id with:colon".into(),
        client_secret: Some("s3cret+/=:%~ &?ü".into()),
        ..App::default()
    };
    let lab = Lab::with(Emulator::builder().app("openid", app.clone()).start().await.unwrap());
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut params = OPENID.params();
    set(&mut params, "client_id", &app.client_id);
    for (id, secret, expected) in [
        (encode(&app.client_id), encode(app.client_secret.as_deref().unwrap()), 200),
        (encode(&app.client_id), app.client_secret.clone().unwrap(), 401),
    ] {
        let code = lab.answer(lab.authorize(&OPENID, &params).await, "allow").await.remove("code").unwrap();
        let request = lab.backend.post(lab.emulator.local(OPENID.token)).basic_auth(id, Some(secret));
        assert_eq!(request.form(&OPENID.form(&code)).send().await.unwrap().status(), expected);
    }
}

#[tokio::test]
async fn each_provider_takes_only_its_own_client_authentication() {
    let lab = Lab::new().await;
    // Whether Basic, and whether the form, is accepted.
    let accepted = [
        (OPENID, true, true),
        (DISCORD, true, true),
        (FACEBOOK, false, true),
        (FRANCECONNECT, false, true),
        (GITHUB, true, true),
        (GOOGLE, true, true),
        (KAKAO, false, true),
        (LINKEDIN, false, true),
        (MICROSOFT, false, true),
        (NAVER, false, true),
        (OKTA, true, true),
        (REDDIT, true, false),
        (SHOPIFY, false, true),
    ];
    for (case, basic, post) in accepted {
        for (by_basic, expected) in [(true, basic), (false, post)] {
            let case = Case { basic: by_basic, ..case };
            let code = lab.code(&case).await.remove("code").unwrap();
            let (_, body) = json(lab.token(&case, &case.form(&code)).send().await.unwrap()).await;
            assert_eq!(
                body.get("access_token").is_some(),
                expected,
                "{} basic={by_basic}: {body}",
                case.provider
            );
        }
    }
}

#[tokio::test]
async fn an_application_can_have_its_own_rules() {
    let app = App {
        client_id: "okta-client-id".into(),
        client_secret: Some("okta-client-secret".into()),
        redirect_uris: vec!["https://app.example/only".into()],
        client_auth: vec![ClientAuth::Post],
        ..App::default()
    };
    let lab = Lab::with(Emulator::builder().app("okta", app).start().await.unwrap());
    assert_eq!(lab.authorize(&OKTA, &OKTA.params()).await.status(), 400, "unregistered redirect URI");
    let (status, _) = json(lab.token(&OKTA, &OKTA.form("x")).send().await.unwrap()).await;
    assert_eq!(status, 401, "Basic is not this application's method");
    assert!(Emulator::builder().app("nobody", App::default()).start().await.is_err());
}

#[tokio::test]
async fn a_public_client_needs_pkce() {
    let app = App { client_id: "openid-client-id".into(), ..App::default() };
    let lab = Lab::with(Emulator::builder().app("openid", app).start().await.unwrap());
    let bare = Case { pkce: false, ..OPENID };
    assert_eq!(callback(&lab.authorize(&bare, &bare.params()).await)["error"], "invalid_request");
    let code = lab.code(&OPENID).await.remove("code").unwrap();
    let mut form = OPENID.form(&code);
    form.push(("client_id".into(), OPENID.id()));
    let reply = lab.backend.post(lab.emulator.local(OPENID.token)).form(&form).send().await.unwrap();
    assert_eq!(reply.status(), 200);
}

#[tokio::test]
async fn a_code_is_bound_to_its_request_and_used_once() {
    let lab = Lab::new().await;
    for (name, value) in [
        ("redirect_uri", Some("https://app.example/callback?tenant=1&")),
        ("redirect_uri", None),
        ("code_verifier", Some("aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
        ("code_verifier", None),
    ] {
        let code = lab.code(&OPENID).await.remove("code").unwrap();
        let mut form = without(OPENID.form(&code), name);
        form.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        let (status, body) = json(lab.token(&OPENID, &form).send().await.unwrap()).await;
        assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_grant")), "{name} {value:?}");
    }
    // A verifier without a challenge (RFC 9700, section 4.8.2).
    let bare = Case { pkce: false, ..OPENID };
    let code = lab.code(&bare).await.remove("code").unwrap();
    let (status, _) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    assert_eq!(status, 400);

    let code = lab.code(&OPENID).await.remove("code").unwrap();
    let (_, token) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    let userinfo = "https://openid.example/userinfo";
    assert_eq!(lab.get(userinfo, &token).send().await.unwrap().status(), 200);
    let (status, body) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_grant")));
    assert_eq!(
        lab.get(userinfo, &token).send().await.unwrap().status(),
        401,
        "the second use revokes the tokens"
    );

    // Another shop's token endpoint.
    let code = lab.code(&SHOPIFY).await.remove("code").unwrap();
    let other = Case { token: "https://coffee-house.myshopify.com/admin/oauth/access_token", ..SHOPIFY };
    assert_eq!(lab.token(&other, &SHOPIFY.form(&code)).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn linkedin_refuses_a_code_verifier() {
    let lab = Lab::new().await;
    let code = lab.code(&LINKEDIN).await.remove("code").unwrap();
    let mut form = LINKEDIN.form(&code);
    form.push(("code_verifier".into(), VERIFIER.into()));
    let (status, body) = json(lab.token(&LINKEDIN, &form).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["error"]), (401, &json!("invalid_client")));
}

#[tokio::test]
async fn errors_are_in_the_providers_form() {
    let lab = Lab::new().await;
    let bad_code = |case: Case| {
        let request = lab.token(&case, &case.form("unknown"));
        async { json(request.send().await.unwrap()).await }
    };
    let (status, body) = bad_code(GITHUB).await;
    assert_eq!((status.as_u16(), &body["error"]), (200, &json!("bad_verification_code")));
    assert!(body["error_uri"].is_string());
    let (status, body) = bad_code(FACEBOOK).await;
    assert_eq!((status.as_u16(), &body["error"]["type"]), (400, &json!("OAuthException")));
    let (status, body) = bad_code(MICROSOFT).await;
    assert_eq!(
        (status.as_u16(), &body["error"], &body["error_codes"]),
        (400, &json!("invalid_grant"), &json!([70008]))
    );
    let (status, body) = bad_code(NAVER).await;
    assert_eq!((status.as_u16(), &body["error"]), (200, &json!("invalid_request")));
    let (status, body) = bad_code(REDDIT).await;
    assert_eq!((status.as_u16(), &body["error"]), (200, &json!("invalid_grant")));
    let (status, body) = bad_code(KAKAO).await;
    assert_eq!((status.as_u16(), &body["error_code"]), (400, &json!("KOE320")));

    let wrong_secret = [("client_id", "github-client-id"), ("client_secret", "wrong"), ("code", "x")];
    let request = lab.backend.post(lab.emulator.local(GITHUB.token)).header("accept", "application/json");
    let (status, body) = json(request.form(&wrong_secret).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["error"]), (200, &json!("incorrect_client_credentials")));
    let form =
        [("grant_type".to_owned(), "refresh_token".to_owned()), ("refresh_token".to_owned(), "x".to_owned())];
    let (_, body) = json(lab.token(&GITHUB, &form).send().await.unwrap()).await;
    assert_eq!(body["error"], "bad_refresh_token");
}

#[tokio::test]
async fn user_agents_matter_to_github_and_reddit() {
    let lab = Lab::new().await;
    let nameless = reqwest_client(|defaults| defaults).unwrap();
    let github = lab.sign_in(&GITHUB).await;
    let user = nameless.get(lab.emulator.local("https://api.github.com/user"));
    let reply = user.bearer_auth(github["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(reply.status(), 403);
    for agent in [None, Some("python-httpx/0.28")] {
        let mut request = nameless.post(lab.emulator.local(REDDIT.token));
        request = agent.into_iter().fold(request, |request, agent| request.header("user-agent", agent));
        assert_eq!(request.send().await.unwrap().status(), 429, "{agent:?}");
    }
}

#[tokio::test]
async fn access_tokens_stand_where_the_provider_wants_them() {
    let lab = Lab::new().await;
    let refused = |request: RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    let openid = lab.sign_in(&OPENID).await;
    let secret = openid["access_token"].as_str().unwrap();
    let userinfo = "https://openid.example/userinfo";
    let in_query = lab.backend.get(lab.emulator.local(&format!("{userinfo}?access_token={secret}")));
    assert_eq!(refused(in_query).await, 401);
    assert_eq!(refused(lab.backend.get(lab.emulator.local(userinfo))).await, 401);
    assert_eq!(refused(lab.get(userinfo, &json!({"access_token": "wrong"}))).await, 401);
    let github = "https://api.github.com/user";
    assert_eq!(refused(lab.get(github, &openid)).await, 401, "another provider's token");

    let shopify = lab.sign_in(&SHOPIFY).await;
    let shop = "https://tea-house.myshopify.com/admin/api/2026-10/shop.json";
    let by_bearer =
        lab.backend.get(lab.emulator.local(shop)).bearer_auth(shopify["access_token"].as_str().unwrap());
    assert_eq!(refused(by_bearer).await, 401);
    let other = "https://coffee-house.myshopify.com/admin/api/2026-10/shop.json";
    assert_eq!(refused(lab.get(other, &shopify)).await, 401, "another shop's token");

    let facebook = lab.sign_in(&FACEBOOK).await;
    let token = facebook["access_token"].as_str().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, FACEBOOK.secret().as_bytes());
    let proof: String =
        hmac::sign(&key, token.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    for (proof, expected) in [(proof.as_str(), 200), ("wrong", 400)] {
        let url = format!("https://graph.facebook.com/v25.0/me?access_token={token}&appsecret_proof={proof}");
        assert_eq!(refused(lab.backend.get(lab.emulator.local(&url))).await, expected);
    }
}

#[tokio::test]
async fn scopes_decide_what_a_profile_tells() {
    let lab = Lab::new().await;
    let discord = lab.sign_in(&Case { scope: "identify", ..DISCORD }).await;
    let profile = lab.profile("https://discord.com/api/users/@me", &discord).await;
    assert!(profile.get("email").is_none());
    let guilds = lab.sign_in(&Case { scope: "guilds", ..DISCORD }).await;
    assert_eq!(lab.get("https://discord.com/api/users/@me", &guilds).send().await.unwrap().status(), 403);
    let github = lab.sign_in(&Case { scope: "", ..GITHUB }).await;
    assert_eq!(lab.get("https://api.github.com/user/emails", &github).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn facebook_exchanges_and_revokes() {
    let lab = Lab::new().await;
    let short = lab.sign_in(&FACEBOOK).await;
    let form = [
        ("grant_type".to_owned(), "fb_exchange_token".to_owned()),
        ("fb_exchange_token".to_owned(), short["access_token"].as_str().unwrap().to_owned()),
    ];
    let (status, long) = json(lab.token(&FACEBOOK, &form).send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert_ne!(long["access_token"], short["access_token"]);
    let url = lab.emulator.local("https://graph.facebook.com/v25.0/me/permissions");
    let request = lab.backend.delete(url).bearer_auth(long["access_token"].as_str().unwrap());
    assert_eq!(json(request.send().await.unwrap()).await, (StatusCode::OK, json!(true)));
    assert_eq!(lab.get("https://graph.facebook.com/v25.0/me", &long).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn github_revokes_by_delete() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&GITHUB).await;
    let secret = &token["access_token"];
    let url = lab.emulator.local("https://api.github.com/applications/github-client-id/token");
    let delete = |password: &str, body: Value| {
        let request = lab.backend.delete(&url).basic_auth(GITHUB.id(), Some(password)).json(&body);
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(delete("wrong", json!({"access_token": secret})).await, 404);
    assert_eq!(delete(&GITHUB.secret(), json!({})).await, 422);
    let check = lab.backend.post(&url).basic_auth(GITHUB.id(), Some(GITHUB.secret()));
    assert_eq!(check.json(&json!({"access_token": secret})).send().await.unwrap().status(), 200);
    assert_eq!(delete(&GITHUB.secret(), json!({"access_token": secret})).await, 204);
    assert_eq!(delete(&GITHUB.secret(), json!({"access_token": secret})).await, 422);
    assert_eq!(lab.get("https://api.github.com/user", &token).send().await.unwrap().status(), 401);

    let (first, second) = (lab.sign_in(&GITHUB).await, lab.sign_in(&GITHUB).await);
    let grant = lab.emulator.local("https://api.github.com/applications/github-client-id/grant");
    let request = lab.backend.delete(grant).basic_auth(GITHUB.id(), Some(GITHUB.secret()));
    assert_eq!(
        request.json(&json!({"access_token": first["access_token"]})).send().await.unwrap().status(),
        204
    );
    assert_eq!(lab.get("https://api.github.com/user", &second).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn naver_and_kakao_revoke_in_their_own_ways() {
    let lab = Lab::new().await;
    let naver = lab.sign_in(&NAVER).await;
    let form = |provider: &str| {
        [
            ("grant_type", "delete"),
            ("access_token", naver["access_token"].as_str().unwrap()),
            ("service_provider", provider),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let (_, body) = json(lab.token(&NAVER, &form("GOOGLE")).send().await.unwrap()).await;
    assert_eq!(body["error"], "invalid_request");
    let (_, body) = json(lab.token(&NAVER, &form("NAVER")).send().await.unwrap()).await;
    assert_eq!(body, json!({"access_token": naver["access_token"], "result": "success"}));
    let (status, body) =
        json(lab.get("https://openapi.naver.com/v1/nid/me", &naver).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["resultcode"]), (401, &json!("024")));

    let kakao = lab.sign_in(&KAKAO).await;
    let unlink = lab.emulator.local("https://kapi.kakao.com/v1/user/unlink");
    let form = [("token", kakao["access_token"].as_str().unwrap())];
    assert_eq!(lab.backend.post(&unlink).form(&form).send().await.unwrap().status(), 401, "no bearer token");
    let request = lab.backend.post(&unlink).bearer_auth(kakao["access_token"].as_str().unwrap());
    assert_eq!(json(request.send().await.unwrap()).await.1, json!({"id": 1_815_121_018_521_127_u64}));
    assert_eq!(lab.get("https://kapi.kakao.com/v2/user/me", &kakao).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn apple_answers_by_a_form() {
    let lab = Lab::new().await;
    let first = lab.code(&APPLE).await;
    let user: Value = serde_json::from_str(&first["user"]).unwrap();
    let expected = json!({"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "ada@example.com"});
    assert_eq!(user, expected);
    assert!(!lab.code(&APPLE).await.contains_key("user"), "only the first sign-in tells the name");

    let denied = lab.answer(lab.authorize(&APPLE, &APPLE.params()).await, "deny").await;
    assert_eq!((&*denied["error"], &*denied["state"]), ("user_cancelled_authorize", STATE));
    let mut params = APPLE.params();
    set(&mut params, "scope", "name phone");
    let refused = posted(lab.authorize(&APPLE, &params).await).await;
    assert_eq!((&*refused["error"], &*refused["state"]), ("invalid_scope", STATE));

    // Whoever asks for nothing may have the answer in the URL.
    let params = without(without(APPLE.params(), "response_mode"), "scope");
    let callback = lab.answer(lab.authorize(&APPLE, &params).await, "allow").await;
    assert!(callback.contains_key("code"));
}

#[tokio::test]
async fn apple_refuses_what_apple_refuses() {
    let lab = Lab::new().await;
    for mode in [None, Some("query")] {
        let mut params = without(APPLE.params(), "response_mode");
        params.extend(mode.map(|mode| ("response_mode".to_owned(), mode.to_owned())));
        let reply = lab.authorize(&APPLE, &params).await;
        let callback = callback(&reply);
        assert_eq!(callback["error"], "invalid_request");
        assert!(callback["error_description"].contains("form_post"));
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(APPLE.params()).finish();
    let url = lab.emulator.local(&format!("{}?{query}", APPLE.authorize));
    let refused = posted(lab.browser.get(url).send().await.unwrap()).await;
    assert_eq!(refused["error"], "invalid_scope", "a plus sign is no space");
    for (redirect_uri, status) in [
        ("http://app.example/callback", 400),
        ("http://localhost:8080/callback", 200),
        ("http://127.0.0.1:8080/callback", 200),
        ("http://[::1]:8080/callback", 200),
        ("http://localhost.evil.example/callback", 400),
    ] {
        let mut params = APPLE.params();
        set(&mut params, "redirect_uri", redirect_uri);
        assert_eq!(lab.authorize(&APPLE, &params).await.status(), status, "{redirect_uri}");
    }
}

#[tokio::test]
async fn apple_takes_only_a_secret_that_the_team_signed() {
    let lab = Lab::new().await;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let claim = |name: &'static str, value: Value| {
        lab.apple_secret(|_, claims| match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        })
    };
    let (head, signature) = {
        let secret = lab.apple_secret(|_, _| ());
        let (head, signature) = secret.rsplit_once('.').unwrap();
        (head.to_owned(), signature.to_owned())
    };
    let mut secrets = vec![
        "apple-client-secret".to_owned(),
        String::new(),
        format!("{head}."),
        format!("{head}.{}", URL_SAFE_NO_PAD.encode([1; 64])),
        format!(
            "{}.{signature}",
            lab.apple_secret(|_, claims| claims["x"] = json!(1)).rsplit_once('.').unwrap().0
        ),
        lab.apple_secret(|header, _| header.kid = None),
        lab.apple_secret(|header, _| header.kid = Some("OTHERKEY01".to_owned())),
        Lab::new().await.apple_secret(|_, _| ()),
    ];
    for (name, value) in [
        ("iss", json!("OTHERTEAM1")),
        ("sub", json!("other-client-id")),
        ("aud", json!("https://appleid.apple.example")),
        ("exp", json!(now - 120)),
        ("exp", json!(now + 15_777_000 + 60)),
        ("iat", json!(now + 120)),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("aud", Value::Null),
        ("exp", Value::Null),
        ("iat", Value::Null),
    ] {
        secrets.push(claim(name, value));
    }
    let code = lab.code(&APPLE).await.remove("code").unwrap();
    let redeem = |secret: String| {
        let mut form = APPLE.form(&code);
        form.extend([("client_id".to_owned(), APPLE.id()), ("client_secret".to_owned(), secret)]);
        let request = lab.backend.post(lab.emulator.local(APPLE.token)).form(&form);
        async { json(request.send().await.unwrap()).await }
    };
    for (at, secret) in secrets.into_iter().enumerate() {
        let (status, body) = redeem(secret).await;
        assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_client")), "case {at}: {body}");
    }
    let (status, body) = redeem(claim("exp", json!(now + 15_776_000))).await;
    assert_eq!(status, 200, "the code is as good as before, and six months are allowed: {body}");
    assert!(!format!("{:?}", lab.emulator.apple_key()).contains("PRIVATE"));
}

#[tokio::test]
async fn apple_tells_who_signed_in_by_id_tokens_alone() {
    let relay = User {
        id: "2".into(),
        email: Some("abc@privaterelay.appleid.com".into()),
        email_verified: false,
        ..User::default()
    };
    for (user, verified, private) in [(User::default(), "true", "false"), (relay, "false", "true")] {
        let lab = Lab::with(Emulator::builder().user(user.clone()).start().await.unwrap());
        let first = lab.sign_in(&APPLE).await;
        let names: Vec<_> = first.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["access_token", "expires_in", "id_token", "refresh_token", "token_type"]);
        let keys = keys(&lab, "https://appleid.apple.com/auth/keys").await;
        let read = |token: &Value| {
            claims(token["id_token"].as_str().unwrap(), &keys, Algorithm::RS256, &APPLE.id()).unwrap()
        };
        let told = read(&first);
        assert_eq!((&told["iss"], &told["sub"]), (&json!("https://appleid.apple.com"), &json!(user.id)));
        assert_eq!((&told["email_verified"], &told["is_private_email"]), (&json!(verified), &json!(private)));
        assert_eq!((&told["email"], &told["nonce"]), (&json!(user.email), &json!(NONCE)));
        assert!(told.get("name").is_none());

        let refresh = [
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), first["refresh_token"].as_str().unwrap().to_owned()),
        ];
        let (_, second) = json(lab.token(&APPLE, &refresh).send().await.unwrap()).await;
        assert!(second.get("refresh_token").is_none());
        assert_eq!(read(&second)["sub"], told["sub"]);
        assert!(read(&second).get("nonce").is_none());

        let revoke = Case { token: "https://appleid.apple.com/auth/revoke", ..APPLE };
        let form = [("token".to_owned(), second["access_token"].as_str().unwrap().to_owned())];
        assert_eq!(lab.token(&revoke, &form).send().await.unwrap().status(), 200);
        let (status, body) = json(lab.token(&APPLE, &refresh).send().await.unwrap()).await;
        assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_grant")));
        // With the authorization gone, the next sign-in is a first one.
        assert!(lab.code(&APPLE).await.contains_key("user"));
    }
}

#[tokio::test]
async fn the_emulators_browser_tells_a_posted_form_from_a_redirect() {
    let emulator = Emulator::builder()
        .user(User { name: "A & <B> \"C\"".into(), ..User::default() })
        .start()
        .await
        .unwrap();
    let query = |case: &Case| {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(case.params()).finish();
        format!("{}?{}", case.authorize, query.replace('+', "%20"))
    };
    let arrival = emulator.browse(&query(&APPLE), Consent::Allow).await.unwrap();
    assert!(!format!("{arrival:?}").contains(STATE), "{arrival:?}");
    let Arrival::Post { url, form } = &arrival else { panic!("{arrival:?}") };
    assert_eq!(url, REDIRECT);
    let fields: Pairs = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    assert_eq!(fields["state"], STATE);
    let user: Value = serde_json::from_str(&fields["user"]).unwrap();
    assert_eq!(user["name"], json!({"firstName": "A", "lastName": "& <B> \"C\""}));
    assert_eq!(arrival.clone().into_url(), format!("{REDIRECT}&{form}"));

    let denied = emulator.browse(&query(&APPLE), Consent::Deny).await.unwrap().into_url();
    assert!(denied.starts_with(&format!("{REDIRECT}&error=user_cancelled_authorize&state=")), "{denied}");
    let other = emulator.browse(&query(&OPENID), Consent::Allow).await.unwrap();
    assert!(matches!(&other, Arrival::Get(url) if url.starts_with(REDIRECT)), "{other:?}");
    // The mode is the application's to choose where a provider has both.
    let posting = Case { extra: &[("response_mode", "form_post")], ..OPENID };
    let other = emulator.browse(&query(&posting), Consent::Allow).await.unwrap();
    assert!(matches!(&other, Arrival::Post { form, .. } if form.contains("iss=")), "{other:?}");
}

#[tokio::test]
async fn others_revoke_by_rfc_7009() {
    let lab = Lab::new().await;
    let urls = [
        (OPENID, "https://openid.example/revoke", "https://openid.example/userinfo", 200),
        (OAUTH2, "https://oauth2.example/revoke", "https://oauth2.example/profile", 200),
        (DISCORD, "https://discord.com/api/oauth2/token/revoke", "https://discord.com/api/users/@me", 200),
        (
            GOOGLE,
            "https://oauth2.googleapis.com/revoke",
            "https://openidconnect.googleapis.com/v1/userinfo",
            200,
        ),
        (
            OKTA,
            "https://dev-1.okta.com/oauth2/default/v1/revoke",
            "https://dev-1.okta.com/oauth2/default/v1/userinfo",
            200,
        ),
        (REDDIT, "https://www.reddit.com/api/v1/revoke_token", "https://oauth.reddit.com/api/v1/me", 204),
    ];
    for (case, revoke, profile, status) in urls {
        let token = lab.sign_in(&case).await;
        let case = Case { token: revoke, ..case };
        let form = [("token".to_owned(), token["access_token"].as_str().unwrap().to_owned())];
        if case.provider != "google" {
            let unauthenticated =
                lab.backend.post(lab.emulator.local(revoke)).form(&form).send().await.unwrap();
            assert_eq!(unauthenticated.status(), 401, "{revoke}");
        }
        assert_eq!(lab.token(&case, &form).send().await.unwrap().status(), status, "{revoke}");
        assert_eq!(lab.get(profile, &token).send().await.unwrap().status(), 401, "{profile}");
    }
}

#[tokio::test]
async fn introspection_tells_only_of_live_tokens() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&OAUTH2).await;
    let case = Case { token: "https://oauth2.example/introspect", ..OAUTH2 };
    let ask = |secret: &str| {
        let request = lab.token(&case, &[("token".to_owned(), secret.to_owned())]);
        async { json(request.send().await.unwrap()).await.1 }
    };
    let live = ask(token["access_token"].as_str().unwrap()).await;
    assert_eq!((&live["active"], &live["scope"]), (&json!(true), &json!("profile email")));
    assert_eq!(ask(token["refresh_token"].as_str().unwrap()).await["active"], true);
    assert_eq!(ask("unknown").await, json!({"active": false}));
}

#[tokio::test]
async fn refresh_tokens_rotate_where_the_provider_rotates_them() {
    let lab = Lab::new().await;
    let refresh = |case: Case, secret: Value, scope: Option<&str>| {
        let mut form = vec![
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), secret.as_str().unwrap().to_owned()),
        ];
        form.extend(scope.map(|scope| ("scope".to_owned(), scope.to_owned())));
        let request = lab.token(&case, &form);
        async { json(request.send().await.unwrap()).await }
    };
    let first = lab.sign_in(&OPENID).await;
    let (_, body) = refresh(OPENID, first["refresh_token"].clone(), Some("openid admin")).await;
    assert_eq!(body["error"], "invalid_scope");
    let (_, second) = refresh(OPENID, first["refresh_token"].clone(), Some("openid")).await;
    assert_eq!(second["scope"], "openid");
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let (status, body) = refresh(OPENID, first["refresh_token"].clone(), None).await;
    assert_eq!((status.as_u16(), &body["error"]), (400, &json!("invalid_grant")));
    let (status, _) = refresh(OPENID, second["refresh_token"].clone(), None).await;
    assert_eq!(status, 400, "reuse of the old one ended the authorization");

    let google = lab.sign_in(&GOOGLE).await;
    for _ in 0..2 {
        let (status, fresh) = refresh(GOOGLE, google["refresh_token"].clone(), None).await;
        assert_eq!((status.as_u16(), fresh.get("refresh_token")), (200, None));
    }

    let steady = Lab::with(Emulator::builder().rotate_refresh_tokens(false).start().await.unwrap());
    let token = steady.sign_in(&OPENID).await;
    let form = [
        ("grant_type".to_owned(), "refresh_token".to_owned()),
        ("refresh_token".to_owned(), token["refresh_token"].as_str().unwrap().to_owned()),
    ];
    let (_, fresh) = json(steady.token(&OPENID, &form).send().await.unwrap()).await;
    assert!(fresh.get("refresh_token").is_none());
}

#[tokio::test]
async fn access_tokens_expire() {
    let lab = Lab::with(Emulator::builder().access_token_lifetime(Duration::ZERO).start().await.unwrap());
    let token = lab.sign_in(&OPENID).await;
    assert_eq!(token["expires_in"], 0);
    assert_eq!(lab.get("https://openid.example/userinfo", &token).send().await.unwrap().status(), 401);
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

#[tokio::test]
async fn id_tokens_are_signed_by_the_published_keys() {
    let lab = Lab::new().await;
    let guid = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let expect = [
        (OPENID, "https://openid.example".to_owned(), "https://openid.example/jwks", Algorithm::RS256),
        (
            GOOGLE,
            "https://accounts.google.com".to_owned(),
            "https://www.googleapis.com/oauth2/v3/certs",
            Algorithm::RS256,
        ),
        (
            FRANCECONNECT,
            "https://oidc.franceconnect.gouv.fr/api/v2".to_owned(),
            "https://oidc.franceconnect.gouv.fr/api/v2/jwks",
            Algorithm::ES256,
        ),
        (
            MICROSOFT,
            format!("https://login.microsoftonline.com/{guid}/v2.0"),
            "https://login.microsoftonline.com/common/discovery/v2.0/keys",
            Algorithm::RS256,
        ),
        (
            OKTA,
            "https://dev-1.okta.com/oauth2/default".to_owned(),
            "https://dev-1.okta.com/oauth2/default/v1/keys",
            Algorithm::RS256,
        ),
        (
            OKTA_ORG,
            "https://dev-1.okta.com".to_owned(),
            "https://dev-1.okta.com/oauth2/v1/keys",
            Algorithm::RS256,
        ),
    ];
    for (case, issuer, url, alg) in expect {
        let token = lab.sign_in(&case).await;
        let set = keys(&lab, url).await;
        let claims = claims(token["id_token"].as_str().unwrap(), &set, alg, &case.id()).unwrap();
        assert_eq!(claims["iss"], issuer);
        assert_eq!((&claims["sub"], &claims["nonce"]), (&json!("1815121018521127"), &json!(NONCE)));
        let hash = digest::digest(&digest::SHA256, token["access_token"].as_str().unwrap().as_bytes());
        assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    }
    let linkedin = lab.sign_in(&LINKEDIN).await;
    let set = keys(&lab, "https://www.linkedin.com/oauth/openid/jwks").await;
    let id_token = linkedin["id_token"].as_str().unwrap();
    let claims = claims(id_token, &set, Algorithm::RS256, &LINKEDIN.id()).unwrap();
    assert!(claims.get("nonce").is_none(), "LinkedIn does not repeat the nonce");
    assert!(lab.sign_in(&KAKAO).await.get("id_token").is_none(), "openid was not asked for");
}

#[tokio::test]
async fn franceconnect_signs_its_userinfo() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&FRANCECONNECT).await;
    let reply = lab.get("https://oidc.franceconnect.gouv.fr/api/v2/userinfo", &token).send().await.unwrap();
    assert_eq!(reply.headers()["content-type"], "application/jwt");
    let set = keys(&lab, "https://oidc.franceconnect.gouv.fr/api/v2/jwks").await;
    let claims = claims(&reply.text().await.unwrap(), &set, Algorithm::ES256, &FRANCECONNECT.id()).unwrap();
    assert_eq!(claims["email"], "ada@example.com");
}

#[tokio::test]
async fn metadata_has_real_urls() {
    let lab = Lab::new().await;
    let document = |url: &str| {
        let request = lab.backend.get(lab.emulator.local(url));
        async { json(request.send().await.unwrap()).await.1 }
    };
    let openid = document("https://openid.example/.well-known/openid-configuration").await;
    assert_eq!(openid["issuer"], "https://openid.example");
    assert_eq!(openid["userinfo_endpoint"], "https://openid.example/userinfo");
    assert_eq!(openid["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(openid["response_modes_supported"], json!(["query", "form_post"]));
    let okta = document("https://dev-1.okta.com/.well-known/openid-configuration").await;
    assert_eq!(okta["token_endpoint"], "https://dev-1.okta.com/oauth2/v1/token");
    let discord = document("https://discord.com/.well-known/oauth-authorization-server").await;
    assert_eq!(discord["authorization_endpoint"], "https://discord.com/api/oauth2/authorize");
    let common =
        document("https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration").await;
    assert_eq!(common["issuer"], "https://login.microsoftonline.com/{tenantid}/v2.0");
    let plain = document("https://oauth2.example/.well-known/oauth-authorization-server").await;
    assert_eq!(plain["introspection_endpoint"], "https://oauth2.example/introspect");
    assert!(plain.get("jwks_uri").is_none());
}

#[tokio::test]
async fn keys_rotate() {
    let lab = Lab::new().await;
    let url = "https://openid.example/jwks";
    let before = keys(&lab, url).await;
    lab.emulator.rotate_keys();
    let token = lab.sign_in(&OPENID).await;
    let id_token = token["id_token"].as_str().unwrap();
    assert!(claims(id_token, &before, Algorithm::RS256, &OPENID.id()).is_none());
    assert!(claims(id_token, &keys(&lab, url).await, Algorithm::RS256, &OPENID.id()).is_some());
    lab.emulator.fault("openid", Fault::RotateKeys).unwrap();
    let before = keys(&lab, url).await;
    let token = lab.sign_in(&OPENID).await;
    assert!(claims(token["id_token"].as_str().unwrap(), &before, Algorithm::RS256, &OPENID.id()).is_none());
}

#[tokio::test]
async fn faults_of_the_login() {
    let lab = Lab::new().await;
    lab.emulator.fault("openid", Fault::WrongState).unwrap();
    let page = lab.authorize(&OPENID, &OPENID.params()).await;
    assert_ne!(lab.answer(page, "allow").await["state"], STATE);
    lab.emulator.clear_faults();

    lab.emulator.fault("github", Fault::ExpiredCode).unwrap();
    let code = lab.code(&GITHUB).await.remove("code").unwrap();
    let (_, body) = json(lab.token(&GITHUB, &GITHUB.form(&code)).send().await.unwrap()).await;
    assert_eq!(body["error"], "bad_verification_code");

    lab.emulator.fault("openid", Fault::UnverifiedEmail).unwrap();
    let token = lab.sign_in(&OPENID).await;
    let profile = lab.profile("https://openid.example/userinfo", &token).await;
    assert_eq!((&profile["email_verified"], &profile["email"]), (&json!(false), &json!("ada@example.com")));
    lab.emulator.fault("openid", Fault::NoEmail).unwrap();
    assert!(lab.profile("https://openid.example/userinfo", &token).await.get("email").is_none());

    lab.emulator.fault("openid", Fault::WrongIssuer).unwrap();
    let token = lab.sign_in(&OPENID).await;
    let set = keys(&lab, "https://openid.example/jwks").await;
    let claims = claims(token["id_token"].as_str().unwrap(), &set, Algorithm::RS256, &OPENID.id()).unwrap();
    assert_ne!(claims["iss"], "https://openid.example");
    assert!(lab.emulator.fault("nobody", Fault::Deny).unwrap_err().to_string().contains("github"));
}

#[tokio::test]
async fn faults_of_the_wire() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&OPENID).await;
    let url = "https://openid.example/userinfo";
    let with = async |fault: Fault| {
        lab.emulator.clear_faults();
        lab.emulator.fault("openid", fault).unwrap();
        lab.get(url, &token).send().await.unwrap()
    };
    let reply = with(Fault::TooManyRequests { retry_after: Duration::from_secs(7) }).await;
    assert_eq!((reply.status().as_u16(), reply.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(with(Fault::ServerError).await.status(), 500);
    assert!(with(Fault::HtmlErrorPage).await.text().await.unwrap().starts_with("<!doctype html>"));
    assert_eq!(with(Fault::EmptyBody).await.bytes().await.unwrap().len(), 0);
    assert!(with(Fault::TruncatedJson).await.json::<Value>().await.is_err());
    assert!(String::from_utf8(with(Fault::InvalidUtf8).await.bytes().await.unwrap().to_vec()).is_err());
    let reply = with(Fault::ResetMidBody).await;
    assert_eq!(reply.status(), 200);
    assert!(reply.bytes().await.is_err());
    let before = std::time::Instant::now();
    with(Fault::Slow(Duration::from_millis(200))).await;
    assert!(before.elapsed() >= Duration::from_millis(200));

    lab.emulator.clear_faults();
    lab.emulator.fault("openid", Fault::Redirect).unwrap();
    let reply = lab.token(&OPENID, &OPENID.form("x")).send().await.unwrap();
    assert_eq!(reply.status(), 307);
    assert!(reply.headers()["location"].to_str().unwrap().starts_with(lab.emulator.origin()));

    lab.emulator.clear_faults();
    lab.emulator.fault_at("openid", Endpoint::Refresh, Fault::ServerError).unwrap();
    lab.sign_in(&OPENID).await;
    let form = [("grant_type".to_owned(), "refresh_token".to_owned())];
    assert_eq!(lab.token(&OPENID, &form).send().await.unwrap().status(), 500);
}

#[tokio::test]
async fn requests_are_recorded_and_shown_without_secrets() {
    let lab = Lab::new().await;
    lab.sign_in(&GOOGLE).await;
    let requests = lab.emulator.requests();
    assert_eq!(requests.len(), 2, "the consent form is not a provider's request");
    assert_eq!(requests[0].query.get("response_type"), Some("code"));
    assert_eq!(
        (requests[1].method.as_str(), requests[1].url.as_str()),
        ("POST", "https://oauth2.googleapis.com/token")
    );
    assert_eq!(requests[1].field("client_secret"), Some("google-client-secret"));
    assert_eq!(requests[1].header("accept"), Some("application/json"));
    let shown = format!("{requests:?}");
    assert!(
        shown.contains("client_secret")
            && !shown.contains("google-client-secret")
            && !shown.contains(VERIFIER)
    );
    lab.emulator.clear_requests();
    assert!(lab.emulator.requests().is_empty());
}

#[tokio::test]
async fn several_users_can_be_chosen() {
    let grace =
        User { id: "1906120919920101".into(), name: "Grace <Hopper>".into(), email: None, ..User::default() };
    let lab = Lab::with(Emulator::builder().user(User::default()).user(grace).start().await.unwrap());
    let page = lab.authorize(&OPENID, &OPENID.params()).await.text().await.unwrap();
    assert!(page.contains("Grace &lt;Hopper&gt;"));
    let mut form = hidden(&page);
    form.insert("user".into(), "1906120919920101".into());
    form.insert("decision".into(), "allow".into());
    let reply =
        lab.browser.post(format!("{}/.consent", lab.emulator.origin())).form(&form).send().await.unwrap();
    let code = callback(&reply).remove("code").unwrap();
    let (_, token) = json(lab.token(&OPENID, &OPENID.form(&code)).send().await.unwrap()).await;
    let profile = lab.profile("https://openid.example/userinfo", &token).await;
    assert_eq!((&profile["sub"], profile.get("email")), (&json!("1906120919920101"), None));
}

#[tokio::test]
async fn the_server_stops_with_its_last_handle() {
    let lab = Lab::new().await;
    let clone = lab.emulator.clone();
    let url = format!("{}/nothing", clone.origin());
    drop(lab);
    let client = || reqwest_client(|defaults| defaults.pool_max_idle_per_host(0)).unwrap();
    assert_eq!(client().get(&url).send().await.unwrap().status(), 404);
    drop(clone);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(client().get(&url).send().await.is_err());
}

#[tokio::test]
async fn a_replaced_refresh_token_is_answered_alike_within_the_grace_and_ends_the_authorization_after_it() {
    let grace = std::time::Duration::from_millis(500);
    let emulator = Emulator::builder().refresh_token_grace(grace).start().await.unwrap();
    let signed_in = emulator.sign_in("oauth2").unwrap();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let refresh = async |refresh_token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let request = http.post(emulator.local("https://oauth2.example/token")).form(&form);
        let reply =
            request.basic_auth("oauth2-client-id", Some("oauth2-client-secret")).send().await.unwrap();
        reply.json::<Value>().await.unwrap()
    };
    let first = refresh(signed_in.refresh_token().unwrap()).await;
    assert!(first["access_token"].is_string(), "{first}");
    assert_eq!(refresh(signed_in.refresh_token().unwrap()).await, first);
    assert_eq!(emulator.count_requests("oauth2", Endpoint::Refresh).unwrap(), 2);
    assert_eq!(emulator.count_requests("oauth2", Endpoint::Profile).unwrap(), 0);

    tokio::time::sleep(grace).await;
    assert_eq!(refresh(signed_in.refresh_token().unwrap()).await["error"], "invalid_grant");
    assert_eq!(refresh(first["refresh_token"].as_str().unwrap()).await["error"], "invalid_grant");
}
