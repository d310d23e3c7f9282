//! Provider metadata (OpenID Connect Discovery, RFC 8414) and key sets (RFC 7517).

use http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    app::ClientAuthMethod, exchange::Exchange, facts::PkceSupport, fault::Fault, id_token, keys,
    reply::ServerReply, signing_alg::SigningAlg, urls,
};

/// How long a document may be kept. The providers say between some minutes and a day.
const FRESH: &str = "public, max-age=3600";

/// The metadata document, with the provider's real issuer and URLs.
pub(crate) fn metadata(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::GET {
        return ServerReply::method_not_allowed("GET");
    }
    let provider = exchange.provider;
    let facts = &provider.facts;
    let manners = &facts.emulator;
    let url = |template: &Option<String>| provider.url(template.as_ref(), &exchange.captures);
    let names = |methods: &[ClientAuthMethod]| methods.iter().map(|method| method.name()).collect::<Vec<_>>();

    let mut document = Map::new();
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            document.insert(name.to_owned(), value);
        }
    };
    add("issuer", json!(provider.issuer(&exchange.captures)));
    add("authorization_endpoint", json!(url(&facts.authorize_url)));
    add("token_endpoint", json!(url(&facts.token_url)));
    add("revocation_endpoint", json!(url(&facts.revoke_url)));
    add("introspection_endpoint", json!(url(&facts.introspect_url)));
    let mut grants = vec!["authorization_code"];
    if facts.refresh_url.is_some() {
        grants.push("refresh_token");
    }
    add("grant_types_supported", json!(grants));
    add("response_types_supported", json!(provider.response_types()));
    add("response_modes_supported", json!(provider.response_modes()));
    add("scopes_supported", json!(facts.default_scopes));
    add("token_endpoint_auth_methods_supported", json!(names(&provider.token_auth())));
    let revoke_auth = provider.revoke_auth().methods;
    if facts.revoke_url.is_some() && !revoke_auth.is_empty() {
        add("revocation_endpoint_auth_methods_supported", json!(names(&revoke_auth)));
    }
    match facts.pkce {
        PkceSupport::S256 | PkceSupport::Required => add("code_challenge_methods_supported", json!(["S256"])),
        PkceSupport::Plain => add("code_challenge_methods_supported", json!(["plain", "S256"])),
        PkceSupport::None | PkceSupport::Unknown => {}
    }
    if manners.iss_parameter {
        add("authorization_response_iss_parameter_supported", json!(true));
    }
    if provider.is_oidc() {
        add("jwks_uri", json!(url(&facts.jwks_url)));
        add("userinfo_endpoint", json!(url(&facts.userinfo_url).or_else(|| url(&facts.profile_url))));
        add("end_session_endpoint", json!(url(&facts.end_session_url)));
        add("subject_types_supported", json!(["public"]));
        let algs: Vec<_> = provider.id_token_algs().into_iter().map(SigningAlg::as_str).collect();
        add("id_token_signing_alg_values_supported", json!(algs));
        if manners.userinfo_signed {
            add("userinfo_signing_alg_values_supported", json!(algs));
        }
        if manners.claims_parameter {
            add("claims_parameter_supported", json!(true));
        }
        if manners.backchannel_logout {
            add("backchannel_logout_supported", json!(true));
            add("backchannel_logout_session_supported", json!(true));
        }
        add(
            "claims_supported",
            json!(["sub", "iss", "aud", "exp", "iat", "email", "email_verified", "name", "picture"]),
        );
    }
    for (name, template) in &manners.metadata {
        let value = match template {
            Value::String(template) => json!(urls::expand(template, &exchange.captures)),
            other => other.clone(),
        };
        add(name, value);
    }
    exchange.dialect.metadata(exchange, &mut document);
    ServerReply::ok(&Value::Object(document)).with(header::CACHE_CONTROL, FRESH)
}

/// The provider's public keys: those that sign, and those that did so before the last rotation.
pub(crate) fn jwks(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::GET {
        return ServerReply::method_not_allowed("GET");
    }
    let algs = id_token::algs_in_use(exchange.backend, exchange.provider);
    let published = exchange.backend.keys().public(&exchange.provider.family, &algs);
    let with_decoys = published.and_then(|keys| match exchange.has_fault(&Fault::DecoyKeys) {
        true => keys::with_decoys(keys),
        false => Ok(keys),
    });
    match with_decoys {
        Ok(mut keys) => {
            exchange.dialect.jwks(exchange, &mut keys);
            ServerReply::ok(&json!({"keys": keys})).with(header::CACHE_CONTROL, FRESH)
        }
        Err(error) => ServerReply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
