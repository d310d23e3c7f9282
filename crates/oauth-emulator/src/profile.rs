//! The profile and OpenID Connect's userinfo (Core, section 5.3).

use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    paths,
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
    let body = body(&call.shared.state(), call.provider, &grant);
    call.dialect().profile(call, &grant, body)
}

/// The standard claims, where the profile is another API.
pub(crate) fn userinfo(call: &Call<'_>) -> Reply {
    match authorize(call, &["openid".to_owned()]) {
        Ok(grant) => Reply::ok(&Value::Object(claims(&call.shared.state(), call.provider, &grant))),
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

/// The standard claims of OpenID Connect Core, section 5.1, as far as the scopes go.
pub(crate) fn claims(state: &State, provider: &Provider, grant: &Grant) -> Map<String, Value> {
    let user = &grant.user;
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user.id));
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
