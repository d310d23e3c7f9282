//! What a request asks for beyond scopes: `authorization_details` (RFC 9396) and `resource` (RFC 8707).

use serde_json::Value;
use url::Url;

use crate::{
    exchange::Exchange,
    refusal::{ProtocolError, Reason},
    request::Pairs,
    state::UserGrant,
    terms::TokenTerms,
};

/// Checks both in an authorization request.
pub(crate) fn check(exchange: &Exchange<'_>, params: &Pairs) -> Result<(), ProtocolError> {
    asked_details(exchange, params)?;
    asked_resources(exchange, params).map(|_| ())
}

/// Adds to a token's terms what the token request asks for, which is no more than what was granted; without a word, all of it.
pub(crate) fn narrow(
    exchange: &Exchange<'_>,
    form: &Pairs,
    granted: &UserGrant,
    terms: &mut TokenTerms,
) -> Result<(), ProtocolError> {
    let granted = &granted.request.params;
    let of_grant = asked_details(exchange, granted)?;
    terms.details = match (asked_details(exchange, form)?, of_grant) {
        (None, of_grant) => of_grant.map(Value::Array),
        (Some(asked), Some(of_grant)) if asked.iter().all(|one| of_grant.contains(one)) => {
            Some(Value::Array(asked))
        }
        (Some(_), _) => {
            return Err(
                Reason::Other("invalid_authorization_details").because("more was asked for than was granted")
            );
        }
    };
    let of_grant = asked_resources(exchange, granted)?;
    let asked = asked_resources(exchange, form)?;
    let is_granted = |one: &String| of_grant.is_empty() || of_grant.contains(one);
    terms.audience = match asked.is_empty() {
        true => of_grant,
        false if asked.iter().all(is_granted) => asked,
        false => return Err(Reason::Other("invalid_target").because("the resource was not granted")),
    };
    Ok(())
}

/// The resources that a request names.
pub(crate) fn asked_resources(exchange: &Exchange<'_>, params: &Pairs) -> Result<Vec<String>, ProtocolError> {
    let known = exchange.demands().resources;
    let asked = params.iter().filter(|(name, _)| *name == "resource");
    asked
        .map(|(_, uri)| {
            let target =
                |why: &str| Reason::Other("invalid_target").because(format!("the resource {uri:?} {why}"));
            let url = Url::parse(uri).map_err(|_| target("is not an absolute URI"))?;
            if url.fragment().is_some() {
                return Err(target("has a fragment"));
            }
            match known.is_empty() || known.iter().any(|known| known == uri) {
                true => Ok(uri.to_owned()),
                false => Err(target("is unknown")),
            }
        })
        .collect()
}

/// The details that a request names, where the provider knows such.
pub(crate) fn asked_details(
    exchange: &Exchange<'_>,
    params: &Pairs,
) -> Result<Option<Vec<Value>>, ProtocolError> {
    let types = &exchange.provider.facts.emulator.details_types;
    let Some(text) = params.get("authorization_details").filter(|_| !types.is_empty()) else {
        return Ok(None);
    };
    let invalid = |why: &str| Reason::Other("invalid_authorization_details").because(why);
    let Ok(Value::Array(details)) = serde_json::from_str(text) else {
        return Err(invalid("authorization_details is not a JSON array"));
    };
    for one in &details {
        let typ = one.get("type").and_then(Value::as_str).ok_or_else(|| invalid("one has no type"))?;
        if !types.iter().any(|known| known == typ) {
            return Err(invalid(&format!("the type {typ:?} is unknown; there are {}", types.join(", "))));
        }
    }
    Ok(Some(details))
}
