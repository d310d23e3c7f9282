//! What the generic client asks of a provider's endpoints: tokens, revocation, introspection.

use http::Method;
use serde_json::Value;

use super::OAuth2;
use crate::{
    authorization::pkce::CodeVerifier,
    endpoints::Endpoint,
    error::{ErrorKind, Operation, Result},
    login::Callback,
    message::response::Response,
    oauth2::request::Request,
    spec::{RefreshBy, RequestFormat, TokenPlace},
    text::form::{SECRET_PARAMETERS, is_same_parameter},
    token::{OAuth2Token, has_passed},
};

const NO_REFRESH_ENDPOINT: &str = "no refresh endpoint is known, because the provider issues no refresh tokens or the client was made \
                                   without one: `with_refresh_endpoint` or `Endpoint::Refresh` names it";

/// The standard requests.
impl OAuth2 {
    /// The client with all that it must know before it can send something: for a client with discovery, the endpoints.
    ///
    /// Each procedure asks for it by itself. Call it at start to learn early whether the provider can be reached.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error) of the provider's metadata.
    pub async fn ready(&self) -> Result<Self> {
        let mut client = self.clone();
        for participant in self.participants() {
            client = participant.ready(&client).await?;
        }
        Ok(client)
    }

    /// Exchanges an authorization code for tokens (RFC 6749 section 4.1.3).
    ///
    /// The redirect URI must be, byte for byte, the one of the authorization request. Extra parameters are sent as they
    /// are: `resource` as often as it is there (RFC 8707), `authorization_details` as JSON text (RFC 9396). Neither the client
    /// secret nor the code verifier can be among them.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error). The code is spent all the same in most cases; the exchange is never repeated.
    pub async fn get_access_token(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let client = self.ready().await?;
        let request = client.exchange_request(code, redirect_uri, code_verifier, extra)?;
        client.new_token(&request.send().await?)
    }

    /// Begins the exchange of an authorization code for tokens, as the [`Spec`](crate::Spec) says: for a provider whose reply takes code
    /// to read.
    ///
    /// # Errors
    ///
    /// A configuration error when a secret is among the extra parameters.
    pub fn exchange_request(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<Request<'_>> {
        self.check_extra(Operation::GET_ACCESS_TOKEN, extra)?;
        let spec = &self.spec().token;
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)]
            .into_iter()
            .filter(|(name, _)| !spec.omitted_params.contains(name))
            .chain(code_verifier.map(|verifier| ("code_verifier", verifier.expose())))
            .chain(extra.iter().copied())
            .chain(
                spec.params
                    .iter()
                    .copied()
                    .filter(|(name, _)| !extra.iter().any(|(other, _)| is_same_parameter(other, name))),
            );
        let request = self.grant(Operation::GET_ACCESS_TOKEN, self.endpoints().token());
        Ok(request.endpoint(Endpoint::Token).fields(spec.format, form))
    }

    /// Refuses extra parameters that only the library sends.
    pub(super) fn check_extra(&self, operation: Operation, extra: &[(&str, &str)]) -> Result<()> {
        let secrets = || SECRET_PARAMETERS.iter().copied().chain([self.spec().client_secret_param]);
        for (name, _) in extra {
            if let Some(secret) = secrets().find(|secret| is_same_parameter(name, secret)) {
                let problem = format!(
                    "the extra parameters hold {secret}, which the library sends itself; leave it out"
                );
                return Err(self.error(operation, ErrorKind::Configuration(problem)));
            }
        }
        Ok(())
    }

    /// The parameters of a callback that the token endpoint wants to see again, as
    /// [`TokenSpec::callback_params`](crate::provider_kit::TokenSpec::callback_params) names them.
    #[must_use]
    pub fn token_params(&self, callback: Option<&Callback>) -> Vec<(&'static str, String)> {
        let Some(callback) = callback else { return Vec::new() };
        let wanted = self.spec().token.callback_params.iter();
        wanted.filter_map(|&name| Some((name, callback.get(name)?.to_owned()))).collect()
    }

    /// Gets a new access token for a refresh token (RFC 6749 section 6).
    ///
    /// The result always has a refresh token: the new one, or the old one where the provider sent none. Scopes, if
    /// given, must be among those that were granted. The provider judges that, because many grant a scope under another name than
    /// the one by which it is asked for.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider has no refresh tokens; else any [`Error`](crate::Error).
    pub async fn refresh_token(&self, refresh_token: &str, scopes: Option<&[&str]>) -> Result<OAuth2Token> {
        self.refresh_token_with(refresh_token, scopes, &[]).await
    }

    /// Gets a new access token for a refresh token with further parameters, such as `resource` (RFC 8707 section 2.2), which can be
    /// there more than once, or `audience`.
    ///
    /// # Errors
    ///
    /// Those of [`refresh_token`](Self::refresh_token).
    pub async fn refresh_token_with(
        &self,
        refresh_token: &str,
        scopes: Option<&[&str]>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let operation = Operation::REFRESH_TOKEN;
        let client = self.ready().await?;
        client.check_extra(operation, extra)?;
        let endpoint = client.endpoints().get(Endpoint::Refresh);
        let endpoint = endpoint.ok_or_else(|| self.unsupported(operation, NO_REFRESH_ENDPOINT))?;
        let scope = self
            .joined(scopes.unwrap_or_default())
            .map_err(|problem| self.error(operation, ErrorKind::Configuration(problem)))?;
        let spec = &client.spec().token;
        let (parameter, usual_auth) = match spec.refresh.by {
            RefreshBy::RefreshToken => ("refresh_token", Some(client.client_auth())),
            RefreshBy::AccessToken => ("access_token", None),
        };
        let form = [("grant_type", spec.refresh.grant_type), (parameter, refresh_token), ("scope", &scope)];
        let form = form.into_iter().chain(extra.iter().copied());
        let mut request = client.request(operation, Method::POST, endpoint).endpoint(Endpoint::Refresh);
        request = request.fields(spec.refresh.format.unwrap_or(spec.format), form);
        if let Some(auth) = spec.refresh.client_auth.or(usual_auth) {
            request = request.client_auth(auth);
        }
        let mut token = client.new_token(&request.send().await?)?.or_refresh_token(refresh_token);
        for participant in client.participants() {
            // The server has redeemed the refresh token, so what it gave for it goes with the error.
            if let Err(error) = participant.check_refresh(&client, &mut token).await {
                return Err(error.with_tokens(token));
            }
        }
        Ok(token)
    }

    /// Revokes an access token or a refresh token (RFC 7009). The hint is `access_token` or `refresh_token`.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider cannot revoke; else any [`Error`](crate::Error). To a server that keeps
    /// to RFC 7009 section 2.2, a token that it does not know counts as revoked; some answer with an error.
    pub async fn revoke_token(&self, token: &str, token_type_hint: Option<&str>) -> Result<()> {
        let client = self.ready().await?;
        let spec = client.spec().revocation;
        let url = client.revoke_endpoint()?;
        let mut request =
            client.request(Operation::REVOKE_TOKEN, spec.method.into(), url).endpoint(Endpoint::Revocation);
        if !spec.params.is_empty() {
            request = request.fields(spec.format, spec.params.iter().copied());
        }
        request = match spec.token {
            // A 401 is then about the client, who authenticates beside it.
            TokenPlace::Field(name) => request.fields(spec.format, [(name, token)]),
            TokenPlace::FieldByKind => {
                request.fields(spec.format, [(token_type_hint.unwrap_or("access_token"), token)])
            }
            TokenPlace::Query(name) => request.query(&[(name, token)]).hide(token),
            place => request.token(place, token),
        };
        // A form's unknown parameters are ignored (RFC 6749 section 3.2); nobody says that of a JSON object's.
        let takes_hint = matches!(spec.token, TokenPlace::Field(_)) && spec.format == RequestFormat::Form;
        if let Some(hint) = token_type_hint.filter(|_| takes_hint) {
            request = request.fields(spec.format, [("token_type_hint", hint)]);
        }
        let usual_auth = (!spec.token.is_header()).then_some(client.client_auth());
        if let Some(auth) = client.revoke_auth().or(usual_auth) {
            request = request.client_auth(auth);
        }
        let reply = request.send().await?;
        // The standard has the status alone decide (section 2.2).
        match spec.token.is_standard() && client.spec().errors.failed_at.is_none() {
            true => Ok(()),
            false => reply.accepted(),
        }
    }

    /// Asks the provider about a token (RFC 7662 section 2). Nothing in the answer but `active` counts when it is false.
    ///
    /// A token whose `exp` has passed is not active, whatever the provider says. Nothing is kept: each call asks anew. The request is JSON,
    /// without the hint, where the token endpoint takes JSON.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where no introspection endpoint is known; else any [`Error`](crate::Error).
    pub async fn introspect_token(&self, token: &str, token_type_hint: Option<&str>) -> Result<Value> {
        let operation = Operation::INTROSPECT_TOKEN;
        let client = self.ready().await?;
        let endpoint = client.endpoints().get(Endpoint::Introspection);
        let endpoint =
            endpoint.ok_or_else(|| self.unsupported(operation, "tokens cannot be introspected"))?;
        // A server whose token endpoint takes JSON takes it here too, and its members are those that it documents.
        let (format, hint) = match client.spec().token.format {
            RequestFormat::Json => (RequestFormat::Json, None),
            RequestFormat::Form | RequestFormat::Query => (RequestFormat::Form, token_type_hint),
        };
        let fields = [("token", token), ("token_type_hint", hint.unwrap_or_default())];
        let auth = client.introspection_auth().unwrap_or(client.client_auth());
        let request = client.request(operation, Method::POST, endpoint).client_auth(auth);
        let reply = request.endpoint(Endpoint::Introspection).fields(format, fields).send().await?;
        let mut value = reply.object()?;
        if !value["active"].is_boolean() {
            return Err(reply.malformed("the introspection response lacks the boolean member `active`"));
        }
        // A minute for clocks that differ.
        if has_passed(&value["exp"], client.now().unix_timestamp() - 60) {
            value["active"] = false.into();
        }
        Ok(value)
    }

    /// Sends a grant of any kind in the format of the token endpoint, with client authentication, and reads the token in the reply.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    pub async fn request_token<'p>(
        &self,
        operation: Operation,
        endpoint: &str,
        form: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<OAuth2Token> {
        self.request_token_with_reply(operation, endpoint, form).await.map(|(token, _)| token)
    }

    /// As [`request_token`](Self::request_token), with the reply beside the token, for a grant whose reply must hold more than one.
    ///
    /// # Errors
    ///
    /// As [`request_token`](Self::request_token).
    pub async fn request_token_with_reply<'p>(
        &self,
        operation: Operation,
        endpoint: &str,
        form: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<(OAuth2Token, Response)> {
        let format = self.spec().token.format;
        let mut request = self.grant(operation, endpoint).fields(format, form);
        // So that a client that authenticates by its certificate asks at the alias (RFC 8705 section 5).
        let known = |wanted: &Endpoint| self.endpoints().get(*wanted) == Some(endpoint);
        if let Some(known) = [Endpoint::Token, Endpoint::Refresh].into_iter().find(known) {
            request = request.endpoint(known);
        }
        let reply = request.send().await?;
        Ok((self.new_token(&reply)?, reply))
    }

    /// The token in a reply, once every participant has seen it.
    pub(super) fn new_token(&self, reply: &Response) -> Result<OAuth2Token> {
        let mut token = reply.token(self.spec().token.token_at)?;
        if self.spec().token.refresh.by == RefreshBy::AccessToken {
            token = token.refreshed_by_access_token();
        }
        let shown = self
            .participants()
            .iter()
            .try_for_each(|participant| participant.check_issued_token(self, reply.request(), &mut token));
        match shown {
            Ok(()) => Ok(token),
            Err(error) => Err(error.with_tokens(token)),
        }
    }

    /// Shows a new token to every participant, before it is handed out: one that came in another way than by
    /// [`request_token`](Self::request_token).
    ///
    /// # Errors
    ///
    /// What a participant says is wrong with the token.
    pub fn check_new_token(&self, token: &mut OAuth2Token) -> Result<()> {
        self.participants().iter().try_for_each(|participant| participant.check_new_token(self, token))
    }

    /// A request that the client authenticates.
    fn grant(&self, operation: Operation, endpoint: &str) -> Request<'_> {
        self.request(operation, Method::POST, endpoint).client_auth(self.client_auth())
    }
}
