//! What a user does on another device (OpenID Connect Client-Initiated Backchannel Authentication Core 1.0), and what the provider then
//! tells the application.

use std::{fmt, io};

use http::{HeaderMap, Method};
use oauth_core::bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{
    app::DeliveryMode,
    backchannel::take,
    browser::Consent,
    clock::now,
    crypto, dialects,
    emulator::Emulator,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::EmulatedProvider,
    fault::Fault,
    flows::{Backchannel, DeviceAnswer},
    id_token,
    request::RecordedRequest,
    signals::SignalRequest,
    state::Authorization,
    terms::{GrantId, TokenTerms},
    token_reply::members_with,
};

/// A request for the authentication of a user on another device that waits for the user's answer.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackchannelRequest {
    /// How the application and the provider call it.
    pub auth_req_id: String,
    /// Who asks.
    pub client_id: String,
    /// The user's id.
    pub user: String,
    /// What the user is shown on both devices.
    pub binding_message: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
}

impl fmt::Debug for BackchannelRequest {
    /// Without the identifier, which is worth a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackchannelRequest")
            .field("client_id", &self.client_id)
            .field("user", &self.user)
            .field("binding_message", &self.binding_message)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl Emulator {
    /// What users are asked on another device and have not answered yet, in its order (OpenID Connect CIBA Core).
    pub fn backchannel_requests(&self) -> Vec<BackchannelRequest> {
        let state = self.backend().state();
        let requests = state.flows.unanswered().map(|request| BackchannelRequest {
            auth_req_id: request.id.clone(),
            client_id: request.app.client_id.clone(),
            user: request.user.id.clone(),
            binding_message: request.params.get("binding_message").map(str::to_owned),
            scopes: request.scopes.clone(),
        });
        requests.collect()
    }

    /// Has the user answer on the other device. The request returned is what the provider then posts to the application's
    /// `backchannel_client_notification_endpoint`: nothing for poll, a message for ping, the tokens for push. Post it with
    /// [`SignalRequest::send`]. The faults of [`EmulatedEndpoint::BackchannelNotification`] apply to it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if no such request waits for an answer.
    pub fn answer_backchannel(
        &self,
        auth_req_id: &str,
        consent: Consent,
    ) -> io::Result<Option<SignalRequest>> {
        let backend = self.backend();
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such request waits for an answer");
        let asked = {
            let state = backend.state();
            let mut waiting = state.flows.unanswered();
            waiting.find(|request| request.id == auth_req_id).cloned().ok_or_else(missing)?
        };
        let provider = backend.provider(&asked.provider).ok_or_else(missing)?;
        let denied = consent == Consent::Deny || backend.state().has_fault(&provider.family, &Fault::Deny);
        let answer = match denied {
            true => DeviceAnswer::Denied,
            false => DeviceAnswer::Allowed(allow(self, provider, &asked)),
        };
        if let Some(request) = backend.state().flows.backchannel(auth_req_id) {
            request.answer = answer;
        }
        let body = match (asked.app.backchannel_token_delivery_mode, denied) {
            (DeliveryMode::Poll, _) => return Ok(None),
            (DeliveryMode::Ping, _) => Map::new(),
            (DeliveryMode::Push, true) => Map::from_iter([
                ("error".to_owned(), json!("access_denied")),
                ("error_description".to_owned(), json!("the user refused")),
            ]),
            (DeliveryMode::Push, false) => pushed_tokens(self, provider, &asked)?,
        };
        Ok(Some(notification(self, provider, &asked, body)))
    }
}

/// Notes what the user allowed.
fn allow(emulator: &Emulator, provider: &EmulatedProvider, asked: &Backchannel) -> GrantId {
    let authorization = Authorization {
        app: asked.app.clone(),
        redirect_uri: String::new(),
        scopes: asked.scopes.clone(),
        captures: asked.captures.clone(),
        params: asked.params.clone(),
        sid: crypto::random(),
    };
    let mut state = emulator.backend().state();
    state.grant_without_code(provider, asked.user.clone(), authorization, now()).0
}

/// What a notification posts, as the faults leave it (section 10.2).
fn notification(
    emulator: &Emulator,
    provider: &EmulatedProvider,
    asked: &Backchannel,
    mut body: Map<String, Value>,
) -> SignalRequest {
    body.insert("auth_req_id".to_owned(), json!(asked.id));
    let faults =
        emulator.backend().state().faults(&provider.family, EmulatedEndpoint::BackchannelNotification);
    for fault in faults {
        match fault {
            Fault::Member(name, Some(value)) => {
                body.insert(name, value);
            }
            Fault::Member(name, None) => {
                body.remove(&name);
            }
            _ => {}
        }
    }
    let token = asked.params.get("client_notification_token").unwrap_or_default();
    SignalRequest {
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), format!("Bearer {token}")),
        ],
        body: Value::Object(body).to_string(),
    }
}

/// The tokens as they are pushed (section 10.3.1).
fn pushed_tokens(
    emulator: &Emulator,
    provider: &EmulatedProvider,
    asked: &Backchannel,
) -> io::Result<Map<String, Value>> {
    let backend = emulator.backend();
    let wrong = |what: &str| io::Error::other(what.to_owned());
    let routes = provider.routes.iter();
    let route = routes
        .filter(|route| route.endpoints.contains(&EmulatedEndpoint::Token))
        .find(|route| !route.mutual_tls);
    let url = provider.url(provider.facts.token_url.as_ref(), &asked.captures).unwrap_or_default();
    let exchange = Exchange {
        backend,
        provider,
        dialect: dialects::of(&provider.family),
        route: route.ok_or_else(|| wrong("the provider has no token endpoint"))?,
        captures: asked.captures.clone(),
        request: RecordedRequest::new(Method::POST, url, HeaderMap::new(), Bytes::new()),
        fetched: None,
    };
    let issued =
        take(&exchange, &asked.id, TokenTerms::default()).map_err(|refusal| wrong(&refusal.description))?;
    let alg =
        id_token::alg(backend, provider, EmulatedEndpoint::Token, asked.app.id_token_signed_response_alg);
    let mut claims = Map::new();
    claims.insert("urn:openid:params:jwt:claim:auth_req_id".to_owned(), json!(asked.id));
    if let Some(token) = &issued.refresh_token {
        let hash = crypto::left_half_hash(alg, token);
        claims.insert("urn:openid:params:jwt:claim:rt_hash".to_owned(), json!(hash));
    }
    members_with(&exchange, &issued, claims).map_err(|refusal| wrong(&refusal.description))
}
