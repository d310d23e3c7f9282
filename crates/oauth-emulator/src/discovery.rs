//! Provider metadata (OpenID Connect Discovery, RFC 8414) and key sets (RFC 7517).

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    app::ClientAuth,
    reply::Reply,
    server::Call,
    table::{Pkce, SigningAlg},
    urls,
};

/// The metadata document, with the provider's real issuer and URLs.
pub(crate) fn metadata(call: &Call<'_>) -> Reply {
    if call.request.method != Method::GET {
        return Reply::method_not_allowed("GET");
    }
    let provider = call.provider;
    let facts = &provider.facts;
    let manners = &facts.emulator;
    let url = |template: &Option<String>| provider.url(template.as_ref(), &call.captures);
    let names = |methods: &[ClientAuth]| methods.iter().map(|method| method.name()).collect::<Vec<_>>();

    let mut document = Map::new();
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            document.insert(name.to_owned(), value);
        }
    };
    add("issuer", json!(provider.issuer(&call.captures)));
    add("authorization_endpoint", json!(url(&facts.authorize_url)));
    add("token_endpoint", json!(url(&facts.token_url)));
    add("revocation_endpoint", json!(url(&facts.revoke_url)));
    add("introspection_endpoint", json!(url(&facts.introspect_url)));
    let mut grants = vec!["authorization_code"];
    if facts.refresh_url.is_some() {
        grants.push("refresh_token");
    }
    add("grant_types_supported", json!(grants));
    add("response_types_supported", json!(["code"]));
    add("response_modes_supported", json!(provider.response_modes()));
    add("scopes_supported", json!(facts.default_scopes));
    add("token_endpoint_auth_methods_supported", json!(names(&provider.token_auth())));
    if facts.revoke_url.is_some() && !provider.revoke_auth().is_empty() {
        add("revocation_endpoint_auth_methods_supported", json!(names(&provider.revoke_auth())));
    }
    match facts.pkce {
        Pkce::S256 | Pkce::Required => add("code_challenge_methods_supported", json!(["S256"])),
        Pkce::Plain => add("code_challenge_methods_supported", json!(["plain", "S256"])),
        Pkce::None | Pkce::Unknown => {}
    }
    if manners.iss_parameter {
        add("authorization_response_iss_parameter_supported", json!(true));
    }
    if provider.is_oidc() {
        add("jwks_uri", json!(url(&facts.jwks_url)));
        add("userinfo_endpoint", json!(url(&facts.userinfo_url).or_else(|| url(&facts.profile_url))));
        add("end_session_endpoint", json!(url(&facts.end_session_url)));
        add("subject_types_supported", json!(["public"]));
        add("id_token_signing_alg_values_supported", json!([algorithm(manners.id_token_alg)]));
        add(
            "claims_supported",
            json!(["sub", "iss", "aud", "exp", "iat", "email", "email_verified", "name", "picture"]),
        );
    }
    for (name, template) in &manners.metadata {
        add(name, json!(urls::expand(template, &call.captures)));
    }
    call.dialect().metadata(call, &mut document);
    Reply::ok(&Value::Object(document))
}

/// The provider's current public keys.
pub(crate) fn jwks(call: &Call<'_>) -> Reply {
    if call.request.method != Method::GET {
        return Reply::method_not_allowed("GET");
    }
    let alg = call.provider.facts.emulator.id_token_alg;
    let keys = call.shared.keys().public(&call.provider.family, alg);
    match keys.map(|set| json!(set)) {
        Ok(document) => Reply::ok(&document),
        Err(error) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn algorithm(alg: SigningAlg) -> &'static str {
    match alg {
        SigningAlg::RS256 => "RS256",
        SigningAlg::ES256 => "ES256",
        SigningAlg::HS256 => "HS256",
    }
}
