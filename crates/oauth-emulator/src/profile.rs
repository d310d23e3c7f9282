//! The profile and OpenID Connect's userinfo (Core, section 5.3).

use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    id_token, paths,
    reply::Reply,
    server::Call,
    state::{Grant, State},
    table::{IdType, Provider},
    token::email,
};

/// Why a request with an access token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// There is no token where this provider wants it.
    NoToken,
    /// It is unknown, expired, revoked, or another provider's.
    BadToken,
    /// It lacks the scope.
    Scope,
}

/// The provider's profile API, its body built from the table's field paths.
pub(crate) fn profile(call: &Call<'_>) -> Reply {
    let facts = &call.provider.facts;
    let methods = std::iter::once(&facts.profile_method).chain(&facts.emulator.profile_methods);
    if !methods.clone().any(|method| *method == call.request.method.as_str()) {
        return Reply::method_not_allowed(&methods.cloned().collect::<Vec<_>>().join(", "));
    }
    let grant = match authorize(call, &facts.emulator.profile_scopes) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    let mut body = body(&call.shared.state(), call.provider, &grant);
    if facts.userinfo_url.is_none() {
        let requested = requested(call.provider, &grant, "userinfo");
        add_requested(&call.shared.state(), call.provider, &grant, &requested, &mut body);
    }
    let app = &grant.request.app;
    if app.userinfo_signed_response_alg.is_none() && !facts.emulator.userinfo_signed {
        return call.dialect().profile(call, &grant, body);
    }
    signed(call, &grant, body)
}

/// The claims as a JWT (OpenID Connect Core, section 5.3.2).
fn signed(call: &Call<'_>, grant: &Grant, claims: Map<String, Value>) -> Reply {
    match id_token::signed_userinfo(call.shared, call.provider, call.endpoint(), grant, claims) {
        Ok(jwt) => Reply::new(StatusCode::OK, "application/jwt", jwt),
        Err(error) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The standard claims, where the profile is another API.
pub(crate) fn userinfo(call: &Call<'_>) -> Reply {
    match authorize(call, &["openid".to_owned()]) {
        Ok(grant) => {
            let mut claims = claims(&call.shared.state(), call.provider, &grant);
            let requested = requested(call.provider, &grant, "userinfo");
            add_requested(&call.shared.state(), call.provider, &grant, &requested, &mut claims);
            call.dialect().userinfo(&grant, &mut claims);
            match grant.request.app.userinfo_signed_response_alg {
                Some(_) => signed(call, &grant, claims),
                None => Reply::ok(&Value::Object(claims)),
            }
        }
        Err(reply) => reply,
    }
}

/// What the request's access token stands for, if it has one of the scopes (or none are wanted).
pub(crate) fn authorize(call: &Call<'_>, scopes: &[String]) -> Result<Grant, Reply> {
    let denied = |denied| call.dialect().denied(call, denied);
    let token = call.dialect().access_token(call).ok_or_else(|| denied(Denied::NoToken))?;
    let found = call.shared.state().access(&call.provider.family, &token);
    let grant = found
        .map(|(_, grant)| grant)
        .filter(|grant| grant.is_at(&call.captures))
        .ok_or_else(|| denied(Denied::BadToken))?;
    if grant.has_any_scope(scopes) { Ok(grant) } else { Err(denied(Denied::Scope)) }
}

/// The refusal of RFC 6750, section 3.
pub(crate) fn standard_denial(denied: Denied) -> Reply {
    let (status, code, description) = match denied {
        Denied::NoToken => {
            let reply = Reply::json(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_request"}));
            return reply.with(header::WWW_AUTHENTICATE, "Bearer");
        }
        Denied::BadToken => (StatusCode::UNAUTHORIZED, "invalid_token", "the access token is not valid"),
        Denied::Scope => (StatusCode::FORBIDDEN, "insufficient_scope", "the access token lacks the scope"),
    };
    Reply::json(status, &json!({"error": code, "error_description": description})).with(
        header::WWW_AUTHENTICATE,
        &format!("Bearer error=\"{code}\", error_description=\"{description}\""),
    )
}

/// The profile as the table's field paths say.
pub(crate) fn body(state: &State, provider: &Provider, grant: &Grant) -> Map<String, Value> {
    let facts = &provider.facts;
    let user = &grant.user;
    let mut body = Map::new();
    let mut set = |path: &Option<String>, value: Value| {
        if let Some(path) = path {
            paths::set(&mut body, path, value);
        }
    };
    let id = match (facts.emulator.id_type, user.id.parse::<u64>()) {
        (IdType::Number, Ok(number)) => json!(number),
        _ => json!(user.id),
    };
    set(&facts.id_field, id);
    set(&facts.name_field, json!(user.name));
    if let Some(picture) = &user.picture {
        set(&facts.avatar_field, json!(picture));
    }
    let shared = email(state, &provider.family, grant);
    if let Some((address, verified)) = shared.filter(|_| grant.has_any_scope(&facts.emulator.email_scopes)) {
        set(&facts.email_field, json!(address));
        set(&facts.email_verified_field, json!(verified));
    }
    body
}

/// The claim `sub` alone.
pub(crate) fn subject(grant: &Grant) -> Map<String, Value> {
    Map::from_iter([("sub".to_owned(), json!(grant.user.id))])
}

/// The claims that the parameter `claims` asks for in a place, where the provider knows it (OpenID Connect Core, section 5.5).
pub(crate) fn requested(provider: &Provider, grant: &Grant, place: &str) -> Vec<String> {
    let text = grant.request.params.get("claims").filter(|_| provider.facts.emulator.claims_parameter);
    let asked: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    let names = asked.as_ref().and_then(|asked| asked.get(place)).and_then(Value::as_object);
    names.into_iter().flat_map(Map::keys).cloned().collect()
}

/// Adds the claims that were asked for by name.
pub(crate) fn add_requested(
    state: &State,
    provider: &Provider,
    grant: &Grant,
    requested: &[String],
    claims: &mut Map<String, Value>,
) {
    let user = &grant.user;
    for name in requested {
        let email = || email(state, &provider.family, grant);
        let value = match name.as_str() {
            "name" => Some(json!(user.name)),
            "preferred_username" => Some(json!(user.username)),
            "picture" => user.picture.as_ref().map(|url| json!(url)),
            "email" => email().map(|(address, _)| json!(address)),
            "email_verified" => email().map(|(_, verified)| json!(verified)),
            _ => None,
        };
        if let Some(value) = value {
            claims.insert(name.clone(), value);
        }
    }
}

/// The standard claims of OpenID Connect Core, section 5.1, as far as the scopes go.
pub(crate) fn claims(state: &State, provider: &Provider, grant: &Grant) -> Map<String, Value> {
    let user = &grant.user;
    let mut claims = subject(grant);
    let scopes = |standard: &str, own: &[String]| {
        grant.has_scope(standard) || (!own.is_empty() && grant.has_any_scope(own))
    };
    if scopes("profile", &[]) {
        claims.insert("name".to_owned(), json!(user.name));
        claims.insert("preferred_username".to_owned(), json!(user.username));
        if let Some(picture) = &user.picture {
            claims.insert("picture".to_owned(), json!(picture));
        }
    }
    if scopes("email", &provider.facts.emulator.email_scopes)
        && let Some((address, verified)) = email(state, &provider.family, grant)
    {
        claims.insert("email".to_owned(), json!(address));
        claims.insert("email_verified".to_owned(), json!(verified));
    }
    claims
}
