//! Who may sign in: a tenant, an organization, a domain, a level of assurance. The browser carries the request and can change
//! it, so each of them is held against the answer, on every path to an identity.

use std::time::Duration;

use oauth_clients::{
    ClientSecret, EmailVerification, Endpoint, Error, ErrorClass, ErrorKind, JwtCheck, Login, LoginAttempt,
    LoginError, LoginOptions, OAuth2, OAuth2Token, Provider, Registry, RegistryEntry, Sealer, SealingKey,
    auth0::Auth0OAuth2,
    franceconnect::{self, FranceConnectOAuth2},
    google::{GoogleAuthorizeParams, GoogleOAuth2},
    keycloak::KeycloakOAuth2,
    login_gov::LoginGovOAuth2,
    microsoft::MicrosoftGraphOAuth2,
    openid::{Algorithm, Expectations, IdToken, OpenID, OpenIDProvider},
    salesforce::SalesforceOAuth2,
    shopify::{ShopifyAuthorizeParams, ShopifyOAuth2},
    workos::WorkOSOAuth2,
    zitadel::ZitadelOAuth2,
};
use oauth_emulator::{App, Consent, EmulatedEndpoint, Emulator, Fault};
use serde_json::{Value, json};

use crate::support::query_of;

const REDIRECT_URI: &str = "https://app.example/callback";
/// The tenant of personal accounts, of which the emulator's user is at Microsoft.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

fn id(provider: &str) -> String {
    format!("{provider}-client-id")
}

fn secret(provider: &str) -> ClientSecret {
    App::default_of(provider).client_secret.map_or(ClientSecret::NONE, ClientSecret::from)
}

/// A client at an emulator.
fn at<P: Provider>(emulator: &Emulator, provider: P) -> P {
    provider.with_http_client(emulator.http_client().unwrap())
}

/// A sign-in whose browser changes the URL like this.
async fn sign_in_changing(
    emulator: &Emulator,
    provider: &impl Provider,
    options: LoginOptions,
    change: impl Fn(&str) -> String,
) -> Result<Login, Error> {
    let started = provider.start_login(REDIRECT_URI, options).await?;
    let callback = emulator.browse(&change(&started.url), Consent::Allow).await.unwrap().callback();
    provider.finish_login(started.attempt, callback).await
}

async fn sign_in(
    emulator: &Emulator,
    provider: &impl Provider,
    options: LoginOptions,
) -> Result<Login, Error> {
    sign_in_changing(emulator, provider, options, str::to_owned).await
}

fn value(url: &str, name: &str) -> Option<String> {
    query_of(url).into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

async fn problem(provider: &(impl Provider + ?Sized), options: LoginOptions) -> Error {
    let error = provider.start_login(REDIRECT_URI, options).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
    error
}

/// That an account which may not sign in is told from a fault: another account will do.
#[track_caller]
fn assert_restricted(error: &Error) {
    let by_claim = error.jwt_check() == Some(JwtCheck::Restriction);
    assert!(by_claim || matches!(error.kind(), ErrorKind::Login(LoginError::Restricted(_))), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
}

#[track_caller]
fn assert_configuration(error: Error) {
    assert_eq!(error.class(), ErrorClass::Configuration, "{error:?}");
}

#[tokio::test]
async fn a_tenant_is_checked_whatever_the_scopes_are() {
    let emulator = Emulator::start().await.unwrap();
    for scopes in [&["User.Read"][..], &["openid", "User.Read"], &["offline_access", "User.Read"]] {
        let microsoft = || {
            let microsoft = MicrosoftGraphOAuth2::new(id("microsoft"), secret("microsoft"));
            at(&emulator, microsoft.with_scopes(scopes.iter().copied()))
        };
        let of_another = microsoft().with_tenants([TENANT]);
        let error = sign_in(&emulator, &of_another, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Issuer), "{scopes:?}: {error}");
        // The scopes of one login do not switch it off either.
        let options = LoginOptions::new().scopes(["User.Read"]);
        let error = sign_in(&emulator, &of_another, options).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Issuer), "{scopes:?}: {error}");

        let own = microsoft().with_tenants([TENANT, CONSUMERS]);
        let login = sign_in(&emulator, &own, LoginOptions::new()).await.unwrap();
        assert_eq!(IdToken::of(&login).unwrap().get("tid"), Some(&json!(CONSUMERS)));
        own.get_identity(&login.token).await.unwrap();
        // The token of an account of another tenant, however it came to be.
        assert_eq!(
            of_another.get_identity(&login.token).await.unwrap_err().jwt_check(),
            Some(JwtCheck::Issuer)
        );
    }
    // A browser that takes the scope out gets no ID token, and nobody is signed in.
    let microsoft = at(&emulator, MicrosoftGraphOAuth2::new(id("microsoft"), secret("microsoft")));
    let microsoft = microsoft.with_scopes(["User.Read"]).with_tenants([CONSUMERS]);
    let error = sign_in_changing(&emulator, &microsoft, LoginOptions::new(), |url| {
        url.replace("openid%20profile%20", "")
    });
    assert_eq!(error.await.unwrap_err().jwt_check(), Some(JwtCheck::Presence));
}

#[tokio::test]
async fn no_login_begins_before_somebody_said_who_may_sign_in() {
    let microsoft = || MicrosoftGraphOAuth2::new("id", "secret");
    for undecided in [
        microsoft(),
        microsoft().with_scopes(["User.Read"]),
        microsoft().with_tenant("common").unwrap(),
        microsoft().with_tenant("organizations").unwrap().with_scopes(["User.Read"]),
        microsoft().with_tenant("contoso.example").unwrap(),
    ] {
        let error = problem(&undecided, LoginOptions::new()).await;
        assert!(error.to_string().contains("with_any_tenant"), "{error}");
        problem(&undecided, LoginOptions::new().scopes(["User.Read"])).await;
    }
    let salesforce = || SalesforceOAuth2::new("id", "secret");
    for undecided in [
        salesforce(),
        salesforce().with_domain("test.salesforce.com").unwrap(),
        salesforce().with_domain("LOGIN.salesforce.com").unwrap(),
        salesforce().with_domain("salesforce.com").unwrap(),
        salesforce().with_domain("na1.salesforce.com").unwrap(),
        salesforce().with_domain("login.salesforce.mil").unwrap(),
        salesforce().with_domain("login.sfcrmproducts.cn").unwrap(),
        salesforce()
            .with_domain("acme.my.salesforce.com")
            .unwrap()
            .with_domain("login.salesforce.com")
            .unwrap(),
    ] {
        let error = problem(&undecided, LoginOptions::new()).await;
        assert!(error.to_string().contains("with_any_organization"), "{error}");
    }
    for decided in [
        salesforce().with_any_organization(),
        salesforce().with_organizations(["00D000000000001EAA"]),
        salesforce().with_domain("acme.my.salesforce.com").unwrap(),
        salesforce().with_domain("acme--test.sandbox.my.salesforce.mil").unwrap(),
        salesforce().with_domain("acmesalesforce.com").unwrap(),
    ] {
        decided.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    }
}

#[tokio::test]
async fn a_bare_access_token_is_no_identity_of_a_restricted_client() {
    let emulator = Emulator::start().await.unwrap();
    let google = GoogleOAuth2::new(id("google"), secret("google")).with_hosted_domain("example.com").unwrap();
    let auth0 = Auth0OAuth2::new(id("auth0"), secret("auth0"), "my-tenant.eu.auth0.com").unwrap();
    let openid = OpenID::lazy(id("openid"), secret("openid"), "https://openid.example").unwrap();
    let shopify = ShopifyOAuth2::new(id("shopify"), secret("shopify"), "my-shop").unwrap();
    let restricted: [Box<dyn Provider>; 6] = [
        Box::new(at(&emulator, MicrosoftGraphOAuth2::new("id", "secret").with_tenants([TENANT]))),
        Box::new(at(&emulator, google)),
        Box::new(at(&emulator, auth0.with_organization("org_A").unwrap())),
        Box::new(at(&emulator, openid.with_policy(|policy| policy.require_claim("hd", ["example.com"])))),
        Box::new(at(&emulator, SalesforceOAuth2::new("id", "secret").with_organizations(["00DA"]))),
        Box::new(at(&emulator, shopify.with_authorize_params(&ShopifyAuthorizeParams { per_user: true }))),
    ];
    for provider in restricted {
        assert_configuration(provider.get_id_email("AT").await.unwrap_err());
        assert_configuration(provider.get_identity(&OAuth2Token::new("AT")).await.unwrap_err());
        assert_configuration(provider.get_profile_of(&OAuth2Token::new("AT")).await.unwrap_err());
        let name = provider.name();
        assert_eq!(
            emulator.count_requests(name, EmulatedEndpoint::Profile).unwrap(),
            0,
            "{name}: nothing is sent"
        );
    }
}

#[tokio::test]
async fn workos_confirms_the_organization_the_connection_and_the_provider() {
    let emulator = Emulator::start().await.unwrap();
    let workos = || at(&emulator, WorkOSOAuth2::new(id("workos"), secret("workos")));
    for (client, from, to) in [
        (workos().with_organization("org_A").unwrap(), "org_A", "org_B"),
        (workos().with_connection("conn_A").unwrap(), "conn_A", "conn_B"),
        (workos().with_provider("GoogleOAuth").unwrap(), "GoogleOAuth", "GitHubOAuth"),
        // Another selector altogether.
        (workos().with_organization("org_A").unwrap(), "organization=org_A", "provider=GoogleOAuth"),
        (workos().with_provider("GoogleOAuth").unwrap(), "provider=GoogleOAuth", "organization=org_B"),
    ] {
        let login = sign_in(&emulator, &client, LoginOptions::new()).await.unwrap();
        client.get_identity(&login.token).await.unwrap();
        let change = |url: &str| url.replace(from, to);
        let error = sign_in_changing(&emulator, &client, LoginOptions::new(), change).await.unwrap_err();
        assert_restricted(&error);
    }
    // A token of another organization is not an identity, and a profile that names none is of none.
    let (a, b) = (workos().with_organization("org_A").unwrap(), workos().with_organization("org_B").unwrap());
    let login = sign_in(&emulator, &a, LoginOptions::new()).await.unwrap();
    assert_restricted(&b.get_identity(&login.token).await.unwrap_err());
    assert_restricted(&b.get_id_email(login.token.access_token()).await.unwrap_err());
    for wrong in [None, Some(json!(null)), Some(json!("")), Some(json!(["org_A"])), Some(json!("ORG_A"))] {
        emulator
            .fault_at("workos", EmulatedEndpoint::Profile, Fault::Member("organization_id".into(), wrong))
            .unwrap();
        assert_restricted(&sign_in(&emulator, &a, LoginOptions::new()).await.unwrap_err());
        assert_restricted(&a.get_identity(&login.token).await.unwrap_err());
        emulator.clear_faults();
    }
    a.get_profile(login.token.access_token()).await.unwrap();
}

#[tokio::test]
async fn an_attempt_ends_under_the_restriction_it_began_under() {
    let workos = || WorkOSOAuth2::new("id", "secret");
    let microsoft = || MicrosoftGraphOAuth2::new("id", "secret");
    let google = || GoogleOAuth2::new("id", "secret");
    let france = || FranceConnectOAuth2::new("id", "secret");
    let salesforce = || SalesforceOAuth2::new("id", "secret");
    let pairs: [(Box<dyn Provider>, Box<dyn Provider>); 8] = [
        (
            Box::new(workos().with_organization("org_A").unwrap()),
            Box::new(workos().with_organization("org_B").unwrap()),
        ),
        (
            Box::new(workos().with_organization("org_A").unwrap()),
            Box::new(workos().with_connection("org_A").unwrap()),
        ),
        (Box::new(microsoft().with_tenants(["a"])), Box::new(microsoft().with_tenants(["b"]))),
        (Box::new(microsoft().with_tenants(["a"])), Box::new(microsoft().with_any_tenant())),
        (Box::new(google().with_hosted_domain("a.example").unwrap()), Box::new(google())),
        (
            Box::new(google()),
            Box::new(google().with_policy(|policy| policy.algorithms([Algorithm::ES256]).auth_time_always())),
        ),
        (Box::new(france().with_minimum_level("eidas2").unwrap()), Box::new(france())),
        (
            Box::new(salesforce().with_any_organization()),
            Box::new(salesforce().with_organizations(["00D000000000001EAA"])),
        ),
    ];
    for (began, ends) in pairs {
        for (began, ends) in [(&began, &ends), (&ends, &began)] {
            let attempt = began.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().attempt;
            let callback = [("state", attempt.state().to_owned()), ("code", "c".to_owned())];
            let error = ends.finish_login(attempt, callback.into_iter().collect()).await.unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Login(LoginError::OtherProvider { .. })),
                "{}: {error:?}",
                began.name()
            );
        }
    }
}

#[tokio::test]
async fn what_one_login_is_restricted_to_is_checked_and_kept() {
    let emulator = Emulator::start().await.unwrap();
    let google = at(&emulator, GoogleOAuth2::new(id("google"), secret("google")));
    let hd = |domain: &str| GoogleAuthorizeParams { hd: Some(domain.to_owned()), ..Default::default() };
    let auth0 = Auth0OAuth2::new(id("auth0"), secret("auth0"), "my-tenant.eu.auth0.com").unwrap();
    let auth0 = at(&emulator, auth0);
    let extras = |params: &Value| LoginOptions::new().extras_params(params);
    let of_google = |domain: &str| LoginOptions::new().extras_params(&hd(domain));
    let of_auth0 = |organization: &str| extras(&json!({ "organization": organization }));
    for (provider, options, from, to) in [
        (&google as &dyn Provider, of_google("acme.example"), "acme.example", "evil.example"),
        (&google, of_google("*"), "&hd=*", ""),
        (&google, of_google("acme.example"), "&hd=acme.example", ""),
        (&auth0, of_auth0("org_A"), "org_A", "org_B"),
        (&auth0, of_auth0("acme"), "organization=acme", "organization=evil"),
        (&auth0, of_auth0("acme"), "&organization=acme", ""),
        (&auth0, of_auth0("org_A"), "organization=org_A", "organization=acme"),
    ] {
        let started = provider.start_login(REDIRECT_URI, options.clone()).await.unwrap();
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        let login = provider.finish_login(started.attempt, callback).await.unwrap();
        provider.get_identity(&login.token).await.unwrap();

        let started = provider.start_login(REDIRECT_URI, options).await.unwrap();
        // It is kept with the attempt, wherever that is.
        let stored = serde_json::to_string(&started.attempt).unwrap();
        let stored: LoginAttempt = serde_json::from_str(&stored).unwrap();
        let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
        let sealed = sealer.seal(&stored).unwrap();
        let attempt = sealer.open(&sealed, provider.name(), REDIRECT_URI).unwrap();
        assert_eq!(attempt.restricted_to(), started.attempt.restricted_to());
        assert!(started.url.contains(from) || from == "&hd=*", "{}", started.url);
        let url = started.url.replace("&hd=%2A", "").replace(from, to);
        let callback = emulator.browse(&url, Consent::Allow).await.unwrap().callback();
        assert_restricted(&provider.finish_login(attempt, callback).await.unwrap_err());
    }
    // Names are in lower case at Auth0, and so are domains.
    sign_in(&emulator, &auth0, of_auth0("Acme")).await.unwrap();
    emulator.fault("google", Fault::claim("hd", "ACME.example")).unwrap();
    sign_in(&emulator, &google, of_google("acme.example")).await.unwrap();
    for wrong in [json!(null), json!(""), json!(["acme.example"]), json!("sub.acme.example"), json!(true)] {
        emulator.clear_faults();
        emulator.fault("google", Fault::claim("hd", wrong)).unwrap();
        assert_restricted(&sign_in(&emulator, &google, of_google("acme.example")).await.unwrap_err());
    }
}

#[tokio::test]
async fn one_login_narrows_what_the_client_is_restricted_to_and_never_replaces_it() {
    let google = GoogleOAuth2::new("id", "secret").with_hosted_domain("acme.example").unwrap();
    for domain in ["evil.example", "*", ""] {
        problem(&google, LoginOptions::new().extras_params(&json!({ "hd": domain }))).await;
    }
    // A setting that turned out empty restricts nothing, so no login begins.
    let empty = GoogleOAuth2::new("id", "secret").with_authorize_params(&json!({"hd": ""}));
    problem(&empty, LoginOptions::new()).await;
    let same = LoginOptions::new().extras_params(&json!({"hd": "acme.example"}));
    google.start_login(REDIRECT_URI, same).await.unwrap();

    let emulator = Emulator::start().await.unwrap();
    let zitadel =
        ZitadelOAuth2::new(id("zitadel"), secret("zitadel"), "my-instance.eu1.zitadel.cloud").unwrap();
    let zitadel = at(&emulator, zitadel.with_organization("1").unwrap());
    let started =
        zitadel.start_login(REDIRECT_URI, LoginOptions::new().scopes(["openid", "email"])).await.unwrap();
    assert!(value(&started.url, "scope").unwrap().contains("urn:zitadel:iam:org:id:1"), "{}", started.url);
    problem(&zitadel, LoginOptions::new().scopes(["openid", "urn:zitadel:iam:org:id:2"])).await;
}

#[tokio::test]
async fn scopes_that_are_set_later_do_not_take_an_organization_out() {
    let emulator = Emulator::start().await.unwrap();
    let zitadel =
        ZitadelOAuth2::new(id("zitadel"), secret("zitadel"), "my-instance.eu1.zitadel.cloud").unwrap();
    let zitadel = at(&emulator, zitadel.with_organization("1").unwrap()).with_scopes(["openid", "email"]);
    assert_eq!(zitadel.oauth2().restricted_to()[0].value, "1");
    sign_in(&emulator, &zitadel, LoginOptions::new()).await.unwrap();
    let other = |url: &str| url.replace("iam%3Aorg%3Aid%3A1", "iam%3Aorg%3Aid%3A2");
    let error = sign_in_changing(&emulator, &zitadel, LoginOptions::new(), other).await.unwrap_err();
    assert_restricted(&error);
    // A second organization takes the place of the first, and one among the scopes does not.
    let moved = zitadel.clone().with_organization("2").unwrap().with_scopes(["openid"]);
    assert_eq!(moved.oauth2().scopes(), ["openid", "urn:zitadel:iam:org:id:2"]);
    problem(&zitadel.with_scopes(["openid urn:zitadel:iam:org:id:2"]), LoginOptions::new()).await;
}

#[tokio::test]
async fn a_restriction_has_one_spelling() {
    let google = GoogleOAuth2::new("id", "secret");
    let workos = WorkOSOAuth2::new("id", "secret");
    let shopify = ShopifyOAuth2::new("id", "secret", "my-shop").unwrap();
    for (provider, name) in [
        (&google as &dyn Provider, "HD"),
        (&google, "hd[]"),
        (&google, " hd"),
        (&workos, "Organization"),
        (&workos, "connection[0]"),
        (&shopify, "grant_options"),
        (&shopify, "grant_options[0]"),
    ] {
        let error = problem(provider, LoginOptions::new().extras_params(&json!({ name: "x" }))).await;
        assert!(error.to_string().contains("some servers take"), "{error}");
    }
    // In the endpoint's own query, too.
    for query in ["?HD=acme.example", "?Prompt=none"] {
        let url = format!("https://accounts.google.com/o/oauth2/v2/auth{query}");
        let odd = google.clone().with_endpoints(|all| all.with(Endpoint::Authorization, url));
        problem(&odd, LoginOptions::new()).await;
    }
}

#[tokio::test]
async fn settings_that_would_take_each_other_back_are_refused() {
    let build = async |name: &str, settings: Value| {
        let mut config = json!({"client_id": "id", "client_secret": "secret"});
        config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let config = serde_json::from_value(config).unwrap();
        Registry::build(name, &RegistryEntry::new(config)).await
    };
    for (name, settings) in [
        ("workos", json!({"organization": "org_A", "provider": "GoogleOAuth"})),
        ("workos", json!({"organization": "org_A", "connection": "conn_A"})),
        ("workos", json!({"connection": "conn_A", "provider": "GoogleOAuth"})),
        ("microsoft", json!({"tenant": "consumers", "tenants": "any"})),
        ("microsoft", json!({"tenant": TENANT, "tenants": " any "})),
    ] {
        assert_configuration(build(name, settings).await.unwrap_err());
    }
    for (name, settings) in [
        ("workos", json!({"organization": "org_A"})),
        ("microsoft", json!({"tenant": "organizations", "tenants": "any"})),
        ("microsoft", json!({"tenant": TENANT, "tenants": TENANT})),
    ] {
        build(name, settings).await.unwrap().start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    }
}

#[tokio::test]
async fn a_tenant_is_known_in_capitals_too() {
    for tenant in ["consumers", "Consumers", "CONSUMERS", "9188040D-6C67-4C5B-B112-36A304B66DAD"] {
        let microsoft = MicrosoftGraphOAuth2::new("id", "secret").with_any_tenant();
        let microsoft = microsoft.with_tenant(tenant).unwrap();
        let attempt = microsoft.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap().attempt;
        let with_issuer_of = |tenant: &str| {
            let iss = format!("https://login.microsoftonline.com/{tenant}/v2.0");
            let callback = [("state", attempt.state().to_owned()), ("code", "c".to_owned()), ("iss", iss)];
            microsoft.oauth2().check_callback(&attempt, &callback.into_iter().collect())
        };
        with_issuer_of(CONSUMERS).unwrap();
        with_issuer_of(TENANT).unwrap_err();
    }
}

#[tokio::test]
async fn a_scope_that_names_an_organization_is_checked_by_its_claim() {
    let emulator = Emulator::start().await.unwrap();
    let zitadel =
        ZitadelOAuth2::new(id("zitadel"), secret("zitadel"), "my-instance.eu1.zitadel.cloud").unwrap();
    let zitadel = at(&emulator, zitadel);
    let restricted = zitadel.clone().with_organization("178204173316174381").unwrap();
    let login = sign_in(&emulator, &restricted, LoginOptions::new()).await.unwrap();
    restricted.get_identity(&login.token).await.unwrap();
    restricted.get_id_email(login.token.access_token()).await.unwrap();
    let other = |url: &str| url.replace("178204173316174381", "2");
    assert_restricted(
        &sign_in_changing(&emulator, &restricted, LoginOptions::new(), other).await.unwrap_err(),
    );
    let of_another = zitadel.clone().with_organization("2").unwrap();
    assert_restricted(&of_another.get_identity(&login.token).await.unwrap_err());
    // UserInfo that says nothing leaves a bare token without an identity.
    let plain = sign_in(&emulator, &zitadel, LoginOptions::new()).await.unwrap();
    assert_configuration(restricted.get_id_email(plain.token.access_token()).await.unwrap_err());
    assert_restricted(&restricted.get_identity(&plain.token).await.unwrap_err());
    // The ID token alone does not tell.
    let id_token = login.token.id_token().unwrap();
    assert_configuration(
        restricted.verify_id_token(id_token, &Expectations::new().without_nonce()).await.unwrap_err(),
    );
    for scope in ["urn:zitadel:iam:org:id:1", "urn:zitadel:iam:org:domain:primary:acme.example"] {
        let options = || LoginOptions::new().scopes(["openid", scope]);
        sign_in(&emulator, &zitadel, options()).await.unwrap();
        let taken_out = |url: &str| url.replace("urn%3Azitadel", "urn%3Aother");
        let error = sign_in_changing(&emulator, &zitadel, options(), taken_out).await.unwrap_err();
        assert_restricted(&error);
    }

    let realm = "https://keycloak.example/realms/demo";
    let keycloak = at(&emulator, KeycloakOAuth2::new(id("keycloak"), secret("keycloak"), realm).unwrap());
    let options = || LoginOptions::new().scopes(["openid", "organization:acme"]);
    sign_in(&emulator, &keycloak, options()).await.unwrap();
    let other = |url: &str| url.replace("organization%3Aacme", "organization%3Aevil");
    assert_restricted(&sign_in_changing(&emulator, &keycloak, options(), other).await.unwrap_err());
    emulator.fault("keycloak", Fault::claim("organization", json!({"acme": {"id": "1"}}))).unwrap();
    sign_in(&emulator, &keycloak, options()).await.unwrap();
}

#[tokio::test]
async fn an_id_token_that_an_app_obtained_is_of_who_may_sign_in() {
    let emulator = Emulator::start().await.unwrap();
    let google = at(&emulator, GoogleOAuth2::new(id("google"), secret("google")));
    let plain = sign_in(&emulator, &google, LoginOptions::new()).await.unwrap();
    let restricted = google.clone().with_hosted_domain("acme.example").unwrap();
    // Without a second consent, Google gives no second refresh token.
    let asking = LoginOptions::new().prompt("consent");
    let of_domain = sign_in(&emulator, &restricted, asking).await.unwrap();
    let expected = Expectations::new().without_nonce();
    let verified = restricted.verify_id_token(of_domain.token.id_token().unwrap(), &expected).await.unwrap();
    assert_eq!(verified.identity().subject, "1815121018521127");
    let error = restricted.verify_id_token(plain.token.id_token().unwrap(), &expected).await.unwrap_err();
    assert_restricted(&error);
    assert_restricted(&restricted.get_identity(&plain.token).await.unwrap_err());
    restricted.get_identity(&of_domain.token).await.unwrap();
    // A refresh must not bring in somebody of another domain.
    emulator.fault_at("google", EmulatedEndpoint::Refresh, Fault::claim("hd", "evil.example")).unwrap();
    let error = restricted.refresh(&of_domain.token, None).await.unwrap_err();
    assert_restricted(&error);
    assert!(error.tokens().is_some(), "they are not lost");
}

#[tokio::test]
async fn the_generic_client_is_restricted_by_any_claim() {
    let emulator = Emulator::start().await.unwrap();
    let openid =
        at(&emulator, OpenID::lazy(id("openid"), secret("openid"), "https://openid.example").unwrap());
    let openid = openid.with_policy(|policy| policy.require_claim("groups", ["staff", "board"]));
    for (groups, is_met) in [
        (json!("staff"), true),
        (json!(["guests", "board"]), true),
        (json!(["guests"]), false),
        (json!("staff board"), false),
        (json!({"staff": true}), false),
        (json!(null), false),
    ] {
        emulator.clear_faults();
        emulator.fault("openid", Fault::claim("groups", groups.clone())).unwrap();
        match sign_in(&emulator, &openid, LoginOptions::new()).await {
            Ok(login) => {
                assert!(is_met, "{groups}");
                openid.get_identity(&login.token).await.unwrap();
            }
            Err(error) => {
                assert!(!is_met, "{groups}");
                assert_restricted(&error);
            }
        }
    }
}

#[tokio::test]
async fn salesforces_organization_is_in_the_subject() {
    let emulator = Emulator::start().await.unwrap();
    let salesforce = || at(&emulator, SalesforceOAuth2::new(id("salesforce"), secret("salesforce")));
    for own in [&["00D000000000001EAA"][..], &["00D000000000001"], &["00Dxx0000000002", "00D000000000001"]] {
        let salesforce = salesforce().with_organizations(own.iter().copied());
        let login = sign_in(&emulator, &salesforce, LoginOptions::new()).await.unwrap();
        salesforce.get_identity(&login.token).await.unwrap();
        let other = self::at(&emulator, SalesforceOAuth2::new(id("salesforce"), secret("salesforce")));
        let other = other.with_organizations(["00D000000000002EAA"]);
        other.get_identity(&login.token).await.unwrap_err();
        // The scopes do not switch it off.
        let options = LoginOptions::new().scopes(["id"]);
        let error = sign_in(&emulator, &other, options).await.unwrap_err();
        assert_restricted(&error);
    }
    for subject in ["1", "https://login.salesforce.com/id/00D000000000002EAA/005", "00D000000000001EAA/005"] {
        emulator.clear_faults();
        emulator.fault("salesforce", Fault::claim("sub", subject)).unwrap();
        let salesforce = salesforce().with_organizations(["00D000000000001EAA"]);
        assert_restricted(&sign_in(&emulator, &salesforce, LoginOptions::new()).await.unwrap_err());
    }
}

#[tokio::test]
async fn shopifys_online_tokens_sign_in_the_member_of_staff() {
    let emulator = Emulator::start().await.unwrap();
    let shopify = at(&emulator, ShopifyOAuth2::new(id("shopify"), secret("shopify"), "my-shop").unwrap());
    let per_user = || LoginOptions::new().extras_params(&ShopifyAuthorizeParams { per_user: true });
    let login = sign_in(&emulator, &shopify, per_user()).await.unwrap();
    let staff = shopify.get_identity(&login.token).await.unwrap();
    assert_eq!(staff.key(), ("https://my-shop.myshopify.com", "1815121018521127"));
    let email = staff.email.unwrap();
    assert_eq!((&*email.address, email.verification), ("ada@example.com", EmailVerification::Verified));
    assert_eq!(staff.name.as_deref(), Some("Ada Lovelace"));

    // An address that Shopify has not verified is not the user's.
    let user = json!({"id": 7, "email": "ceo@bank.example", "email_verified": false, "first_name": "Eve"});
    emulator.fault_at("shopify", EmulatedEndpoint::Token, Fault::member("associated_user", user)).unwrap();
    let login = sign_in(&emulator, &shopify, per_user()).await.unwrap();
    let staff = shopify.get_identity(&login.token).await.unwrap();
    assert_eq!(staff.into_id_email(), ("7".to_owned(), None));
    // What no database must see is in no identity, whatever token it comes from.
    let of =
        |user: Value| serde_json::from_value(json!({"access_token": "AT", "associated_user": user})).unwrap();
    let user = json!({"id": 7, "email": "ada@example.com\nBcc: eve@evil.example", "email_verified": true});
    assert_eq!(shopify.get_identity(&of(user)).await.unwrap().email, None);
    for id in [json!(" 7"), json!("7\u{200b}"), json!("7".repeat(256))] {
        shopify.get_identity(&of(json!({ "id": id }))).await.unwrap_err();
    }
    for wrong in [json!(null), json!({}), json!({"id": null}), json!("7")] {
        emulator.clear_faults();
        emulator
            .fault_at("shopify", EmulatedEndpoint::Token, Fault::member("associated_user", wrong))
            .unwrap();
        assert_restricted(&sign_in(&emulator, &shopify, per_user()).await.unwrap_err());
    }
    emulator.clear_faults();

    // A browser that takes the option out gets an offline token, and one that adds it an online one.
    let offline = |url: &str| url.replace("grant_options%5B%5D=per-user", "x=y");
    let error = sign_in_changing(&emulator, &shopify, per_user(), offline).await.unwrap_err();
    assert_restricted(&error);
    let online = |url: &str| format!("{url}&grant_options%5B%5D=per-user");
    let error = sign_in_changing(&emulator, &shopify, LoginOptions::new(), online).await.unwrap_err();
    assert_restricted(&error);

    // What the client asks for in each login holds for tokens that were kept, too.
    let shop = sign_in(&emulator, &shopify, LoginOptions::new()).await.unwrap();
    assert_eq!(shopify.get_identity(&shop.token).await.unwrap().issuer, "shopify");
    let people = shopify.with_authorize_params(&ShopifyAuthorizeParams { per_user: true });
    assert_restricted(&people.get_identity(&shop.token).await.unwrap_err());
    let stored = serde_json::to_string(&login.token).unwrap();
    let stored: OAuth2Token = serde_json::from_str(&stored).unwrap();
    assert_eq!(people.get_identity(&stored).await.unwrap().subject, "7");
}

#[tokio::test]
async fn id_14_a_browser_that_asks_for_a_lower_level_is_not_signed_in() {
    let emulator = Emulator::start().await.unwrap();
    let france = || at(&emulator, FranceConnectOAuth2::new(id("franceconnect"), secret("franceconnect")));
    let login_gov = || at(&emulator, LoginGovOAuth2::new(id("login-gov"), ClientSecret::NONE));
    const VERIFIED: &str = "urn:acr.login.gov:verified";
    const FACIAL: &str = "urn:acr.login.gov:verified-facial-match-required";
    let params = |acr: &str| json!({ "acr_values": acr });
    let extra = |acr: &str| LoginOptions::new().extras_params(&params(acr));
    for (provider, options, from, to) in [
        (
            &france().with_authorize_params(&params("eidas2")) as &dyn Provider,
            LoginOptions::new(),
            "acr_values=eidas2",
            "acr_values=eidas1",
        ),
        (&france(), extra("eidas3"), "acr_values=eidas3", "acr_values=eidas2"),
        (&france(), LoginOptions::new().acr_values(["eidas2"]), "=eidas2", "=eidas1"),
        (&france(), LoginOptions::new().require_acr(["eidas3"]), "=eidas3", "=eidas2"),
        (&france(), LoginOptions::new(), "=eidas1", "=eidas0"),
        (&france().with_minimum_level("eidas2").unwrap(), LoginOptions::new(), "=eidas2", "=eidas1"),
        (&login_gov().with_authorize_params(&params(VERIFIED)), LoginOptions::new(), "verified", "auth-only"),
        (&login_gov(), LoginOptions::new().require_acr([VERIFIED]), "verified", "auth-only"),
        (
            &login_gov().with_minimum_level(VERIFIED).unwrap(),
            LoginOptions::new(),
            "urn%3Aacr.login.gov%3Averified",
            "http%3A%2F%2Fidmanagement.gov%2Fns%2Fassurance%2Fial%2F1",
        ),
        (&login_gov(), extra(FACIAL), "verified-facial-match-required", "verified"),
    ] {
        let started = provider.start_login(REDIRECT_URI, options.clone()).await.unwrap();
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        provider.finish_login(started.attempt, callback).await.unwrap();
        let started = provider.start_login(REDIRECT_URI, options).await.unwrap();
        assert!(started.url.contains(from), "{}", started.url);
        let callback =
            emulator.browse(&started.url.replace(from, to), Consent::Allow).await.unwrap().callback();
        let error = provider.finish_login(started.attempt, callback).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Acr), "{error}");
        assert_eq!(error.class(), ErrorClass::Reauthorize);
    }
    // No level at all is none.
    emulator.fault("franceconnect", Fault::no_claim("acr")).unwrap();
    let error = sign_in(&emulator, &france(), LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Acr), "{error}");
}

#[tokio::test]
async fn id_14_a_higher_level_than_was_asked_for_will_do() {
    let emulator = Emulator::start().await.unwrap();
    let france = at(&emulator, FranceConnectOAuth2::new(id("franceconnect"), secret("franceconnect")));
    emulator.fault("franceconnect", Fault::claim("acr", "eidas3")).unwrap();
    for options in [
        LoginOptions::new(),
        LoginOptions::new().acr_values(["eidas2"]),
        LoginOptions::new().require_acr(["eidas2"]),
        LoginOptions::new().require_acr(["eidas3"]),
    ] {
        sign_in(&emulator, &france, options).await.unwrap();
    }
    let login_gov = at(&emulator, LoginGovOAuth2::new(id("login-gov"), ClientSecret::NONE));
    let facial = "urn:acr.login.gov:verified-facial-match-required";
    emulator.fault("login-gov", Fault::claim("acr", facial)).unwrap();
    for acr in ["urn:acr.login.gov:verified", "http://idmanagement.gov/ns/assurance/ial/2", facial] {
        sign_in(&emulator, &login_gov, LoginOptions::new().require_acr([acr])).await.unwrap();
    }
}

#[tokio::test]
async fn id_14_what_is_insisted_on_replaces_what_is_merely_asked_for() {
    let france = FranceConnectOAuth2::new("id", "secret");
    let url = |url: &str| (value(url, "acr_values"), value(url, "claims"));
    let started =
        france.start_login(REDIRECT_URI, LoginOptions::new().require_acr(["eidas2"])).await.unwrap();
    assert_eq!(url(&started.url), (Some("eidas2".to_owned()), None));
    let low = LoginOptions::new().acr_values(["eidas1"]).require_acr(["eidas2"]);
    let started = france.start_login(REDIRECT_URI, low).await.unwrap();
    assert_eq!(url(&started.url), (Some("eidas2".to_owned()), None));

    // What acr says nothing of is asked for besides, and cannot be insisted on.
    let login_gov = LoginGovOAuth2::new("id", ClientSecret::NONE);
    let (verified, aal2) = ("urn:acr.login.gov:verified", "http://idmanagement.gov/ns/assurance/aal/2");
    let options = LoginOptions::new().acr_values([verified, aal2]).require_acr([verified]);
    let started = login_gov.start_login(REDIRECT_URI, options).await.unwrap();
    assert_eq!(url(&started.url), (Some(format!("{verified} {aal2}")), None));
    problem(&login_gov, LoginOptions::new().require_acr([aal2])).await;
    problem(&france, LoginOptions::new().require_acr(["eidas4"])).await;

    let emulator = Emulator::start().await.unwrap();
    let openid =
        at(&emulator, OpenID::lazy(id("openid"), secret("openid"), "https://openid.example").unwrap());
    let openid = openid.with_authorize_params(&json!({"acr_values": "low"}));
    let started = openid.start_login(REDIRECT_URI, LoginOptions::new().require_acr(["high"])).await.unwrap();
    assert_eq!(value(&started.url, "acr_values").as_deref(), Some("high"));
    let claims: Value = serde_json::from_str(&value(&started.url, "claims").unwrap()).unwrap();
    assert_eq!(claims["id_token"]["acr"], json!({"essential": true, "values": ["high"]}));
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    openid.finish_login(started.attempt, callback).await.unwrap();
}

#[tokio::test]
async fn id_14_a_minimum_takes_nothing_higher_back() {
    let high = json!({"acr_values": "eidas3"});
    let france = || FranceConnectOAuth2::new("id", "secret").with_authorize_params(&high);
    for client in
        [france().with_minimum_level("eidas2").unwrap(), france().with_base_url(franceconnect::PLUS).unwrap()]
    {
        let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        assert_eq!(value(&started.url, "acr_values").as_deref(), Some("eidas3"));
        assert_eq!(started.attempt.required_acr(), ["eidas3"]);
    }
    // What is not a level, such as a second factor, is asked for as before.
    let (verified, aal2) = ("urn:acr.login.gov:verified", "http://idmanagement.gov/ns/assurance/aal/2");
    for before in [aal2.to_owned(), format!("urn:acr.login.gov:auth-only {aal2}")] {
        let login_gov = LoginGovOAuth2::new("id", ClientSecret::NONE);
        let login_gov = login_gov.with_authorize_params(&json!({ "acr_values": before }));
        let login_gov = login_gov.with_minimum_level(verified).unwrap();
        let started = login_gov.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        assert_eq!(value(&started.url, "acr_values"), Some(format!("{verified} {aal2}")));
    }
}

#[tokio::test]
async fn franceconnect_plus_has_a_minimum_of_its_own() {
    let low = || FranceConnectOAuth2::new("id", "secret");
    for plus in [
        FranceConnectOAuth2::plus("id", "secret").unwrap(),
        low().with_base_url(franceconnect::PLUS).unwrap(),
        low().with_base_url(franceconnect::PLUS_INTEGRATION).unwrap(),
    ] {
        let started = plus.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        assert_eq!(value(&started.url, "acr_values").as_deref(), Some("eidas2"));
        assert_eq!(started.attempt.required_acr(), ["eidas2", "eidas3"]);
        for too_low in [
            LoginOptions::new().acr_values(["eidas1"]),
            LoginOptions::new().require_acr(["eidas1"]),
            LoginOptions::new().extras_params(&json!({"acr_values": "eidas1"})),
        ] {
            problem(&plus, too_low).await;
        }
        assert_configuration(plus.clone().with_minimum_level("eidas1").unwrap_err());
        assert_eq!(plus.with_minimum_level("eidas3").unwrap().oauth2().minimum_acr(), Some("eidas3"));
    }
    let high = low().with_minimum_level("eidas3").unwrap().with_base_url(franceconnect::PLUS).unwrap();
    assert_eq!(high.oauth2().minimum_acr(), Some("eidas3"));
    assert_configuration(low().with_minimum_level("high").unwrap_err());
    // Version 1 has no ID token in which a level could be checked.
    problem(&FranceConnectOAuth2::version_1("id", "s"), LoginOptions::new().require_acr(["eidas2"])).await;
}

#[tokio::test]
async fn what_only_an_id_token_tells_is_refused_where_none_comes() {
    let plain = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token");
    let claims = json!({"id_token": {"acr": {"essential": true, "value": "gold"}}});
    for options in [
        LoginOptions::new().require_acr(["gold"]),
        LoginOptions::new().max_age(Duration::from_secs(300)),
        LoginOptions::new().claims(&claims),
    ] {
        problem(&plain, options).await;
    }
    // Where one can come, it is asked for.
    let facebook = oauth_clients::facebook::FacebookOAuth2::new("id", "secret");
    for options in
        [LoginOptions::new().require_acr(["gold"]), LoginOptions::new().max_age(Duration::from_secs(300))]
    {
        let started = facebook.start_login(REDIRECT_URI, options).await.unwrap();
        assert!(value(&started.url, "scope").unwrap().contains("openid"), "{}", started.url);
        assert!(started.attempt.nonce().is_some());
    }
}

#[tokio::test]
async fn id_15_a_browser_that_takes_prompt_login_out_is_noticed() {
    let emulator = Emulator::start().await.unwrap();
    let openid =
        at(&emulator, OpenID::lazy(id("openid"), secret("openid"), "https://openid.example").unwrap());
    for prompt in ["login", "consent login"] {
        let options = || LoginOptions::new().prompt(prompt);
        let started = openid.start_login(REDIRECT_URI, options()).await.unwrap();
        assert_eq!(value(&started.url, "max_age").as_deref(), Some("0"));
        assert_eq!(started.attempt.max_age(), Some(Duration::ZERO));
        sign_in(&emulator, &openid, options()).await.unwrap();
        // The session of yesterday.
        let yesterday = time::OffsetDateTime::now_utc().unix_timestamp() - 86_400;
        for auth_time in [json!(yesterday), json!(null)] {
            emulator.fault("openid", Fault::claim("auth_time", auth_time)).unwrap();
            let error = sign_in(&emulator, &openid, options()).await.unwrap_err();
            assert_eq!(error.jwt_check(), Some(JwtCheck::AuthTime), "{error}");
            emulator.clear_faults();
        }
    }
    // A longer max_age of the application's own is sent as it is, and does not hide that the prompt was taken out.
    let own = || LoginOptions::new().prompt("login").max_age(Duration::from_secs(3600));
    let started = openid.start_login(REDIRECT_URI, own()).await.unwrap();
    assert_eq!(value(&started.url, "max_age").as_deref(), Some("3600"));
    assert_eq!(started.attempt.max_age(), Some(Duration::ZERO));
    sign_in(&emulator, &openid, own()).await.unwrap();
    let half_an_hour_ago = time::OffsetDateTime::now_utc().unix_timestamp() - 1800;
    emulator.fault("openid", Fault::claim("auth_time", half_an_hour_ago)).unwrap();
    let error = sign_in(&emulator, &openid, own()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::AuthTime), "{error}");
    emulator.clear_faults();
    // A provider that never says when can be told so.
    let lax = openid.with_policy(|policy| policy.prompt_login_unverified());
    let started = lax.start_login(REDIRECT_URI, LoginOptions::new().prompt("login")).await.unwrap();
    assert_eq!((value(&started.url, "max_age"), started.attempt.max_age()), (None, None));
    // FranceConnect refuses parameters that it does not know; its ID tokens tell the time all the same.
    let france = FranceConnectOAuth2::new("id", "secret");
    let started = france.start_login(REDIRECT_URI, LoginOptions::new().prompt("login")).await.unwrap();
    assert_eq!((value(&started.url, "max_age"), started.attempt.max_age()), (None, Some(Duration::ZERO)));
    // Without an ID token, it is a wish.
    let github = oauth_clients::github::GitHubOAuth2::new("id", "secret");
    let started = github.start_login(REDIRECT_URI, LoginOptions::new().prompt("login")).await.unwrap();
    assert_eq!((value(&started.url, "max_age"), started.attempt.max_age()), (None, None));
}
