//! What an authorization request must be, whether the browser brings it or the application pushes it.

use url::Url;

use crate::{
    app::App,
    callback::wants_id_token,
    details,
    exchange::Exchange,
    facts::{EmulatedProvider, PkceSupport},
    redirect_uri,
    refusal::CallbackError,
    request::Pairs,
};

/// The application and its redirect URI; while these are in doubt nobody may be sent there.
pub(crate) fn trusted_client(exchange: &Exchange<'_>, params: &Pairs) -> Result<(App, String), String> {
    if let Some(name) = params.duplicate() {
        return Err(format!("The parameter {name} occurs twice (RFC 6749, section 3.1)."));
    }
    let param = &exchange.provider.facts.client_id_param;
    let client_id = params.get(param).ok_or_else(|| format!("The parameter {param} is missing."))?;
    let app = exchange
        .backend
        .state()
        .app(&exchange.provider.family, client_id)
        .ok_or_else(|| format!("No application {client_id:?} is registered here."))?;
    let redirect_uri = params.get("redirect_uri").ok_or("The parameter redirect_uri is missing.")?;
    let parsed = Url::parse(redirect_uri).map_err(|_| format!("{redirect_uri:?} is not an absolute URI."))?;
    if parsed.fragment().is_some() {
        return Err("The redirect URI has a fragment (RFC 6749, section 3.1.2).".to_owned());
    }
    if !app.allows_redirect(redirect_uri) {
        return Err(format!("{redirect_uri:?} is not registered for this application."));
    }
    if !exchange.backend.state().any_redirect_uri {
        let manners = &exchange.provider.facts.emulator;
        redirect_uri::check(manners.redirect_uris, redirect_uri, &parsed)?;
        if let Some(most) = manners.longest.get("redirect_uri").filter(|most| redirect_uri.len() > **most) {
            return Err(format!("The redirect URI has more than {most} characters."));
        }
        exchange.dialect.check_redirect_uri(&parsed)?;
    }
    Ok((app, redirect_uri.to_owned()))
}

/// The remaining checks; returns the scopes that were asked for.
pub(crate) fn check(
    exchange: &Exchange<'_>,
    params: &Pairs,
    app: &App,
) -> Result<Vec<String>, CallbackError> {
    let facts = &exchange.provider.facts;
    let invalid = |description: String| CallbackError::new("invalid_request", description);
    let response_types = exchange.provider.response_types();
    match params.get("response_type") {
        // The order of the words means nothing (OAuth 2.0 Multiple Response Types, section 3).
        Some(asked) if response_types.iter().any(|known| words(known) == words(asked)) => {}
        Some(other) => {
            let known = response_types.join(" or ");
            let description = format!("response_type {other} is not supported; use {known}");
            return Err(CallbackError::new("unsupported_response_type", description));
        }
        None => return Err(invalid("response_type is missing".to_owned())),
    }
    if wants_id_token(params) {
        if params.get("nonce").is_none() {
            return Err(invalid("nonce is missing (OpenID Connect Core, section 3.3.2.1)".to_owned()));
        }
        if matches!(params.get("response_mode"), Some("query" | "query.jwt")) {
            return Err(invalid("an ID token has no place in a query".to_owned()));
        }
    }
    let prompts = words(params.get("prompt").unwrap_or_default());
    if prompts.contains(&"none") && prompts.len() > 1 {
        return Err(invalid("prompt is none and something else".to_owned()));
    }
    if params.get("max_age").is_some_and(|age| age.parse::<u32>().is_err()) {
        return Err(invalid("max_age is not a whole number of seconds".to_owned()));
    }
    if let Some(missing) = facts.emulator.required.iter().find(|name| params.get(name).is_none()) {
        return Err(invalid(format!("{missing} is missing, which this provider requires")));
    }
    let modes = exchange.provider.response_modes();
    if params.get("response_mode").is_some_and(|mode| !modes.contains(&mode)) {
        return Err(invalid(format!("response_mode can be {} here", modes.join(" or "))));
    }
    if params.iter().any(|(name, _)| name == "client_secret") {
        return Err(invalid("client_secret has no place in a URL".to_owned()));
    }
    check_demands(exchange, params)?;
    details::check(exchange, params)
        .map_err(|error| CallbackError::new(error.reason.code(), error.description))?;
    check_lengths(exchange.provider, params)?;
    let scopes = scopes(exchange.provider, params.get("scope"))?;
    let scopes = known_scopes(exchange.provider, scopes, exchange.backend.state().any_scope)?;
    check_challenge(exchange.provider, params, app)?;
    exchange.dialect.check_authorize(exchange, &scopes)?;
    Ok(scopes)
}

/// What the provider demands of every request beyond its facts.
fn check_demands(exchange: &Exchange<'_>, params: &Pairs) -> Result<(), CallbackError> {
    let demands = exchange.demands();
    let invalid = |description: &str| Err(CallbackError::new("invalid_request", description));
    let mode = params.get("response_mode").unwrap_or_default();
    if demands.signed_responses && mode != "jwt" && !mode.ends_with(".jwt") {
        return invalid("the answer must be asked for signed: response_mode=jwt");
    }
    if demands.pkce && params.get("code_challenge").is_none() {
        return invalid("code_challenge is required");
    }
    if demands.code_only && params.get("response_type") != Some("code") {
        return invalid("response_type must be code");
    }
    Ok(())
}

/// Splits the scope parameter at the provider's separator; the other one within a scope means a client joined them wrongly.
fn scopes(provider: &EmulatedProvider, scope: Option<&str>) -> Result<Vec<String>, CallbackError> {
    let facts = &provider.facts;
    let Some(scope) = scope else { return Ok(facts.emulator.scopes_if_none.clone()) };
    let separator = facts.scope_separator.as_str();
    let scopes: Vec<String> = scope.split(separator).map(str::to_owned).collect();
    let allowed = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\' && c != ',';
    match scopes.iter().find(|scope| scope.is_empty() || !scope.chars().all(allowed)) {
        Some(bad) => Err(CallbackError::new(
            "invalid_scope",
            format!("{bad:?} is not a scope; this provider separates scopes with {separator:?}"),
        )),
        None => Ok(scopes),
    }
}

/// What the provider's own limits say of values that the application chooses.
fn check_lengths(provider: &EmulatedProvider, params: &Pairs) -> Result<(), CallbackError> {
    let manners = &provider.facts.emulator;
    let invalid = |description: String| Err(CallbackError::new("invalid_request", description));
    for (name, value) in params.iter().filter(|(name, _)| *name != "redirect_uri") {
        let length = value.chars().count();
        if let Some(least) = manners.shortest.get(name).filter(|least| length < **least) {
            return invalid(format!("{name} is too short (minimum is {least} characters)"));
        }
        if let Some(most) = manners.longest.get(name).filter(|most| length > **most) {
            return invalid(format!("{name} is too long (maximum is {most} characters)"));
        }
    }
    Ok(())
}

/// The scopes of a request that the provider has, where the table knows all of them.
fn known_scopes(
    provider: &EmulatedProvider,
    asked: Vec<String>,
    any: bool,
) -> Result<Vec<String>, CallbackError> {
    let manners = &provider.facts.emulator;
    let refuse = |description: String| Err(CallbackError::new("invalid_scope", description));
    if let Some(missing) = manners.required_scopes.iter().find(|scope| !asked.contains(scope)) {
        return refuse(format!("the scope {missing} is missing, which this provider requires"));
    }
    if any || manners.scopes.is_empty() {
        return Ok(asked);
    }
    let is_known = |scope: &String| {
        manners.scopes.iter().any(|known| match known.strip_suffix('*') {
            Some(prefix) => scope.len() > prefix.len() && scope.starts_with(prefix),
            None => scope == known,
        })
    };
    if manners.drops_unknown_scopes {
        return Ok(asked.into_iter().filter(is_known).collect());
    }
    match asked.iter().find(|scope| !is_known(scope)) {
        Some(unknown) => refuse(format!("the scope {unknown} is unknown to this provider")),
        None => Ok(asked),
    }
}

/// RFC 7636, section 4.3, with `plain` only where the table allows it.
fn check_challenge(provider: &EmulatedProvider, params: &Pairs, app: &App) -> Result<(), CallbackError> {
    let pkce = provider.facts.pkce;
    if pkce == PkceSupport::None {
        return Ok(());
    }
    let invalid = |description: &str| Err(CallbackError::new("invalid_request", description));
    let method = params.get("code_challenge_method");
    let Some(challenge) = params.get("code_challenge") else {
        return match method {
            Some(_) => invalid("code_challenge_method without code_challenge"),
            None if pkce == PkceSupport::Required => invalid("code_challenge is required"),
            None if app.client_secret.is_none() => {
                invalid("a public client needs a code_challenge (RFC 9700)")
            }
            None => Ok(()),
        };
    };
    let unreserved = challenge.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
    match method {
        Some("S256") if unreserved && challenge.len() == 43 => Ok(()),
        Some("S256") => invalid("an S256 code_challenge has 43 base64url characters"),
        Some("plain") | None
            if pkce == PkceSupport::Plain && unreserved && (43..=128).contains(&challenge.len()) =>
        {
            Ok(())
        }
        _ => invalid("the only code_challenge_method here is S256"),
    }
}

/// The words of a list in the order of the alphabet.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.sort_unstable();
    words
}
