//! One MCP server, as one account uses it: tokens, challenges, step-up.

mod front_door;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use oauth_core::{
    Callback, Challenge, ErrorClass, ErrorKind, OAuth2Token, Provider, Sealer, SealingKey, Secret,
    async_trait,
    http::{HeaderMap, Method, StatusCode},
    telemetry::{EVENT_NAME, event},
};
use oauth_tokens::{MemoryStore, PutOptions, TokenKey, TokenManager};
use tokio::sync::Mutex;

use crate::{
    authorizer::Authorizer,
    client::McpClient,
    error::McpError,
    grant::Grant,
    registration::{Registration, refuses_the_client},
    server_url::ServerUrl,
    sources::{ClientBinding, binding_key},
    step::{ClientIdQuestion, PendingLogin, Step, Target},
};

/// How often a user is asked for the same scopes before the server's refusal is believed.
const MOST_STEP_UPS: u32 = 2;
/// How often a user is asked at all, whatever a server asks for.
const MOST_SIGN_INS: u32 = 6;
/// How long a server that asks again and again is left alone.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// Shows a URL to the user and brings back what comes of it: a listener on loopback, a pasted URL, a test.
#[async_trait]
pub trait Browser: Send + Sync {
    /// The redirect URI at which callbacks arrive. The listener is there already, so that its port can be registered.
    fn redirect_uri(&self) -> &str;

    /// Opens the URL, without a shell, and waits for the callback of this sign-in.
    ///
    /// # Errors
    ///
    /// Whatever kept the user from signing in. The text must show neither the URL nor the callback.
    async fn sign_in(
        &self,
        login: &PendingLogin,
    ) -> Result<Callback, Box<dyn std::error::Error + Send + Sync>>;

    /// Asks the user for a client id and secret; `None` if nobody can be asked, which is the default.
    async fn client_id(&self, _question: &ClientIdQuestion) -> Option<(String, Option<Secret>)> {
        None
    }
}

/// What to do after a challenge.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reaction {
    /// Send the request again: there is another token now.
    SendAgain,
    /// Do this first.
    Step(Step),
}

/// One MCP server, as one account uses it.
///
/// It gives the token for each request, and says what to do when the server refuses one. Tokens are kept by a
/// [`TokenManager`], under the server, the authorization server, the client and the account, so that none gets to another server. A clone
/// is the same one.
#[derive(Clone)]
pub struct Access(Arc<AccessInner>);

struct AccessInner {
    authorizer: Authorizer,
    tokens: TokenManager,
    server: ServerUrl,
    account: String,
    state: Mutex<AccessState>,
    /// Held while a user signs in, so that one page is shown and not one for each request.
    sign_in: Mutex<()>,
}

#[derive(Default)]
struct AccessState {
    /// The token that was obtained last, until the server has accepted it.
    untried: Option<(Secret, Instant)>,
    step_ups: Vec<StepUpCount>,
    /// When the user has signed in.
    sign_ins: Vec<Instant>,
    pending: Option<PendingLogin>,
}

struct StepUpCount {
    scopes: Vec<String>,
    times: u32,
    at: Instant,
}

impl Access {
    /// Access for one account, with tokens kept by a manager that [`Authorizer::token_manager`] set up. The account is the
    /// application's own name for whose tokens these are; one user can have several.
    #[must_use]
    pub fn new(
        authorizer: Authorizer,
        tokens: TokenManager,
        server: ServerUrl,
        account: impl Into<String>,
    ) -> Self {
        Self(Arc::new(AccessInner {
            authorizer,
            tokens,
            server,
            account: account.into(),
            state: Mutex::default(),
            sign_in: Mutex::default(),
        }))
    }

    /// Access with tokens that live as long as the process.
    ///
    /// # Errors
    ///
    /// A configuration error when the operating system has no random bytes to give.
    pub fn in_memory(authorizer: Authorizer, server: ServerUrl) -> Result<Self, McpError> {
        let sealer = Sealer::new(SealingKey::random()?);
        let tokens = authorizer.token_manager(MemoryStore::new(), sealer).build()?;
        Ok(Self::new(authorizer, tokens, server, ""))
    }

    /// The MCP server.
    #[must_use]
    pub fn server(&self) -> &ServerUrl {
        &self.0.server
    }

    /// The manager of the tokens.
    #[must_use]
    pub fn tokens(&self) -> &TokenManager {
        &self.0.tokens
    }

    /// The key of the token; `None` until there is one.
    ///
    /// # Errors
    ///
    /// [`McpError::Records`].
    pub async fn token_key(&self) -> Result<Option<TokenKey>, McpError> {
        Ok(self.binding().await?.map(|binding| self.key(&binding)))
    }

    /// The client that the token was issued to; `None` until there is one.
    ///
    /// # Errors
    ///
    /// [`McpError::Records`].
    pub async fn registration(&self) -> Result<Option<Registration>, McpError> {
        let Some(binding) = self.binding().await? else { return Ok(None) };
        self.0.authorizer.registration(&binding.issuer, &binding.client_id).await.map(Some)
    }

    /// The token for a request to the server, refreshed if need be; `None` if the server has to be asked what it wants, by a request
    /// without a token.
    ///
    /// # Errors
    ///
    /// An outage. That the user has to sign in again is not an error: the server's challenge says how.
    pub async fn token(&self) -> Result<Option<Arc<OAuth2Token>>, McpError> {
        let Some(binding) = self.binding().await? else { return Ok(None) };
        self.token_of(&binding).await
    }

    async fn token_of(&self, binding: &ClientBinding) -> Result<Option<Arc<OAuth2Token>>, McpError> {
        match self.0.tokens.get_token(&self.key(binding)).await {
            Ok(token) => Ok(Some(token)),
            Err(error) if self.needs_login(&error) => Ok(None),
            Err(error) => Err(self.explained(error)),
        }
    }

    /// The headers that authorize a request: `Authorization`, and a proof where the token is bound to a key (DPoP).
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token).
    pub async fn headers(&self, method: Method, url: &str) -> Result<HeaderMap, McpError> {
        let mut headers = HeaderMap::new();
        if let Some((token, client)) = self.token_and_client().await? {
            self.check_destination(url)?;
            let draft = client.oauth2().authorize_api_request(&token, method, url, headers, false).await?;
            headers = draft.headers().clone();
        }
        Ok(headers)
    }

    /// Says what to do after the server refused a request with 401 or 403.
    ///
    /// `sent` is the access token that the request had, if it had one. Several requests that are refused at once lead to one refresh and
    /// one sign-in.
    ///
    /// # Errors
    ///
    /// Why there is nothing to be done: wrong metadata, a server that refuses again and again, no user.
    pub async fn refused(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        sent: Option<&str>,
        redirect_uri: &str,
    ) -> Result<Reaction, McpError> {
        let mut state = self.0.state.lock().await;
        let binding = self.binding().await?;
        if let Some(binding) = &binding
            && let Some(now) = self.token_of(binding).await?
            && Some(now.access_token()) != sent
        {
            return Ok(Reaction::SendAgain);
        }
        let challenge = Challenge::of_reply(headers);
        tracing::debug!(
            { EVENT_NAME } = event::MCP_CHALLENGED,
            server = %self.0.server.origin(),
            status = status.as_u16(),
            has_token = sent.is_some(),
            "the MCP server demands more than the request had"
        );
        match (status, sent, binding) {
            (StatusCode::FORBIDDEN, Some(_), Some(binding)) => {
                self.step_up(&mut state, binding, challenge, redirect_uri).await
            }
            (StatusCode::FORBIDDEN, ..) if challenge.is_none() => Err(McpError::Forbidden { reason: None }),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, sent, binding) => {
                self.unauthorized(&mut state, binding, challenge, sent, redirect_uri).await
            }
            (status, ..) => Err(McpError::NotChallenged { status: status.as_u16() }),
        }
    }

    /// 401: the token is not good any more, or there is none.
    async fn unauthorized(
        &self,
        state: &mut AccessState,
        binding: Option<ClientBinding>,
        challenge: Option<Challenge>,
        sent: Option<&str>,
        redirect_uri: &str,
    ) -> Result<Reaction, McpError> {
        if let (Some(sent), Some((untried, since))) = (sent, &state.untried)
            && untried.expose() == sent
            && since.elapsed() < REMEMBERED
        {
            return Err(McpError::StillUnauthorized);
        }
        // Anew each time: the authorization server may be another one now.
        let target = self.0.authorizer.discover(&self.0.server, challenge.as_ref()).await?;
        let mut before = Vec::new();
        if let Some(binding) = binding {
            if binding.issuer == target.issuer() {
                before.clone_from(&binding.scopes);
                if let Some(sent) = sent
                    && let Some(token) = self.after_rejection(&binding, sent).await?
                {
                    state.untried = Some((token.access_token().into(), Instant::now()));
                    return Ok(Reaction::SendAgain);
                }
            } else {
                // The old server's token is not for this one.
                self.0.authorizer.remove(&self.binding_key()).await?;
            }
        }
        // A server could accept each token once, and then want the user to sign in for another.
        state.sign_ins.retain(|at| at.elapsed() < REMEMBERED);
        if state.sign_ins.len() >= MOST_SIGN_INS as usize {
            return Err(McpError::StillUnauthorized);
        }
        self.begin(state, &target, &before, redirect_uri).await
    }

    /// Refreshes the token after the server refused it with 401, without asking anybody. Says whether there is another one now.
    ///
    /// # Errors
    ///
    /// An outage.
    pub async fn renew(&self, refused: &str) -> Result<bool, McpError> {
        let mut state = self.0.state.lock().await;
        let Some(binding) = self.binding().await? else { return Ok(false) };
        let token = self.after_rejection(&binding, refused).await?;
        if let Some(token) = &token {
            state.untried = Some((token.access_token().into(), Instant::now()));
        }
        Ok(token.is_some())
    }

    /// Another token after one was refused; `None` if the user has to sign in.
    async fn after_rejection(
        &self,
        binding: &ClientBinding,
        sent: &str,
    ) -> Result<Option<Arc<OAuth2Token>>, McpError> {
        let key = self.key(binding);
        let outcome = match self.0.tokens.get_after_rejection(&key, sent).await {
            Ok(_) => self.0.tokens.get_token(&key).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(token) if token.access_token() != sent => Ok(Some(token)),
            Ok(_) => Ok(None),
            Err(oauth_tokens::TokenError::RefreshFailed { cause: Some(cause), .. })
                if refuses_the_client(&cause) =>
            {
                self.0.authorizer.forget(&binding.issuer, &binding.client_id).await?;
                Ok(None)
            }
            Err(error) if self.needs_login(&error) => Ok(None),
            Err(error) => Err(self.explained(error)),
        }
    }

    /// 403: the token lacks a scope (MCP, scope challenge handling).
    async fn step_up(
        &self,
        state: &mut AccessState,
        binding: ClientBinding,
        challenge: Option<Challenge>,
        redirect_uri: &str,
    ) -> Result<Reaction, McpError> {
        let reason =
            challenge.as_ref().and_then(|challenge| challenge.get("error_description").or(challenge.error()));
        let reason = reason.map(crate::error::one_line);
        let wanted: Vec<String> = match &challenge {
            Some(challenge) if challenge.error() == Some("insufficient_scope") => {
                challenge.scopes().unwrap_or_default().into_iter().map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        if wanted.is_empty() {
            return Err(McpError::Forbidden { reason });
        }
        let limit = match self.0.authorizer.grant() {
            Grant::AuthorizationCode => MOST_STEP_UPS,
            // Nobody can say yes, so asking twice is asking too often.
            _ => 1,
        };
        count(state, &wanted, limit)?;
        let target = self.0.authorizer.target_again(
            &self.0.server,
            &binding.resource,
            &binding.issuer,
            binding.is_legacy,
            Some(wanted),
        );
        let target = target.await?;
        self.begin(state, &target, &binding.scopes, redirect_uri).await
    }

    async fn begin(
        &self,
        state: &mut AccessState,
        target: &Target,
        before: &[String],
        redirect_uri: &str,
    ) -> Result<Reaction, McpError> {
        if !matches!(self.0.authorizer.grant(), Grant::AuthorizationCode) {
            return self.without_user(state, target, before).await;
        }
        let scopes = self.0.authorizer.scopes(target, before).unwrap_or_default();
        if let Some(pending) = &state.pending
            && pending.issuer() == target.issuer()
            && pending.redirect_uri() == redirect_uri
            && !pending.attempt().is_expired()
            && pending.scopes().eq(scopes.iter().map(String::as_str))
        {
            // Somebody else is signing in for the same thing.
            return Ok(Reaction::Step(Step::OpenUrl(Box::new(pending.clone()))));
        }
        let step = self.0.authorizer.begin(target, redirect_uri, before).await?;
        if let Step::OpenUrl(pending) = &step {
            state.pending = Some((**pending).clone());
        }
        Ok(Reaction::Step(step))
    }

    /// Gets a token for a client without a user.
    async fn without_user(
        &self,
        state: &mut AccessState,
        target: &Target,
        before: &[String],
    ) -> Result<Reaction, McpError> {
        let authorizer = &self.0.authorizer;
        let client = authorizer.own_client(target.issuer())?;
        // Whether the server takes what the client has is known before anything is sent.
        let client = authorizer.mcp_client(target, client)?;
        let binding = ClientBinding {
            resource: target.resource().to_owned(),
            issuer: target.issuer().to_owned(),
            client_id: client.oauth2().client_id().to_owned(),
            is_legacy: target.is_legacy(),
            scopes: authorizer.scopes(target, before).unwrap_or_default(),
        };
        self.keep(&binding).await?;
        let key = self.key(&binding);
        // The scopes may be others than before.
        self.0.tokens.invalidate_source(&key);
        self.0.tokens.delete(&key).await?;
        // A source that needs no login is told of by an empty grant.
        let token = self.0.tokens.get_token(&key).await.map_err(|error| self.explained(error))?;
        state.untried = Some((token.access_token().into(), Instant::now()));
        Ok(Reaction::SendAgain)
    }

    /// Ends a sign-in and keeps its token.
    ///
    /// # Errors
    ///
    /// As [`Authorizer::finish`]; or the store does not take the token.
    pub async fn finish(&self, pending: PendingLogin, callback: Callback) -> Result<Step, McpError> {
        let outcome = self.0.authorizer.finish(pending, callback).await;
        let mut state = self.0.state.lock().await;
        state.pending = None;
        let step = outcome?;
        match &step {
            Step::Done(done) => {
                let binding = ClientBinding {
                    resource: done.resource.clone(),
                    issuer: done.issuer.clone(),
                    client_id: done.client_id.clone(),
                    is_legacy: done.is_legacy,
                    scopes: done.requested_scopes.clone(),
                };
                let key = self.key(&binding);
                let former = self.binding().await?.map(|former| self.key(&former));
                self.0.tokens.put_with(&key, &done.token, PutOptions::new()).await?;
                self.keep(&binding).await?;
                if let Some(former) = former.filter(|former| *former != key) {
                    self.give_up(&former).await;
                }
                state.untried = Some((done.token.access_token().into(), Instant::now()));
                state.sign_ins.push(Instant::now());
            }
            Step::OpenUrl(pending) => state.pending = Some((**pending).clone()),
            Step::AskForClientId(_) => {}
        }
        Ok(step)
    }

    /// Revokes and deletes a token that nothing leads to any more. The new one is kept whatever comes of it.
    async fn give_up(&self, key: &TokenKey) {
        let given_up = match self.0.tokens.revoke(key).await {
            Ok(_) => Ok(true),
            Err(_) => self.0.tokens.delete(key).await,
        };
        if let Err(error) = given_up {
            tracing::warn!(
                { EVENT_NAME } = event::MCP_TOKEN_LEFT,
                server = %self.0.server.origin(),
                %error,
                "the token of the former client stays in the store"
            );
        }
    }

    /// Notes that the server accepted a token, so that a later 401 means that it is dead, and not that the server never took it.
    pub async fn accepted(&self, access_token: &str) {
        let mut state = self.0.state.lock().await;
        if state.untried.as_ref().is_some_and(|(untried, _)| untried.expose() == access_token) {
            state.untried = None;
        }
    }

    /// Forgets the token, after it was revoked where the authorization server does so. Says nothing if there is none.
    ///
    /// # Errors
    ///
    /// Why it was not revoked; it is forgotten all the same.
    pub async fn sign_out(&self) -> Result<(), McpError> {
        *self.0.state.lock().await = AccessState::default();
        let Some(binding) = self.binding().await? else { return Ok(()) };
        let key = self.key(&binding);
        let revoked = self.0.tokens.revoke(&key).await;
        self.0.authorizer.remove(&self.binding_key()).await?;
        if let Err(error) = revoked {
            self.0.tokens.delete(&key).await?;
            let has_no_endpoint = matches!(
                &error,
                oauth_tokens::TokenError::RevokeFailed { cause, .. } if matches!(cause.kind(), ErrorKind::Unsupported(_))
            );
            if !has_no_endpoint {
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Access {
    async fn token_and_client(&self) -> Result<Option<(Arc<OAuth2Token>, McpClient)>, McpError> {
        let Some(binding) = self.binding().await? else { return Ok(None) };
        let Some(token) = self.token_of(&binding).await? else { return Ok(None) };
        let client = self.0.authorizer.client_of(&self.0.server, &binding.target()).await?;
        Ok(Some((token, client)))
    }

    fn key(&self, binding: &ClientBinding) -> TokenKey {
        TokenKey::from_parts(&self.0.server.resource(), &self.0.account, &binding.issuer, &binding.client_id)
    }

    fn binding_key(&self) -> String {
        binding_key(&self.0.server.resource(), &self.0.account)
    }

    async fn binding(&self) -> Result<Option<ClientBinding>, McpError> {
        self.0.authorizer.binding(&self.binding_key()).await
    }

    async fn keep(&self, binding: &ClientBinding) -> Result<(), McpError> {
        let text = serde_json::to_string(binding).map_err(|error| McpError::Records(error.to_string()))?;
        self.0.authorizer.save(&self.binding_key(), Secret::new(text)).await
    }

    /// Whether the server's challenge is the way on.
    fn needs_login(&self, error: &oauth_tokens::TokenError) -> bool {
        let has_user = matches!(self.0.authorizer.grant(), Grant::AuthorizationCode);
        match error {
            oauth_tokens::TokenError::RefreshFailed { cause: Some(cause), .. }
                if refuses_the_client(cause) =>
            {
                has_user
            }
            error => has_user && error.class() == ErrorClass::Reauthorize,
        }
    }

    /// An error of the manager as the one that it comes from, where that says more.
    fn explained(&self, error: oauth_tokens::TokenError) -> McpError {
        let refusal = match self.0.authorizer.grant() {
            Grant::EnterpriseManaged(enterprise) => enterprise.refusal(&self.0.account),
            _ => None,
        };
        match refusal {
            Some(refusal) => McpError::RefusedByPolicy(refusal),
            None => McpError::Tokens(error),
        }
    }
}

/// Counts a step-up, and refuses one too many.
fn count(state: &mut AccessState, wanted: &[String], limit: u32) -> Result<(), McpError> {
    let mut scopes = wanted.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    state.step_ups.retain(|step_up| step_up.at.elapsed() < REMEMBERED);
    let total: u32 = state.step_ups.iter().map(|step_up| step_up.times).sum();
    let known = state.step_ups.iter_mut().find(|step_up| step_up.scopes == scopes);
    let times = known.as_ref().map_or(0, |step_up| step_up.times);
    if times >= limit || total >= MOST_SIGN_INS {
        return Err(McpError::StepUpLimit { times: times.max(1), scopes: wanted.to_vec() });
    }
    match known {
        Some(step_up) => {
            step_up.times += 1;
            step_up.at = Instant::now();
        }
        None => state.step_ups.push(StepUpCount { scopes, times: 1, at: Instant::now() }),
    }
    Ok(())
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("server", &self.0.server)
            .field("account", &self.0.account)
            .finish_non_exhaustive()
    }
}
