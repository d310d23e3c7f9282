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
    add("device_authorization_endpoint", json!(url(&facts.device_authorization_url)));
    let mut grants = vec!["authorization_code"];
    if facts.device_authorization_url.is_some() {
        grants.push("urn:ietf:params:oauth:grant-type:device_code");
    }
    if facts.refresh_url.is_some() {
        grants.push("refresh_token");
    }
    grants.extend(manners.grants.iter().map(String::as_str));
    add("grant_types_supported", json!(grants));
    add("response_types_supported", json!(provider.response_types()));
    add("response_modes_supported", json!(provider.response_modes()));
    add("scopes_supported", json!(facts.default_scopes));
    let demands = exchange.demands();
    let token_auth = match demands.client_auth.is_empty() {
        true => provider.token_auth(),
        false => demands.client_auth.clone(),
    };
    add("token_endpoint_auth_methods_supported", json!(names(&token_auth)));
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
    for (name, value) in signed_and_bound(exchange) {
        add(&name, value);
    }
    if provider.is_oidc() {
        add("jwks_uri", json!(url(&facts.jwks_url)));
        add("userinfo_endpoint", json!(url(&facts.userinfo_url).or_else(|| url(&facts.profile_url))));
        add("end_session_endpoint", json!(url(&facts.end_session_url)));
        add("subject_types_supported", json!(["public"]));
        let algs = provider.id_token_algs();
        let algs: Vec<_> =
            algs.into_iter().filter(|alg| demands.signs(*alg)).map(SigningAlg::as_str).collect();
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

/// What the metadata say about signed, pushed and bound requests (RFC 8705, RFC 9101, RFC 9126, RFC 9396, RFC 9449, JARM, CIBA).
fn signed_and_bound(exchange: &Exchange<'_>) -> Map<String, Value> {
    let provider = exchange.provider;
    let facts = &provider.facts;
    let manners = &facts.emulator;
    let demands = exchange.demands();
    let url = |template: &Option<String>| provider.url(template.as_ref(), &exchange.captures);
    let mut members = Map::new();
    let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
    let algs = |list: &[SigningAlg]| {
        list.iter().filter(|alg| demands.signs(**alg)).map(|alg| alg.as_str()).collect::<Vec<_>>()
    };
    let asymmetric: Vec<_> = provider.id_token_algs().into_iter().filter(|alg| !alg.is_symmetric()).collect();
    let by_assertion = [ClientAuthMethod::PrivateKeyJwt, ClientAuthMethod::ClientSecretJwt];
    if provider.token_auth().iter().any(|method| by_assertion.contains(method)) && !manners.grants.is_empty()
    {
        add("token_endpoint_auth_signing_alg_values_supported", json!(algs(&provider.id_token_algs())));
    }
    if facts.pushed_authorization_url.is_some() {
        add("pushed_authorization_request_endpoint", json!(url(&facts.pushed_authorization_url)));
        if demands.pushed_requests {
            add("require_pushed_authorization_requests", json!(true));
        }
    }
    if manners.request_objects {
        add("request_parameter_supported", json!(true));
        add("request_uri_parameter_supported", json!(true));
        add("request_object_signing_alg_values_supported", json!(algs(&asymmetric)));
        if demands.signed_requests {
            add("require_signed_request_object", json!(true));
        }
    }
    if manners.signed_responses {
        add("authorization_signing_alg_values_supported", json!(algs(&asymmetric)));
    }
    if !manners.dpop_algs.is_empty() {
        add("dpop_signing_alg_values_supported", json!(algs(&manners.dpop_algs)));
    }
    if !manners.details_types.is_empty() {
        add("authorization_details_types_supported", json!(manners.details_types));
    }
    if !manners.mutual_tls.is_empty() {
        let alias = |key: &str| {
            manners.mutual_tls.get(key).map(|template| urls::expand(template, &exchange.captures))
        };
        let named = [
            ("token_url", "token_endpoint"),
            ("revoke_url", "revocation_endpoint"),
            ("introspect_url", "introspection_endpoint"),
            ("profile_url", "userinfo_endpoint"),
            ("pushed_authorization_url", "pushed_authorization_request_endpoint"),
            ("backchannel_authentication_url", "backchannel_authentication_endpoint"),
        ];
        let aliases: Map<_, _> =
            named.iter().filter_map(|(key, name)| Some(((*name).to_owned(), json!(alias(key)?)))).collect();
        add("mtls_endpoint_aliases", Value::Object(aliases));
        add("tls_client_certificate_bound_access_tokens", json!(true));
    }
    if facts.backchannel_authentication_url.is_some() {
        add("backchannel_authentication_endpoint", json!(url(&facts.backchannel_authentication_url)));
        add("backchannel_token_delivery_modes_supported", json!(["poll", "ping", "push"]));
        add("backchannel_authentication_request_signing_alg_values_supported", json!(algs(&asymmetric)));
        add("backchannel_user_code_parameter_supported", json!(false));
    }
    if facts.introspect_url.is_some() && manners.signed_responses {
        add("introspection_signing_alg_values_supported", json!(algs(&asymmetric)));
    }
    members
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
