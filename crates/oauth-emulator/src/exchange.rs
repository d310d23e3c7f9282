//! One request to a provider, and the dialect in which the provider answers it.

use http::StatusCode;
use serde_json::{Map, Value, json};
use url::Url;

use crate::{
    app::App,
    backend::Backend,
    demands::Demands,
    device_facts,
    endpoint::EmulatedEndpoint,
    facts::{EmulatedProvider, Route},
    fault::Fault,
    refusal::{CallbackError, Denied, ProtocolError, Reason},
    reply::ServerReply,
    request::{LogoutParams, Pairs, RecordedRequest},
    state::{Allowed, Issued, RevokedToken, UserGrant},
    urls::Captures,
    wire::{FailureOn, ParamFormat, ProviderFailure},
};

/// One request to one endpoint of one provider, which the provider answers in its dialect.
pub(crate) struct Exchange<'a> {
    pub(crate) backend: &'a Backend,
    pub(crate) provider: &'a EmulatedProvider,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) route: &'a Route,
    pub(crate) captures: Captures,
    pub(crate) request: RecordedRequest,
    /// The request object at the request's `request_uri`, or why it could not be fetched.
    pub(crate) fetched: Option<Result<String, String>>,
}

impl Exchange<'_> {
    /// The endpoint that the request means; where several share a URL, the parameters tell.
    pub(crate) fn endpoint(&self) -> EmulatedEndpoint {
        let endpoints = &self.route.endpoints;
        let facts = &self.provider.facts;
        let revokes = facts.revoke_params.get("grant_type").map(String::as_str);
        let meant = match self.request.parameter("grant_type") {
            // Lichess deletes a token at the URL that gave it.
            _ if self.request.method.as_str() == "DELETE" => Some(EmulatedEndpoint::Revoke),
            Some(grant_type) if revokes == Some(grant_type) => Some(EmulatedEndpoint::Revoke),
            Some(grant_type) if grant_type == facts.refresh_grant_type => Some(EmulatedEndpoint::Refresh),
            None if self.request.parameter("refresh_token").is_some() => Some(EmulatedEndpoint::Refresh),
            None if device_facts::asks_for_code(&facts.device.params, &self.request) => {
                Some(EmulatedEndpoint::DeviceAuthorization)
            }
            _ => None,
        };
        meant
            .filter(|meant| endpoints.contains(meant))
            .or(endpoints.first().copied())
            .unwrap_or(EmulatedEndpoint::Other)
    }

    /// The parameters of the request, written as this provider wants them, each once.
    pub(crate) fn params(&self, format: ParamFormat) -> Result<Pairs, ProtocolError> {
        let request = &self.request;
        let params = match format {
            ParamFormat::Form => request.form.clone().ok_or_else(|| {
                Reason::Request.because("the content type must be application/x-www-form-urlencoded")
            }),
            ParamFormat::Json => match &request.json {
                Some(Value::Object(object)) => Ok(Pairs::of_json(object)),
                _ => Err(Reason::Request.because("the body must be a JSON object, and application/json")),
            },
            ParamFormat::Query if !request.body.is_empty() => {
                Err(Reason::Request.because("the parameters belong into the query"))
            }
            ParamFormat::Query => Ok(request.query.clone()),
        }?;
        if format != ParamFormat::Query
            && ["client_secret", &self.provider.facts.client_secret_param]
                .iter()
                .any(|name| request.query.get(name).is_some())
        {
            let description = "client_secret has no place in a URL (RFC 6749, section 2.3.1)";
            return Err(Reason::Request.because(description));
        }
        match params.duplicate() {
            Some(name) => Err(Reason::Request.because(format!("the parameter {name} occurs twice"))),
            None => Ok(params),
        }
    }

    /// The reply that refuses a request to the token endpoint or one like it.
    pub(crate) fn refuse(&self, refusal: &ProtocolError) -> ServerReply {
        match self.failure() {
            Some(failure) => failure.of_refusal(refusal),
            None => self.dialect.refuse(self, refusal),
        }
    }

    /// The reply of the provider's API that refuses an access token.
    pub(crate) fn denied(&self, denied: Denied) -> ServerReply {
        match self.failure() {
            Some(failure) => failure.of_denial(denied),
            None => self.dialect.denied(self, denied),
        }
    }

    /// The reply of the provider's API to a request that lacks something.
    pub(crate) fn bad_request(&self, description: &str) -> ServerReply {
        match self.failure() {
            Some(failure) => failure.of_bad_request(description),
            None => self.dialect.bad_request(self, description),
        }
    }

    /// How this request's failure is worded, where the facts say so.
    pub(crate) fn failure(&self) -> Option<&ProviderFailure> {
        let which = match self.endpoint() {
            EmulatedEndpoint::Token
            | EmulatedEndpoint::Refresh
            | EmulatedEndpoint::Introspect
            | EmulatedEndpoint::PushedAuthorization
            | EmulatedEndpoint::BackchannelAuthentication
            | EmulatedEndpoint::DeviceAuthorization
            | EmulatedEndpoint::DevicePoll => FailureOn::Token,
            EmulatedEndpoint::Revoke => FailureOn::Revoke,
            EmulatedEndpoint::Profile
            | EmulatedEndpoint::UserInfo
            | EmulatedEndpoint::Emails
            | EmulatedEndpoint::Resource
            | EmulatedEndpoint::Other => FailureOn::Profile,
            EmulatedEndpoint::Authorize
            | EmulatedEndpoint::DevicePage
            | EmulatedEndpoint::Discovery
            | EmulatedEndpoint::Jwks
            | EmulatedEndpoint::BackchannelNotification
            | EmulatedEndpoint::EndSession => return None,
        };
        self.provider.facts.failure.as_ref().filter(|failure| failure.is_on(which))
    }

    /// What the provider demands beyond its facts.
    pub(crate) fn demands(&self) -> Demands {
        self.backend.state().demands(&self.provider.family)
    }

    pub(crate) fn has_fault(&self, fault: &Fault) -> bool {
        self.backend.state().has_fault(&self.provider.family, fault)
    }
}

/// How a provider speaks. Every method's default is what the RFCs say.
pub(crate) trait Dialect: Send + Sync {
    /// Refuses requests that never reach the endpoint, such as those without a User-Agent.
    fn turn_away(&self, _exchange: &Exchange<'_>, _endpoint: EmulatedEndpoint) -> Option<ServerReply> {
        None
    }

    /// Further checks of a redirect URI that is absolute and registered.
    fn check_redirect_uri(&self, _uri: &Url) -> Result<(), String> {
        Ok(())
    }

    /// Further checks of an authorization request.
    fn check_authorize(&self, _exchange: &Exchange<'_>, _scopes: &[String]) -> Result<(), CallbackError> {
        Ok(())
    }

    /// A last look at a successful callback.
    fn callback(&self, _allowed: &Allowed<'_>, _answer: &mut Vec<(String, String)>) {}

    /// Why a client secret is not the application's, if it is not.
    fn check_secret(&self, _exchange: &Exchange<'_>, app: &App, secret: &str) -> Result<(), String> {
        match app.client_secret.as_deref().unwrap_or_default() == secret {
            true => Ok(()),
            false => Err("client authentication failed".to_owned()),
        }
    }

    /// Further checks of a token request whose client is authenticated.
    fn check_token(&self, _form: &Pairs) -> Result<(), ProtocolError> {
        Ok(())
    }

    /// A grant type that only this provider has; `None` if there is no such.
    fn other_grant(
        &self,
        _exchange: &Exchange<'_>,
        _grant_type: &str,
        _form: &Pairs,
        _app: &App,
    ) -> Option<Result<Map<String, Value>, ProtocolError>> {
        None
    }

    /// The scopes as a token reply names them.
    fn reply_scopes(&self, scopes: &[String]) -> Vec<String> {
        scopes.to_vec()
    }

    /// A last look at the members of a token reply.
    fn token_reply(&self, _exchange: &Exchange<'_>, _issued: &Issued, _reply: &mut Map<String, Value>) {}

    /// A last look at an ID token's claims.
    fn id_token(&self, _grant: &UserGrant, _claims: &mut Map<String, Value>) {}

    /// How a token reply is written.
    fn token_success(&self, _exchange: &Exchange<'_>, members: Map<String, Value>) -> ServerReply {
        ServerReply::ok(&Value::Object(members))
    }

    /// How the token, revocation and introspection endpoints refuse (RFC 6749, section 5.2).
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        refusal.standard()
    }

    /// Further checks of a request to the API whose access token is good.
    fn check_api(&self, _exchange: &Exchange<'_>, _grant: &UserGrant) -> Result<(), ServerReply> {
        Ok(())
    }

    /// How the provider's API refuses an access token (RFC 6750, section 3).
    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        denied.standard()
    }

    /// How the provider's API answers a request that lacks a parameter or a header.
    fn bad_request(&self, _exchange: &Exchange<'_>, description: &str) -> ServerReply {
        let body = json!({"error": "invalid_request", "error_description": description});
        ServerReply::json(StatusCode::BAD_REQUEST, &body)
    }

    /// The profile; `body` is what the table's field paths make of the user.
    fn profile(&self, _exchange: &Exchange<'_>, _grant: &UserGrant, body: Map<String, Value>) -> ServerReply {
        ServerReply::ok(&Value::Object(body))
    }

    /// The answer of the second call, for the addresses, where the facts have paths into it.
    fn emails(&self, _exchange: &Exchange<'_>, _grant: &UserGrant, body: Value) -> ServerReply {
        ServerReply::ok(&body)
    }

    /// A last look at the standard claims, where the profile is another API.
    fn userinfo(&self, _grant: &UserGrant, _claims: &mut Map<String, Value>) {}

    /// A revocation that is not that of RFC 7009; `None` where it is.
    fn own_revocation(&self, _exchange: &Exchange<'_>) -> Option<ServerReply> {
        None
    }

    /// The reply to a revocation, by what was revoked, if anything was; `None` where the facts say it.
    fn revoked(&self, _exchange: &Exchange<'_>, _revoked: Option<&RevokedToken>) -> Option<ServerReply> {
        None
    }

    /// A last look at the metadata document.
    fn metadata(&self, _exchange: &Exchange<'_>, _document: &mut Map<String, Value>) {}

    /// A last look at the key set (RFC 7517, section 5).
    fn jwks(&self, _exchange: &Exchange<'_>, _keys: &mut Vec<Map<String, Value>>) {}

    /// What the end session endpoint is asked (OpenID Connect RP-Initiated Logout 1.0, section 2).
    fn logout(&self, params: &Pairs) -> LogoutParams {
        LogoutParams::standard(params)
    }

    /// The endpoints that the table names and only this dialect knows.
    fn other(&self, _exchange: &Exchange<'_>, name: &str) -> ServerReply {
        ServerReply::text(StatusCode::NOT_FOUND, format!("no dialect serves {name}"))
    }
}
