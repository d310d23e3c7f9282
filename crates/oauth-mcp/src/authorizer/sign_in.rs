//! How an authorizer signs a user in.

use oauth_core::{
    Callback, ErrorKind, LoginAttempt, LoginError, LoginOptions, OAuth2Token, Operation, Provider, Secret,
    StartedLogin, same_secret,
};

use super::{Authorizer, clients::given_key};
use crate::{
    client::McpClient,
    error::McpError,
    grant::Grant,
    registration::{Registered, refuses_the_client},
    scopes::{ScopeSources, union},
    step::{Authorized, ClientIdQuestion, PendingLogin, Step, Target},
};

impl Authorizer {
    /// Begins a sign-in at what [`discover`](Self::discover) found.
    ///
    /// The scopes of an earlier sign-in are asked for as well: those that were asked for, in their order.
    ///
    /// # Errors
    ///
    /// Why no browser is to be sent there: no PKCE, no client, a registration that was refused.
    pub async fn begin(
        &self,
        target: &Target,
        redirect_uri: &str,
        asked_before: &[String],
    ) -> Result<Step, McpError> {
        self.begin_with(target, redirect_uri, asked_before, false).await
    }

    async fn begin_with(
        &self,
        target: &Target,
        redirect_uri: &str,
        asked_before: &[String],
        is_second_registration: bool,
    ) -> Result<Step, McpError> {
        self.check_pkce(target)?;
        let scopes = self.scopes(target, asked_before);
        let Some(client) = self.client_for(target, redirect_uri, scopes.as_deref()).await? else {
            return Ok(Step::AskForClientId(ClientIdQuestion {
                issuer: target.issuer().to_owned(),
                redirect_uri: redirect_uri.to_owned(),
                target: Box::new(target.clone()),
            }));
        };
        let client_id = client.client_id.clone();
        let provider = self.mcp_client(target, &client)?;
        let mut options = LoginOptions::new().scopes(scopes.clone().unwrap_or_default());
        let has = |wanted: &str| scopes.iter().flatten().any(|scope| scope == wanted);
        if has("offline_access") && has("openid") {
            // OpenID Connect grants it by consent alone (Core section 11).
            options = options.prompt("consent");
        }
        let StartedLogin { url, attempt, .. } = provider.start_login(redirect_uri, options).await?;
        Ok(Step::OpenUrl(Box::new(PendingLogin {
            url,
            server: target.server.as_str().to_owned(),
            keeps_query: target.server.keeps_query(),
            resource: target.resource.clone(),
            issuer: target.issuer().to_owned(),
            is_legacy: target.is_legacy,
            client_id,
            is_second_registration,
            attempt,
        })))
    }

    /// Ends a sign-in. Nothing is sent unless the callback belongs to it and comes from the authorization server that was asked.
    ///
    /// Where the server has forgotten a client that was registered dynamically, the step is to sign in once more, with a new one.
    ///
    /// # Errors
    ///
    /// Which check failed, or what the server refused.
    pub async fn finish(&self, pending: PendingLogin, callback: Callback) -> Result<Step, McpError> {
        let server = pending.server()?;
        let (resource, issuer) = (&pending.resource, &pending.issuer);
        let target = self.target_again(&server, resource, issuer, pending.is_legacy, None).await?;
        let client = self.known(target.issuer(), &pending.client_id).await?;
        let provider = self.mcp_client(&target, &client)?;
        check_issuer(&target, &pending.attempt, &callback)?;
        let attempt = pending.attempt;
        let redirect_uri = attempt.redirect_uri().to_owned();
        let scopes: Vec<String> = attempt.scopes().map(str::to_owned).collect();
        match provider.finish_login(attempt, callback).await {
            Ok(login) => Ok(Step::Done(Box::new(self.authorized(
                &target,
                provider,
                login.token,
                login.requested_scopes,
            )))),
            Err(error) if refuses_the_client(&error) && !pending.is_second_registration => {
                match self.forget(target.issuer(), &pending.client_id).await? {
                    true => self.begin_with(&target, &redirect_uri, &scopes, true).await,
                    false => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Answers a question for a client id, keeps the answer for this issuer, and begins the sign-in.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub async fn answer(
        &self,
        question: &ClientIdQuestion,
        client_id: &str,
        client_secret: Option<&Secret>,
        asked_before: &[String],
    ) -> Result<Step, McpError> {
        let target = &question.target;
        let given = Registered::given(target.issuer(), client_id, client_secret, &target.metadata)?;
        self.remember(&given, &given_key(target.issuer())).await?;
        self.begin(target, &question.redirect_uri, asked_before).await
    }

    fn check_pkce(&self, target: &Target) -> Result<(), McpError> {
        let issuer = target.issuer();
        let is_allowed = target.is_legacy
            || !self.0.revision.demands_pkce_metadata()
            || self.0.unlisted_pkce.iter().any(|allowed| allowed == issuer);
        target.metadata.check_pkce(is_allowed)
    }

    /// The scopes that a sign-in asks for; `None` for no scope at all.
    #[must_use]
    pub fn scopes(&self, target: &Target, asked_before: &[String]) -> Option<Vec<String>> {
        let sources = ScopeSources {
            revision: self.0.revision,
            challenged: target.challenged_scopes.as_deref(),
            resource: target.resource_metadata.as_ref(),
            server: &target.metadata,
            defaults: &self.0.default_scopes,
            wants_refresh: self.0.wants_refresh && matches!(self.0.grant, Grant::AuthorizationCode),
        };
        match (asked_before, target.challenged_scopes.is_some()) {
            ([], _) => sources.choose(),
            // What the server wants now, and what it had before.
            (before, true) => Some(union(before, sources.choose().unwrap_or_default())),
            (before, false) => Some(before.to_vec()),
        }
    }

    pub(crate) fn authorized(
        &self,
        target: &Target,
        client: McpClient,
        token: OAuth2Token,
        requested_scopes: Vec<String>,
    ) -> Authorized {
        Authorized {
            token,
            server: target.server.clone(),
            resource: target.resource.clone(),
            issuer: target.issuer().to_owned(),
            client_id: client.oauth2().client_id().to_owned(),
            requested_scopes,
            client,
            is_legacy: target.is_legacy,
        }
    }
}

/// The checks of RFC 9207 section 2.4, before anything of the callback is looked at: a mix-up must not even show its error.
fn check_issuer(target: &Target, attempt: &LoginAttempt, callback: &Callback) -> Result<(), McpError> {
    let refuse =
        |error| Err(oauth_core::Error::new(Operation::FINISH_LOGIN, "mcp", ErrorKind::Login(error)).into());
    match callback.get("state") {
        None | Some("") => return refuse(LoginError::MissingState),
        Some(state) if !same_secret(state, attempt.state()) => return refuse(LoginError::StateMismatch),
        Some(_) => {}
    }
    match callback.get("iss") {
        Some(iss) if iss != target.issuer() => refuse(LoginError::IssuerMismatch),
        None if target.metadata.flag("authorization_response_iss_parameter_supported") => {
            refuse(LoginError::MissingIssuer)
        }
        _ => Ok(()),
    }
}
