//! What the providers that speak OpenID Connect do in their own ways.

use crate::*;

pub(crate) const AMAZON_COGNITO: Case = Case {
    provider: "amazon-cognito",
    authorize: "https://my-pool.auth.eu-central-1.amazoncognito.com/oauth2/authorize",
    token: "https://my-pool.auth.eu-central-1.amazoncognito.com/oauth2/token",
    ..OPENID
};
pub(crate) const AUTH0: Case = Case {
    provider: "auth0",
    authorize: "https://my-tenant.eu.auth0.com/authorize",
    token: "https://my-tenant.eu.auth0.com/oauth/token",
    scope: "openid profile email offline_access",
    ..OPENID
};
pub(crate) const AUTHENTIK: Case = Case {
    provider: "authentik",
    authorize: "https://authentik.example/application/o/authorize/",
    token: "https://authentik.example/application/o/token/",
    scope: "openid profile email offline_access",
    ..OPENID
};
pub(crate) const GITLAB: Case = Case {
    provider: "gitlab",
    authorize: "https://gitlab.com/oauth/authorize",
    token: "https://gitlab.com/oauth/token",
    ..OPENID
};
pub(crate) const KEYCLOAK: Case = Case {
    provider: "keycloak",
    authorize: "https://keycloak.example/realms/demo/protocol/openid-connect/auth",
    token: "https://keycloak.example/realms/demo/protocol/openid-connect/token",
    ..OPENID
};
pub(crate) const LINE: Case = Case {
    provider: "line",
    authorize: "https://access.line.me/oauth2/v2.1/authorize",
    token: "https://api.line.me/oauth2/v2.1/token",
    basic: false,
    ..OPENID
};
pub(crate) const LOGIN_GOV: Case = Case {
    provider: "login-gov",
    authorize: "https://secure.login.gov/openid_connect/authorize",
    token: "https://secure.login.gov/api/openid_connect/token",
    scope: "openid email",
    extra: &[("nonce", NONCE), ("acr_values", "urn:acr.login.gov:auth-only"), ("prompt", "select_account")],
    basic: false,
    refresh: false,
    ..OPENID
};
pub(crate) const LOGTO: Case = Case {
    provider: "logto",
    authorize: "https://my-tenant.logto.app/oidc/auth",
    token: "https://my-tenant.logto.app/oidc/token",
    scope: "openid profile email offline_access",
    extra: &[("nonce", NONCE), ("prompt", "consent")],
    ..OPENID
};
pub(crate) const ONELOGIN: Case = Case {
    provider: "onelogin",
    authorize: "https://my-company.onelogin.com/oidc/2/auth",
    token: "https://my-company.onelogin.com/oidc/2/token",
    refresh: false,
    ..OPENID
};
pub(crate) const PING_ID: Case = Case {
    provider: "ping-id",
    authorize: "https://auth.pingone.eu/3b0a4a4e-1c1a-4a57-9a7a-3b7b8d0f7d11/as/authorize",
    token: "https://auth.pingone.eu/3b0a4a4e-1c1a-4a57-9a7a-3b7b8d0f7d11/as/token",
    refresh: false,
    ..OPENID
};
pub(crate) const SALESFORCE: Case = Case {
    provider: "salesforce",
    authorize: "https://login.salesforce.com/services/oauth2/authorize",
    token: "https://login.salesforce.com/services/oauth2/token",
    scope: "openid profile email refresh_token",
    ..OPENID
};
pub(crate) const TWITCH: Case = Case {
    provider: "twitch",
    authorize: "https://id.twitch.tv/oauth2/authorize",
    token: "https://id.twitch.tv/oauth2/token",
    scope: "openid user:read:email",
    extra: &[
        ("nonce", NONCE),
        ("claims", r#"{"id_token":{"email":null},"userinfo":{"email":null,"email_verified":null}}"#),
    ],
    basic: false,
    pkce: false,
    ..OPENID
};
pub(crate) const WORKOS: Case = Case {
    provider: "workos",
    authorize: "https://api.workos.com/sso/authorize",
    token: "https://api.workos.com/sso/token",
    scope: "",
    extra: &[("organization", "org_01EHWNCE74X7JSDV0X3SZ3KJNY")],
    basic: false,
    refresh: false,
    ..OPENID
};
pub(crate) const YAHOO: Case = Case {
    provider: "yahoo",
    authorize: "https://api.login.yahoo.com/oauth2/request_auth",
    token: "https://api.login.yahoo.com/oauth2/get_token",
    pkce: false,
    ..OPENID
};
pub(crate) const ZITADEL: Case = Case {
    provider: "zitadel",
    authorize: "https://my-instance.eu1.zitadel.cloud/oauth/v2/authorize",
    token: "https://my-instance.eu1.zitadel.cloud/oauth/v2/token",
    scope: "openid profile email offline_access",
    ..OPENID
};

pub(crate) const MORE: [Case; 15] = [
    AMAZON_COGNITO,
    AUTH0,
    AUTHENTIK,
    GITLAB,
    KEYCLOAK,
    LINE,
    LOGIN_GOV,
    LOGTO,
    ONELOGIN,
    PING_ID,
    SALESFORCE,
    TWITCH,
    WORKOS,
    YAHOO,
    ZITADEL,
];

#[tokio::test]
async fn each_issuer_is_spelt_as_its_metadata_spells_it() {
    let lab = Lab::new().await;
    let expected = [
        (
            AMAZON_COGNITO,
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE",
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE",
            Algorithm::RS256,
        ),
        (AUTH0, "https://my-tenant.eu.auth0.com/", "https://my-tenant.eu.auth0.com", Algorithm::RS256),
        (
            AUTHENTIK,
            "https://authentik.example/application/o/my-app/",
            "https://authentik.example/application/o/my-app",
            Algorithm::RS256,
        ),
        (GITLAB, "https://gitlab.com", "https://gitlab.com", Algorithm::RS256),
        (
            KEYCLOAK,
            "https://keycloak.example/realms/demo",
            "https://keycloak.example/realms/demo",
            Algorithm::RS256,
        ),
        (LOGIN_GOV, "https://secure.login.gov/", "https://secure.login.gov", Algorithm::RS256),
        (LOGTO, "https://my-tenant.logto.app/oidc", "https://my-tenant.logto.app/oidc", Algorithm::ES384),
        (
            ONELOGIN,
            "https://my-company.onelogin.com/oidc/2",
            "https://my-company.onelogin.com/oidc/2",
            Algorithm::RS256,
        ),
        (
            PING_ID,
            "https://auth.pingone.eu/3b0a4a4e-1c1a-4a57-9a7a-3b7b8d0f7d11/as",
            "https://auth.pingone.eu/3b0a4a4e-1c1a-4a57-9a7a-3b7b8d0f7d11/as",
            Algorithm::RS256,
        ),
        (SALESFORCE, "https://login.salesforce.com", "https://login.salesforce.com", Algorithm::RS256),
        (TWITCH, "https://id.twitch.tv/oauth2", "https://id.twitch.tv/oauth2", Algorithm::RS256),
        (YAHOO, "https://api.login.yahoo.com", "https://api.login.yahoo.com", Algorithm::ES256),
        (
            ZITADEL,
            "https://my-instance.eu1.zitadel.cloud",
            "https://my-instance.eu1.zitadel.cloud",
            Algorithm::RS256,
        ),
    ];
    for (case, issuer, base, alg) in expected {
        let reply = lab.backend.get(lab.emulator.local(&format!("{base}/.well-known/openid-configuration")));
        let reply = reply.send().await.unwrap();
        assert_eq!(reply.headers()["cache-control"], "public, max-age=3600");
        let (_, document) = json(reply).await;
        assert_eq!(document["issuer"], issuer, "{}", case.provider);
        assert_eq!(document["token_endpoint"], case.token, "{}", case.provider);
        let token = lab.sign_in(&case).await;
        let set = keys(&lab, document["jwks_uri"].as_str().unwrap()).await;
        let claims = claims(token["id_token"].as_str().unwrap(), &set, alg, &case.id()).unwrap();
        assert_eq!((&claims["iss"], &claims["nonce"]), (&json!(issuer), &json!(NONCE)), "{}", case.provider);
        let userinfo = document["userinfo_endpoint"].as_str().unwrap();
        assert_eq!(lab.profile(userinfo, &token).await["sub"], claims["sub"], "{}", case.provider);
    }
}

#[tokio::test]
async fn keycloaks_oauth_metadata_stands_between_host_and_path() {
    let lab = Lab::new().await;
    let url = "https://keycloak.example/.well-known/oauth-authorization-server/realms/demo";
    let (_, document) = json(lab.backend.get(lab.emulator.local(url)).send().await.unwrap()).await;
    assert_eq!(document["issuer"], "https://keycloak.example/realms/demo");
    assert_eq!(document["token_endpoint"], KEYCLOAK.token);
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
}

#[tokio::test]
async fn userinfo_beside_an_api_is_signed_for_who_registered_that() {
    let app = App::default_of("gitlab").with_userinfo_signed_response_alg(SigningAlg::RS256);
    let lab = Lab::with(Emulator::builder().app("gitlab", app).start().await.unwrap());
    let token = lab.sign_in(&GITLAB).await;
    let reply = lab.get("https://gitlab.com/oauth/userinfo", &token).send().await.unwrap();
    assert_eq!(reply.headers()["content-type"], "application/jwt");
    assert_eq!(payload(&reply.text().await.unwrap())["email"], "ada@example.com");
}

#[tokio::test]
async fn line_signs_with_the_channel_secret_for_the_web() {
    let lab = Lab::new().await;
    let (_, document) = json(
        lab.backend
            .get(lab.emulator.local("https://access.line.me/.well-known/openid-configuration"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["ES256"]));
    let token = lab.sign_in(&LINE).await;
    let id_token = token["id_token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(id_token).unwrap();
    assert_eq!((header.alg, header.kid), (Algorithm::HS256, None));
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[LINE.id()]);
    let secret = DecodingKey::from_secret(LINE.secret().as_bytes());
    let found = jsonwebtoken::decode::<Value>(id_token, &secret, &validation).unwrap().claims;
    assert_eq!(found["email"], "ada@example.com");
    let userinfo = lab.profile("https://api.line.me/oauth2/v2.1/userinfo", &token).await;
    assert!(userinfo.get("email").is_none(), "{userinfo}");

    // What an application on a phone gets.
    let app = App::default_of("line").with_id_token_signed_response_alg(SigningAlg::ES256);
    let lab = Lab::with(Emulator::builder().app("line", app).start().await.unwrap());
    let token = lab.sign_in(&LINE).await;
    let set = keys(&lab, "https://api.line.me/oauth2/v2.1/certs").await;
    assert!(claims(token["id_token"].as_str().unwrap(), &set, Algorithm::ES256, &LINE.id()).is_some());

    let revoke = lab.emulator.local("https://api.line.me/oauth2/v2.1/revoke");
    let access_token = token["access_token"].as_str().unwrap();
    let id = LINE.id();
    let post =
        |name: &'static str| lab.backend.post(&revoke).form(&[(name, access_token), ("client_id", &*id)]);
    assert_eq!(post("token").send().await.unwrap().status(), 400);
    assert_eq!(post("access_token").send().await.unwrap().status(), 200);
    let reply = lab.get("https://api.line.me/oauth2/v2.1/userinfo", &token).send().await.unwrap();
    assert_eq!(reply.status(), 401);
}

#[tokio::test]
async fn zitadel_has_several_audiences_and_thin_id_tokens() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&ZITADEL).await;
    let found = payload(token["id_token"].as_str().unwrap());
    assert_eq!(found["aud"][0], ZITADEL.id());
    assert_eq!(found["aud"].as_array().unwrap().len(), 3);
    assert_eq!(found["azp"], ZITADEL.id());
    assert!(found.get("email").is_none(), "{found}");
    let userinfo = lab.profile("https://my-instance.eu1.zitadel.cloud/oidc/v1/userinfo", &token).await;
    assert_eq!(userinfo["email"], "ada@example.com");
}

#[tokio::test]
async fn twitch_tells_what_the_claims_parameter_asks_for() {
    let lab = Lab::new().await;
    let token = lab.sign_in(&TWITCH).await;
    assert_eq!(token["scope"], json!(["openid", "user:read:email"]));
    let found = payload(token["id_token"].as_str().unwrap());
    assert_eq!((&found["email"], found.get("email_verified")), (&json!("ada@example.com"), None));
    let userinfo = lab.profile("https://id.twitch.tv/oauth2/userinfo", &token).await;
    assert_eq!(userinfo["email_verified"], true);
    assert!(userinfo.get("picture").is_none(), "{userinfo}");

    let helix = lab.get("https://api.twitch.tv/helix/users", &token);
    assert_eq!(helix.send().await.unwrap().status(), 401, "without the application's id");
    let helix = lab.get("https://api.twitch.tv/helix/users", &token).header("client-id", TWITCH.id());
    let (status, users) = json(helix.send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &users["data"][0]["email"]), (200, &json!("ada@example.com")));

    let (status, error) = json(lab.token(&TWITCH, &TWITCH.form("x")).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &error["status"], error.get("error")), (400, &json!(400), None));
    let revoke = lab.emulator.local("https://id.twitch.tv/oauth2/revoke");
    let revoke = |id: &str, token: &str| {
        let request = lab.backend.post(&revoke).form(&[("client_id", id), ("token", token)]);
        async { request.send().await.unwrap().status().as_u16() }
    };
    let access_token = token["access_token"].as_str().unwrap();
    assert_eq!(revoke("nobody", access_token).await, 404);
    assert_eq!(revoke(&TWITCH.id(), "x").await, 400);
    assert_eq!(revoke(&TWITCH.id(), access_token).await, 200);
}

#[tokio::test]
async fn cognito_and_auth0_revoke_refresh_tokens_only() {
    let lab = Lab::new().await;
    let cases = [
        (
            AMAZON_COGNITO,
            "https://my-pool.auth.eu-central-1.amazoncognito.com/oauth2/revoke",
            "https://my-pool.auth.eu-central-1.amazoncognito.com/oauth2/userInfo",
        ),
        (AUTH0, "https://my-tenant.eu.auth0.com/oauth/revoke", "https://my-tenant.eu.auth0.com/userinfo"),
    ];
    for (case, revoke, profile) in cases {
        let token = lab.sign_in(&case).await;
        let case = Case { token: revoke, ..case };
        let form = |name: &str| [("token".to_owned(), token[name].as_str().unwrap().to_owned())];
        let (_, error) = json(lab.token(&case, &form("access_token")).send().await.unwrap()).await;
        assert_eq!(error["error"], "unsupported_token_type");
        assert_eq!(lab.get(profile, &token).send().await.unwrap().status(), 200);
        assert_eq!(lab.token(&case, &form("refresh_token")).send().await.unwrap().status(), 200);
        assert_eq!(lab.get(profile, &token).send().await.unwrap().status(), 401);
    }
}

#[tokio::test]
async fn replies_have_the_providers_own_members() {
    let lab = Lab::new().await;
    let cognito = lab.sign_in(&AMAZON_COGNITO).await;
    let found = payload(cognito["id_token"].as_str().unwrap());
    assert_eq!((&found["token_use"], &found["email_verified"]), (&json!("id"), &json!(true)));
    let userinfo =
        lab.profile("https://my-pool.auth.eu-central-1.amazoncognito.com/oauth2/userInfo", &cognito).await;
    assert_eq!(userinfo["email_verified"], "true");

    let salesforce = lab.sign_in(&SALESFORCE).await;
    let id = "https://login.salesforce.com/id/00D000000000001EAA/1815121018521127";
    assert_eq!((&salesforce["id"], salesforce.get("expires_in")), (&json!(id), None));
    assert_eq!(payload(salesforce["id_token"].as_str().unwrap())["sub"], id);

    let callback = lab.code(&KEYCLOAK).await;
    assert_eq!(callback["iss"], "https://keycloak.example/realms/demo");
    let keycloak = lab.sign_in(&KEYCLOAK).await;
    assert_eq!(keycloak["refresh_expires_in"], 1800);
    let found = payload(keycloak["id_token"].as_str().unwrap());
    assert_eq!((&found["typ"], &found["azp"]), (&json!("ID"), &json!(KEYCLOAK.id())));
    assert_eq!(found["sid"], callback["session_state"]);

    assert!(lab.sign_in(&GITLAB).await["created_at"].is_i64());
    let mut api = GITLAB.params();
    set(&mut api, "scope", "read_user");
    let code = lab.answer(lab.authorize(&GITLAB, &api).await, "allow").await.remove("code").unwrap();
    let (_, gitlab) = json(lab.token(&GITLAB, &GITLAB.form(&code)).send().await.unwrap()).await;
    assert!(gitlab.get("id_token").is_none(), "openid was not asked for");
    assert!(lab.profile("https://gitlab.com/api/v4/user", &gitlab).await["id"].is_u64());

    let workos = lab.sign_in(&WORKOS).await;
    assert_eq!((&workos["profile"]["first_name"], workos.get("token_type")), (&json!("Ada"), None));
    let profile = lab.profile("https://api.workos.com/sso/profile", &workos).await;
    assert_eq!(profile["id"], workos["profile"]["id"]);

    assert_eq!(lab.sign_in(&YAHOO).await["xoauth_yahoo_guid"], "1815121018521127");
    let document = lab.emulator.local("https://api.login.yahoo.com/.well-known/openid-configuration");
    let (_, document) = json(lab.backend.get(document).send().await.unwrap()).await;
    assert!(document.get("revocation_endpoint").is_none());
    assert_eq!(document["token_revocation_endpoint"], "https://api.login.yahoo.com/oauth2/revoke");
}

#[tokio::test]
async fn login_gov_and_workos_want_their_parameters() {
    let lab = Lab::new().await;
    let change = |case: Case, name: &'static str, value: &'static str| {
        let mut params = case.params();
        set(&mut params, name, value);
        (case, params)
    };
    let refused = [
        change(LOGIN_GOV, "state", "short"),
        change(LOGIN_GOV, "nonce", "short"),
        change(LOGIN_GOV, "prompt", "login"),
        (LOGIN_GOV, without(LOGIN_GOV.params(), "acr_values")),
        (WORKOS, without(WORKOS.params(), "organization")),
        change(WORKOS, "provider", "GoogleOAuth"),
    ];
    for (case, params) in refused {
        let reply = lab.authorize(&case, &params).await;
        assert_eq!(callback(&reply)["error"], "invalid_request", "{} {params:?}", case.provider);
    }
    let token = lab.sign_in(&LOGIN_GOV).await;
    let found = payload(token["id_token"].as_str().unwrap());
    assert_eq!((&found["acr"], found.get("email")), (&json!("urn:acr.login.gov:auth-only"), None));
    let userinfo = lab.profile("https://secure.login.gov/api/openid_connect/userinfo", &token).await;
    assert_eq!(
        (&userinfo["iss"], &userinfo["email_verified"]),
        (&json!("https://secure.login.gov"), &json!(true))
    );
}

#[tokio::test]
async fn an_application_authenticates_by_a_signed_assertion() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let private = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap();
    let app = App::default_of("login-gov").with_jwks(json!({"keys": [jwk]}));
    let lab = Lab::with(Emulator::builder().app("login-gov", app).start().await.unwrap());
    let assertion = |change: &dyn Fn(&mut Value)| {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": LOGIN_GOV.id(),
            "sub": LOGIN_GOV.id(),
            "aud": LOGIN_GOV.token,
            "jti": format!("{now}-{}", rand()),
            "exp": now + 60,
        });
        change(&mut claims);
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &private).unwrap()
    };
    let redeem = async |assertion: String| {
        let code = lab.code(&LOGIN_GOV).await.remove("code").unwrap();
        let mut form = LOGIN_GOV.form(&code);
        form.push(("client_assertion".into(), assertion));
        form.push((
            "client_assertion_type".into(),
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into(),
        ));
        let request = lab.backend.post(lab.emulator.local(LOGIN_GOV.token)).form(&form);
        json(request.send().await.unwrap()).await
    };
    let good = assertion(&|_| ());
    assert_eq!(redeem(good.clone()).await.0, 200);
    let (status, error) = redeem(good).await;
    assert_eq!((status.as_u16(), &error["error"]), (401, &json!("invalid_client")), "used twice: {error}");
    type Change = &'static dyn Fn(&mut Value);
    let changes: [Change; 5] = [
        &|claims| claims["aud"] = json!("https://attacker.example"),
        &|claims| claims["exp"] = json!(1),
        &|claims| claims["iss"] = json!("other"),
        &|claims| claims["sub"] = json!("other"),
        &|claims| claims["jti"] = json!(null),
    ];
    for change in changes {
        assert_eq!(redeem(assertion(change)).await.0, 401);
    }
    // A public client needs none, and nobody can forge one.
    let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let other = EncodingKey::from_ec_der(other.to_pkcs8v1().unwrap().as_ref());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let claims = json!({"iss": LOGIN_GOV.id(), "sub": LOGIN_GOV.id(), "aud": LOGIN_GOV.token, "jti": "1", "exp": now + 60});
    let forged = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &other).unwrap();
    assert_eq!(redeem(forged).await.0, 401);
}

/// A text that was not there before.
fn rand() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    URL_SAFE_NO_PAD.encode(bytes)
}
