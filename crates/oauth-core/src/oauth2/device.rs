//! What the generic client asks for the device grant (RFC 8628).

use http::Method;

use super::{OAuth2, placeholders::fill_all};
use crate::{
    endpoints::Endpoint,
    error::{Error, ErrorKind, Operation, Result},
    login::{
        LoginOptions,
        device::{DeviceLogin, DeviceReply},
        polling::Polling,
    },
    text::{
        form::is_same_parameter,
        json::{self, text_at},
    },
    token::OAuth2Token,
};

impl Operation {
    /// `start_device_login`.
    pub const START_DEVICE_LOGIN: Self = Self::new("start_device_login");
    /// `poll_device_login`, and the end of such a login.
    pub const POLL_DEVICE_LOGIN: Self = Self::new("poll_device_login");
}

/// The device grant.
impl OAuth2 {
    /// Whether the provider has the device grant (RFC 8628), as far as it is known: for a client with discovery, ask the
    /// [`ready`](Self::ready) one.
    #[must_use]
    pub fn has_device_grant(&self) -> bool {
        self.endpoints().get(Endpoint::DeviceAuthorization).is_some()
    }

    /// Asks for a code that the user types in on another device (RFC 8628 section 3.1). The options' further parameters are sent too,
    /// such as `audience`; those of authorization requests are not.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider has no device grant; else any [`Error`].
    pub async fn start_device_login(&self, options: LoginOptions) -> Result<DeviceLogin> {
        let operation = Operation::START_DEVICE_LOGIN;
        let client = self.ready().await?;
        let endpoint = client.endpoints().get(Endpoint::DeviceAuthorization);
        let endpoint = endpoint.ok_or_else(|| {
            let reason = "it has no device grant that is known: sign in by a loopback redirect, or name its endpoint with \
                          Endpoint::DeviceAuthorization";
            self.unsupported(operation, reason)
        })?;
        let wrong = |problem| self.error(operation, ErrorKind::Configuration(problem));
        let attempt = client.new_attempt("", &options).map_err(|error| error.during(operation))?;
        // Nothing comes back by way of a browser, so there is nothing that a nonce or a challenge could bind.
        let attempt = attempt.of_device();
        let scopes: Vec<&str> = attempt.scopes().collect();
        let scope = client.joined(&scopes).map_err(wrong)?;
        let spec = client.spec();
        let own = client.device_params(spec.native.device.params, &[("scope", &scope)]).map_err(wrong)?;
        let extras = options.extras();
        if let Some(problem) = &extras.problem {
            return Err(wrong(problem.clone()));
        }
        let form =
            extras.pairs.iter().flat_map(|(name, values)| values.iter().map(|value| (&**name, &**value)));
        let form: Vec<(&str, &str)> = form.collect();
        client.check_extra(operation, &form)?;
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let own = own.filter(|(name, _)| !form.iter().any(|(other, _)| is_same_parameter(other, name)));
        let auth = spec.native.device.client_auth.unwrap_or(client.client_auth());
        let request = client.request(operation, Method::POST, endpoint).client_auth(auth);
        let request = request.endpoint(Endpoint::DeviceAuthorization).fields(spec.token.format, own);
        let reply = request.fields(spec.token.format, form.iter().copied()).send().await?;
        let read = DeviceReply::read(&reply.object()?, |url| client.checked_url(url).map(drop));
        let read = read.map_err(|reason| reply.malformed(reason))?;
        let polling = Polling::new(
            Operation::POLL_DEVICE_LOGIN,
            client.name().to_owned(),
            read.interval,
            read.expires_in,
        )
        .with_clock(client.clock().clone());
        Ok(DeviceLogin {
            user_code: read.user_code,
            verification_uri: read.verification_uri,
            verification_uri_complete: read.verification_uri_complete,
            expires_at: polling.expires_at(),
            device_code: read.device_code,
            attempt,
            polling,
            received: None,
        })
    }

    /// Asks once whether the user is done (RFC 8628 section 3.4), and returns the tokens if so. Nothing is waited for and nothing of the
    /// tokens is checked: see [`Provider::poll_device_login`](crate::Provider::poll_device_login).
    ///
    /// # Errors
    ///
    /// A refusal under the codes of RFC 8628 section 3.5, whatever the provider calls them; else any [`Error`].
    pub async fn get_device_token(&self, login: &DeviceLogin) -> Result<OAuth2Token> {
        let operation = Operation::POLL_DEVICE_LOGIN;
        let client = self.ready().await?;
        let spec = client.spec().native.device;
        let endpoint = client.endpoints().get(spec.poll_endpoint).unwrap_or(client.endpoints().token());
        let scopes: Vec<&str> = login.attempt.scopes().collect();
        let scope = scopes.join(client.scope_separator());
        let code = login.device_code.expose();
        let values = [("scope", &*scope), ("device_code", code), ("user_code", &*login.user_code)];
        let form = client
            .device_params(spec.poll_params, &values)
            .map_err(|problem| self.error(operation, ErrorKind::Configuration(problem)))?;
        let form = form.iter().map(|(name, value)| (*name, value.as_str()));
        let form = form.chain(login.attempt.token_resource().map(|resource| ("resource", resource)));
        let auth = spec.poll_client_auth.unwrap_or(client.client_auth());
        let request = client.request(operation, Method::POST, endpoint).client_auth(auth).hide(code);
        let request = request.endpoint(spec.poll_endpoint).fields(client.spec().token.format, form);
        let outcome = match request.send().await {
            Ok(reply) => client.new_token(&reply),
            Err(error) => Err(error),
        };
        outcome.map_err(|error| client.device_error(error))
    }

    /// Gives an error of a poll the code of RFC 8628.
    fn device_error(&self, error: Error) -> Error {
        /// What several providers say for a code of the standard, beside what the [`Spec`](crate::Spec) lists.
        const SYNONYMS: &[(&str, &str)] = &[
            ("authorization_declined", "access_denied"),
            ("token_expired", "expired_token"),
            ("code_expired", "expired_token"),
            ("bad_verification_code", "invalid_grant"),
            ("incorrect_device_code", "invalid_grant"),
        ];
        let spec = &self.spec().native.device;
        let said = error.oauth_error().map(|error| error.code.clone());
        let body = error.body().and_then(|body| json::parse(body).ok()).unwrap_or_default();
        let elsewhere = spec.code_at.and_then(|place| text_at(&body, place));
        let status = error.status().map(|status| status.as_u16().to_string());
        let candidates = [elsewhere.clone(), said.clone(), status];
        let all = || spec.codes.iter().chain(SYNONYMS);
        let meant = candidates.iter().flatten().find_map(|code| all().find(|(own, _)| own == code));
        match (meant, elsewhere) {
            (Some((_, meaning)), _) => error.under_code(meaning),
            // It is the standard's own, at another place.
            (None, Some(code)) if said.is_none() => error.under_code(&code),
            _ => error,
        }
    }

    /// Parameters with what is in braces filled in.
    fn device_params(
        &self,
        params: &[(&'static str, &'static str)],
        values: &[(&str, &str)],
    ) -> Result<Vec<(&'static str, String)>, String> {
        fill_all(params, |name| {
            let given = values.iter().find(|(other, _)| *other == name).map(|&(_, value)| value);
            given.or_else(|| self.parameter(name)).ok_or_else(|| format!("the setting {name} is missing"))
        })
    }
}
