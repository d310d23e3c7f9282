//! What a callback's `iss` must be, and under which issuer users are known.

use oauth_clients::{
    Callback, ClientSecret, Configure, ErrorKind, LoginError, LoginOptions, OAuth2, Provider, ProviderConfig,
    Result, discord::DiscordOAuth2, facebook::FacebookOAuth2, franceconnect::FranceConnectOAuth2,
    github::GitHubOAuth2, gitlab::GitLabOAuth2, google::GoogleOAuth2, login_gov::LoginGovOAuth2,
    naver::NaverOAuth2, salesforce::SalesforceOAuth2, shopify::ShopifyOAuth2,
};
use serde_json::json;

use crate::support::{Script, events::Events};

const GITHUB: &str = "https://github.com/login/oauth";

fn github() -> GitHubOAuth2 {
    GitHubOAuth2::new("id", "secret")
}

fn generic(url: &str) -> OAuth2 {
    OAuth2::new("id", "secret", format!("{url}/authorize"), format!("{url}/token"))
}

/// The key of user 1 at a client, with the former ones.
fn keys(client: &dyn Provider) -> (String, Vec<String>) {
    let spec = client.oauth2().spec();
    let mut profile = json!({});
    let mut at = &mut profile;
    for member in spec.profile.id_at.split('/').skip(1) {
        at = &mut at[member];
    }
    *at = "1".into();
    let identity = client.oauth2().identity(profile).unwrap();
    assert_eq!(identity.subject, "1");
    let former = identity.former_keys().into_iter().map(|(issuer, subject)| {
        assert_eq!(subject, "1");
        issuer.to_owned()
    });
    (identity.issuer.clone(), former.collect())
}

fn key(client: &dyn Provider) -> String {
    keys(client).0
}

/// A login whose callback has this further query: how it ends.
async fn ended<P: Provider>(client: P, further: &str) -> Result<(), LoginError> {
    let client = client.with_http_client(Script::json(200, &json!({"access_token": "AT"})));
    let options = LoginOptions::new().scopes(["email"]);
    let attempt = client.start_login("https://app.example/cb", options).await.unwrap().attempt;
    let callback = Callback::from_query(&format!("code=c&state={}{further}", attempt.state()));
    match client.finish_login(attempt, callback).await {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::Login(reason) => Err(reason.clone()),
            _ => panic!("{error}"),
        },
    }
}

#[tokio::test]
async fn cb_06_githubs_callbacks_name_its_issuer_or_none() {
    assert_eq!(ended(github(), "").await, Ok(()));
    assert_eq!(ended(github(), &format!("&iss={GITHUB}")).await, Ok(()));
    for other in [
        "https://evil.example",
        "https://github.com",
        "https://github.com/login/oauth/",
        "https://GitHub.com/login/oauth",
        "https://github.com:443/login/oauth",
        "github",
        "",
    ] {
        assert_eq!(
            ended(github(), &format!("&iss={other}")).await,
            Err(LoginError::IssuerMismatch),
            "{other}"
        );
    }
    let own = github().with_enterprise_server("https://ghe.example").unwrap();
    assert_eq!(ended(own.clone(), "&iss=https://ghe.example/login/oauth").await, Ok(()));
    assert_eq!(ended(own, &format!("&iss={GITHUB}")).await, Err(LoginError::IssuerMismatch));
}

#[tokio::test]
async fn an_issuer_that_is_only_our_name_compares_nothing() {
    for iss in ["https://evil.example", "https://discord.com/", ""] {
        let further = format!("&iss={iss}");
        assert_eq!(ended(DiscordOAuth2::new("id", "s"), &further).await, Ok(()));
        assert_eq!(ended(FacebookOAuth2::new("id", "s"), &further).await, Ok(()));
        assert_eq!(ended(NaverOAuth2::new("id", "s"), &further).await, Ok(()));
        assert_eq!(ended(generic("https://as.example"), &further).await, Ok(()));
    }
    assert_eq!(key(&DiscordOAuth2::new("id", "s")), "https://discord.com");
    assert_eq!(key(&FacebookOAuth2::new("id", "s")), "https://www.facebook.com");
}

#[tokio::test]
async fn cb_07_one_line_names_the_issuer_of_callbacks_or_requires_it() {
    let named = || NaverOAuth2::new("id", "s").with_callback_issuer("https://nid.naver.com");
    assert_eq!(ended(named(), "").await, Ok(()));
    assert_eq!(ended(named(), "&iss=https://nid.naver.com").await, Ok(()));
    assert_eq!(ended(named(), "&iss=https://evil.example").await, Err(LoginError::IssuerMismatch));
    assert_eq!(key(&named()), "naver", "users stay who they are");

    let required = || github().with_required_callback_issuer(GITHUB);
    assert_eq!(ended(required(), "").await, Err(LoginError::MissingIssuer));
    assert_eq!(ended(required(), &format!("&iss={GITHUB}")).await, Ok(()));
    assert_eq!(ended(required(), "&iss=https://evil.example").await, Err(LoginError::IssuerMismatch));
    assert_eq!(key(&required()), "github");

    // What must be there must be compared, too.
    let unknown = DiscordOAuth2::new("id", "s").with_oauth2(OAuth2::require_callback_issuer);
    let error = unknown.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Configuration(_)), "{error}");
}

#[tokio::test]
async fn a_configured_generic_client_can_name_its_issuer() {
    let made = |issuer: &str| {
        let settings = json!({
            "client_id": "id", "client_secret": "s", issuer: "https://issuer.example",
            "authorize_endpoint": "https://as.example/authorize", "token_endpoint": "https://as.example/token",
        });
        OAuth2::from_config(&serde_json::from_value::<ProviderConfig>(settings).unwrap()).unwrap()
    };
    for (setting, known_as) in
        [("issuer", "https://issuer.example"), ("callback_issuer", "https://as.example/token")]
    {
        assert_eq!(ended(made(setting), "&iss=https://issuer.example").await, Ok(()));
        assert_eq!(ended(made(setting), "&iss=https://evil.example").await, Err(LoginError::IssuerMismatch));
        assert_eq!(key(&made(setting)), known_as);
    }
}

#[tokio::test]
async fn a_warning_names_the_iss_that_was_not_compared() {
    let events = Events::of("oauth_core");
    let _guard = events.listen();
    assert_eq!(ended(generic("https://as.example"), "").await, Ok(()));
    assert_eq!(ended(github(), &format!("&iss={GITHUB}")).await, Ok(()));
    let warnings = || events.lines().into_iter().filter(|line| line.starts_with("WARN")).collect::<Vec<_>>();
    assert_eq!(warnings().len(), 0);
    let iss = format!("https://other.example%0d%0aFAKE%1b[2J{}", "x".repeat(5000));
    assert_eq!(ended(generic("https://as.example").with_name("acme"), &format!("&iss={iss}")).await, Ok(()));
    let lines = warnings();
    let [line] = &*lines else { panic!("{lines:?}") };
    assert!(line.contains("acme"), "{line}");
    assert!(line.contains("https://other.example") && line.contains("with_callback_issuer"), "{line}");
    assert!(line.len() < 700 && !line.contains("\\r") && !line.contains("\\u{1b}"), "{line}");
}

#[tokio::test]
async fn an_attempt_of_another_issuer_is_not_finished() {
    // Two issuers behind one token endpoint, and one name.
    let client = |issuer: &'static str| generic("https://as.example").with_issuer(issuer);
    let attempt = client("https://as.example/a")
        .start_login("https://app.example/cb", LoginOptions::new())
        .await
        .unwrap()
        .attempt;
    let callback = Callback::from_query(&format!("code=c&state={}", attempt.state()));
    let http = Script::default();
    let other = client("https://as.example/b").with_http_client(http.clone());
    let error = other.finish_login(attempt, callback).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::OtherProvider { .. })), "{error}");
    assert_eq!(http.requests().len(), 0);
}

#[test]
fn users_of_two_servers_never_share_a_key() {
    let enterprise = github().with_enterprise_server("https://ghe.example").unwrap();
    let moved = github().with_endpoints(|all| all.at("https://ghe.example"));
    let gitlab = || GitLabOAuth2::new("id", "s");
    let franceconnect_v1 = || FranceConnectOAuth2::version_1("id", "s");
    let clients: Vec<Box<dyn Provider>> =
        vec![
            Box::new(github()),
            Box::new(enterprise.clone()),
            Box::new(moved),
            Box::new(github().with_endpoints(|all| all.at("https://proxy.example/github"))),
            Box::new(enterprise.with_endpoints(|all| all.at("https://ghe.other.example"))),
            // The users are those of whoever answers for them.
            Box::new(github().with_endpoints(|all| {
                all.with(oauth_core::Endpoint::Profile, "https://api.other.example/user")
            })),
            Box::new(gitlab()),
            Box::new(gitlab().with_base_url("https://gitlab.example").unwrap()),
            Box::new(gitlab().with_endpoints(|all| all.at("https://git.example"))),
            Box::new(DiscordOAuth2::new("id", "s")),
            Box::new(DiscordOAuth2::new("id", "s").with_endpoints(|all| all.at("https://discord.example"))),
            Box::new(FranceConnectOAuth2::new("id", "s")),
            Box::new(FranceConnectOAuth2::integration("id", "s")),
            Box::new(franceconnect_v1()),
            Box::new(FranceConnectOAuth2::version_1_integration("id", "s")),
            Box::new(franceconnect_v1().with_base_url("https://fc.example").unwrap()),
            Box::new(FranceConnectOAuth2::new("id", "s").with_base_url("https://fc.example").unwrap()),
            Box::new(LoginGovOAuth2::new("id", ClientSecret::NONE)),
            Box::new(LoginGovOAuth2::sandbox("id")),
            Box::new(generic("https://sso.example/tenant-a")),
            Box::new(generic("https://sso.example/tenant-b")),
            Box::new(generic("https://sso.example/Tenant-A")),
            Box::new(generic("https://sso.example:8443/tenant-a")),
            Box::new(generic("https://other.example").with_name("acme")),
            Box::new(OAuth2::new("id", "s", "https://sso.example/a", "https://sso.example/t?p=one")),
            Box::new(OAuth2::new("id", "s", "https://sso.example/a", "https://sso.example/t?p=two")),
        ];
    let mut seen: Vec<_> = clients.iter().map(|client| key(&**client)).collect();
    seen.sort();
    for two in seen.windows(2) {
        assert_ne!(two[0], two[1]);
    }
}

#[test]
fn keys_that_nothing_was_wrong_with_stay_as_they_were() {
    assert_eq!(keys(&github()), ("github".to_owned(), vec![]));
    assert_eq!(key(&github().with_name("our-github")), "github");
    let enterprise = github().with_enterprise_server("https://ghe.example/").unwrap();
    assert_eq!(keys(&enterprise), ("https://ghe.example/login/oauth".to_owned(), vec![]));
    let gitlab = GitLabOAuth2::new("id", "s").with_base_url("https://example.org/gitlab").unwrap();
    assert_eq!(keys(&gitlab), ("https://example.org/gitlab".to_owned(), vec![]));
    assert_eq!(keys(&FranceConnectOAuth2::version_1("id", "s")), ("franceconnect".to_owned(), vec![]));
    assert_eq!(key(&GoogleOAuth2::new("id", "s")), "https://accounts.google.com");
    let named = generic("https://as.example").with_issuer("https://issuer.example");
    assert_eq!(keys(&named), ("https://issuer.example".to_owned(), vec![]));
    // A gateway in front of GitHub itself.
    let gateway = github().with_endpoints(|all| all.at("https://gateway.example"));
    assert_eq!(key(&gateway.with_identity_issuer("github")), "github");
}

#[test]
fn a_key_that_changed_tells_its_former_spelling() {
    let former = |client: &dyn Provider| keys(client).1;
    assert_eq!(former(&generic("https://sso.example/tenant-a")), ["https://sso.example"]);
    assert_eq!(former(&github().with_endpoints(|all| all.at("https://ghe.example"))), ["github"]);
    assert_eq!(former(&FranceConnectOAuth2::version_1_integration("id", "s")), ["franceconnect"]);
    let upper = github().with_enterprise_server("https://GHE.example:443").unwrap();
    assert_eq!(former(&upper), ["https://GHE.example:443/login/oauth"]);
    // They are kept with the identity, and never among what is compared.
    let identity = generic("https://sso.example/a").identity(json!({"id": 1})).unwrap();
    let stored = serde_json::to_string(&identity).unwrap();
    let read: oauth_clients::Identity = serde_json::from_str(&stored).unwrap();
    assert_eq!(read.former_keys(), [("https://sso.example", "1")]);
    assert_eq!(read, identity);
}

#[test]
fn the_spelling_of_a_host_changes_no_key() {
    for spelling in
        ["https://ghe.example", "HTTPS://GHE.Example", "https://ghe.example:443/", "https://ghe.example."]
    {
        let issuer = |client: Result<GitHubOAuth2>| key(&client.unwrap());
        assert_eq!(issuer(github().with_enterprise_server(spelling)), "https://ghe.example/login/oauth");
        let gitlab = GitLabOAuth2::new("id", "s").with_base_url(spelling).unwrap();
        assert_eq!(key(&gitlab), "https://ghe.example");
        assert_eq!(gitlab.oauth2().endpoints().token(), "https://ghe.example/oauth/token");
        let own = generic(&format!("{}/tenant", spelling.trim_end_matches('/')));
        assert_eq!(key(&own), "https://ghe.example/tenant/token", "{spelling}");
        assert_eq!(
            key(&FranceConnectOAuth2::version_1("id", "s").with_base_url(spelling).unwrap()),
            "https://ghe.example/api/v1"
        );
    }
    let salesforce = SalesforceOAuth2::new("id", "s").with_domain("Acme.My.Salesforce.com").unwrap();
    assert_eq!(salesforce.oauth2().issuer(), Some("https://acme.my.salesforce.com"));
}

#[test]
fn a_second_base_url_is_refused() {
    let base = "https://one.example";
    let other = "https://two.example";
    let gitlab = || GitLabOAuth2::new("id", "s");
    let outcomes = [
        github().with_enterprise_server(base).unwrap().with_enterprise_server(other).map(|_| ()),
        github().with_endpoints(|all| all.at(base)).with_enterprise_server(other).map(|_| ()),
        gitlab().with_base_url(base).unwrap().with_base_url(other).map(|_| ()),
        gitlab().with_endpoints(|all| all.at(base)).with_base_url(other).map(|_| ()),
        LoginGovOAuth2::sandbox("id").with_base_url(other).map(|_| ()),
        FranceConnectOAuth2::integration("id", "s").with_base_url(other).map(|_| ()),
    ];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Configuration(_)), "{error}");
        assert!(error.to_string().contains("once"), "{error}");
    }
}

#[test]
fn an_issuer_that_was_set_outlives_every_other_setting() {
    let issuer = "https://issuer.example";
    let facebook = FacebookOAuth2::new("id", "s").with_issuer(issuer).with_graph_version("v26.0").unwrap();
    let shopify = ShopifyOAuth2::new("id", "s", "shop").unwrap().with_issuer(issuer);
    let shopify = shopify.with_api_version("2026-10").unwrap();
    let salesforce = SalesforceOAuth2::new("id", "s").with_issuer(issuer);
    let salesforce = salesforce.with_domain("acme.my.salesforce.com").unwrap();
    let gitlab = GitLabOAuth2::new("id", "s").with_issuer(issuer).with_base_url("https://g.example").unwrap();
    let clients: [&dyn Provider; 4] = [&facebook, &shopify, &salesforce, &gitlab];
    for client in clients {
        assert_eq!(client.oauth2().issuer(), Some(issuer), "{}", client.name());
        assert_eq!(key(client), issuer, "{}", client.name());
    }
}

#[test]
fn version_1_at_another_host_does_not_name_version_2s_issuer() {
    let moved = FranceConnectOAuth2::version_1("id", "s").with_base_url("https://fc.example").unwrap();
    assert_eq!(moved.oauth2().issuer(), None);
    assert_eq!(key(&moved), "https://fc.example/api/v1");
    assert_eq!(moved.oauth2().endpoints().token(), "https://fc.example/api/v1/token");
}
