//! What each provider that speaks OpenID Connect does differently: for each quirk one test that fails without it. Whole sign-ins
//! are in `contract/`.

use oauth_clients::{
    AuthorizationRequest, ClientAuth, ClientSecret, EmailVerification, Error, ErrorClass, ErrorKind,
    JwtCheck, Login, LoginOptions, Parameter, Provider, ProviderConfig, Registry, RegistryEntry,
    amazon_cognito::AmazonCognitoOAuth2,
    auth0::Auth0OAuth2,
    authentik::AuthentikOAuth2,
    gitlab::GitLabOAuth2,
    keycloak::KeycloakOAuth2,
    line::LineOAuth2,
    login_gov::LoginGovOAuth2,
    logto::LogtoOAuth2,
    onelogin::OneLoginOAuth2,
    openid::{Expectations, IdToken, LogoutRequest, OpenIDProvider},
    ping_id::PingIdentityOAuth2,
    salesforce::SalesforceOAuth2,
    twitch::TwitchOAuth2,
    workos::WorkOSOAuth2,
    yahoo::YahooOAuth2,
    zitadel::ZitadelOAuth2,
};
use oauth_emulator::{App, Consent, EmulatedEndpoint, Emulator, Fault, SigningAlg};
use serde_json::{Value, json};

use crate::support::{Script, query_of, reply};

const REDIRECT_URI: &str = "https://app.example/callback";

fn id(provider: &str) -> String {
    format!("{provider}-client-id")
}

fn secret(provider: &str) -> ClientSecret {
    App::default_of(provider).client_secret.map_or(ClientSecret::NONE, ClientSecret::from)
}

async fn sign_in(
    emulator: &Emulator,
    provider: &(impl Provider + ?Sized),
    options: LoginOptions,
) -> Result<Login, Error> {
    let started = provider.start_login(REDIRECT_URI, options).await?;
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    provider.finish_login(started.attempt, callback).await
}

/// A client at an emulator, signed in.
async fn signed_in<P: Provider>(
    emulator: &Emulator,
    provider: P,
    scopes: &'static [&'static str],
) -> (P, Login) {
    let provider = provider.with_http_client(emulator.http_client().unwrap());
    let provider = if scopes.is_empty() { provider } else { provider.with_scopes(scopes.iter().copied()) };
    let login = sign_in(emulator, &provider, LoginOptions::new()).await.unwrap();
    (provider, login)
}

async fn query(provider: &impl Provider) -> Vec<(String, String)> {
    query_of(&provider.get_authorization_url(AuthorizationRequest::new(REDIRECT_URI)).await.unwrap())
}

fn value<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
}

fn refused_by(error: &Error) -> Option<JwtCheck> {
    match error.kind() {
        ErrorKind::Jwt(error) => Some(error.check),
        _ => None,
    }
}

#[test]
fn text_in_an_issuer_cannot_move_its_host() {
    let evil = "evil.example/a";
    for refused in [
        Auth0OAuth2::new("id", "secret", evil).err(),
        AuthentikOAuth2::new("id", "secret", "https://login.example.com", evil).err(),
        AuthentikOAuth2::new("id", "secret", "https://login.example.com/?x", "app").err(),
        AmazonCognitoOAuth2::new("id", "secret", "evil.example/x_1").err(),
        AmazonCognitoOAuth2::new("id", "secret", "eu-central-1").err(),
        GitLabOAuth2::new("id", "secret").with_base_url("http://gitlab.example.com").err(),
        KeycloakOAuth2::new("id", "secret", "https://user@login.example.com/realms/a").err(),
        LoginGovOAuth2::new("id", ClientSecret::NONE).with_base_url(evil).err(),
        LogtoOAuth2::new("id", "secret", "my-tenant.logto.app").err(),
        OneLoginOAuth2::new("id", "secret", evil).err(),
        PingIdentityOAuth2::new("id", "secret", "auth.pingone.com", evil).err(),
        PingIdentityOAuth2::new("id", "secret", evil, "environment").err(),
        SalesforceOAuth2::new("id", "secret").with_domain(evil).err(),
        WorkOSOAuth2::new("id", "secret").with_organization("a&provider=b").err(),
        ZitadelOAuth2::new("id", "secret", evil).err(),
    ] {
        let error = refused.unwrap();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert_ne!(error.provider(), "oauth2", "{error}");
    }
}

#[tokio::test]
async fn auth0_says_of_a_wrong_secret_that_access_is_denied() {
    let metadata = json!({
        "issuer": "https://my-tenant.eu.auth0.com/",
        "authorization_endpoint": "https://my-tenant.eu.auth0.com/authorize",
        "token_endpoint": "https://my-tenant.eu.auth0.com/oauth/token",
        "jwks_uri": "https://my-tenant.eu.auth0.com/.well-known/jwks.json",
    });
    for (status, code, class) in [
        (401, "access_denied", ErrorClass::Configuration),
        (403, "invalid_grant", ErrorClass::Reauthorize),
        (403, "access_denied", ErrorClass::Reauthorize),
    ] {
        let refusal = json!({"error": code, "error_description": "Unauthorized"});
        let http = Script::new([
            reply(200, "application/json", metadata.to_string()),
            reply(status, "application/json", refusal.to_string()),
        ]);
        let auth0 = Auth0OAuth2::new("id", "s", "my-tenant.eu.auth0.com").unwrap().with_http_client(http);
        let error = auth0.refresh_token("RT", None).await.unwrap_err();
        assert_eq!(error.class(), class, "{status} {code}: {error}");
    }
}

#[tokio::test]
async fn nothing_is_sent_before_it_is_needed_and_the_metadata_is_read_once() {
    let emulator = Emulator::start().await.unwrap();
    let auth0 = Auth0OAuth2::new(id("auth0"), secret("auth0"), "my-tenant.eu.auth0.com").unwrap();
    let auth0 = auth0.with_http_client(emulator.http_client().unwrap());
    assert!(emulator.requests().is_empty());
    sign_in(&emulator, &auth0, LoginOptions::new()).await.unwrap();
    sign_in(&emulator, &auth0, LoginOptions::new()).await.unwrap();
    assert_eq!(emulator.count_requests("auth0", EmulatedEndpoint::Discovery).unwrap(), 1);
    assert_eq!(emulator.count_requests("auth0", EmulatedEndpoint::Jwks).unwrap(), 1);
}

#[tokio::test]
async fn the_issuers_of_auth0_authentik_and_login_gov_end_with_a_slash() {
    let emulator = Emulator::start().await.unwrap();
    let auth0 = Auth0OAuth2::new(id("auth0"), secret("auth0"), "my-tenant.eu.auth0.com").unwrap();
    let (auth0, login) = signed_in(&emulator, auth0, &[]).await;
    let issuer = auth0.get_identity(&login.token).await.unwrap().issuer;
    assert_eq!(issuer, "https://my-tenant.eu.auth0.com/");
    // A document without it is another issuer's.
    let other = Auth0OAuth2::new(id("auth0"), secret("auth0"), "my-tenant.eu.auth0.com").unwrap();
    let other = other.with_http_client(emulator.http_client().unwrap());
    emulator
        .fault_at(
            "auth0",
            EmulatedEndpoint::Discovery,
            Fault::member("issuer", "https://my-tenant.eu.auth0.com"),
        )
        .unwrap();
    let error = other.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert!(error.to_string().contains("byte for byte"), "{error}");

    let url = "https://authentik.example";
    let authentik = AuthentikOAuth2::new(id("authentik"), secret("authentik"), url, "my-app").unwrap();
    let (authentik, login) = signed_in(&emulator, authentik, &[]).await;
    let issuer = authentik.get_identity(&login.token).await.unwrap().issuer;
    assert_eq!(issuer, "https://authentik.example/application/o/my-app/");

    let login_gov = LoginGovOAuth2::sandbox(id("login-gov"));
    let (login_gov, login) = signed_in(&emulator, login_gov, &[]).await;
    let issuer = login_gov.get_identity(&login.token).await.unwrap().issuer;
    assert_eq!(issuer, "https://idp.int.identitysandbox.gov/");
}

#[tokio::test]
async fn authentik_vouches_for_no_address() {
    let emulator = Emulator::start().await.unwrap();
    let url = "https://authentik.example";
    let authentik = AuthentikOAuth2::new(id("authentik"), secret("authentik"), url, "my-app").unwrap();
    let (authentik, login) = signed_in(&emulator, authentik, &[]).await;
    let identity = authentik.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.profile["email_verified"], true);
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
}

#[tokio::test]
async fn a_yes_of_those_who_verify_no_address_is_none() {
    let emulator = Emulator::start().await.unwrap();
    let claimed = |verified: Value| Fault::Member("email_verified".into(), Some(verified));
    for name in ["authentik", "logto", "okta", "onelogin", "ping-id"] {
        for (verified, expected) in [
            (json!(true), EmailVerification::Unknown),
            (json!("true"), EmailVerification::Unknown),
            (json!(1), EmailVerification::Unknown),
            (json!(false), EmailVerification::Unverified),
            (Value::Null, EmailVerification::Unknown),
        ] {
            let provider = oauth_demo::client(&emulator, name).await.unwrap();
            emulator.fault_at(name, EmulatedEndpoint::Profile, claimed(verified.clone())).unwrap();
            let started = provider.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
            let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
            let login = provider.finish_login(started.attempt, callback).await.unwrap();
            let email = provider.get_identity(&login.token).await.unwrap().email.unwrap();
            assert_eq!(email.verification, expected, "{name} {verified}");
            // By way of the ID token alone it is the same.
            if let Some(email) = IdToken::of(&login).unwrap().identity().email {
                assert!(!email.is_verified(), "{name}");
            }
            emulator.clear_faults();
        }
    }
}

#[tokio::test]
async fn cognito_spells_booleans_and_revokes_refresh_tokens() {
    let emulator = Emulator::start().await.unwrap();
    let pool = "eu-central-1_EXAMPLE";
    let cognito = AmazonCognitoOAuth2::new(id("amazon-cognito"), secret("amazon-cognito"), pool).unwrap();
    let (cognito, login) = signed_in(&emulator, cognito, &[]).await;
    let identity = cognito.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.profile["email_verified"], "true");
    assert!(identity.email.unwrap().is_verified());

    let logout = cognito.logout_url("https://app.example/bye").await.unwrap();
    let sent = query_of(&logout);
    assert_eq!(value(&sent, "logout_uri"), Some("https://app.example/bye"));
    assert_eq!(value(&sent, "client_id"), Some(&*id("amazon-cognito")));
    assert!(logout.starts_with("https://my-pool.auth.eu-central-1.amazoncognito.com/logout?"), "{logout}");

    let new = cognito.refresh(&login.token, None).await.unwrap();
    assert_eq!(new.refresh_token(), login.token.refresh_token(), "a refresh brings no other");
    cognito.revoke_token(login.token.refresh_token().unwrap(), None).await.unwrap();
    let error = cognito.get_profile(new.access_token()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
}

#[tokio::test]
async fn gitlab_can_stand_below_a_path() {
    let emulator = Emulator::start().await.unwrap();
    let gitlab = GitLabOAuth2::new(id("gitlab"), secret("gitlab"));
    let gitlab = gitlab.with_base_url("https://example.org/gitlab").unwrap();
    let scopes = &["openid", "profile", "email", "read_user"];
    let (gitlab, login) = signed_in(&emulator, gitlab, scopes).await;
    let identity = gitlab.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.key(), ("https://example.org/gitlab", "1815121018521127"));
    let user = gitlab.get_user(login.token.access_token()).await.unwrap();
    assert_eq!(user["id"], json!(1_815_121_018_521_127_u64));
    let new = gitlab.refresh(&login.token, None).await.unwrap();
    assert_ne!(new.refresh_token(), login.token.refresh_token());
    assert!(emulator.requests().iter().all(|request| request.url.starts_with("https://example.org/gitlab/")));
}

#[tokio::test]
async fn keycloak_is_a_realm_and_names_itself_in_the_callback() {
    let emulator = Emulator::start().await.unwrap();
    let realm = "https://keycloak.example/auth/realms/other";
    let keycloak = || {
        let keycloak = KeycloakOAuth2::new(id("keycloak"), secret("keycloak"), realm).unwrap();
        keycloak.with_http_client(emulator.http_client().unwrap())
    };
    let login = sign_in(&emulator, &keycloak(), LoginOptions::new()).await.unwrap();
    assert_eq!(IdToken::of(&login).unwrap().get("iss"), Some(&json!(realm)));
    // The metadata says that it does, so a callback without it comes from elsewhere.
    emulator.fault("keycloak", Fault::no_callback("iss")).unwrap();
    let error = sign_in(&emulator, &keycloak(), LoginOptions::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(_)), "{error:?}");
    emulator.clear_faults();

    let sid = IdToken::of(&login).unwrap().get("sid").and_then(Value::as_str).unwrap();
    let token = emulator.logout_token("keycloak", &id("keycloak"), None, Some(sid)).unwrap();
    let logout = keycloak().verify_logout_token(&token).await.unwrap();
    assert_eq!(logout.session_id(), Some(sid));
}

#[tokio::test]
async fn line_signs_with_the_channel_secret() {
    let emulator = Emulator::start().await.unwrap();
    let (_, login) = signed_in(&emulator, LineOAuth2::new(id("line"), secret("line")), &[]).await;
    assert_eq!(IdToken::of(&login).unwrap().get("nonce").and_then(Value::as_str).map(str::len), Some(43));
    // Nobody else can.
    let wrong = "another-secret-of-32-characters-!";
    let line = LineOAuth2::new(id("line"), wrong).with_http_client(emulator.http_client().unwrap());
    let expected = Expectations::new().without_nonce();
    let error = line.verify_id_token(login.token.id_token().unwrap(), &expected).await.unwrap_err();
    assert_eq!(refused_by(&error), Some(JwtCheck::Signature), "{error}");

    // The ID token of an application on a phone is signed with a key.
    let app = App::default_of("line").with_id_token_signed_response_alg(SigningAlg::ES256);
    let phone = Emulator::builder().app("line", app).start().await.unwrap();
    let (line, login) = signed_in(&phone, LineOAuth2::new(id("line"), secret("line")), &[]).await;
    let id_token = login.token.id_token().unwrap();
    assert_eq!(line.verify_id_token(id_token, &expected).await.unwrap().subject(), "1815121018521127");
    // And not with another one than LINE names.
    phone.fault("line", Fault::SignedBy(SigningAlg::RS256)).unwrap();
    let error = sign_in(&phone, &line, LoginOptions::new()).await.unwrap_err();
    assert_eq!(refused_by(&error), Some(JwtCheck::Algorithm), "{error}");
}

#[tokio::test]
async fn lines_address_is_in_the_id_token() {
    let emulator = Emulator::start().await.unwrap();
    let line = LineOAuth2::new(id("line"), secret("line"));
    let (line, login) = signed_in(&emulator, line, &["openid", "profile", "email"]).await;
    let email = line.get_identity(&login.token).await.unwrap().email.unwrap();
    assert_eq!((&*email.address, email.verification), ("ada@example.com", EmailVerification::Unknown));
    assert_eq!(line.get_id_email(login.token.access_token()).await.unwrap().1, None);
}

#[tokio::test]
async fn line_revokes_what_it_calls_access_token() {
    let http = Script::new([reply(200, "text/plain", "")]);
    let line = LineOAuth2::new("id", "secret").with_http_client(http.clone());
    line.revoke_token("AT", Some("access_token")).await.unwrap();
    let sent = &http.requests()[0];
    assert_eq!(sent.url, "https://api.line.me/oauth2/v2.1/revoke");
    let form = sent.form();
    assert_eq!((value(&form, "access_token"), value(&form, "token")), (Some("AT"), None));
    assert_eq!((value(&form, "client_id"), value(&form, "client_secret")), (Some("id"), Some("secret")));
}

#[tokio::test]
async fn line_revokes_refresh_tokens_by_their_own_name() {
    let http = Script::new([reply(200, "text/plain", "")]);
    let line = LineOAuth2::new("id", "secret").with_http_client(http.clone());
    line.revoke_token("RT", Some("refresh_token")).await.unwrap();
    let form = http.request().form();
    assert_eq!((value(&form, "refresh_token"), value(&form, "access_token")), (Some("RT"), None));

    // The refresh token of a login ends with its access tokens, also through whoever does not say which token it is.
    let emulator = Emulator::start().await.unwrap();
    for hint in [Some("refresh_token"), None] {
        let (line, login) = signed_in(&emulator, LineOAuth2::new(id("line"), secret("line")), &[]).await;
        let refresh_token = login.token.refresh_token().unwrap();
        match hint {
            Some(_) => line.revoke(&login.token).await.unwrap(),
            None => line.revoke_token(refresh_token, None).await.unwrap(),
        }
        let error = line.refresh_token(refresh_token, None).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{hint:?} {error}");
        assert!(line.get_profile(login.token.access_token()).await.is_err(), "{hint:?}");
        // A token that LINE does not know is an error there.
        assert!(line.revoke_token("unknown", hint).await.is_err());
    }
}

#[tokio::test]
async fn google_and_gitlab_name_themselves_in_callbacks_unannounced() {
    let emulator = Emulator::start().await.unwrap();
    let google = oauth_demo::client(&emulator, "google").await.unwrap();
    let started = google.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    assert_eq!(callback.get("iss"), Some("https://accounts.google.com"));
    google.finish_login(started.attempt, callback).await.unwrap();
    for (name, issuer) in [("google", "https://accounts.google.com"), ("gitlab", "https://gitlab.com")] {
        let provider = oauth_demo::client(&emulator, name).await.unwrap();
        for (iss, fine) in [(Some(issuer), true), (None, true), (Some("https://evil.example"), false)] {
            emulator.clear_faults();
            match iss {
                Some(iss) => emulator.fault(name, Fault::callback("iss", iss)).unwrap(),
                None => emulator.fault(name, Fault::no_callback("iss")).unwrap(),
            }
            let outcome = sign_in(&emulator, &*provider, LoginOptions::new()).await;
            assert_eq!(outcome.is_ok(), fine, "{name} {iss:?}");
        }
    }
}

#[tokio::test]
async fn login_gov_wants_a_nonce_an_assurance_level_and_no_secret() {
    let login_gov = LoginGovOAuth2::new("urn:gov:example", ClientSecret::NONE);
    let sent = query(&login_gov).await;
    assert_eq!(value(&sent, "acr_values"), Some("urn:acr.login.gov:auth-only"));
    assert_eq!(value(&sent, "prompt"), Some("select_account"));
    assert!(value(&sent, "nonce").unwrap().len() >= 22);

    let emulator = Emulator::start().await.unwrap();
    let login_gov = LoginGovOAuth2::new(id("login-gov"), ClientSecret::NONE)
        .with_authorize_params(&json!({"acr_values": "urn:acr.login.gov:verified"}));
    let (login_gov, login) = signed_in(&emulator, login_gov, &[]).await;
    assert_eq!(IdToken::of(&login).unwrap().get("acr"), Some(&json!("urn:acr.login.gov:verified")));
    let redeemed = emulator.requests().into_iter().find(|request| request.field("code").is_some()).unwrap();
    assert_eq!(
        (redeemed.field("client_id"), redeemed.field("client_secret")),
        (Some(&*id("login-gov")), None)
    );
    assert!(redeemed.field("code_verifier").is_some() && redeemed.header("authorization").is_none());

    let logout = LogoutRequest::new().return_to("https://app.example/bye");
    let logout = login_gov.start_logout(logout).await.unwrap();
    let sent = query_of(&logout.url);
    assert_eq!(value(&sent, "client_id"), Some(&*id("login-gov")));
    assert!(logout.url.starts_with("https://secure.login.gov/openid_connect/logout?"));
}

#[tokio::test]
async fn logto_signs_on_p_384_and_users_may_have_no_name() {
    let emulator = Emulator::start().await.unwrap();
    let logto = LogtoOAuth2::new(id("logto"), secret("logto"), "https://my-tenant.logto.app").unwrap();
    let logto = logto.with_authorize_params(&json!({"prompt": "consent"}));
    let (logto, login) = signed_in(&emulator, logto, &["openid", "offline_access"]).await;
    assert!(login.token.refresh_token().is_some());
    let set = emulator.requests().into_iter().find(|request| request.url.ends_with("/oidc/jwks"));
    assert!(set.is_some(), "the ID token was verified with the published keys");
    emulator
        .fault_at("logto", EmulatedEndpoint::Profile, Fault::Member("name".into(), Some(Value::Null)))
        .unwrap();
    emulator.fault_at("logto", EmulatedEndpoint::Profile, Fault::member("username", "ada")).unwrap();
    let identity = logto.get_identity(&login.token).await.unwrap();
    assert_eq!(identity.name.as_deref(), Some("ada"));
}

#[tokio::test]
async fn onelogins_applications_choose_how_to_authenticate() {
    for (auth, basic) in [(None, true), (Some(ClientAuth::Post), false)] {
        let emulator = Emulator::start().await.unwrap();
        let onelogin = OneLoginOAuth2::new(id("onelogin"), secret("onelogin"), "my-company").unwrap();
        let onelogin = match auth {
            Some(auth) => onelogin.with_client_auth(auth),
            None => onelogin,
        };
        signed_in(&emulator, onelogin, &[]).await;
        let redeemed =
            emulator.requests().into_iter().find(|request| request.field("code").is_some()).unwrap();
        assert_eq!(redeemed.header("authorization").is_some(), basic);
        assert_eq!(redeemed.field("client_secret").is_some(), !basic);
    }
}

#[tokio::test]
async fn ping_one_is_where_the_environment_is() {
    let environment = "3b0a4a4e-1c1a-4a57-9a7a-3b7b8d0f7d11";
    let emulator = Emulator::start().await.unwrap();
    for domain in ["auth.pingone.com", "auth.pingone.eu"] {
        let ping = PingIdentityOAuth2::new(id("ping-id"), secret("ping-id"), domain, environment).unwrap();
        let (ping, login) = signed_in(&emulator, ping, &[]).await;
        let identity = ping.get_identity(&login.token).await.unwrap();
        assert_eq!(identity.issuer, format!("https://{domain}/{environment}/as"));
        assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
    }
}

#[tokio::test]
async fn salesforces_subject_is_a_url_and_its_tokens_do_not_say_when_they_expire() {
    let emulator = Emulator::start().await.unwrap();
    let salesforce = SalesforceOAuth2::new(id("salesforce"), secret("salesforce"));
    let salesforce = salesforce.with_domain("acme.my.salesforce.com").unwrap();
    let scopes = &["openid", "email", "refresh_token"];
    let (salesforce, login) = signed_in(&emulator, salesforce, scopes).await;
    let identity = salesforce.get_identity(&login.token).await.unwrap();
    let subject = "https://acme.my.salesforce.com/id/00D000000000001EAA/1815121018521127";
    assert_eq!(identity.key(), ("https://acme.my.salesforce.com", subject));
    assert_eq!(identity.profile["user_id"], "1815121018521127");
    assert_eq!(login.token.expires_at(), None);
    assert!(login.token.refresh_token().is_some());

    // So an application learns it from UserInfo, which has no 401.
    for (body, class) in [
        ("Bad_OAuth_Token\n", ErrorClass::Reauthorize),
        ("Wrong_Org", ErrorClass::Protocol),
        ("", ErrorClass::Protocol),
    ] {
        let http = Script::new([reply(403, "text/plain", body)]);
        let salesforce = SalesforceOAuth2::new("id", "secret").with_http_client(http.clone());
        let error = salesforce.get_identity(&login.token).await.unwrap_err();
        assert_eq!(
            (error.class(), error.status().map(|status| status.as_u16())),
            (class, Some(403)),
            "{error}"
        );
        assert_eq!(error.body(), Some(body.as_bytes()));
        let code = error.oauth_error().map(|error| &*error.code);
        assert_eq!(code, (class == ErrorClass::Reauthorize).then_some("invalid_token"));
        assert_eq!(http.request().url, "https://login.salesforce.com/services/oauth2/userinfo");
    }
    // The consumer key is wrong, or the domain is another organization's.
    let refusal = json!({"error": "invalid_client_id", "error_description": "client identifier invalid"});
    let salesforce = SalesforceOAuth2::new("id", "secret").with_http_client(Script::json(400, &refusal));
    let error = salesforce.get_access_token("c", REDIRECT_URI, None, &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
}

#[tokio::test]
async fn twitch_tells_what_it_is_asked_for() {
    let emulator = Emulator::start().await.unwrap();
    let twitch = || TwitchOAuth2::new(id("twitch"), secret("twitch"));
    let sent = query(&twitch()).await;
    assert_eq!(value(&sent, "code_challenge"), None);
    let claims: Value = serde_json::from_str(value(&sent, "claims").unwrap()).unwrap();
    assert_eq!(claims["userinfo"]["email_verified"], Value::Null);
    assert!(claims["userinfo"].as_object().unwrap().contains_key("email_verified"));

    let (twitch, login) = signed_in(&emulator, twitch(), &[]).await;
    let identity = twitch.get_identity(&login.token).await.unwrap();
    assert!(identity.email.unwrap().is_verified());
    assert_eq!((identity.name.as_deref(), identity.picture.is_some()), (Some("ada"), true));
    let user = twitch.get_user(login.token.access_token()).await.unwrap();
    assert_eq!(user["data"][0]["display_name"], "Ada Lovelace");
    // A refresh brings no ID token, and that is fine.
    let new = twitch.refresh(&login.token, None).await.unwrap();
    assert_eq!(twitch.get_identity(&new).await.unwrap().subject, "1815121018521127");
}

#[tokio::test]
async fn twitchs_messages_stand_for_oauth_errors() {
    let emulator = Emulator::start().await.unwrap();
    let twitch = TwitchOAuth2::new(id("twitch"), secret("twitch"));
    let twitch = twitch.with_http_client(emulator.http_client().unwrap());
    let spent = twitch.get_access_token("x", REDIRECT_URI, None, &[]).await.unwrap_err();
    let dead = twitch.refresh_token("x", None).await.unwrap_err();
    for error in [spent, dead] {
        assert_eq!(error.oauth_error().map(|error| &*error.code), Some("invalid_grant"), "{error:?}");
        assert_eq!(
            (error.class(), error.status().map(|status| status.as_u16())),
            (ErrorClass::Reauthorize, Some(400))
        );
    }
    let twitch = TwitchOAuth2::new(id("twitch"), "wrong").with_http_client(emulator.http_client().unwrap());
    let error = twitch.get_access_token("x", REDIRECT_URI, None, &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error:?}");
    // The revocation carries no secret.
    let http = Script::new([reply(200, "text/plain", "")]);
    let twitch = TwitchOAuth2::new("id", "secret").with_http_client(http.clone());
    twitch.revoke_token("AT", None).await.unwrap();
    let form = http.requests()[0].form();
    assert_eq!((value(&form, "token"), value(&form, "client_id")), (Some("AT"), Some("id")));
    assert_eq!(value(&form, "client_secret"), None);
}

#[tokio::test]
async fn workos_needs_to_know_by_whom_to_sign_in() {
    let workos = WorkOSOAuth2::new("id", "secret");
    let error = workos.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    assert!(error.to_string().contains("organization"), "{error}");
    let workos = workos.with_organization("org_1").unwrap().with_provider("GoogleOAuth").unwrap();
    let sent = query(&workos).await;
    assert_eq!((value(&sent, "provider"), value(&sent, "organization")), (Some("GoogleOAuth"), None));
    let mut config = ProviderConfig::new("id");
    config.client_secret = Some("secret".into());
    config.parameters = [("connection".to_owned(), Parameter::Text("conn_1".to_owned()))].into();
    let configured = Registry::build("workos", &RegistryEntry::new(config)).await.unwrap();
    let request = AuthorizationRequest::new(REDIRECT_URI);
    let url = configured.get_authorization_url(request).await.unwrap();
    assert_eq!(value(&query_of(&url), "connection"), Some("conn_1"));
}

#[tokio::test]
async fn workos_users_may_have_a_name_in_two_pieces_and_vouches_for_no_address() {
    let body =
        json!({"id": "prof_1", "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"});
    let http = Script::new([reply(200, "application/json", body.to_string())]);
    let workos = WorkOSOAuth2::new("id", "secret").with_http_client(http);
    let identity = workos.get_identity(&oauth_clients::OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(identity.email.unwrap().verification, EmailVerification::Unknown);
}

#[tokio::test]
async fn yahoo_gets_no_challenge_and_signs_on_p_256() {
    let emulator = Emulator::start().await.unwrap();
    let yahoo = YahooOAuth2::new(id("yahoo"), secret("yahoo"));
    let (yahoo, login) = signed_in(&emulator, yahoo, &[]).await;
    let asked = &emulator.requests()[0];
    assert_eq!((asked.query.get("code_challenge"), asked.query.get("nonce").is_some()), (None, true));
    assert!(IdToken::of(&login).is_some());
    let redeemed = emulator.requests().into_iter().find(|request| request.field("code").is_some()).unwrap();
    assert!(redeemed.header("authorization").unwrap().starts_with("Basic "));
    emulator.fault("yahoo", Fault::SignedBy(SigningAlg::PS256)).unwrap();
    let error = sign_in(&emulator, &yahoo, LoginOptions::new()).await.unwrap_err();
    assert_eq!(refused_by(&error), Some(JwtCheck::Algorithm), "{error}");
}

#[tokio::test]
async fn zitadels_tokens_are_for_a_project_and_for_this_client() {
    let emulator = Emulator::start().await.unwrap();
    let domain = "my-instance.eu1.zitadel.cloud";
    let zitadel = ZitadelOAuth2::new(id("zitadel"), secret("zitadel"), domain).unwrap();
    let (zitadel, login) = signed_in(&emulator, zitadel, &[]).await;
    assert!(IdToken::of(&login).unwrap().get("aud").unwrap().as_array().unwrap().len() > 1);
    assert!(zitadel.get_identity(&login.token).await.unwrap().email.unwrap().is_verified());
    for (fault, check) in [
        (Fault::claim("azp", "another-client"), JwtCheck::AuthorizedParty),
        (Fault::no_claim("azp"), JwtCheck::AuthorizedParty),
        (Fault::claim("aud", json!(["312909075211837441"])), JwtCheck::Audience),
    ] {
        emulator.clear_faults();
        emulator.fault("zitadel", fault).unwrap();
        let error = sign_in(&emulator, &zitadel, LoginOptions::new()).await.unwrap_err();
        assert_eq!(refused_by(&error), Some(check), "{error}");
    }
}
