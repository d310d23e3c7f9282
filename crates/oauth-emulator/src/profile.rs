//! The profile and OpenID Connect's userinfo (Core, section 5.3).

use http::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::{
    claims,
    exchange::Exchange,
    id_token,
    paths::{self, Place},
    proof,
    refusal::Denied,
    reply::ServerReply,
    request::Pairs,
    state::UserGrant,
    urls,
    wire::{ProfileBody, TokenPosition},
};

/// The provider's profile API, its body built from the table's field paths.
pub(crate) fn profile(exchange: &Exchange<'_>) -> ServerReply {
    let facts = &exchange.provider.facts;
    let methods = std::iter::once(&facts.profile_method).chain(&facts.emulator.profile_methods);
    if !methods.clone().any(|method| *method == exchange.request.method.as_str()) {
        return ServerReply::method_not_allowed(&methods.cloned().collect::<Vec<_>>().join(", "));
    }
    let grant = match authorize(exchange, &facts.emulator.profile_scopes) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    if let Err(problem) = check_request(exchange, &grant) {
        return exchange.bad_request(&problem);
    }
    let asked = asked(exchange);
    let told = |path: &str| asked.as_ref().is_none_or(|asked| asked.tells(path));
    let mut body = claims::body(&exchange.backend.state(), exchange.provider, &grant, told);
    if facts.userinfo_url.is_none() {
        let requested = claims::requested(exchange.provider, &grant, "userinfo");
        claims::add_requested(&exchange.backend.state(), exchange.provider, &grant, &requested, &mut body);
    }
    let app = &grant.request.app;
    if app.userinfo_signed_response_alg.is_none() && !facts.emulator.userinfo_signed {
        return exchange.dialect.profile(exchange, &grant, body);
    }
    signed(exchange, &grant, body)
}

/// What the request lacks beside its access token, if anything.
fn check_request(exchange: &Exchange<'_>, grant: &UserGrant) -> Result<(), String> {
    let facts = &exchange.provider.facts;
    let request = &exchange.request;
    let params = match facts.profile_request {
        ProfileBody::None => request.query.clone(),
        ProfileBody::Form => request.form.clone().ok_or("the body must be a form")?,
        ProfileBody::Json => match request.json.as_ref().ok_or("the body must be JSON")? {
            Value::Object(object) => Pairs::of_json(object),
            _ => Pairs::default(),
        },
        ProfileBody::GraphQl if graphql(exchange).is_none() => {
            return Err("the body must be a JSON object with a query".to_owned());
        }
        ProfileBody::GraphQl => request.query.clone(),
    };
    for (name, template) in &facts.profile_params {
        check(exchange, grant, "parameter", name, template, params.get(name))?;
    }
    check_headers(exchange, grant, facts.headers.iter().chain(&facts.profile_headers))
}

fn check_headers<'a>(
    exchange: &Exchange<'_>,
    grant: &UserGrant,
    demanded: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<(), String> {
    for (name, template) in demanded {
        check(exchange, grant, "header", name, template, exchange.request.header(name))?;
    }
    Ok(())
}

/// Whether a parameter or a header has the value that the facts demand.
fn check(
    exchange: &Exchange<'_>,
    grant: &UserGrant,
    kind: &str,
    name: &str,
    template: &str,
    found: Option<&str>,
) -> Result<(), String> {
    let found = found.filter(|found| !found.is_empty()).ok_or(format!("the {kind} {name} is missing"))?;
    match demanded(exchange, grant, template).is_none_or(|demanded| demanded == found) {
        true => Ok(()),
        false => Err(format!("the {kind} {name} is wrong")),
    }
}

/// What a value in the facts is for this grant; `None` where any will do.
fn demanded(exchange: &Exchange<'_>, grant: &UserGrant, template: &str) -> Option<String> {
    if template == "*" {
        return None;
    }
    let provider = exchange.provider;
    let app = &grant.request.app;
    let mut text = template
        .replace("{client_id}", &app.client_id)
        .replace("{client_secret}", app.client_secret.as_deref().unwrap_or_default());
    while let Some((before, rest)) = text.split_once("{token:") {
        let (pointer, after) = rest.split_once('}')?;
        let told = claims::told_in(&exchange.backend.state(), provider, grant, Place::TokenReply);
        let value = match told.pointer(pointer)? {
            Value::String(value) => value.clone(),
            other => other.to_string(),
        };
        text = format!("{before}{value}{after}");
    }
    let text = urls::expand(&text, &grant.request.captures);
    provider.url(Some(&text), &provider.facts.settings)
}

/// The members that a request asks for, where it must.
struct AskedMembers<'a> {
    graphql: bool,
    names: Vec<&'a str>,
}

impl AskedMembers<'_> {
    fn tells(&self, path: &str) -> bool {
        let mut names = paths::names(path);
        match self.graphql {
            // Everything below `data` was asked for by name.
            true => names.all(|name| name == "data" || self.names.contains(&name)),
            false => names.any(|name| self.names.contains(&name)),
        }
    }
}

fn asked<'a>(exchange: &'a Exchange<'_>) -> Option<AskedMembers<'a>> {
    let facts = &exchange.provider.facts;
    let names = |text: &'a str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    if facts.profile_request == ProfileBody::GraphQl {
        return Some(AskedMembers { graphql: true, names: names(graphql(exchange)?) });
    }
    let param = facts.profile_fields.as_deref()?;
    let mut names: Vec<_> = exchange.request.parameter(param).map(names).unwrap_or_default();
    // The identifier comes in any case.
    names.extend(facts.id_field.as_deref().and_then(|path| paths::names(path).last()));
    Some(AskedMembers { graphql: false, names })
}

/// The query of a GraphQL request.
fn graphql<'a>(exchange: &'a Exchange<'_>) -> Option<&'a str> {
    exchange.request.json.as_ref()?.get("query")?.as_str()
}

/// The answer of a second call, for the addresses.
pub(crate) fn emails(exchange: &Exchange<'_>) -> ServerReply {
    let facts = &exchange.provider.facts;
    if !facts.email_field.as_deref().is_some_and(|path| paths::place(path).0 == Place::Emails) {
        return exchange.dialect.other(exchange, "emails");
    }
    if exchange.request.method != Method::GET {
        return ServerReply::method_not_allowed("GET");
    }
    let grant = match authorize(exchange, &facts.emulator.email_scopes) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    if let Err(problem) = check_headers(exchange, &grant, facts.headers.iter()) {
        return exchange.bad_request(&problem);
    }
    let body = claims::told_in(&exchange.backend.state(), exchange.provider, &grant, Place::Emails);
    exchange.dialect.emails(exchange, &grant, body)
}

/// The claims as a JWT (OpenID Connect Core, section 5.3.2).
fn signed(exchange: &Exchange<'_>, grant: &UserGrant, claims: Map<String, Value>) -> ServerReply {
    match id_token::signed_userinfo(exchange.backend, exchange.provider, exchange.endpoint(), grant, claims) {
        Ok(jwt) => ServerReply::new(StatusCode::OK, "application/jwt", jwt),
        Err(error) => ServerReply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The standard claims, where the profile is another API.
pub(crate) fn userinfo(exchange: &Exchange<'_>) -> ServerReply {
    match authorize(exchange, &["openid".to_owned()]) {
        Ok(grant) => {
            if let Err(problem) = check_headers(exchange, &grant, exchange.provider.facts.headers.iter()) {
                return exchange.bad_request(&problem);
            }
            let mut claims = claims::claims(&exchange.backend.state(), exchange.provider, &grant);
            let requested = claims::requested(exchange.provider, &grant, "userinfo");
            claims::add_requested(
                &exchange.backend.state(),
                exchange.provider,
                &grant,
                &requested,
                &mut claims,
            );
            exchange.dialect.userinfo(&grant, &mut claims);
            match grant.request.app.userinfo_signed_response_alg {
                Some(_) => signed(exchange, &grant, claims),
                None => ServerReply::ok(&Value::Object(claims)),
            }
        }
        Err(reply) => reply,
    }
}

/// The grant to which the request's access token belongs, if it has one of the scopes (or none are wanted).
pub(crate) fn authorize(exchange: &Exchange<'_>, scopes: &[String]) -> Result<UserGrant, ServerReply> {
    authorize_at(exchange, exchange.provider.profile_places(), scopes).map(|(_, grant)| grant)
}

/// The access token at one of these places, and its grant.
pub(crate) fn authorize_at(
    exchange: &Exchange<'_>,
    places: &[TokenPosition],
    scopes: &[String],
) -> Result<(String, UserGrant), ServerReply> {
    let takes_proofs = !exchange.provider.facts.emulator.dpop_algs.is_empty();
    let by_proof = exchange.request.authorization("dpop").filter(|_| takes_proofs);
    let token = by_proof.or_else(|| places.iter().find_map(|place| place.read(&exchange.request)));
    let token = token.ok_or_else(|| exchange.denied(Denied::NoToken))?;
    let found = exchange.backend.state().access(&exchange.provider.family, token);
    let grant = found
        .map(|(_, grant)| grant)
        .filter(|grant| grant.is_at(&exchange.captures))
        .ok_or_else(|| exchange.denied(Denied::BadToken))?;
    let terms = exchange.backend.state().terms(token);
    if terms.is_bound() || by_proof.is_some() {
        proof::check_bound(exchange, token, &terms)?;
    }
    if !grant.has_any_scope(scopes) {
        return Err(exchange.denied(Denied::Scope));
    }
    exchange.dialect.check_api(exchange, &grant)?;
    Ok((token.to_owned(), grant))
}
