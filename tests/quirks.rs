//! What each provider does differently: for each quirk one test that fails without it. Whole sign-ins are in
//! `contract/`.

mod airtable;
mod amazon;
mod atlassian;
mod battlenet;
mod bitbucket;
mod box_;
mod calendly;
mod click_up;
mod cloudflare;
mod digitalocean;
mod docusign;
mod dropbox;
mod entra;
mod epicgames;
mod etsy;
mod eveonline;
mod figma;
mod gitea;
mod hubspot;
mod huggingface;
mod instagram;
mod intercom;
mod intuit;
mod kick;
mod lichess;
mod linear;
mod mailchimp;
mod mastodon;
mod nextcloud;
mod notion;
mod openstreetmap;
mod orcid;
mod osu;
mod patreon;
mod paypal;
mod pinterest;
mod pipedrive;
mod polar;
mod slack;
mod snapchat;
mod soundcloud;
mod spotify;
mod stackexchange;
mod strava;
mod stripe;
mod telegram;
mod threads;
mod tiktok;
mod todoist;
mod trakt;
mod tumblr;
mod vercel;
mod vimeo;
mod vkid;
mod wechat;
mod wikimedia;
mod x;
mod xero;
mod yandex;
mod zendesk;
mod zoho;
mod zoom;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    AuthorizationRequest, Callback, ClientAuth, ClientSecret, CodeVerifier, Configure, EmailVerification,
    Endpoint, ErrorClass, ErrorKind, JwtCheck, LoginOptions, OAuth2, OAuth2Token, Provider, ProviderConfig,
    Spec,
    apple::{AppleOAuth2, AppleSecret, AppleUser, is_relay},
    discord::DiscordOAuth2,
    facebook::FacebookOAuth2,
    franceconnect::FranceConnectOAuth2,
    github::{GitHubAuthorizeParams, GitHubOAuth2},
    google::{GoogleAuthorizeParams, GoogleOAuth2},
    kakao::KakaoOAuth2,
    line::LineOAuth2,
    linkedin::{LEGACY_SCOPES, LinkedInOAuth2},
    microsoft::{MicrosoftCloud, MicrosoftGraphOAuth2},
    naver::NaverOAuth2,
    openid::{IdToken, OpenIDProvider},
    provider_kit::TokenSpec,
    reddit::RedditOAuth2,
    shopify::{ShopifyAuthorizeParams, ShopifyOAuth2},
};
use oauth_emulator::{Consent, Emulator, User};
use serde_json::{Value, json};

use crate::support::{Script, owned, query_of, reply};

async fn url(provider: &impl Provider) -> Vec<(String, String)> {
    query_of(
        &provider.get_authorization_url(AuthorizationRequest::new("https://app.example/cb")).await.unwrap(),
    )
}

async fn url_of(provider: &impl Provider) -> String {
    provider.get_authorization_url(AuthorizationRequest::new("https://app.example/cb")).await.unwrap()
}

/// A provider as a configuration file has it, with these settings of its own.
async fn configured(name: &str, mut settings: Value) -> oauth_clients::Result<std::sync::Arc<dyn Provider>> {
    settings["client_id"] = json!("id");
    settings["client_secret"] = json!("secret");
    let config: ProviderConfig = serde_json::from_value(settings).unwrap();
    let entry = oauth_clients::RegistryEntry::new(config);
    oauth_clients::Registry::build(name, &entry).await
}

fn value<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
}

fn json_replies(bodies: impl IntoIterator<Item = Value>) -> Script {
    Script::new(bodies.into_iter().map(|body| reply(200, "application/json", body.to_string())))
}

/// A key on P-256 that signs for nobody; `openssl ecparam -genkey -noout -name prime256v1 | openssl pkcs8 -topk8 -nocrypt`.
const P256: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5f8hnAKes3C39P7j
ZoraK0snfld69K+Q24fgPDEHlaKhRANCAAQIRBkGnch5M5gFz25n/T3JPk04tlyF
vCkbC5vsw4p0sH/8Zaz9z25eVpoD+Xbyc4ENcJdoNq02ACGC4zqIjdMa
-----END PRIVATE KEY-----";
/// A key on P-384 that signs for nobody.
const P384: &str = "\
-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDC9h+Jb6I2eGIzcUcS/
TkC6ogFg8etzdZnDgV5WKhBwRCnKGipg0N3BFigzUM08wmOhZANiAAQoDbAiCvi2
QYGQslqbZrAceR4qFLysWViMKg1HUZXNy1vYOyGrBzf1G0QDVvziaOSgyB2uSvUN
fGUEwVBP0G7VglPnSbHLURhqMPR98ajImzt7wxx2BunmeeEFndDDGvo=
-----END PRIVATE KEY-----";

fn apple() -> AppleOAuth2 {
    AppleOAuth2::new("id", AppleSecret::new("TEAM", "KEY", P256).unwrap())
}

fn unix_time() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

#[tokio::test]
async fn apple_signs_a_new_secret_for_each_request() {
    let http = json_replies([json!({"access_token": "AT"}), json!({"access_token": "AT"}), json!({})]);
    let apple = apple().with_http_client(http.clone());
    apple.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    apple.refresh_token("RT", None).await.unwrap();
    apple.revoke_token("RT", Some("refresh_token")).await.unwrap();
    let mut secrets = Vec::new();
    for (sent, url) in http.requests().iter().zip(["token", "token", "revoke"]) {
        assert_eq!(sent.url, format!("https://appleid.apple.com/auth/{url}"));
        assert_eq!((sent.header("authorization"), value(&sent.form(), "client_id")), (None, Some("id")));
        let secret = value(&sent.form(), "client_secret").unwrap().to_owned();
        let part = |at: usize| -> Value {
            let part = secret.split('.').nth(at).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!((&part(0)["alg"], &part(0)["kid"]), (&json!("ES256"), &json!("KEY")));
        let claims = part(1);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("TEAM"), &json!("id")));
        assert_eq!(claims["aud"], "https://appleid.apple.com");
        let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!((unix_time() - 5..=unix_time()).contains(&issued) && expires - issued == 300, "{claims}");
        secrets.push(secret);
    }
    // ECDSA signs the same text differently each time.
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), 3);
    assert!(!format!("{apple:?} {:?}", AppleSecret::new("TEAM", "KEY", P256).unwrap()).contains("MIG"));
}

#[tokio::test]
async fn apple_wants_a_key_on_p256_and_no_secret() {
    let sec1 = P256.replace("PRIVATE KEY", "EC PRIVATE KEY");
    for bad in ["", "secret", P384, &sec1, &P256.replace("MIG", "AAA"), &P256[..100]] {
        let error = AppleSecret::new("TEAM", "KEY", bad).unwrap_err();
        assert_eq!((error.class(), error.provider()), (ErrorClass::Configuration, "apple"));
        assert!(error.to_string().contains(".p8"), "{error}");
    }
    assert!(AppleSecret::new("TEAM", "KEY", &format!("\r\n{}\r\n", P256.replace('\n', "\r\n"))).is_ok());

    let file = std::env::temp_dir().join(format!("oauth-clients-apple-{}.p8", std::process::id()));
    std::fs::write(&file, P256).unwrap();
    let build = async |settings: Value| {
        let config: ProviderConfig = serde_json::from_value(settings).unwrap();
        oauth_clients::Registry::build("apple", &oauth_clients::RegistryEntry::new(config)).await
    };
    let complete = json!({"client_id": "id", "team_id": "TEAM", "key_id": "KEY", "private_key_file": file});
    assert_eq!(build(complete.clone()).await.unwrap().name(), "apple");
    for (name, with, words) in [
        ("team_id", Value::Null, "team_id is missing"),
        ("key_id", Value::Null, "key_id is missing"),
        ("private_key_file", Value::Null, "private_key_env"),
        ("private_key_file", json!("/nonexistent.p8"), "/nonexistent.p8"),
        ("private_key_env", json!("OAUTH_CLIENTS_UNSET"), "one of the two"),
        ("client_secret", json!("s"), "no client secret"),
        ("private_key", json!("s"), "private_key_file"),
    ] {
        let mut settings = complete.clone();
        settings[name] = with;
        settings.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let error = build(settings).await.unwrap_err();
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
    let mut settings = complete;
    settings.as_object_mut().unwrap().remove("private_key_file");
    settings["private_key_env"] = json!("OAUTH_CLIENTS_UNSET");
    assert!(build(settings).await.unwrap_err().to_string().contains("OAUTH_CLIENTS_UNSET"));
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn apple_comes_back_by_a_form_and_wants_no_plus_signs() {
    let apple = apple();
    assert!(apple.oauth2().uses_form_post());
    let options = LoginOptions::new().extras_params(&json!({"locale": "a+b c"}));
    let started = apple.start_login("https://app.example/cb", options).await.unwrap();
    assert!(started.attempt.is_form_post() && started.attempt.nonce().is_some());
    assert!(started.attempt.code_verifier().is_none() && !started.url.contains("code_challenge"));
    assert!(
        started.url.contains("&scope=name%20email&") && started.url.contains("=a%2Bb%20c"),
        "{}",
        started.url
    );
    let query = query_of(&started.url);
    assert_eq!(value(&query, "response_mode"), Some("form_post"));
    assert_eq!(value(&query, "nonce"), started.attempt.nonce());

    // The mode is that of the URL, whoever set it; and it survives storage.
    let by_query = LoginOptions::new().extras_params(&json!({"response_mode": "query"}));
    let started = apple.start_login("https://app.example/cb", by_query).await.unwrap();
    assert!(!started.attempt.is_form_post());
    let microsoft = MicrosoftGraphOAuth2::new("id", "s").with_any_tenant();
    assert!(!microsoft.oauth2().uses_form_post());
    let posting = LoginOptions::new().extras_params(&json!({"response_mode": "form_post"}));
    let started = microsoft.start_login("https://app.example/cb", posting).await.unwrap();
    let stored = serde_json::to_string(&started.attempt).unwrap();
    assert!(serde_json::from_str::<oauth_clients::LoginAttempt>(&stored).unwrap().is_form_post());
    let started = microsoft.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(!serde_json::to_string(&started.attempt).unwrap().contains("form_post"));
    assert!(
        microsoft.with_authorize_params(&json!({"response_mode": "form_post"})).oauth2().uses_form_post()
    );
    let endpoint = "https://as.example/authorize?response_mode=form_post";
    let fixed = oauth_clients::OAuth2::new("id", "s", endpoint, "https://as.example/token");
    assert!(fixed.with_authorize_params(&json!({"response_mode": "query"})).oauth2().uses_form_post());
}

#[tokio::test]
async fn apple_tells_who_signed_in_by_the_id_token() {
    let emulator = Emulator::start().await.unwrap();
    let apple = oauth_demo::client(&emulator, "apple").await.unwrap();
    let started = apple.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let login = apple.finish_login(started.attempt, callback).await.unwrap();
    let id_token = IdToken::of(&login).unwrap();
    let identity = apple.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.key(), ("https://appleid.apple.com", id_token.subject()));
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Verified);

    let mut broken = id_token.raw().to_owned();
    broken.replace_range(broken.len() - 2.., "AA");
    let token = serde_json::from_value(json!({"access_token": "AT", "id_token": broken})).unwrap();
    let error = apple.get_identity(&token).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Signature), "{error}");
    // An access token alone tells nothing.
    for error in [
        apple.get_profile("AT").await.unwrap_err(),
        apple.get_id_email("AT").await.unwrap_err(),
        apple.get_identity(&OAuth2Token::new("AT")).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
        assert!(error.to_string().contains("get_identity"), "{error}");
    }
}

#[test]
fn apple_tells_the_name_in_the_first_callback() {
    let user = |json: &str| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("user", json).finish();
        AppleUser::from_callback(&Callback::from_query(&query))
    };
    let ada = user(r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"a@b.example"}"#).unwrap();
    assert_eq!((ada.first_name.as_deref(), ada.last_name.as_deref()), (Some("Ada"), Some("Lovelace")));
    assert_eq!(ada.name(), "Ada Lovelace");
    assert!(!format!("{ada:?}").contains("Ada"));
    assert_eq!(user(r#"{"name":{"firstName":"Ada","lastName":" "}}"#).unwrap().name(), "Ada");
    for none in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"email":"a@b.example"}"#,
        r#"{"name":{}}"#,
        r#"{"name":{"firstName":"","lastName":null}}"#,
        r#"{"name":"Ada"}"#,
        r#"{"name":{"firstName":1}}"#,
    ] {
        assert_eq!(user(none), None, "{none}");
    }
    assert_eq!(AppleUser::from_callback(&Callback::from_query("code=c&state=s")), None);
}

#[tokio::test]
async fn discord_authenticates_by_basic_and_vouches_only_when_it_says_so() {
    let http = json_replies([json!({"access_token": "AT"})]);
    let discord = DiscordOAuth2::new("id", "secret").with_http_client(http.clone());
    discord.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    assert_eq!(http.request().header("authorization"), Some("Basic aWQ6c2VjcmV0"));

    let profile =
        json!({"id": "1", "username": "ada", "global_name": null, "email": "a@b.example", "avatar": "a_1"});
    for (verified, expected) in
        [(json!(true), Some("a@b.example")), (json!(false), None), (Value::Null, None)]
    {
        let mut profile = profile.clone();
        profile["verified"] = verified;
        let discord =
            DiscordOAuth2::new("id", "secret").with_http_client(json_replies([profile.clone(), profile]));
        assert_eq!(discord.get_id_email("AT").await.unwrap(), ("1".to_owned(), expected.map(str::to_owned)));
        let identity = discord.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!(identity.name.as_deref(), Some("ada"));
        assert_eq!(identity.picture.as_deref(), Some("https://cdn.discordapp.com/avatars/1/a_1.gif"));
    }
}

#[tokio::test]
async fn facebook_proves_its_secret_and_exchanges_tokens_for_long_lived_ones() {
    let http = json_replies([
        json!({"id": "1", "name": "Ada"}),
        json!({"access_token": "LONG", "expires_in": 5_184_000}),
    ]);
    let facebook = FacebookOAuth2::new("id", "secret")
        .with_graph_version("v24.0")
        .unwrap()
        .with_http_client(http.clone());
    assert_eq!(facebook.get_id_email("AT").await.unwrap(), ("1".to_owned(), None));
    let token = facebook.get_long_lived_access_token("SHORT").await.unwrap();
    assert_eq!(token.access_token(), "LONG");
    let [profile, exchange] = &http.requests()[..] else { panic!() };
    assert_eq!(profile.url, "https://graph.facebook.com/v24.0/me");
    assert_eq!(profile.header("authorization"), Some("Bearer AT"));
    // `printf AT | openssl dgst -sha256 -hmac secret`
    let proof = "99253dcb10087ca9a43912b1ace6941f5950d05970324f7b9789bee56c6ba971";
    assert_eq!(value(&profile.query, "appsecret_proof"), Some(proof));
    assert_eq!(value(&profile.query, "access_token"), None);
    assert_eq!(exchange.url, "https://graph.facebook.com/v24.0/oauth/access_token");
    assert_eq!(
        exchange.form(),
        owned(&[
            ("grant_type", "fb_exchange_token"),
            ("fb_exchange_token", "SHORT"),
            ("client_id", "id"),
            ("client_secret", "secret")
        ])
    );

    let http = json_replies([json!({"id": "1"})]);
    FacebookOAuth2::new("id", ClientSecret::NONE)
        .with_http_client(http.clone())
        .get_profile("AT")
        .await
        .unwrap();
    assert_eq!(value(&http.request().query, "appsecret_proof"), None);
    assert_eq!(http.request().url, "https://graph.facebook.com/v26.0/me");
    assert_eq!(value(&url(&FacebookOAuth2::new("id", "s")).await, "scope"), Some("email,public_profile"));
    assert!(FacebookOAuth2::new("id", "s").with_graph_version("v1/../evil").is_err());

    let said = format!("Session expired: {proof}");
    let body = json!({"error": {"message": said, "type": "OAuthException", "code": 190, "fbtrace_id": "x"}});
    let facebook = FacebookOAuth2::new("id", "secret").with_http_client(Script::json(400, &body));
    let error = facebook.get_profile("AT").await.unwrap_err();
    assert_eq!((error.class(), &*error.oauth_error().unwrap().code), (ErrorClass::Reauthorize, "190"));
    assert_eq!(error.oauth_error().unwrap().description.as_deref(), Some("Session expired: [hidden]"));
}

#[tokio::test]
async fn facebook_says_what_is_only_for_a_while() {
    let limited = |transient: Value| {
        let message = "(#4) Application request limit reached";
        json!({"error": {"message": message, "type": "OAuthException", "is_transient": transient, "code": 4}})
    };
    let later = ErrorClass::Transient { retry_after: None };
    for (status, transient, profile, exchange) in [
        (403, json!(true), later, later),
        (200, json!(true), later, later),
        // The number says so too.
        (403, json!(false), later, later),
        (400, json!("true"), later, later),
    ] {
        let facebook = || {
            FacebookOAuth2::new("id", "s").with_http_client(Script::json(status, &limited(transient.clone())))
        };
        let error = facebook().get_profile("AT").await.unwrap_err();
        assert_eq!(error.class(), profile, "{status} {transient}");
        let outcome = facebook().get_access_token("c", "https://app.example/cb", None, &[]).await;
        assert_eq!(outcome.unwrap_err().class(), exchange, "{status} {transient}");
    }
}

#[tokio::test]
async fn facebook_tells_errors_of_the_exchange_apart() {
    let (secret, redirect) = (ErrorClass::Configuration, ErrorClass::Configuration);
    let (spent, later) = (ErrorClass::Reauthorize, ErrorClass::Transient { retry_after: None });
    let differs = "Error validating verification code. Please make sure your redirect_uri is identical to the one \
                   you used in the OAuth dialog request";
    for (code, subcode, message, class) in [
        (1, None, "Error validating client secret.", secret),
        (100, Some(33), "Error validating client secret.", secret),
        (
            101,
            None,
            "Error validating application. Cannot get application info due to a system error.",
            secret,
        ),
        (100, Some(36008), differs, redirect),
        (100, None, differs, redirect),
        (191, None, "Given URL is not allowed by the Application configuration.", redirect),
        (100, Some(36007), "This authorization code has expired.", spent),
        (100, Some(36009), "This authorization code has been used.", spent),
        (100, None, "Invalid verification code format.", spent),
        (4, None, "Application request limit reached", later),
        (17, Some(2446079), "User request limit reached", later),
        (613, None, "Calls to this api have exceeded the rate limit.", later),
        (2, None, "An unexpected error has occurred. Please retry your request later.", later),
    ] {
        let mut error =
            json!({"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "x"});
        if let Some(subcode) = subcode {
            error["error_subcode"] = json!(subcode);
        }
        let http = Script::json(400, &json!({ "error": error }));
        let facebook = FacebookOAuth2::new("id", "s").with_http_client(http);
        let error = facebook.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(error.class(), class, "{code} {subcode:?}: {error}");
        assert!(error.to_string().contains(&message[..20]), "{error}");
        let http = Script::json(
            400,
            &json!({ "error": {"message": message, "code": code, "error_subcode": subcode} }),
        );
        let facebook = FacebookOAuth2::new("id", "s").with_http_client(http);
        let error = facebook.get_long_lived_access_token("AT").await.unwrap_err();
        if class != spent {
            assert_eq!(error.class(), class, "{code} {subcode:?}: {error}");
        }
    }
    // Of the API, the same numbers say something else.
    let wrong = json!({"error": {"message": "(#100) Tried accessing nonexisting field", "code": 100}});
    let facebook = FacebookOAuth2::new("id", "s").with_http_client(Script::json(400, &wrong));
    assert_eq!(facebook.get_profile("AT").await.unwrap_err().class(), ErrorClass::Protocol);
}

#[tokio::test]
async fn franceconnect_ends_a_token_by_revocation() {
    let http = Script::new([reply(200, "", "")]);
    let franceconnect = FranceConnectOAuth2::integration("id", "s").with_http_client(http.clone());
    franceconnect.revoke_token("AT", Some("access_token")).await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://fcp-low.sbx.dev-franceconnect.fr/api/v2/token/revocation");
    assert_eq!(value(&sent.form(), "client_secret"), Some("s"));
    let version_1 = FranceConnectOAuth2::version_1("id", "s").revoke_token("AT", None).await.unwrap_err();
    assert!(matches!(version_1.kind(), ErrorKind::Unsupported(_)), "{version_1}");
}

#[tokio::test]
async fn franceconnect_always_sends_a_nonce_and_no_challenge_of_its_own() {
    let verifier = CodeVerifier::random().unwrap();
    for client in [FranceConnectOAuth2::new("id", "s"), FranceConnectOAuth2::version_1("id", "s")] {
        let request = AuthorizationRequest::new("https://app.example/cb").pkce(&verifier);
        let query = query_of(&client.get_authorization_url(request).await.unwrap());
        assert_eq!(value(&query, "nonce").map(str::len), Some(43));
        assert!(value(&query, "code_challenge").is_some());
        let request = AuthorizationRequest::new("https://app.example/cb").nonce("mine");
        assert_eq!(
            value(&query_of(&client.get_authorization_url(request).await.unwrap()), "nonce"),
            Some("mine")
        );
    }
    // What it does not know it refuses, and a challenge is among that: it is the caller's who wants one.
    let started = FranceConnectOAuth2::new("id", "s");
    let started = started.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let query = query_of(&started.url);
    let mut names: Vec<_> = query.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    let known =
        ["acr_values", "client_id", "nonce", "prompt", "redirect_uri", "response_type", "scope", "state"];
    assert_eq!((names, started.attempt.code_verifier().is_none()), (known.to_vec(), true));

    let query = url(&FranceConnectOAuth2::new("id", "s")).await;
    assert_eq!((value(&query, "acr_values"), value(&query, "prompt")), (Some("eidas1"), Some("consent")));

    let integration = FranceConnectOAuth2::integration("id", "s");
    assert_eq!(
        integration.oauth2().endpoints().token(),
        "https://fcp-low.sbx.dev-franceconnect.fr/api/v2/token"
    );
    assert_eq!(integration.oauth2().issuer(), Some("https://fcp-low.sbx.dev-franceconnect.fr/api/v2"));
    let old = FranceConnectOAuth2::version_1_integration("id", "s");
    assert_eq!(old.oauth2().endpoints().token(), "https://fcp.integ01.dev-franceconnect.fr/api/v1/token");
}

#[tokio::test]
async fn franceconnect_signs_userinfo_and_a_plain_one_is_refused() {
    let plain = json!({"sub": "x", "email": "a@b.example"});
    let client = FranceConnectOAuth2::new("id", "s").with_http_client(json_replies([plain.clone()]));
    let error = client.get_profile("AT").await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Encryption), "{error}");
    // Version 1 signs nothing with a public key.
    let old = FranceConnectOAuth2::version_1("id", "s").with_http_client(json_replies([plain]));
    assert_eq!(old.get_id_email("AT").await.unwrap().0, "x");

    let emulator = Emulator::start().await.unwrap();
    let client = oauth_demo::client(&emulator, "franceconnect").await.unwrap();
    let started = client.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let token = client.finish_login(started.attempt, callback).await.unwrap().token;
    assert_eq!(
        client.get_identity(&token).await.unwrap().issuer,
        "https://oidc.franceconnect.gouv.fr/api/v2"
    );
}

#[tokio::test]
async fn github_finds_the_address_that_is_primary_and_knows_whether_it_is_verified() {
    let entry =
        |email: &str, primary, verified| json!({"email": email, "primary": primary, "verified": verified});
    for (emails, expected) in [
        (
            json!([entry("a@x", false, true), entry("b@x", true, true)]),
            Some(("b@x", EmailVerification::Verified)),
        ),
        (
            json!([entry("a@x", true, false), entry("b@x", false, true)]),
            Some(("b@x", EmailVerification::Verified)),
        ),
        (
            json!([entry("a@x", false, false), entry("b@x", false, true)]),
            Some(("b@x", EmailVerification::Verified)),
        ),
        (json!([entry("a@x", true, false)]), Some(("a@x", EmailVerification::Unverified))),
        (json!([entry("a@x", false, false)]), None),
        (json!([]), None),
    ] {
        let http =
            json_replies([json!({"id": 1, "login": "ada", "name": null, "email": null}), emails.clone()]);
        let github = GitHubOAuth2::new("id", "s").with_http_client(http.clone());
        let identity = github.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!((&*identity.subject, identity.name.as_deref()), ("1", Some("ada")));
        let found = identity.email.as_ref().map(|email| (&*email.address, email.verification));
        assert_eq!(found, expected, "{emails}");
        let urls: Vec<_> = http.requests().into_iter().map(|sent| sent.url).collect();
        assert_eq!(urls, ["https://api.github.com/user", "https://api.github.com/user/emails"]);
        // By default a page has thirty, and the primary address need not be among them.
        assert_eq!(http.requests()[1].query, owned(&[("per_page", "100")]));
    }
    // A public address takes no second call.
    let http = json_replies([json!({"id": 1, "email": "a@x"})]);
    let github = GitHubOAuth2::new("id", "s").with_http_client(http);
    assert_eq!(github.get_id_email("AT").await.unwrap().1.as_deref(), Some("a@x"));
    // An application without the permission still learns who it is; a server that is down is an error.
    for (status, fine) in [(403, true), (404, true), (500, false), (401, false)] {
        let http = Script::new([
            reply(200, "application/json", r#"{"id":1}"#),
            reply(status, "application/json", "{}"),
        ]);
        let github = GitHubOAuth2::new("id", "s").with_http_client(http);
        assert_eq!(github.get_id_email("AT").await.is_ok(), fine, "{status}");
    }
}

#[tokio::test]
async fn github_says_until_when_nothing_remains() {
    // No Retry-After comes with the limit of an hour, only with those against abuse.
    let limited = |status, remaining: &str, seconds: i64| {
        // Without a word of limits, so that the headers have to tell.
        let mut answer = reply(status, "application/json", r#"{"message":"Sorry."}"#);
        let reset = (unix_time() + seconds).to_string();
        for (name, value) in [("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", &*reset)] {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
        answer
    };
    let github = |replies| GitHubOAuth2::new("id", "s").with_http_client(Script::new(replies));
    for (status, remaining, seconds, expected) in [
        (403, "0", 600, Some(600)),
        (429, "0", 600, Some(600)),
        (403, "0", -5, Some(0)),
        (403, "0", 1_000_000, Some(86_400)),
        (403, "1", 600, None),
    ] {
        let error = github(vec![limited(status, remaining, seconds)]).get_profile("AT").await.unwrap_err();
        match (error.class(), expected) {
            (ErrorClass::Transient { retry_after: Some(wait) }, Some(expected)) => {
                assert!((expected - wait.as_secs() as i64).abs() <= 2, "{wait:?}");
            }
            (class, expected) => assert_eq!((class, expected), (ErrorClass::Protocol, None), "{status}"),
        }
    }
    // The last request that was allowed can be one that is refused for another reason.
    let mut dead = reply(403, "application/json", r#"{"error":"invalid_grant"}"#);
    dead.headers_mut().extend(limited(403, "0", 600).headers().clone());
    let error = github(vec![dead]).refresh_token("RT", None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
    // It is no want of permission: who has an address must not be signed in without.
    let user = || reply(200, "application/json", r#"{"id":1,"login":"ada"}"#);
    let error = github(vec![user(), limited(403, "0", 600)]).get_id_email("AT").await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error}");
    assert!(github(vec![user(), limited(403, "17", 600)]).get_id_email("AT").await.is_ok());
}

#[tokio::test]
async fn github_says_in_a_message_that_a_secondary_limit_is_reached() {
    let user = || reply(200, "application/json", r#"{"id":1,"login":"ada"}"#);
    for message in [
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.",
        "API rate limit exceeded for user ID 1.",
    ] {
        let limited = || reply(403, "application/json", json!({ "message": message }).to_string());
        let github = |replies| GitHubOAuth2::new("id", "s").with_http_client(Script::new(replies));
        let token = OAuth2Token::new("AT");
        for error in [
            // Who has an address must not be signed in without.
            github(vec![user(), limited()]).get_identity(&token).await.unwrap_err(),
            github(vec![limited()]).get_identity(&token).await.unwrap_err(),
            github(vec![limited()]).get_profile("AT").await.unwrap_err(),
            github(vec![limited()]).get_emails("AT").await.unwrap_err(),
            github(vec![limited()]).revoke(&token).await.unwrap_err(),
            github(vec![limited()]).revoke_token("AT", None).await.unwrap_err(),
        ] {
            assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{error:?}");
            assert!(error.to_string().contains(message), "{error}");
        }
    }
    let forbidden = r#"{"message":"Resource not accessible by integration"}"#;
    let http = Script::new([user(), reply(403, "application/json", forbidden)]);
    let github = GitHubOAuth2::new("id", "s").with_http_client(http);
    assert_eq!(github.get_id_email("AT").await.unwrap().1, None);
}

#[tokio::test]
async fn github_addresses_that_take_no_mail_are_none() {
    let entry =
        |email: &str, primary, verified| json!({"email": email, "primary": primary, "verified": verified});
    let noreply = "1+ada@users.noreply.github.com";
    for (public, emails, expected) in [
        (Value::Null, json!([entry(noreply, true, true)]), None),
        (Value::Null, json!([entry("ada@USERS.noreply.GitHub.com", true, true)]), None),
        (Value::Null, json!([entry("ada@users.noreply.octocorp.ghe.com", true, true)]), None),
        (Value::Null, json!([entry(noreply, true, true), entry("a@x", false, true)]), Some("a@x")),
        (json!(noreply), json!([entry("a@x", true, true), entry(noreply, false, true)]), Some("a@x")),
        (json!(noreply), json!([]), None),
        (Value::Null, json!([entry("ada@users.example", true, true)]), Some("ada@users.example")),
    ] {
        let http = json_replies([json!({"id": 1, "login": "ada", "email": public}), emails.clone()]);
        let github = GitHubOAuth2::new("id", "s").with_http_client(http);
        let identity = github.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!(identity.email.map(|email| email.address).as_deref(), expected, "{public} {emails}");
    }
}

#[tokio::test]
async fn github_tokens_expire_for_those_who_ask_for_it() {
    let emulator = Emulator::start().await.unwrap();
    let github = oauth_demo::client(&emulator, "github").await.unwrap();
    for (scopes, refreshes) in
        [(vec!["read:user", "user:email"], false), (vec!["read:user", "user:email", "offline_access"], true)]
    {
        let options = LoginOptions::new().scopes(scopes.into_iter().map(str::to_owned));
        let started = github.start_login("https://app.example/cb", options).await.unwrap();
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        assert_eq!(callback.get("iss"), Some("https://github.com/login/oauth"));
        let login = github.finish_login(started.attempt, callback).await.unwrap();
        assert_eq!(login.token.refresh_token().is_some(), refreshes);
        assert_eq!(login.token.expires_at().is_some(), refreshes);
        if refreshes {
            let new = github.refresh(&login.token, None).await.unwrap();
            assert_ne!(new.refresh_token(), login.token.refresh_token());
        }
    }
}

#[tokio::test]
async fn github_revokes_by_deleting_and_renders_booleans() {
    let http = Script::new([reply(204, "", "")]);
    let github = GitHubOAuth2::new("id", "secret").with_http_client(http.clone());
    github.revoke_token("AT", None).await.unwrap();
    let sent = http.request();
    assert_eq!((&*sent.method, &*sent.url), ("DELETE", "https://api.github.com/applications/id/token"));
    assert_eq!(sent.body, r#"{"access_token":"AT"}"#);
    assert_eq!(
        sent.headers,
        owned(&[
            ("accept", "application/json"),
            ("authorization", "Basic aWQ6c2VjcmV0"),
            ("content-type", "application/json")
        ])
    );
    let error = GitHubOAuth2::new("id", "s")
        .with_http_client(Script::new([reply(422, "", "")]))
        .revoke_token("AT", None)
        .await;
    assert!(error.is_err());

    let params =
        GitHubAuthorizeParams { login: Some("ada".to_owned()), allow_signup: Some(false), prompt: None };
    let query = url(&github.with_authorize_params(&params)).await;
    assert_eq!((value(&query, "allow_signup"), value(&query, "login")), (Some("false"), Some("ada")));
    assert_eq!(value(&query, "prompt"), None);
    assert!(GitHubOAuth2::new("id", "s").with_enterprise_server("http://ghe.example").is_err());
    // Hosts of servers often begin as github.com does.
    for base_url in ["https://github.company.example", "https://ghe.example/below/"] {
        let server = GitHubOAuth2::new("id", "s").with_enterprise_server(base_url).unwrap();
        let (endpoints, base_url) = (server.oauth2().endpoints(), base_url.trim_end_matches('/'));
        assert_eq!(endpoints.authorization(), format!("{base_url}/login/oauth/authorize"));
        assert_eq!(endpoints.token(), format!("{base_url}/login/oauth/access_token"));
        assert_eq!(
            endpoints.get(Endpoint::Revocation),
            Some(&*format!("{base_url}/api/v3/applications/id/token"))
        );
        assert_eq!(endpoints.get(Endpoint::Profile), Some(&*format!("{base_url}/api/v3/user")));
        assert_eq!(endpoints.other("emails").unwrap(), format!("{base_url}/api/v3/user/emails"));
        assert_eq!(
            endpoints.get(Endpoint::DeviceAuthorization),
            Some(&*format!("{base_url}/login/device/code"))
        );
    }
    // An enterprise whose data stay in a region has another host for its API.
    let resident = GitHubOAuth2::new("id", "s").with_enterprise_server("https://octocorp.ghe.com/").unwrap();
    let endpoints = resident.oauth2().endpoints();
    assert_eq!(endpoints.token(), "https://octocorp.ghe.com/login/oauth/access_token");
    assert_eq!(endpoints.get(Endpoint::Profile), Some("https://api.octocorp.ghe.com/user"));
    assert_eq!(endpoints.other("emails").unwrap(), "https://api.octocorp.ghe.com/user/emails");
    assert_eq!(
        endpoints.get(Endpoint::Revocation),
        Some("https://api.octocorp.ghe.com/applications/id/token")
    );
    for (base_url, profile) in [
        ("https://Octocorp.GHE.com", "https://api.octocorp.ghe.com/user"),
        ("https://example.org/x.ghe.com", "https://example.org/x.ghe.com/api/v3/user"),
    ] {
        let github = GitHubOAuth2::new("id", "s").with_enterprise_server(base_url).unwrap();
        assert_eq!(github.oauth2().endpoints().get(Endpoint::Profile), Some(profile));
    }
}

#[tokio::test]
async fn google_asks_for_offline_access_unless_told_otherwise_and_reaches_the_people_api() {
    let google = GoogleOAuth2::new("id", "s");
    assert_eq!(value(&url(&google).await, "access_type"), Some("offline"));
    let params = GoogleAuthorizeParams {
        access_type: Some("online".to_owned()),
        prompt: Some("consent select_account".to_owned()),
        login_hint: Some("ada@example.com".to_owned()),
        include_granted_scopes: Some(true),
        hd: Some("example.com".to_owned()),
    };
    let query = url(&google.clone().with_authorize_params(&params)).await;
    for (name, expected) in [
        ("access_type", "online"),
        ("prompt", "consent select_account"),
        ("login_hint", "ada@example.com"),
        ("include_granted_scopes", "true"),
        ("hd", "example.com"),
    ] {
        assert_eq!(query.iter().filter(|(other, _)| other == name).count(), 1);
        assert_eq!(value(&query, name), Some(expected));
    }
    let http = json_replies([json!({"resourceName": "people/1"})]);
    google.with_http_client(http.clone()).get_people_profile("AT").await.unwrap();
    let sent = http.request();
    assert_eq!(sent.url, "https://people.googleapis.com/v1/people/me");
    assert_eq!(sent.query, owned(&[("personFields", "emailAddresses")]));
}

#[tokio::test]
async fn kakao_unlinks_with_the_token_itself_and_separates_scopes_by_commas() {
    let http = json_replies([
        json!({"id": 1}),
        json!({"id": 1, "kakao_account": {"email": "a@x", "is_email_verified": false}}),
    ]);
    let kakao = KakaoOAuth2::new("id", "s").with_http_client(http.clone());
    kakao.revoke_token("AT", None).await.unwrap();
    assert_eq!(kakao.get_id_email("AT").await.unwrap(), ("1".to_owned(), None));
    let sent = &http.requests()[0];
    assert_eq!((&*sent.method, &*sent.url), ("POST", "https://kapi.kakao.com/v1/user/unlink"));
    assert_eq!((sent.header("authorization"), &*sent.body), (Some("Bearer AT"), ""));
    assert_eq!(value(&url(&kakao).await, "scope"), Some("profile_nickname,account_email"));
}

#[tokio::test]
async fn kakao_gives_a_picture_for_a_scope_of_its_own() {
    let emulator = Emulator::start().await.unwrap();
    let kakao = oauth_demo::client(&emulator, "kakao").await.unwrap();
    for (scopes, has_picture) in [
        (vec!["profile_nickname", "account_email"], false),
        (vec!["profile_nickname", "account_email", "profile_image"], true),
    ] {
        let options = LoginOptions::new().scopes(scopes.into_iter().map(str::to_owned));
        let started = kakao.start_login("https://app.example/cb", options).await.unwrap();
        assert_eq!(value(&query_of(&started.url), "code_challenge_method"), Some("S256"));
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        let login = kakao.finish_login(started.attempt, callback).await.unwrap();
        let identity = kakao.get_identity(&login.token).await.unwrap();
        assert_eq!((identity.name.is_some(), identity.picture.is_some()), (true, has_picture));
    }
}

#[tokio::test]
async fn linkedin_gets_no_verifier_and_keeps_its_legacy_calls() {
    let http = json_replies([
        json!({"access_token": "AT", "expires_in": 5_184_000}),
        json!({"id": "L"}),
        json!({"elements": []}),
    ]);
    let linkedin = LinkedInOAuth2::new("id", "s").with_scopes(LEGACY_SCOPES).with_http_client(http.clone());
    let started = linkedin.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.attempt.code_verifier().is_none() && !started.url.contains("code_challenge"));
    let callback = oauth_clients::Callback::from_query(&format!("code=c&state={}", started.attempt.state()));
    linkedin.finish_login(started.attempt, callback).await.unwrap();
    linkedin.get_legacy_profile("AT").await.unwrap();
    linkedin.get_email("AT").await.unwrap();
    let [exchange, profile, email] = &http.requests()[..] else { panic!() };
    assert_eq!(value(&exchange.form(), "code_verifier"), None);
    assert_eq!(profile.query, owned(&[("projection", "(id)")]));
    assert_eq!(email.query, owned(&[("q", "members"), ("projection", "(elements*(handle~))")]));
}

#[tokio::test]
async fn linkedin_says_invalid_request_of_a_spent_code_and_of_a_wrong_configuration() {
    let refused = |description: &str| {
        let body = json!({"error": "invalid_request", "error_description": description}).to_string();
        LinkedInOAuth2::new("id", "s").with_http_client(Script::new([reply(400, "application/json", body)]))
    };
    let (spent, missing) = (
        "Unable to retrieve access token: authorization code not found",
        "A required parameter \"client_secret\" is missing",
    );
    for (description, class) in [(spent, ErrorClass::Reauthorize), (missing, ErrorClass::Configuration)] {
        let exchange = refused(description).get_access_token("c", "https://app.example/cb", None, &[]).await;
        assert_eq!(exchange.unwrap_err().class(), class, "{description}");
        // No grant is given up for it.
        let refresh = refused(description).refresh_token("RT", None).await;
        assert_eq!(refresh.unwrap_err().class(), ErrorClass::Configuration, "{description}");
    }
}

#[tokio::test]
async fn microsoft_prefers_mail_and_vouches_for_nothing_by_itself() {
    for (profile, expected) in [
        (json!({"mail": "m@x", "userPrincipalName": "u@x"}), Some(("m@x", EmailVerification::Unknown))),
        (json!({"mail": null, "userPrincipalName": "u@x"}), Some(("u@x", EmailVerification::Unknown))),
        (json!({"mail": null, "userPrincipalName": "g_x#EXT#@t.example"}), None),
        (json!({"mail": null, "userPrincipalName": "no address"}), None),
        (json!({}), None),
        // Microsoft Graph has no such member: who wrote it there vouches for nothing.
        (json!({"mail": "m@x", "xms_edov": true}), Some(("m@x", EmailVerification::Unknown))),
        (
            json!({"mail": null, "userPrincipalName": "u@x", "xms_edov": true}),
            Some(("u@x", EmailVerification::Unknown)),
        ),
    ] {
        let mut profile = profile;
        profile["id"] = json!("oid");
        let microsoft =
            MicrosoftGraphOAuth2::new("id", "s").with_http_client(json_replies([profile.clone()]));
        let identity = microsoft.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        let found = identity.email.as_ref().map(|email| (&*email.address, email.verification));
        assert_eq!(found, expected, "{profile}");
    }
    let query =
        url(&MicrosoftGraphOAuth2::new("id", "s")
            .with_authorize_params(&json!({"response_mode": "form_post"})))
        .await;
    assert_eq!(value(&query, "response_mode"), Some("form_post"));
    for bad in ["", "evil.example/#", "a/b", "..", "a?b", "a@b"] {
        assert!(MicrosoftGraphOAuth2::new("id", "s").with_tenant(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn microsoft_has_clouds_with_users_of_their_own() {
    let emulator = Emulator::start().await.unwrap();
    let app = oauth_emulator::App::default_of("microsoft");
    let client = || MicrosoftGraphOAuth2::new(app.client_id.clone(), app.client_secret.clone().unwrap());
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    for (cloud, host, graph) in [
        (MicrosoftCloud::UsGovernment, "login.microsoftonline.us", "graph.microsoft.us"),
        (MicrosoftCloud::China, "login.partner.microsoftonline.cn", "microsoftgraph.chinacloudapi.cn"),
        (MicrosoftCloud::France, "login.sovcloud-identity.fr", "graph.svc.sovcloud.fr"),
    ] {
        // Whatever comes first, the tenant or the cloud.
        for microsoft in [
            client().with_tenant(tenant).unwrap().with_cloud(cloud).unwrap(),
            client().with_cloud(cloud).unwrap().with_tenant(tenant).unwrap(),
        ] {
            let microsoft = microsoft.with_http_client(emulator.http_client().unwrap());
            emulator.clear_requests();
            let started = microsoft.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
            assert!(started.url.starts_with(&format!("https://{host}/{tenant}/oauth2/v2.0/authorize?")));
            let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
            let login = microsoft.finish_login(started.attempt, callback).await.unwrap();
            let issuer = format!("https://{host}/{tenant}/v2.0");
            assert_eq!(IdToken::of(&login).unwrap().get("iss"), Some(&json!(issuer)));
            assert_eq!(microsoft.get_identity(&login.token).await.unwrap().name, Some(User::default().name));
            let hosts = [format!("https://{host}/"), format!("https://{graph}/")];
            for request in emulator.requests() {
                assert!(hosts.iter().any(|host| request.url.starts_with(host)), "{}", request.url);
            }
            // Who signs in at another cloud is not taken.
            let global = client().with_tenant(tenant).unwrap();
            let global = global.with_http_client(emulator.http_client().unwrap());
            let expected = oauth_clients::openid::Expectations::new().without_nonce();
            let error = global.verify_id_token(login.token.id_token().unwrap(), &expected).await.unwrap_err();
            assert_eq!(error.jwt_check(), Some(JwtCheck::Issuer), "{error}");
        }
        let bare = client().with_cloud(cloud).unwrap().with_any_tenant();
        assert_eq!(bare.oauth2().identity_issuer(), format!("https://{host}"));
    }
    assert_eq!(client().oauth2().identity_issuer(), "microsoft");
    for bad in ["", "evil.example/#", "127.0.0.1"] {
        assert!(client().with_cloud_hosts(bad, "graph.example").is_err(), "{bad}");
        assert!(client().with_cloud_hosts("login.example", bad).is_err(), "{bad}");
    }
    for (cloud, host) in [
        ("china", Some("login.partner.microsoftonline.cn")),
        ("global", Some("login.microsoftonline.com")),
        ("mars", None),
    ] {
        let config = json!({"client_id": "id", "cloud": cloud, "tenants": "any"});
        let built = MicrosoftGraphOAuth2::from_config(&serde_json::from_value(config).unwrap());
        let token = built.ok().map(|built| built.oauth2().endpoints().token().to_owned());
        assert_eq!(token, host.map(|host| format!("https://{host}/common/oauth2/v2.0/token")));
    }
}

#[tokio::test]
async fn microsoft_writes_the_number_of_a_personal_account_in_two_ways() {
    let guid = "00000000-0000-0000-66f3-3332eca7ea81";
    let work = "690222be-ff1a-4d56-abd1-7e4f7d38e474";
    for (oid, id, is_same) in [
        (guid, "66f33332eca7ea81", true),
        ("00000000-0000-0000-0df9-26f844473904", "0df926f844473904", true),
        ("00000000-0000-0000-0df9-26f844473904", "df926f844473904", true),
        (work, work, true),
        (guid, guid, true),
        (guid, "66f33332eca7ea82", false),
        (guid, "", false),
        (guid, "x", false),
        (work, "abd17e4f7d38e474", false),
        ("abd17e4f7d38e474", "00000000-0000-0000-abd1-7e4f7d38e474", false),
    ] {
        let http = json_replies([json!({"id": id, "mail": "m@x"})]);
        let microsoft = MicrosoftGraphOAuth2::new("id", "s").with_any_tenant().with_http_client(http);
        // It was verified when it came; here it is only compared.
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let id_token = format!("{}.{}.AA", part(json!({"alg": "RS256"})), part(json!({"oid": oid})));
        let token = json!({"access_token": "AT", "id_token": id_token});
        let outcome = microsoft.get_identity(&serde_json::from_value(token).unwrap()).await;
        match is_same {
            true => assert_eq!(outcome.unwrap().subject, id, "{oid}"),
            false => assert_eq!(outcome.unwrap_err().jwt_check(), Some(JwtCheck::Agreement), "{oid} {id}"),
        }
    }
}

#[tokio::test]
async fn naver_unwraps_its_envelope_and_finds_the_error_in_it() {
    let envelope =
        |code: &str| json!({"resultcode": code, "message": "m", "response": {"id": "N", "email": "a@x"}});
    let naver = NaverOAuth2::new("id", "s").with_http_client(json_replies([envelope("00")]));
    assert_eq!(naver.get_id_email("AT").await.unwrap(), ("N".to_owned(), Some("a@x".to_owned())));
    for (body, code) in
        [(envelope("024"), Some("024")), (json!({"resultcode": "00"}), None), (json!({}), None)]
    {
        let naver = NaverOAuth2::new("id", "s").with_http_client(json_replies([body]));
        let error = naver.get_id_email("AT").await.unwrap_err();
        assert_eq!(error.oauth_error().map(|error| &*error.code), code, "{error}");
    }
    assert_eq!(value(&url(&NaverOAuth2::new("id", "s")).await, "scope"), None);

    let http = json_replies([json!({"access_token": "AT", "result": "success"})]);
    NaverOAuth2::new("id", "s").with_http_client(http.clone()).revoke_token("AT", None).await.unwrap();
    assert_eq!(
        http.request().form(),
        owned(&[
            ("grant_type", "delete"),
            ("service_provider", "NAVER"),
            ("access_token", "AT"),
            ("client_id", "id"),
            ("client_secret", "s")
        ])
    );
    let http = json_replies([json!({"error": "invalid_request", "error_description": "no"})]);
    assert!(NaverOAuth2::new("id", "s").with_http_client(http).revoke_token("AT", None).await.is_err());
}

#[tokio::test]
async fn naver_wants_the_state_with_the_code() {
    let http = json_replies([json!({"access_token": "AT"}), json!({"access_token": "AT"})]);
    for naver in [NaverOAuth2::new("id", "s"), NaverOAuth2::openid("id", "s").with_scopes(["profile"])] {
        let naver = naver.with_http_client(http.clone());
        let started = naver.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
        let state = started.attempt.state().to_owned();
        let callback = Callback::from_query(&format!("code=c&state={state}"));
        let _ = naver.finish_login(started.attempt, callback).await;
        let sent = http.requests().pop().unwrap();
        assert_eq!(value(&sent.form(), "state"), Some(&*state));
    }
    // Nobody else is sent it.
    let http = json_replies([json!({"access_token": "AT"})]);
    let discord = DiscordOAuth2::new("id", "s").with_http_client(http.clone());
    let started = discord.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let callback = Callback::from_query(&format!("code=c&state={}", started.attempt.state()));
    discord.finish_login(started.attempt, callback).await.unwrap();
    assert_eq!(value(&http.request().form(), "state"), None);
}

/// VK ID wants a parameter of the callback again, and Zendesk takes a lifetime that the application chooses.
#[derive(Clone, Debug)]
struct Particular {
    oauth2: OAuth2,
    lifetime: u32,
    secret: Option<&'static str>,
}

impl Provider for Particular {
    oauth_clients::accessors!();

    fn token_params(&self, callback: Option<&Callback>) -> Vec<(&'static str, String)> {
        let mut params = self.oauth2.token_params(callback);
        let device = callback.and_then(|callback| callback.get("device_id"));
        params.extend(device.map(|device| ("device_id", device.to_owned())));
        params.push(("expires_in", self.lifetime.to_string()));
        params.extend(self.secret.map(|name| (name, "x".to_owned())));
        params
    }
}

#[tokio::test]
async fn a_provider_adds_parameters_of_its_own_to_the_token_request() {
    const SPEC: Spec =
        Spec { token: TokenSpec { callback_params: &["state"], ..TokenSpec::RFC6749 }, ..Spec::RFC6749 };
    let http = json_replies((0..3).map(|_| json!({"access_token": "AT"})));
    let oauth2 = OAuth2::from_spec(&SPEC, "id", "s")
        .with_endpoints(|all| {
            all.with(Endpoint::Authorization, "https://as.example/authorize")
                .with(Endpoint::Token, "https://as.example/token")
        })
        .with_http_client(http.clone());
    let provider = Particular { oauth2, lifetime: 3600, secret: None };
    let started = provider.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let state = started.attempt.state().to_owned();
    let callback = Callback::from_query(&format!("code=c&state={state}&device_id=d%26e"));
    provider.finish_login(started.attempt, callback).await.unwrap();
    let sent = http.requests().pop().unwrap().form();
    assert_eq!(value(&sent, "state"), Some(&*state));
    assert_eq!(value(&sent, "device_id"), Some("d&e"));
    assert_eq!(sent.iter().filter(|(name, _)| name == "expires_in").collect::<Vec<_>>().len(), 1);

    // Without a callback, what the settings give is sent all the same, and the caller has the last word.
    for (extra, lifetime) in [(&[][..], "3600"), (&[("expires_in", "60")][..], "60")] {
        provider.get_access_token("c", "https://app.example/cb", None, extra).await.unwrap();
        let sent = http.requests().pop().unwrap().form();
        assert_eq!(value(&sent, "expires_in"), Some(lifetime));
        assert_eq!(value(&sent, "device_id"), None);
    }

    // What only the library sends is none of the provider's business.
    let asked = http.requests().len();
    for name in ["client_secret", "code_verifier"] {
        let provider = Particular { secret: Some(name), ..provider.clone() };
        let error = provider.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    }
    assert_eq!(http.requests().len(), asked);
}

#[tokio::test]
async fn naver_and_line_revoke_by_the_configured_authentication() {
    for (auth, basic) in [(None, false), (Some(ClientAuth::Basic), true)] {
        let http = json_replies([json!({"result": "success"}), json!({})]);
        let naver = NaverOAuth2::new("id", "s").with_http_client(http.clone());
        let line = LineOAuth2::new("id", "s").with_http_client(http.clone());
        let (naver, line) = match auth {
            Some(auth) => (naver.with_client_auth(auth), line.with_client_auth(auth)),
            None => (naver, line),
        };
        naver.revoke_token("AT", None).await.unwrap();
        line.revoke_token("AT", None).await.unwrap();
        for sent in http.requests() {
            assert_eq!(sent.header("authorization").is_some(), basic, "{sent:?}");
            assert_eq!(value(&sent.form(), "client_secret").is_some(), !basic, "{sent:?}");
        }
        // One for revocation alone comes first.
        let http = json_replies([json!({"result": "success"})]);
        let naver = NaverOAuth2::new("id", "s").with_http_client(http.clone());
        naver.with_revoke_auth(ClientAuth::None).revoke_token("AT", None).await.unwrap();
        assert_eq!(value(&http.request().form(), "client_secret"), None);
    }
}

#[tokio::test]
async fn naver_of_the_second_generation_says_who_it_is_in_an_id_token() {
    let emulator = Emulator::start().await.unwrap();
    let app = oauth_emulator::App::default_of("naver");
    let naver = NaverOAuth2::openid(app.client_id, app.client_secret.unwrap())
        .with_http_client(emulator.http_client().unwrap());
    let started = naver.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.starts_with("https://nid.naver.com/oauth2/authorize?"), "{}", started.url);
    let sent = query_of(&started.url);
    assert_eq!(
        (value(&sent, "scope"), value(&sent, "code_challenge_method")),
        (Some("openid"), Some("S256"))
    );
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let login = naver.finish_login(started.attempt, callback).await.unwrap();
    let identity = naver.get_identity(&login.token).await.unwrap();
    let user = User::default();
    assert_eq!(identity.key(), ("https://nid.naver.com", &*user.id));
    assert_eq!(identity.name, Some(user.name));
    assert_eq!(identity.email.map(|email| email.verification), Some(EmailVerification::Unknown));
    // A bare access token does not say who it is.
    assert!(naver.get_id_email(login.token.access_token()).await.is_err());
    let new = naver.refresh(&login.token, None).await.unwrap();
    naver.revoke(&new).await.unwrap();
    assert!(naver.get_profile(new.access_token()).await.is_err());

    let config: ProviderConfig = serde_json::from_value(json!({"client_id": "id", "openid": true})).unwrap();
    let naver = NaverOAuth2::from_config(&config).unwrap();
    assert_eq!(naver.oauth2().endpoints().token(), "https://nid.naver.com/oauth2/token");
}

#[tokio::test]
async fn discord_says_in_the_body_how_long_to_wait() {
    let body = json!({"message": "You are being rate limited.", "retry_after": 1.337, "global": false});
    let discord = || DiscordOAuth2::new("id", "s").with_http_client(Script::json(429, &body));
    let wait = |seconds| ErrorClass::Transient { retry_after: Some(std::time::Duration::from_secs(seconds)) };
    assert_eq!(discord().get_profile("AT").await.unwrap_err().class(), wait(2));
    assert_eq!(discord().refresh_token("RT", None).await.unwrap_err().class(), wait(2));
    let mut with_header = reply(429, "application/json", body.to_string());
    with_header.headers_mut().insert("retry-after", "65".parse().unwrap());
    let discord = DiscordOAuth2::new("id", "s").with_http_client(Script::new([with_header]));
    assert_eq!(discord.get_profile("AT").await.unwrap_err().class(), wait(65));
    for nonsense in [json!(-1), json!("2"), json!(null), json!(1e300), json!({})] {
        let http = Script::json(429, &json!({ "retry_after": nonsense }));
        let error = DiscordOAuth2::new("id", "s").with_http_client(http).get_profile("AT").await.unwrap_err();
        assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{nonsense}");
    }
}

#[tokio::test]
async fn discord_revokes_what_other_sign_ins_obtained_too() {
    let emulator = Emulator::start().await.unwrap();
    let discord = oauth_demo::client(&emulator, "discord").await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let started = discord.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        tokens.push(discord.finish_login(started.attempt, callback).await.unwrap().token);
    }
    discord.revoke(&tokens[0]).await.unwrap();
    let error = discord.get_profile(tokens[1].access_token()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
}

#[tokio::test]
async fn reddit_knows_installed_applications_by_an_empty_password() {
    let config: ProviderConfig = serde_json::from_value(json!({"client_id": "id"})).unwrap();
    for reddit in [RedditOAuth2::new("id", ClientSecret::NONE), RedditOAuth2::from_config(&config).unwrap()] {
        let http = json_replies([json!({"access_token": "AT"})]);
        let reddit = reddit.with_http_client(http.clone());
        reddit.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
        let sent = http.request();
        // `id:`
        assert_eq!(sent.header("authorization"), Some("Basic aWQ6"));
        assert_eq!(value(&sent.form(), "client_id"), None);
    }
}

#[test]
fn apple_relays_are_at_two_domains() {
    let identity = |address: &str, claims: Value| {
        let mut identity = oauth_clients::Identity::new("https://appleid.apple.com", "1", claims);
        identity.email = Some(oauth_clients::Email::new(address, EmailVerification::Verified));
        identity
    };
    for (address, claims, relay) in [
        ("x@privaterelay.appleid.com", json!({}), true),
        ("x@private.icloud.com", json!({}), true),
        ("x@Private.iCloud.com", json!({}), true),
        ("x@elsewhere.example", json!({"is_private_email": "true"}), true),
        ("x@elsewhere.example", json!({"is_private_email": true}), true),
        ("x@icloud.com", json!({"is_private_email": "false"}), false),
        ("x@notprivate.icloud.com", json!({}), false),
    ] {
        assert_eq!(is_relay(&identity(address, claims.clone())), relay, "{address} {claims}");
    }
}

#[tokio::test]
async fn apple_does_not_vouch_for_addresses_at_work_and_school() {
    let emulator = Emulator::start().await.unwrap();
    emulator.fault("apple", oauth_emulator::Fault::UnverifiedEmail).unwrap();
    let apple = oauth_demo::client(&emulator, "apple").await.unwrap();
    let started = apple.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let login = apple.finish_login(started.attempt, callback).await.unwrap();
    let identity = apple.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unverified);
}

#[tokio::test]
async fn reddit_names_itself_asks_for_permanence_and_keeps_both_names() {
    let reddit =
        RedditOAuth2::new("id", "s").with_http_client(json_replies([json!({"id": "t2x", "name": "ada"})]));
    let identity = reddit.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((&*identity.subject, identity.name.as_deref(), identity.email), ("t2x", Some("ada"), None));
    assert_eq!(value(&url(&reddit).await, "duration"), Some("permanent"));
    let temporary = reddit.with_authorize_params(&json!({"duration": "temporary"}));
    assert_eq!(value(&url(&temporary).await, "duration"), Some("temporary"));
    assert!(temporary.with_user_agent("a\nb").is_err());
}

#[tokio::test]
async fn reddit_escapes_the_picture_and_calls_a_dead_refresh_token_a_bad_request() {
    let picture = "https://styles.redditmedia.com/a.png?width=256&crop=256:256,smart&s=1f";
    let user = User::default().with_picture(Some(picture.to_owned()));
    let emulator = Emulator::builder().user(user).start().await.unwrap();
    let reddit = oauth_demo::client(&emulator, "reddit").await.unwrap();
    let started = reddit.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let login = reddit.finish_login(started.attempt, callback).await.unwrap();
    let identity = reddit.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.profile["icon_img"], picture.replace('&', "&amp;"));
    assert_eq!(identity.picture.as_deref(), Some(picture));

    let refusal = json!({"message": "Bad Request", "error": 400});
    let reddit = RedditOAuth2::new("id", "s").with_http_client(Script::json(400, &refusal));
    let error = reddit.refresh_token("RT", None).await.unwrap_err();
    assert_eq!((error.class(), &*error.oauth_error().unwrap().code), (ErrorClass::Reauthorize, "400"));
    for (status, class) in
        [(401, ErrorClass::Configuration), (429, ErrorClass::Transient { retry_after: None })]
    {
        let refusal = json!({"message": "no", "error": status});
        let reddit = RedditOAuth2::new("id", "s").with_http_client(Script::json(status, &refusal));
        assert_eq!(reddit.refresh_token("RT", None).await.unwrap_err().class(), class, "{status}");
    }
    // The API says so of other things than a token.
    let reddit = RedditOAuth2::new("id", "s").with_http_client(Script::json(400, &refusal));
    assert_eq!(reddit.get_profile("AT").await.unwrap_err().class(), ErrorClass::Protocol);
}

#[tokio::test]
async fn shopify_checks_the_shop_and_sends_the_token_in_its_own_header() {
    for bad in ["", "evil.example/#", "evil.example", "a/b", "-a", "a b", "a.b"] {
        let error = ShopifyOAuth2::new("id", "s", bad).unwrap_err();
        assert_eq!((error.class(), error.provider()), (ErrorClass::Configuration, "shopify"), "{bad}");
    }
    let shop = json!({"id": "gid://shopify/Shop/1", "name": "Mine", "email": "a@x"});
    let http = json_replies([json!({"data": {"shop": shop}, "extensions": {"cost": {}}})]);
    let shopify =
        ShopifyOAuth2::new("id", "s", "my-shop.myshopify.com").unwrap().with_api_version("2026-04").unwrap();
    let shopify = shopify.with_http_client(http.clone());
    assert_eq!(shopify.get_id_email("AT").await.unwrap(), ("1".to_owned(), Some("a@x".to_owned())));
    let sent = http.request();
    assert_eq!(sent.url, "https://my-shop.myshopify.com/admin/api/2026-04/graphql.json");
    assert_eq!((&*sent.method, sent.header("content-type")), ("POST", Some("application/json")));
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert!(body["query"].as_str().unwrap().contains("shop"), "{body}");
    assert_eq!((sent.header("x-shopify-access-token"), sent.header("authorization")), (Some("AT"), None));

    assert_eq!(value(&url(&shopify).await, "grant_options[]"), None);
    let per_user = shopify.with_authorize_params(&ShopifyAuthorizeParams { per_user: true });
    assert_eq!(value(&url(&per_user).await, "grant_options[]"), Some("per-user"));
}

#[tokio::test]
async fn shopify_names_errors_of_graphql_under_a_status_of_success() {
    let shopify = |status, body: Value| {
        let shopify = ShopifyOAuth2::new("id", "s", "my-shop").unwrap();
        shopify.with_http_client(Script::json(status, &body))
    };
    let errors =
        |code: &str| json!({"errors": [{"message": "no", "extensions": {"code": code}}], "data": null});
    let token = OAuth2Token::new("AT");
    for (status, body, class) in [
        (200, errors("THROTTLED"), ErrorClass::Transient { retry_after: None }),
        (200, errors("ACCESS_DENIED"), ErrorClass::Reauthorize),
        (200, errors("undefinedField"), ErrorClass::Protocol),
        (200, json!({"errors": [{"message": "no"}]}), ErrorClass::Protocol),
        (200, json!({"data": null}), ErrorClass::Protocol),
        (200, json!({"data": {"shop": {"id": "gid://shopify/Shop/", "name": "M"}}}), ErrorClass::Protocol),
        (200, json!({"data": {"shop": {"id": "gid://shopify/Customer/1"}}}), ErrorClass::Protocol),
        (200, json!({"data": {"shop": {"id": 1}}}), ErrorClass::Protocol),
        (401, json!({"errors": "[API] Invalid API key or access token"}), ErrorClass::Reauthorize),
        (429, json!({"errors": "Throttled"}), ErrorClass::Transient { retry_after: None }),
    ] {
        let error = shopify(status, body.clone()).get_identity(&token).await.unwrap_err();
        assert_eq!(error.class(), class, "{body}: {error:?}");
    }
}

#[tokio::test]
async fn shopifys_tokens_expire_unless_permanent_ones_are_asked_for() {
    let first =
        json!({"access_token": "A1", "scope": "read_customers", "expires_in": 3600, "refresh_token": "R1"});
    let second =
        json!({"access_token": "A2", "scope": "read_customers", "expires_in": 3600, "refresh_token": "R2"});
    let http = json_replies([json!({"access_token": "A0", "scope": "read_customers"}), first, second]);
    let expiring = ShopifyOAuth2::new("id", "s", "my-shop").unwrap().with_http_client(http.clone());
    let permanent = expiring.clone().with_permanent_tokens();
    permanent.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    let token = expiring.get_access_token("c", "https://app.example/cb", None, &[("a", "b")]).await.unwrap();
    let token = expiring.refresh(&token, None).await.unwrap();
    assert_eq!((token.access_token(), token.refresh_token()), ("A2", Some("R2")));
    let exchange =
        [("grant_type", "authorization_code"), ("code", "c"), ("redirect_uri", "https://app.example/cb")];
    let client = [("client_id", "id"), ("client_secret", "s")];
    let forms = [
        [&exchange[..], &client].concat(),
        [&exchange[..], &[("a", "b"), ("expiring", "1")], &client].concat(),
        [&[("grant_type", "refresh_token"), ("refresh_token", "R1")][..], &client].concat(),
    ];
    for (sent, form) in http.requests().iter().zip(forms) {
        assert_eq!(sent.url, "https://my-shop.myshopify.com/admin/oauth/access_token");
        assert_eq!((&*sent.method, sent.form()), ("POST", owned(&form)));
    }

    // What Shopify says of a refresh token that is dead.
    let refusal = json!({"error": "invalid_request", "error_description": "This request requires an active refresh_token"});
    let expiring = expiring.with_http_client(Script::json(401, &refusal));
    assert_eq!(expiring.refresh_token("R1", None).await.unwrap_err().class(), ErrorClass::Reauthorize);

    for (flag, expected) in [
        (Value::Null, Some(true)),
        (json!(true), Some(true)),
        (json!("false"), Some(false)),
        (json!("yes"), None),
    ] {
        let mut config = json!({"client_id": "id", "shop": "my-shop", "expiring_tokens": flag});
        config.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let built = ShopifyOAuth2::from_config(&serde_json::from_value(config).unwrap());
        assert_eq!(built.is_ok(), expected.is_some(), "{flag}");
        if let (Ok(shopify), Some(expected)) = (built, expected) {
            let http = json_replies([json!({"access_token": "AT"})]);
            let shopify = shopify.with_http_client(http.clone());
            shopify.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
            assert_eq!(value(&http.request().form(), "expiring") == Some("1"), expected, "{flag}");
        }
    }

    // And at Shopify, as far as it is known.
    let emulator = Emulator::start().await.unwrap();
    let shopify = ShopifyOAuth2::new("shopify-client-id", "shopify-client-secret", "my-shop").unwrap();
    let shopify = shopify.with_http_client(emulator.http_client().unwrap());
    let started = shopify.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let login = shopify.finish_login(started.attempt, callback).await.unwrap();
    let refreshed = shopify.refresh(&login.token, None).await.unwrap();
    assert!(refreshed.expires_at().is_some() && refreshed.refresh_token() != login.token.refresh_token());
    shopify.get_profile(refreshed.access_token()).await.unwrap();
    let error = shopify.refresh(&login.token, None).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
}

#[tokio::test]
async fn a_profile_without_an_identifier_is_an_error_that_keeps_the_profile() {
    for profile in [json!({}), json!({"id": null}), json!({"id": ""}), json!({"id": {}}), json!({"id": true})]
    {
        let discord = DiscordOAuth2::new("id", "s").with_http_client(json_replies([profile.clone()]));
        let error = discord.get_id_email("AT").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{error}");
        assert_eq!(error.body().unwrap(), profile.to_string().as_bytes());
    }
}
