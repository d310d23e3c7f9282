//! The authorization endpoint: the request's checks, the consent page and the way back (RFC 6749, section 4.1.1).

use http::{Method, StatusCode, header};
use url::Url;

use crate::{
    app::App,
    crypto,
    fault::{Fault, WRONG_ISSUER},
    page,
    reply::Reply,
    request::{Params, RecordedRequest},
    server::{Call, Shared},
    state::{Authorization, Consent},
    table::{Pkce, Provider},
    user::User,
};

const SESSION_COOKIE: &str = "emulator_session";

/// What a user allowed, for the dialect's last look at the callback.
pub(crate) struct Allowed<'a> {
    pub(crate) request: &'a Authorization,
    /// After faults: without an address where the user shares none.
    pub(crate) user: &'a User,
    /// Whether the user has no other authorization of this application that is still good.
    pub(crate) first: bool,
}

/// An error that the application is told in the callback (RFC 6749, section 4.1.2.1).
pub(crate) struct CallbackError {
    pub(crate) code: &'static str,
    pub(crate) description: String,
}

impl CallbackError {
    pub(crate) fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }
}

/// Shows the consent page, or refuses: on a page where the redirect URI cannot be trusted, else in the callback.
pub(crate) fn show(call: &Call<'_>) -> Reply {
    if call.request.method != Method::GET {
        return Reply::method_not_allowed("GET");
    }
    let params = &call.request.query;
    let (app, redirect_uri) = match trusted_client(call, params) {
        Ok(trusted) => trusted,
        Err(problem) => {
            return Reply::html(
                StatusCode::BAD_REQUEST,
                page::problem(&call.provider.facts.display_name, &problem),
            );
        }
    };
    let scopes = match check(call, params, &app) {
        Ok(scopes) => scopes,
        Err(error) => {
            let mut answer = vec![
                ("error".to_owned(), error.code.to_owned()),
                ("error_description".to_owned(), error.description),
            ];
            answer.extend(params.get("state").map(|state| ("state".to_owned(), state.to_owned())));
            return send_back(call.provider, StatusCode::FOUND, params, &redirect_uri, &answer);
        }
    };

    let mut state = call.shared.state();
    let session = match session(&call.request).filter(|id| state.sessions.iter().any(|known| known == id)) {
        Some(session) => session.to_owned(),
        None => {
            let session = crypto::random();
            state.sessions.push(session.clone());
            session
        }
    };
    let id = crypto::random();
    let consent = Consent {
        provider: call.provider.name.clone(),
        session: session.clone(),
        csrf: crypto::random(),
        request: Authorization {
            app,
            redirect_uri,
            scopes,
            captures: call.captures.clone(),
            params: params.clone(),
        },
    };
    let html = page::consent(call.provider, &id, &consent, &state.users);
    state.consents.insert(id, consent);
    Reply::html(StatusCode::OK, html)
        .with(header::SET_COOKIE, &format!("{SESSION_COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax"))
        .with(header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY)
        .with(header::REFERRER_POLICY, "no-referrer")
        .with(header::X_FRAME_OPTIONS, "DENY")
}

/// Takes the consent page's form and sends the browser back to the application.
pub(crate) fn decide(shared: &Shared, request: &RecordedRequest) -> Reply {
    if request.method != Method::POST {
        return Reply::method_not_allowed("POST");
    }
    let field = |name| request.field(name).unwrap_or_default();
    let mut state = shared.state();
    let Some(consent) = state.consents.get(field("consent")) else {
        return refused("This page has been answered, or was never shown.");
    };
    if session(request) != Some(&consent.session) {
        return refused("The session cookie is missing or belongs to another browser.");
    }
    if field("csrf") != consent.csrf {
        return refused("The form does not come from the page.");
    }
    let Some(provider) = shared.provider(&consent.provider) else {
        return refused("There is no such provider.");
    };
    let allowed = match field("decision") {
        "allow" => !state.has_fault(&provider.family, &Fault::Deny),
        "deny" => false,
        _ => return refused("The form says neither allow nor deny."),
    };
    let user = match state.users.iter().find(|user| user.id == field("user")) {
        Some(user) => user.clone(),
        None if allowed => return refused("There is no such user."),
        None => User::default(),
    };
    let Some(Consent { request: authorization, .. }) = state.consents.remove(field("consent")) else {
        return refused("This page has been answered.");
    };

    let dialect = crate::dialect::of(&provider.family);
    let redirect_uri = authorization.redirect_uri.clone();
    let sent_state = authorization.params.get("state").map(str::to_owned);
    let mut answer: Vec<(String, String)> = Vec::new();
    let first = state.is_first(provider, &user, &authorization.app);
    if allowed {
        let code = state.grant(provider, user.clone(), authorization.clone());
        answer.push(("code".to_owned(), code));
    } else {
        let denial = dialect.denial();
        answer.extend(denial.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    let wrong_state = state.has_fault(&provider.family, &Fault::WrongState);
    let state_sent_back = if wrong_state { Some(crypto::random()) } else { sent_state };
    answer.extend(state_sent_back.map(|state| ("state".to_owned(), state)));
    if provider.facts.emulator.iss_parameter {
        let wrong = state.has_fault(&provider.family, &Fault::WrongIssuer);
        let issuer = if wrong { WRONG_ISSUER.to_owned() } else { provider.issuer(&authorization.captures) };
        answer.push(("iss".to_owned(), issuer));
    }
    if allowed {
        let email = user.email.clone().filter(|_| !state.has_fault(&provider.family, &Fault::NoEmail));
        let user = User { email, ..user };
        dialect.callback(&Allowed { request: &authorization, user: &user, first }, &mut answer);
    }
    send_back(provider, StatusCode::SEE_OTHER, &authorization.params, &redirect_uri, &answer)
}

/// Sends the browser to the application in the way that was asked for: in the URL, or by a form that it posts (OAuth 2.0
/// Form Post Response Mode).
fn send_back(
    provider: &Provider,
    status: StatusCode,
    params: &Params,
    redirect_uri: &str,
    answer: &[(String, String)],
) -> Reply {
    let by_form =
        params.get("response_mode") == Some("form_post") && provider.response_modes().contains(&"form_post");
    if by_form {
        Reply::html(StatusCode::OK, page::form_post(&provider.facts.display_name, redirect_uri, answer))
            .with(header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY)
            // Not no-referrer, under which the browser would send `Origin: null` with the form.
            .with(header::REFERRER_POLICY, "strict-origin")
    } else {
        Reply::redirect(status, &callback(redirect_uri, answer)).with(header::REFERRER_POLICY, "no-referrer")
    }
}

fn refused(why: &str) -> Reply {
    Reply::html(StatusCode::BAD_REQUEST, page::problem("OAuth emulator", why))
}

/// The application and its redirect URI; while these are in doubt nobody may be sent there.
fn trusted_client(call: &Call<'_>, params: &Params) -> Result<(App, String), String> {
    if let Some(name) = params.duplicate() {
        return Err(format!("The parameter {name} occurs twice (RFC 6749, section 3.1)."));
    }
    let client_id = params.get("client_id").ok_or("The parameter client_id is missing.")?;
    let app = call
        .shared
        .state()
        .app(&call.provider.family, client_id)
        .ok_or_else(|| format!("No application {client_id:?} is registered here."))?;
    let redirect_uri = params.get("redirect_uri").ok_or("The parameter redirect_uri is missing.")?;
    let parsed = Url::parse(redirect_uri).map_err(|_| format!("{redirect_uri:?} is not an absolute URI."))?;
    if parsed.fragment().is_some() {
        return Err("The redirect URI has a fragment (RFC 6749, section 3.1.2).".to_owned());
    }
    if !app.allows_redirect(redirect_uri) {
        return Err(format!("{redirect_uri:?} is not registered for this application."));
    }
    call.dialect().check_redirect_uri(&parsed)?;
    Ok((app, redirect_uri.to_owned()))
}

/// The remaining checks; returns the scopes that were asked for.
fn check(call: &Call<'_>, params: &Params, app: &App) -> Result<Vec<String>, CallbackError> {
    let facts = &call.provider.facts;
    let invalid = |description: String| CallbackError::new("invalid_request", description);
    match params.get("response_type") {
        Some("code") => {}
        Some(other) => {
            let description = format!("response_type {other} is not supported; use code");
            return Err(CallbackError::new("unsupported_response_type", description));
        }
        None => return Err(invalid("response_type is missing".to_owned())),
    }
    if let Some(missing) = facts.emulator.required.iter().find(|name| params.get(name).is_none()) {
        return Err(invalid(format!("{missing} is missing, which this provider requires")));
    }
    let modes = call.provider.response_modes();
    if params.get("response_mode").is_some_and(|mode| !modes.contains(&mode)) {
        return Err(invalid(format!("response_mode can be {} here", modes.join(" or "))));
    }
    if params.iter().any(|(name, _)| name == "client_secret") {
        return Err(invalid("client_secret has no place in a URL".to_owned()));
    }
    let scopes = scopes(call.provider, params.get("scope"))?;
    check_challenge(call.provider, params, app)?;
    call.dialect().check_authorize(call, &scopes)?;
    Ok(scopes)
}

/// Splits the scope parameter at the provider's separator; the other one within a scope means a client joined them wrongly.
fn scopes(provider: &Provider, scope: Option<&str>) -> Result<Vec<String>, CallbackError> {
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

/// RFC 7636, section 4.3, with `plain` only where the table allows it.
fn check_challenge(provider: &Provider, params: &Params, app: &App) -> Result<(), CallbackError> {
    let pkce = provider.facts.pkce;
    if pkce == Pkce::None {
        return Ok(());
    }
    let invalid = |description: &str| Err(CallbackError::new("invalid_request", description));
    let method = params.get("code_challenge_method");
    let Some(challenge) = params.get("code_challenge") else {
        return match method {
            Some(_) => invalid("code_challenge_method without code_challenge"),
            None if pkce == Pkce::Required => invalid("code_challenge is required"),
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
            if pkce == Pkce::Plain && unreserved && (43..=128).contains(&challenge.len()) =>
        {
            Ok(())
        }
        _ => invalid("the only code_challenge_method here is S256"),
    }
}

fn session(request: &RecordedRequest) -> Option<&str> {
    let cookies = request.header("cookie")?.split(';').map(str::trim);
    cookies
        .filter_map(|cookie| cookie.split_once('='))
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, id)| id)
}

/// The redirect URI, byte for byte, with the answer appended to its query.
fn callback(redirect_uri: &str, answer: &[(String, String)]) -> String {
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    format!("{redirect_uri}{joint}{query}")
}
