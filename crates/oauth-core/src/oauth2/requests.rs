//! What the generic client asks of a provider: tokens, revocation, introspection, the profile.

use std::future;

use http::Method;
use serde_json::Value;

use super::OAuth2;
use crate::{
    boxed::BoxFuture,
    call::Call,
    error::{ErrorKind, Operation, Result},
    identity::Identity,
    pkce::CodeVerifier,
    token::{OAuth2Token, has_passed},
};

/// The standard requests. Their futures are boxed, so that what awaits one in another crate does not compile it again.
impl OAuth2 {
    /// The client with all that it must know before it can send something: for a client with discovery, the endpoints.
    ///
    /// Each procedure asks for it by itself. Call it at start to learn early whether the provider can be reached.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error) of the provider's metadata.
    pub fn ready(&self) -> BoxFuture<'_, Result<Self>> {
        match &self.0.protocol {
            Some(protocol) => protocol.ready(self),
            None => Box::pin(future::ready(Ok(self.clone()))),
        }
    }

    /// The same, without a box for a client that is ready as it is.
    pub(crate) async fn made_ready(&self) -> Result<Self> {
        match &self.0.protocol {
            Some(protocol) => protocol.ready(self).await,
            None => Ok(self.clone()),
        }
    }

    /// Exchanges an authorization code for tokens (RFC 6749 section 4.1.3).
    ///
    /// The redirect URI must be, byte for byte, the one of the authorization request. Extra parameters are sent as they
    /// are.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error). The code is spent all the same in most cases; the exchange is never repeated.
    pub fn get_access_token<'f>(
        &'f self,
        code: &'f str,
        redirect_uri: &'f str,
        code_verifier: Option<&'f CodeVerifier>,
        extra: &'f [(&'f str, &'f str)],
    ) -> BoxFuture<'f, Result<OAuth2Token>> {
        Box::pin(async move {
            let client = self.made_ready().await?;
            let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)]
                .into_iter()
                .chain(code_verifier.map(|verifier| ("code_verifier", verifier.expose())))
                .chain(extra.iter().copied());
            let call = client.grant(Operation::GET_ACCESS_TOKEN, &client.endpoints().token).form(form);
            call.sent().await?.token(client.spec().token_at)
        })
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
    pub fn refresh_token<'f>(
        &'f self,
        refresh_token: &'f str,
        scopes: Option<&'f [&'f str]>,
    ) -> BoxFuture<'f, Result<OAuth2Token>> {
        Box::pin(async move {
            let operation = Operation::REFRESH_TOKEN;
            let client = self.made_ready().await?;
            let endpoint = client.endpoints().refresh.as_deref();
            let endpoint =
                endpoint.ok_or_else(|| self.unsupported(operation, "it issues no refresh tokens"))?;
            let scope = self
                .joined(scopes.unwrap_or_default())
                .map_err(|problem| self.error(operation, ErrorKind::Configuration(problem)))?;
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", &scope)];
            let call = client.grant(operation, endpoint).form(form);
            let token = call.sent().await?.token(client.spec().token_at)?;
            let mut token = token.or_refresh_token(refresh_token);
            if let Some(protocol) = client.any_protocol() {
                protocol.check_refresh(&client, &mut token).await?;
            }
            Ok(token)
        })
    }

    /// Revokes an access token or a refresh token (RFC 7009). The hint is `access_token` or `refresh_token`.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider cannot revoke; else any [`Error`](crate::Error). To a server that keeps
    /// to RFC 7009 section 2.2, a token that it does not know counts as revoked; some answer with an error.
    pub fn revoke_token<'f>(
        &'f self,
        token: &'f str,
        token_type_hint: Option<&'f str>,
    ) -> BoxFuture<'f, Result<()>> {
        Box::pin(async move {
            let form = [("token", token), ("token_type_hint", token_type_hint.unwrap_or_default())];
            let client = self.made_ready().await?;
            let auth = client.revoke_auth().unwrap_or(client.client_auth());
            let call = client.call(Operation::REVOKE_TOKEN, Method::POST, client.revoke_endpoint()?);
            call.form(form).client_auth(auth).send().await?;
            Ok(())
        })
    }

    /// Asks the provider about a token (RFC 7662 section 2). Nothing in the answer but `active` counts when it is false.
    ///
    /// A token whose `exp` has passed is not active, whatever the provider says. Nothing is kept: each call asks anew.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where no introspection endpoint is known; else any [`Error`](crate::Error).
    pub fn introspect_token<'f>(
        &'f self,
        token: &'f str,
        token_type_hint: Option<&'f str>,
    ) -> BoxFuture<'f, Result<Value>> {
        Box::pin(async move {
            let operation = Operation::INTROSPECT_TOKEN;
            let client = self.made_ready().await?;
            let endpoint = client.endpoints().introspect.as_deref();
            let endpoint =
                endpoint.ok_or_else(|| self.unsupported(operation, "tokens cannot be introspected"))?;
            let form = [("token", token), ("token_type_hint", token_type_hint.unwrap_or_default())];
            let reply = client.grant(operation, endpoint).form(form).send().await?;
            let mut value = reply.object()?;
            if !value["active"].is_boolean() {
                return Err(reply.malformed("there is no boolean active"));
            }
            // A minute for clocks that differ.
            if has_passed(&value["exp"], client.now().unix_timestamp() - 60) {
                value["active"] = false.into();
            }
            Ok(value)
        })
    }

    /// Reads the user's profile with an access token.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where no profile endpoint is known; else any [`Error`](crate::Error).
    pub fn get_profile<'f>(&'f self, access_token: &'f str) -> BoxFuture<'f, Result<Value>> {
        match self.any_protocol() {
            Some(protocol) => Box::pin(async move {
                let client = protocol.ready(self).await?;
                protocol.get_profile(&client, access_token).await
            }),
            None => self.read_profile(access_token),
        }
    }

    /// The same without a [`Protocol`](crate::Protocol)'s part in it: the JSON at the profile endpoint.
    ///
    /// # Errors
    ///
    /// As [`get_profile`](Self::get_profile).
    pub fn read_profile<'f>(&'f self, access_token: &'f str) -> BoxFuture<'f, Result<Value>> {
        Box::pin(async move {
            let call = self.call(Operation::GET_PROFILE, Method::GET, self.profile_endpoint()?);
            call.bearer(access_token).send().await?.object()
        })
    }

    /// Finds in a profile who the user is, at the places that the [`Spec`](crate::Spec) names.
    ///
    /// # Errors
    ///
    /// A malformed-reply error when the profile has no identifier.
    pub fn identity(&self, profile: Value) -> Result<Identity> {
        Identity::find(self, profile)
    }

    /// Posts a grant of any kind as a form, with client authentication, and reads the token in the reply.
    ///
    /// # Errors
    ///
    /// Any [`Error`](crate::Error).
    pub fn request_token<'f, 'p>(
        &'f self,
        operation: Operation,
        endpoint: &str,
        form: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> BoxFuture<'f, Result<OAuth2Token>> {
        self.redeem(self.grant(operation, endpoint).form(form))
    }

    fn redeem<'f>(&'f self, grant: Call<'f>) -> BoxFuture<'f, Result<OAuth2Token>> {
        let sent = grant.send();
        Box::pin(async move { sent.await?.token(self.spec().token_at) })
    }

    /// A form that the client authenticates.
    fn grant(&self, operation: Operation, endpoint: &str) -> Call<'_> {
        self.call(operation, Method::POST, endpoint).client_auth(self.client_auth())
    }
}
