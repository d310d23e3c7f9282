//! The table "Defaults that changed" of the migration page, against the recorded clients and those of this library.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use oauth_clients::{
    AuthorizationRequest, Parameter, Provider, ProviderConfig, Registry, RegistryEntry, Secret,
};

use super::{Case, Outcome, PAGE, Recording, recording, replay::Wire};
use crate::support::query_of;

/// What a client does unless told otherwise, by the words of the table.
type Defaults = BTreeMap<&'static str, String>;

#[tokio::test]
async fn defaults_differ_exactly_where_the_page_says() {
    let recording = recording();
    let mut rows = Vec::new();
    let clients = recording.cases.iter().filter(|case| case.id == format!("{}/new/ok", case.provider));
    let providers: BTreeSet<_> =
        clients.map(|case| &*case.provider).filter(|name| *name != "oauth2").collect();
    for provider in providers {
        let (original, here) = (original(&recording, provider), here(&recording, provider).await);
        for (what, original) in &original {
            if original != &here[what] {
                rows.push(format!("| {provider} | {what} | {original} | {} |", here[what]));
            }
        }
    }
    let (_, section) = PAGE.split_once("\n## Defaults that changed\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let documented: Vec<_> =
        section.lines().filter(|line| line.starts_with("| ")).skip(2).map(str::to_owned).collect();
    assert_eq!(documented, rows, "the table should be\n{}\n", rows.join("\n"));
}

/// From the recorded `new`, `get_profile` and `get_authorization_url`.
fn original(recording: &Recording, provider: &str) -> Defaults {
    let case = |call: &str| {
        let id = format!("{provider}/{call}");
        recording.cases.iter().find(|case| case.id == id).unwrap_or_else(|| panic!("no case {id}"))
    };
    let ok = |case: &Case| match &case.result {
        Outcome::Ok(value) => value.clone(),
        Outcome::Error(_) => panic!("{} failed", case.id),
    };
    let new = ok(case("new/ok"));
    let scopes =
        new["base_scopes"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap().to_owned());
    let request = case("get_profile/ok").requests.last().unwrap();
    let url = ok(case("get_authorization_url/scope"));
    let query: Vec<(String, String)> = serde_json::from_value(url["query"].clone()).unwrap();
    defaults(
        |endpoint| new[endpoint].as_str().map(str::to_owned),
        scopes.collect(),
        (&request.method, &request.url, &request.query),
        &query,
    )
}

/// From a client that was told what it must be told and nothing else.
async fn here(recording: &Recording, provider: &str) -> Defaults {
    // The openid and okta cases begin with the discovery's reply.
    let case = recording.cases.iter().find(|case| case.id == format!("{provider}/get_profile/ok")).unwrap();
    let wire = Wire::new(recording, case);
    let settings = match provider {
        "okta" => Some(("domain", "dev-1.okta.example")),
        "openid" => Some(("issuer", "https://op.example")),
        "shopify" => Some(("shop", "my-shop")),
        _ => None,
    };
    let mut config = ProviderConfig::new("CLIENT_ID");
    config.client_secret = Some(Secret::from("CLIENT_SECRET"));
    let parameters = settings.map(|(name, value)| (name.to_owned(), Parameter::Text(value.to_owned())));
    config.parameters = parameters.into_iter().collect();
    config.http_client = Some(Arc::new(wire.clone()));
    let client: Arc<dyn Provider> = Registry::build(provider, &RegistryEntry::new(config)).await.unwrap();

    // The replies are those of the original's providers, and FranceConnect's now signs; the request is what counts here.
    let _ = client.get_profile("ACCESS").await;
    let sent = wire.sent();
    let request = sent.last().unwrap();
    let url = AuthorizationRequest::new("https://app.example/callback").scopes(["one", "two"]);
    let query = query_of(&client.get_authorization_url(url).await.unwrap());
    let ready = client.oauth2().ready().await.unwrap();
    let endpoints = ready.endpoints();
    defaults(
        |endpoint| match endpoint {
            "authorize_endpoint" => Some(endpoints.authorization().to_owned()),
            "access_token_endpoint" => Some(endpoints.token().to_owned()),
            "refresh_token_endpoint" => endpoints.get(oauth_core::Endpoint::Refresh).map(str::to_owned),
            _ => endpoints.get(oauth_core::Endpoint::Revocation).map(str::to_owned),
        },
        client.oauth2().scopes().iter().map(ToString::to_string).collect(),
        (&request.method, &request.url, &request.query),
        &query,
    )
}

fn defaults(
    endpoint: impl Fn(&str) -> Option<String>,
    scopes: Vec<String>,
    (method, url, query): (&str, &str, &[(String, String)]),
    authorize: &[(String, String)],
) -> Defaults {
    const COMMON: [&str; 5] = ["response_type", "client_id", "redirect_uri", "scope", "nonce"];
    // How the token travels is no default but a behaviour.
    const TOKEN: [&str; 2] = ["access_token", "appsecret_proof"];
    let shown = |text: Option<String>| text.map_or("–".to_owned(), |text| format!("`{text}`"));
    let joined = |pairs: Vec<String>, separator: &str| (!pairs.is_empty()).then(|| pairs.join(separator));
    let pairs = |pairs: &[(String, String)], without: &[&str]| {
        let pairs = pairs.iter().filter(|(name, _)| !without.contains(&&**name));
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let query = joined(pairs(query, &TOKEN), "&").map_or(String::new(), |query| format!("?{query}"));
    let (_, scope) = authorize.iter().find(|(name, _)| name == "scope").unwrap();
    let mut parameters = pairs(authorize, &COMMON);
    parameters.sort();
    Defaults::from([
        ("authorize", shown(endpoint("authorize_endpoint"))),
        ("token", shown(endpoint("access_token_endpoint"))),
        ("refresh", shown(endpoint("refresh_token_endpoint"))),
        ("revoke", shown(endpoint("revoke_token_endpoint"))),
        ("profile", shown(Some(format!("{method} {url}{query}")))),
        ("scopes", shown(joined(scopes, " "))),
        ("joined", shown(Some(scope.clone()))),
        ("parameters", shown(joined(parameters, " "))),
    ])
}
