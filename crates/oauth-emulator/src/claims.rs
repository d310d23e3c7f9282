//! What a provider says about a user: the profile's members and the standard claims (OpenID Connect Core, section 5.1).

use serde_json::{Map, Value, json};

use crate::{
    facts::{EmulatedProvider, IdType},
    fault::Fault,
    paths,
    state::{EmulatorState, Grant},
};

/// The profile as the table's field paths say.
pub(crate) fn body(state: &EmulatorState, provider: &EmulatedProvider, grant: &Grant) -> Map<String, Value> {
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
    let backend = email(state, &provider.family, grant);
    if let Some((address, verified)) = backend.filter(|_| grant.has_any_scope(&facts.emulator.email_scopes)) {
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
pub(crate) fn requested(provider: &EmulatedProvider, grant: &Grant, place: &str) -> Vec<String> {
    let text = grant.request.params.get("claims").filter(|_| provider.facts.emulator.claims_parameter);
    let asked: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    let names = asked.as_ref().and_then(|asked| asked.get(place)).and_then(Value::as_object);
    names.into_iter().flat_map(Map::keys).cloned().collect()
}

/// Adds the claims that were asked for by name.
pub(crate) fn add_requested(
    state: &EmulatorState,
    provider: &EmulatedProvider,
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
pub(crate) fn claims(
    state: &EmulatorState,
    provider: &EmulatedProvider,
    grant: &Grant,
) -> Map<String, Value> {
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

/// The e-mail address that the provider tells, after faults.
pub(crate) fn email<'a>(state: &EmulatorState, family: &str, grant: &'a Grant) -> Option<(&'a str, bool)> {
    let address = grant.user.email.as_deref().filter(|_| !state.has_fault(family, &Fault::NoEmail))?;
    Some((address, grant.user.email_verified && !state.has_fault(family, &Fault::UnverifiedEmail)))
}
