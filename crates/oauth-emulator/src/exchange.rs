//! One request to a provider, and the dialect in which the provider answers it.

use http::StatusCode;
use serde_json::{Map, Value};
use url::Url;

use crate::{
    app::App,
    backend::Backend,
    endpoint::EmulatedEndpoint,
    facts::{EmulatedProvider, Route},
    fault::Fault,
    refusal::{CallbackError, Denied, ProtocolError},
    reply::ServerReply,
    request::{LogoutParams, Pairs, RecordedRequest},
    state::{Allowed, Grant, Issued},
    urls::Captures,
};

/// One request to one endpoint of one provider, which the provider answers in its dialect.
pub(crate) struct Exchange<'a> {
    pub(crate) backend: &'a Backend,
    pub(crate) provider: &'static EmulatedProvider,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) route: &'static Route,
    pub(crate) captures: Captures,
    pub(crate) request: RecordedRequest,
}

impl Exchange<'_> {
    /// The endpoint that the request means; where several share a URL, the grant type tells.
    pub(crate) fn endpoint(&self) -> EmulatedEndpoint {
        let endpoints = &self.route.endpoints;
        let meant = match self.request.field("grant_type") {
            Some("refresh_token") => Some(EmulatedEndpoint::Refresh),
            // Naver's revocation.
            Some("delete") => Some(EmulatedEndpoint::Revoke),
            _ => None,
        };
        meant
            .filter(|meant| endpoints.contains(meant))
            .or(endpoints.first().copied())
            .unwrap_or(EmulatedEndpoint::Other)
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

    /// What the callback says when the user refuses (RFC 6749, section 4.1.2.1).
    fn denial(&self) -> Vec<(&'static str, &'static str)> {
        vec![("error", "access_denied"), ("error_description", "the user refused")]
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
    fn id_token(&self, _grant: &Grant, _claims: &mut Map<String, Value>) {}

    /// How a token reply is written.
    fn token_success(&self, _exchange: &Exchange<'_>, members: Map<String, Value>) -> ServerReply {
        ServerReply::ok(&Value::Object(members))
    }

    /// How the token, revocation and introspection endpoints refuse (RFC 6749, section 5.2).
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        refusal.standard()
    }

    /// Where a request carries its access token (RFC 6750, section 2.1).
    fn access_token(&self, exchange: &Exchange<'_>) -> Option<String> {
        exchange.request.authorization("bearer").map(str::to_owned)
    }

    /// How the provider's API refuses an access token (RFC 6750, section 3).
    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        denied.standard()
    }

    /// The profile; `body` is what the table's field paths make of the user.
    fn profile(&self, _exchange: &Exchange<'_>, _grant: &Grant, body: Map<String, Value>) -> ServerReply {
        ServerReply::ok(&Value::Object(body))
    }

    /// A last look at the standard claims, where the profile is another API.
    fn userinfo(&self, _grant: &Grant, _claims: &mut Map<String, Value>) {}

    /// A revocation that is not that of RFC 7009; `None` where it is.
    fn own_revocation(&self, _exchange: &Exchange<'_>) -> Option<ServerReply> {
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
