//! Authentication on another device (OpenID Connect Client-Initiated Backchannel Authentication Core 1.0).

use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    app::{App, DeliveryMode},
    client_auth::authenticate,
    clock::now,
    crypto, details,
    exchange::Exchange,
    facts::AcceptedAuth,
    flows::{Backchannel, DeviceAnswer},
    grants::{AuthenticatedRequest, Granted},
    jws::ReceivedJwt,
    proof,
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    request_object,
    state::Issued,
    terms::TokenTerms,
    user::User,
    wire::ParamFormat,
};

pub(crate) const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";

/// How long a request lives, in seconds, unless it or the provider says otherwise.
const LIFETIME: u64 = 120;

/// How long a client waits between two polls, in seconds (section 7.3).
const INTERVAL: u64 = 5;

/// By how much that grows with each poll that came too soon (section 11).
const SLOWER: i64 = 5;

/// The most characters of a binding message.
const LONGEST_MESSAGE: usize = 128;

/// The backchannel authentication endpoint (section 7).
pub(crate) fn ask(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    match accept(exchange) {
        Ok(body) => ServerReply::ok(&body),
        Err(refusal) => exchange.refuse(&refusal),
    }
}

fn accept(exchange: &Exchange<'_>) -> Result<Value, ProtocolError> {
    let form = exchange.params(ParamFormat::Form)?;
    let app = authenticate(exchange, &form, &AcceptedAuth::from(exchange.provider.token_auth()))?;
    let params = match form.get("request") {
        Some(object) => {
            let signed = request_object::read_backchannel(exchange, &app, object);
            signed.map_err(|error| Reason::Request.because(error.description))?
        }
        None if exchange.demands().signed_requests => {
            return Err(Reason::Request.because("requests must be signed here (section 7.1.1)"));
        }
        None => form.clone(),
    };
    let asks = exchange.provider.facts.scope_separator.as_str();
    let scopes: Vec<String> = params
        .get("scope")
        .unwrap_or_default()
        .split(asks)
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        return Err(Reason::Request.because("the scope openid is missing"));
    }
    check_token(&params, &app)?;
    if let Some(message) = params.get("binding_message")
        && (message.chars().count() > LONGEST_MESSAGE || message.chars().any(char::is_control))
    {
        return Err(Reason::Other("invalid_binding_message").because("the binding message cannot be shown"));
    }
    details::check(exchange, &params)?;
    let user = hinted(exchange, &params)?;
    let demands = exchange.demands();
    let lifetime = match params.get("requested_expiry") {
        None => demands.backchannel_lifetime.unwrap_or(LIFETIME),
        Some(asked) => asked
            .parse()
            .ok()
            .filter(|seconds| *seconds > 0)
            .ok_or_else(|| Reason::Request.because("requested_expiry is not a positive number"))?,
    };
    let interval = demands.poll_interval.unwrap_or(INTERVAL);
    let id = crypto::random();
    let mut reply = json!({"auth_req_id": id, "expires_in": lifetime});
    if app.backchannel_token_delivery_mode != DeliveryMode::Push {
        reply["interval"] = json!(interval);
    }
    exchange.backend.state().flows.add_backchannel(Backchannel {
        id,
        provider: exchange.provider.name.clone(),
        app,
        user,
        scopes,
        captures: exchange.captures.clone(),
        params,
        expires_at: now().saturating_add_unsigned(lifetime),
        interval: i64::try_from(interval).unwrap_or(i64::MAX),
        last_poll: None,
        answer: DeviceAnswer::Pending,
    });
    Ok(reply)
}

/// Checks the token by which the provider will show who it is: there for ping and push, of Bearer syntax, and not long (section 7.1).
fn check_token(params: &Pairs, app: &App) -> Result<(), ProtocolError> {
    let mode = app.backchannel_token_delivery_mode;
    if mode == DeliveryMode::Poll {
        return Ok(());
    }
    let token = params.get("client_notification_token");
    let token = token.ok_or_else(|| {
        Reason::Request.because(format!("client_notification_token is missing, which {} needs", mode.name()))
    })?;
    let is_text = token.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/=".contains(c));
    match is_text && token.len() <= 1024 {
        true => Ok(()),
        false => Err(Reason::Request
            .because("client_notification_token is not a Bearer token of up to 1024 characters")),
    }
}

/// The user that a request means: by one hint (section 7.1).
fn hinted(exchange: &Exchange<'_>, params: &Pairs) -> Result<User, ProtocolError> {
    let unknown = || Reason::Other("unknown_user_id").because("the hint names no user");
    let state = exchange.backend.state();
    let called =
        |name: &str| state.users.iter().find(|user| user.is_called(name)).cloned().ok_or_else(unknown);
    match (params.get("login_hint"), params.get("id_token_hint"), params.get("login_hint_token")) {
        (Some(name), None, None) => called(name),
        (None, Some(token), None) => {
            let hint = state.id_token(&exchange.provider.family, token).ok_or_else(unknown)?;
            called(&hint.user.clone())
        }
        (None, None, Some(token)) => {
            let jws = ReceivedJwt::parse(token).map_err(|_| unknown())?;
            if jws.time("exp").is_some_and(|exp| exp <= now()) {
                return Err(
                    Reason::Other("expired_login_hint_token").because("the login_hint_token has expired")
                );
            }
            called(jws.text("sub").unwrap_or_default())
        }
        _ => {
            Err(Reason::Request
                .because("one of login_hint, id_token_hint and login_hint_token must be there"))
        }
    }
}

/// A poll at the token endpoint (section 10.1).
pub(crate) fn redeem(
    exchange: &Exchange<'_>,
    request: &AuthenticatedRequest<'_>,
) -> Result<Granted, ProtocolError> {
    let id =
        request.form.get("auth_req_id").ok_or_else(|| Reason::Request.because("auth_req_id is missing"))?;
    let terms = proof::bind(exchange, request.app, request.possession)?;
    {
        let mut state = exchange.backend.state();
        let unknown = || Reason::Code.because("the auth_req_id is unknown");
        let asked = state.flows.backchannel(id).ok_or_else(unknown)?;
        if asked.provider != exchange.provider.name || asked.app.client_id != request.app.client_id {
            return Err(unknown());
        }
        if request.app.backchannel_token_delivery_mode == DeliveryMode::Push {
            return Err(Reason::Other("unauthorized_client").because("the tokens are pushed to this client"));
        }
        let too_soon = asked.last_poll.is_some_and(|at| now() - at < asked.interval);
        asked.last_poll = Some(now());
        if asked.expires_at <= now() {
            return Err(Reason::Other("expired_token").because("the auth_req_id has expired"));
        }
        match asked.answer {
            DeviceAnswer::Pending if too_soon => {
                asked.interval += SLOWER;
                return Err(Reason::Other("slow_down").because("this poll came too soon"));
            }
            DeviceAnswer::Pending => {
                return Err(Reason::Other("authorization_pending").because("the user has not answered yet"));
            }
            DeviceAnswer::Denied => return Err(Reason::Other("access_denied").because("the user refused")),
            DeviceAnswer::Done => return Err(Reason::Code.because("the auth_req_id was used before")),
            DeviceAnswer::Allowed(_) => {}
        }
    }
    Ok(Granted { issued: take(exchange, id, terms)?, members: Map::new() })
}

/// The tokens of a request that the user has allowed, which can be had once.
pub(crate) fn take(
    exchange: &Exchange<'_>,
    id: &str,
    mut terms: TokenTerms,
) -> Result<Issued, ProtocolError> {
    let gone = || Reason::Code.because("the auth_req_id is unknown");
    let (grant_id, scopes) = {
        let mut state = exchange.backend.state();
        let asked = state.flows.backchannel(id).ok_or_else(gone)?;
        let DeviceAnswer::Allowed(grant_id) = asked.answer else { return Err(gone()) };
        asked.answer = DeviceAnswer::Done;
        (grant_id, asked.scopes.clone())
    };
    let grant = exchange.backend.state().grant_of(grant_id).cloned().ok_or_else(gone)?;
    details::narrow(exchange, &Pairs::default(), &grant, &mut terms)?;
    let with_refresh_token = grant.request.app.refresh_tokens.unwrap_or(true);
    let mut state = exchange.backend.state();
    let issued = state.issue_on(exchange.provider, grant_id, scopes, with_refresh_token, true, terms);
    issued.map(|issued| Issued { first: true, ..issued }).ok_or_else(gone)
}
