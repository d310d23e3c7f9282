//! What DPoP does in a client's logins and requests.

use std::sync::{Arc, OnceLock};

use oauth_core::{
    AfterReply, AuthenticationError, AuthorizationParams, BindingError, Callback, Endpoint, Error, ErrorKind,
    LoginAttempt, OAuth2, OAuth2Token, OffsetDateTime, Operation, Participant, RequestContext, RequestDraft,
    Result, SigningError, async_trait,
    bytes::Bytes,
    http::{Response, header::AUTHORIZATION, header::DATE},
};
use oauth_openid::{Algorithm, OpenIDConnect};

use super::{
    bindings::{KeyReference, KnownBinding},
    challenge::{ServerRole, dpop_parameter},
    key::DpopKey,
    nonces::NonceAnswer,
    proof::{Proof, ProofTarget, method_name},
    settings::Dpop,
};
use crate::{signed_requests::UnsignedRequest, signing::SignError};

/// The name under which the key of a login is kept in its attempt.
const NOTE: &str = "dpop";

/// By what the parameters of a token request name what they redeem, but for a refresh token.
const ONE_TIME_CREDENTIALS: [&str; 3] = ["code", "device_code", "auth_req_id"];

/// How a request was signed.
#[derive(Clone)]
struct Signed {
    key: DpopKey,
    role: ServerRole,
    /// The origin that was asked.
    origin: String,
    method: String,
    /// What the proof says that was asked.
    htu: String,
    at: OffsetDateTime,
    /// The nonce that the server gave when it asked for one.
    asked_for: Arc<OnceLock<String>>,
}

/// What a request is for, if it takes a proof.
enum Purpose {
    /// It obtains a token.
    Grant,
    /// It says beforehand what the user will be asked for.
    Pushed,
    /// An access token authorizes it.
    Resource(String),
}

impl Purpose {
    fn of(context: &RequestContext<'_>, draft: &RequestDraft) -> Option<Self> {
        const WITHOUT: [Operation; 4] =
            [Operation::REVOKE_TOKEN, Operation::INTROSPECT_TOKEN, Operation::DISCOVER, Operation::GET_KEYS];
        if WITHOUT.contains(&context.operation) {
            return None;
        }
        if let Some(token) = draft.access_token() {
            return Some(Self::Resource(token.to_owned()));
        }
        if is_pushed(context, draft) {
            return Some(Self::Pushed);
        }
        let is_grant = draft.has_field("grant_type")
            || matches!(context.endpoint, Some(Endpoint::Token | Endpoint::Refresh));
        is_grant.then_some(Self::Grant)
    }
}

/// Whether a request is a pushed authorization request (RFC 9126), be it by a participant of somebody's own.
fn is_pushed(context: &RequestContext<'_>, draft: &RequestDraft) -> bool {
    context.endpoint == Some(Endpoint::PushedAuthorization)
        || (draft.has_field("response_type") && !draft.has_field("grant_type"))
}

#[async_trait]
impl Participant for Dpop {
    async fn ready(&self, client: &OAuth2) -> Result<OAuth2> {
        if let Some(openid) = OpenIDConnect::of(client)
            && let Some(metadata) = openid.metadata().await?
            && let Some(accepted) = metadata.list("dpop_signing_alg_values_supported")
        {
            let own = self.keys.algorithm();
            if !accepted.iter().any(|name| Algorithm::of(name) == Some(own)) {
                let accepted: Vec<_> = accepted.iter().map(|name| name.escape_debug().to_string()).collect();
                let problem = format!(
                    "the key for DPoP signs with {own}, and the provider takes {} \
                     (dpop_signing_alg_values_supported); give Dpop a key that fits",
                    accepted.join(", ")
                );
                return Err(client.error(Operation::CONFIGURE, ErrorKind::Configuration(problem)));
            }
        }
        Ok(client.clone())
    }

    async fn prepare(&self, client: &OAuth2, attempt: LoginAttempt) -> Result<LoginAttempt> {
        let reference = self.new_key().await.map(|(_, reference)| reference);
        let reference = reference.map_err(|cause| failed(client, Operation::START_LOGIN, cause))?;
        Ok(attempt.with_note(NOTE, reference.to_note()))
    }

    async fn authorize(&self, client: &OAuth2, params: &mut AuthorizationParams) -> Result<()> {
        // What was pushed or signed already is not to be changed.
        if params.get("request_uri").is_some() || params.get("request").is_some() {
            return Ok(());
        }
        let operation = Operation::GET_AUTHORIZATION_URL;
        let reference = match params.note(NOTE).and_then(KeyReference::from_note) {
            Some(reference) => reference,
            // Nothing would tell the key when the code is exchanged.
            None if self.keys.is_per_grant() => return Ok(()),
            None => self.new_key().await.map_err(|cause| failed(client, operation, cause))?.1,
        };
        if let Some(state) = params.get("state") {
            let binding = KnownBinding::Key { reference: reference.clone(), may_change: false };
            self.bindings.note(&of_state(state), binding);
        }
        if !self.binds_codes {
            return Ok(());
        }
        if params.get("dpop_jkt").is_some_and(|jkt| jkt != reference.thumbprint()) {
            let problem = "the authorization request names another key by dpop_jkt than the client proves; leave it to Dpop";
            return Err(client.error(operation, ErrorKind::Configuration(problem.to_owned())));
        }
        params.set("dpop_jkt", reference.thumbprint());
        Ok(())
    }

    async fn check_callback(
        &self,
        _client: &OAuth2,
        attempt: &LoginAttempt,
        callback: &Callback,
    ) -> Result<()> {
        if let (Some(code), Some(reference)) =
            (callback.get("code"), attempt.note(NOTE).and_then(KeyReference::from_note))
        {
            self.bindings.note(code, KnownBinding::Key { reference, may_change: false });
        }
        Ok(())
    }

    async fn before_send(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        let Some(purpose) = Purpose::of(context, request) else { return Ok(()) };
        let earlier = request.extensions().get::<Signed>().cloned();
        let (role, key) = match (&purpose, &earlier) {
            (Purpose::Resource(token), _) => match self.key_for_resource(token).await? {
                Some(key) => (ServerRole::ResourceServer, key),
                None => return Ok(()),
            },
            (_, Some(earlier)) => (ServerRole::AuthorizationServer, earlier.key.clone()),
            (Purpose::Grant, None) => (ServerRole::AuthorizationServer, self.key_for_grant(request).await?),
            (Purpose::Pushed, None) => (ServerRole::AuthorizationServer, self.key_for_pushed(request).await?),
        };
        if request.headers().contains_key("dpop") {
            return Err("the request has a DPoP header of its own; leave it to the client".into());
        }
        let asked = ProofTarget::of(request.url())?;
        let target = match &self.seen_as {
            Some(seen_as) => ProofTarget::of(&seen_as(request.url()))?,
            None => asked.clone(),
        };
        let signed = Signed {
            key,
            role,
            origin: asked.origin().to_owned(),
            method: method_name(request.method()),
            htu: target.url().to_owned(),
            at: context.now,
            asked_for: Arc::default(),
        };
        let mut proof = Proof::at_target(signed.method.clone(), target).made_at(signed.at);
        // The one that was given for this request, though another reply may have brought a newer one meanwhile: some servers take each
        // nonce once.
        let asked_for = earlier.and_then(|earlier| earlier.asked_for.get().cloned());
        if let Some(nonce) = asked_for.or_else(|| self.nonces.get(role, &signed.origin)) {
            proof = proof.with_nonce(nonce);
        }
        if let Purpose::Resource(token) = &purpose {
            if !request.headers().contains_key(AUTHORIZATION) {
                let problem = "a token that is bound by DPoP goes into the Authorization header, and this provider \
                               takes it elsewhere";
                return Err(problem.into());
            }
            request.set_token_scheme("DPoP")?;
            proof = proof.with_access_token(token);
        }
        let proof = signed.key.prove(&proof).await.map_err(of_signer)?;
        request.set_secret_header("dpop", "", proof)?;
        request.extensions_mut().insert(signed);
        Ok(())
    }

    async fn after_reply(
        &self,
        _context: &RequestContext<'_>,
        request: &RequestDraft,
        reply: &Response<Bytes>,
    ) -> AfterReply {
        let Some(signed) = request.extensions().get::<Signed>() else { return AfterReply::Done };
        match self.nonces.note(signed.role, &signed.origin, reply) {
            NonceAnswer::WantsNonce(nonce) => {
                // It is empty: each request is signed anew.
                let _ = signed.asked_for.set(nonce);
                AfterReply::SendAgain
            }
            NonceAnswer::Settled | NonceAnswer::WantsNonceInVain => AfterReply::Done,
        }
    }

    fn presents(&self, token_type: &str) -> bool {
        token_type.eq_ignore_ascii_case("DPoP")
    }

    fn check_new_token(&self, client: &OAuth2, token: &mut OAuth2Token) -> Result<()> {
        self.check_token(client, None, Operation::GET_ACCESS_TOKEN, token)
    }

    fn check_issued_token(
        &self,
        client: &OAuth2,
        request: &RequestDraft,
        token: &mut OAuth2Token,
    ) -> Result<()> {
        let operation = match request.field("refresh_token") {
            Some(_) => Operation::REFRESH_TOKEN,
            None => Operation::GET_ACCESS_TOKEN,
        };
        self.check_token(client, request.extensions().get(), operation, token)
    }

    fn check_use(&self, client: &OAuth2, token: &OAuth2Token) -> Result<()> {
        let is_bound = token.token_type().is_some_and(|kind| self.presents(kind));
        let binding = match KeyReference::of(token.confirmation()) {
            _ if !is_bound => KnownBinding::Unbound,
            Some(reference) if self.keys.is_lost(&reference) => {
                return Err(lost(client, Operation::API_REQUEST, &reference));
            }
            Some(reference) => KnownBinding::Key { reference, may_change: false },
            // It was stored by something else, and the client's one key will do.
            // Noted, because a token that says DPoP must not go out as a bearer token where those are allowed too.
            None if !self.keys.is_per_grant() => KnownBinding::OnlyKey,
            None => {
                let problem = "the token does not say to which key it is bound (cnf); sign in again";
                return Err(
                    client.error(Operation::API_REQUEST, ErrorKind::Configuration(problem.to_owned()))
                );
            }
        };
        self.bindings.note(token.access_token(), binding);
        Ok(())
    }

    fn check_before_refresh(&self, client: &OAuth2, token: &OAuth2Token) -> Result<()> {
        let Some(refresh_token) = token.refresh_token() else { return Ok(()) };
        let binding = match KeyReference::of(token.refresh_confirmation()) {
            Some(reference) => {
                let may_change = self.may_change(client);
                if !may_change && self.keys.is_lost(&reference) {
                    return Err(lost(client, Operation::REFRESH_TOKEN, &reference));
                }
                KnownBinding::Key { reference, may_change }
            }
            None => KnownBinding::Unbound,
        };
        self.bindings.note(refresh_token, binding);
        Ok(())
    }

    fn explain(
        &self,
        _context: &RequestContext<'_>,
        request: &RequestDraft,
        reply: &Response<Bytes>,
        error: Error,
    ) -> Error {
        let code = error.oauth_error().map(|error| error.code.clone()).unwrap_or_default();
        let Some(signed) = request.extensions().get::<Signed>() else {
            return error;
        };
        match &*code {
            "invalid_dpop_proof" => {
                let mut advice = format!(
                    "the proof was signed with {} for {} {} {}",
                    signed.key.algorithm(),
                    signed.method,
                    signed.htu,
                    clocks(signed.at, reply)
                );
                if let Some(algorithms) = dpop_parameter(reply, "algs") {
                    advice.push_str(&format!("; the server takes {}", algorithms.escape_debug()));
                }
                error.with_advice(advice)
            }
            "use_dpop_nonce" => {
                let problem = match self.nonces.note(signed.role, &signed.origin, reply) {
                    NonceAnswer::WantsNonceInVain => {
                        "the server wants a nonce for DPoP, and gave none that can be sent (one DPoP-Nonce header)"
                    }
                    _ => "the server wants another nonce for DPoP than the one it has just given",
                };
                error.with_advice(problem)
            }
            _ => error,
        }
    }
}

impl Dpop {
    /// Whether a refresh token can be redeemed with another key than the one it was issued to: that of a client that authenticates is
    /// bound to the client (RFC 9449 section 5), but at a server that binds nothing else.
    fn may_change(&self, client: &OAuth2) -> bool {
        let proves_itself = match client.credentials().own_authentication() {
            Some(authentication) => authentication.method() != "none",
            None => !client.client_secret().is_empty(),
        };
        proves_itself && !self.allows_bearer
    }

    /// Checks a new token, and notes to which key it is bound: the one that its request was signed with.
    fn check_token(
        &self,
        client: &OAuth2,
        signed: Option<&Signed>,
        operation: Operation,
        token: &mut OAuth2Token,
    ) -> Result<()> {
        let refuse = |error| Err(client.error(operation, ErrorKind::Binding(error)));
        let token_type = token.token_type().unwrap_or("Bearer").to_owned();
        // What is not an access token is bound to nothing (RFC 8693 section 2.2.1).
        if token_type.eq_ignore_ascii_case("N_A") {
            return Ok(());
        }
        let is_bound = self.presents(&token_type);
        let not_bound = |advice: &str| {
            refuse(BindingError::NotBound { token_type: token_type.clone(), advice: advice.to_owned() })
        };
        if !is_bound && !self.allows_bearer {
            return not_bound(
                "ask the provider why, or accept it with Dpop::allow_bearer_tokens if it binds refresh tokens alone",
            );
        }
        let Some(signed) = signed else {
            return match is_bound {
                true => not_bound("nothing proved a key when it was issued"),
                false => Ok(()),
            };
        };
        let own = signed.key.thumbprint();
        if let Some(claimed) = KeyReference::of(token.confirmation())
            && claimed.thumbprint() != own
        {
            let bound_to = format!("the key {}", claimed.thumbprint().escape_debug());
            return refuse(BindingError::BoundElsewhere { bound_to });
        }
        let reference = self.keys.reference(&signed.key);
        let reference = reference.map_err(|cause| failed(client, operation, of_signer(cause)))?;
        let others = token.confirmation().and_then(|cnf| cnf.as_object().cloned()).unwrap_or_default();
        let key = KnownBinding::Key { reference: reference.clone(), may_change: self.may_change(client) };
        if is_bound {
            *token = token.clone().with_confirmation(reference.in_confirmation(others));
            self.bindings.note(token.access_token(), key.clone());
        } else {
            let cnf = reference.in_confirmation(others).into();
            *token = token.clone().with_refresh_confirmation(Some(&cnf));
            self.bindings.note(token.access_token(), KnownBinding::Unbound);
        }
        if let Some(refresh_token) = token.refresh_token() {
            self.bindings.note(refresh_token, key);
        }
        Ok(())
    }

    /// The key that the next grant is bound to.
    async fn new_key(&self) -> Result<(DpopKey, KeyReference), AuthenticationError> {
        let key = self.keys.key_for_grant().await.map_err(of_signer)?;
        let reference = self.keys.reference(&key).map_err(of_signer)?;
        self.found.insert(key.thumbprint().to_owned(), key.clone());
        Ok((key, reference))
    }

    async fn find(&self, reference: &KeyReference) -> Result<Option<DpopKey>, AuthenticationError> {
        let thumbprint = reference.thumbprint().to_owned();
        if let Some(key) = self.found.get(&thumbprint) {
            return Ok(Some(key));
        }
        let found = self.keys.find(reference).await.map_err(of_signer)?;
        let found = found.filter(|key| key.thumbprint() == thumbprint);
        if let Some(key) = &found {
            self.found.insert(thumbprint, key.clone());
        }
        Ok(found)
    }

    async fn find_or_lost(&self, reference: &KeyReference) -> Result<DpopKey, AuthenticationError> {
        let found = self.find(reference).await?;
        found.ok_or_else(|| BindingError::UnknownKey { thumbprint: reference.thumbprint().to_owned() }.into())
    }

    /// The key for a request with an access token; `None` for one that is not bound.
    async fn key_for_resource(&self, access_token: &str) -> Result<Option<DpopKey>, AuthenticationError> {
        match self.bindings.get(access_token) {
            Some(KnownBinding::Unbound) => Ok(None),
            Some(KnownBinding::Key { reference, .. }) => self.find_or_lost(&reference).await.map(Some),
            Some(KnownBinding::OnlyKey) => Ok(Some(self.new_key().await?.0)),
            // A token that this process has not seen as a whole.
            None if self.allows_bearer => Ok(None),
            None if self.keys.is_per_grant() => Err(needs_whole_token()),
            None => Ok(Some(self.new_key().await?.0)),
        }
    }

    /// The key for a token request.
    async fn key_for_grant(&self, request: &RequestDraft) -> Result<DpopKey, AuthenticationError> {
        if let Some(refresh_token) = request.field("refresh_token") {
            return match self.bindings.get(refresh_token) {
                Some(KnownBinding::Key { reference, may_change }) => match self.find(&reference).await? {
                    Some(key) => Ok(key),
                    None if may_change => Ok(self.new_key().await?.0),
                    None => self.find_or_lost(&reference).await,
                },
                Some(KnownBinding::OnlyKey | KnownBinding::Unbound) => Ok(self.new_key().await?.0),
                None if self.keys.is_per_grant() => Err(needs_whole_token()),
                None => Ok(self.new_key().await?.0),
            };
        }
        let credential = ONE_TIME_CREDENTIALS.into_iter().find_map(|name| request.field(name));
        let Some(credential) = credential else { return Ok(self.new_key().await?.0) };
        match self.bindings.get(credential) {
            Some(KnownBinding::Key { reference, .. }) => self.find_or_lost(&reference).await,
            _ => {
                // Every try with it is signed with the same key.
                let (key, reference) = self.new_key().await?;
                self.bindings.note(credential, KnownBinding::Key { reference, may_change: false });
                Ok(key)
            }
        }
    }

    /// The key of the login whose request is pushed.
    async fn key_for_pushed(&self, request: &RequestDraft) -> Result<DpopKey, AuthenticationError> {
        // One that is signed has its parameters inside.
        let signed = request.extensions().get::<UnsignedRequest>();
        let parameter = |name: &str| {
            let inside = signed.and_then(|UnsignedRequest(claims)| claims.get(name)?.as_str());
            request.field(name).or(inside)
        };
        let by_state = parameter("state").and_then(|state| self.bindings.get(&of_state(state)));
        match (by_state, parameter("dpop_jkt")) {
            (Some(KnownBinding::Key { reference, .. }), _) => self.find_or_lost(&reference).await,
            (_, Some(thumbprint)) => self.find_or_lost(&KeyReference::new(thumbprint)).await,
            _ if self.keys.is_per_grant() => {
                Err("with a key for each grant, pushed requests are those of start_login".into())
            }
            _ => Ok(self.new_key().await?.0),
        }
    }
}

/// A state is not a credential of the same kind as codes and tokens are.
fn of_state(state: &str) -> String {
    format!("state {state}")
}

fn needs_whole_token() -> AuthenticationError {
    "each grant has a key of its own, and the text of a token does not tell which; use the method that takes the whole token"
        .into()
}

fn lost(client: &OAuth2, operation: Operation, reference: &KeyReference) -> Error {
    let error = BindingError::UnknownKey { thumbprint: reference.thumbprint().to_owned() };
    client.error(operation, ErrorKind::Binding(error))
}

/// What a signer failed with, in the class that it has: what could not be reached may be reached later.
fn of_signer(error: SignError) -> AuthenticationError {
    SigningError::from(error).into()
}

fn failed(client: &OAuth2, operation: Operation, cause: AuthenticationError) -> Error {
    if let Some(error) = cause.downcast_ref::<Error>() {
        return error.clone().during(operation);
    }
    let kind = match cause.downcast_ref::<SigningError>() {
        Some(error) => ErrorKind::Signing(error.clone()),
        None => ErrorKind::Configuration(cause.to_string()),
    };
    client.error(operation, kind)
}

/// By which clock a proof was made, and what the server's says.
fn clocks(at: OffsetDateTime, reply: &Response<Bytes>) -> String {
    let made_at = format!("at {at}");
    let date = reply.headers().get(DATE).and_then(|date| date.to_str().ok());
    let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return made_at };
    let difference = OffsetDateTime::from(date).unix_timestamp() - at.unix_timestamp();
    match difference {
        0 => format!("{made_at}, which is the server's time too"),
        1.. => format!("{made_at}, and the server's clock is {difference} s ahead; is this machine's right?"),
        _ => format!(
            "{made_at}, and the server's clock is {} s behind; is this machine's right?",
            difference.unsigned_abs()
        ),
    }
}
