//! What a provider says about a user: the profile's members and the standard claims (OpenID Connect Core, section 5.1).

use serde_json::{Map, Value, json};

use crate::{
    facts::{EmulatedProvider, IdType},
    fault::Fault,
    paths::{self, Place},
    state::{EmulatorState, UserGrant},
};

/// The profile as the table's field paths say, as far as `told` lets it.
pub(crate) fn body(
    state: &EmulatorState,
    provider: &EmulatedProvider,
    grant: &UserGrant,
    told: impl Fn(&str) -> bool,
) -> Map<String, Value> {
    let mut body = Value::Object(Map::new());
    put(state, provider, grant, Place::Profile, told, &mut body);
    match body {
        Value::Object(body) => body,
        _ => Map::new(),
    }
}

/// What the table's field paths put into one of the replies.
pub(crate) fn told_in(
    state: &EmulatorState,
    provider: &EmulatedProvider,
    grant: &UserGrant,
    place: Place,
) -> Value {
    let mut body = Value::Object(Map::new());
    put(state, provider, grant, place, |_| true, &mut body);
    body
}

/// Puts into a reply what the table's field paths put there.
pub(crate) fn tell_in(
    state: &EmulatorState,
    provider: &EmulatedProvider,
    grant: &UserGrant,
    place: Place,
    body: &mut Value,
) {
    put(state, provider, grant, place, |_| true, body);
}

fn put(
    state: &EmulatorState,
    provider: &EmulatedProvider,
    grant: &UserGrant,
    wanted: Place,
    told: impl Fn(&str) -> bool,
    body: &mut Value,
) {
    let facts = &provider.facts;
    let user = &grant.user;
    let mut set = |path: Option<&str>, value: Option<Value>| match path.map(paths::place) {
        Some((place, path)) if place == wanted && told(path) => match value {
            Some(value) => paths::set(body, path, value),
            None => paths::set_empty(body, path),
        },
        _ => {}
    };
    let id = match (facts.emulator.id_type, user.id.parse::<u64>()) {
        (IdType::Number, Ok(number)) => json!(number),
        _ => json!(user.id),
    };
    set(facts.id_field.as_deref(), Some(id));
    set(facts.name_field.as_deref(), Some(json!(user.name)));
    let (first, last) = user.name.split_once(' ').unwrap_or((&user.name, ""));
    for (path, part) in facts.name_parts.iter().zip([first, last]) {
        set(Some(path), Some(json!(part)));
    }
    if let Some(picture) = &user.picture {
        set(facts.avatar_field.as_deref(), Some(json!(picture)));
    }
    let email = email(state, &provider.family, grant);
    let email = email.filter(|_| grant.has_any_scope(&facts.emulator.email_scopes));
    set(facts.email_field.as_deref(), email.map(|(address, _)| json!(address)));
    set(facts.email_verified_field.as_deref(), email.map(|(_, verified)| json!(verified)));
}

/// The claim `sub` alone.
pub(crate) fn subject(grant: &UserGrant) -> Map<String, Value> {
    Map::from_iter([("sub".to_owned(), json!(grant.user.id))])
}

/// The claims that the parameter `claims` asks for in a place, where the provider knows it (OpenID Connect Core, section 5.5).
pub(crate) fn requested(provider: &EmulatedProvider, grant: &UserGrant, place: &str) -> Vec<String> {
    let text = grant.request.params.get("claims").filter(|_| provider.facts.emulator.claims_parameter);
    let asked: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
    let names = asked.as_ref().and_then(|asked| asked.get(place)).and_then(Value::as_object);
    names.into_iter().flat_map(Map::keys).cloned().collect()
}

/// Adds the claims that were asked for by name.
pub(crate) fn add_requested(
    state: &EmulatorState,
    provider: &EmulatedProvider,
    grant: &UserGrant,
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
    grant: &UserGrant,
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
pub(crate) fn email<'a>(
    state: &EmulatorState,
    family: &str,
    grant: &'a UserGrant,
) -> Option<(&'a str, bool)> {
    let address = grant.user.email.as_deref().filter(|_| !state.has_fault(family, &Fault::NoEmail))?;
    Some((address, grant.user.email_verified && !state.has_fault(family, &Fault::UnverifiedEmail)))
}
