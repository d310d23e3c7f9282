//! What the emulator remembers: applications, users, sessions, codes, tokens, faults, requests.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    app::App,
    clock::now,
    crypto,
    demands::Demands,
    endpoint::EmulatedEndpoint,
    facts::EmulatedProvider,
    fault::Fault,
    flows::Flows,
    request::{Pairs, RecordedRequest},
    terms::{GrantId, TokenTerms},
    urls::Captures,
    user::User,
};

/// How long an authorization code lives; RFC 6749, section 4.1.2, recommends ten minutes at most.
const CODE_LIFETIME: i64 = 60;

/// How many requests are kept for [`Emulator::requests`](crate::Emulator::requests).
pub(crate) const MOST_REQUESTS: usize = 10_000;

/// How many bytes of URLs and bodies are kept at most.
const MOST_REQUEST_BYTES: usize = 64 << 20;

/// All that changes while the emulator runs. It is behind one lock, which is never held across an await.
#[derive(Default)]
pub(crate) struct EmulatorState {
    pub(crate) registered: BTreeMap<String, Vec<App>>,
    pub(crate) users: Vec<User>,
    pub(crate) rotate_refresh_tokens: Option<bool>,
    pub(crate) refresh_token_grace: Duration,
    pub(crate) access_token_lifetime: Option<Duration>,
    pub(crate) any_redirect_uri: bool,
    pub(crate) any_scope: bool,
    /// What providers demand beyond their facts, by family.
    pub(crate) demands: BTreeMap<String, Demands>,
    pub(crate) flows: Flows,
    pub(crate) device_interval: Option<Duration>,
    /// By the device code.
    pub(crate) devices: HashMap<String, PendingDevice>,
    /// The pages to type a code into that were shown, with the provider family.
    pub(crate) device_forms: HashMap<String, String>,
    pub(crate) faults: Vec<ActiveFault>,
    pub(crate) requests: VecDeque<RecordedRequest>,
    request_bytes: usize,
    /// The browsers' sessions, with who signed in there at which provider family.
    pub(crate) sessions: HashMap<String, BTreeMap<String, UserSession>>,
    pub(crate) consents: HashMap<String, PendingConsent>,
    codes: HashMap<String, Code>,
    grants: Vec<UserGrant>,
    access_tokens: HashMap<String, StoredAccessToken>,
    refresh_tokens: HashMap<String, StoredRefreshToken>,
    id_tokens: HashMap<String, IdTokenHint>,
    spent_jtis: HashSet<String>,
}

/// A user who is signed in at a provider, in one browser.
#[derive(Clone)]
pub(crate) struct UserSession {
    pub(crate) user: String,
    pub(crate) at: i64,
}

/// What an ID token tells the end session endpoint.
#[derive(Clone)]
pub(crate) struct IdTokenHint {
    family: String,
    pub(crate) client_id: String,
    pub(crate) user: String,
}

#[derive(Clone, Debug)]
pub(crate) struct ActiveFault {
    pub(crate) provider: String,
    pub(crate) endpoint: Option<EmulatedEndpoint>,
    pub(crate) fault: Fault,
}

/// A consent page that waits for its answer.
#[derive(Clone)]
pub(crate) struct PendingConsent {
    pub(crate) provider: String,
    pub(crate) session: String,
    pub(crate) csrf: String,
    pub(crate) request: Authorization,
}

/// An accepted authorization request.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) app: App,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    /// The parameters of the URL: tenant, shop, domain.
    pub(crate) captures: Captures,
    pub(crate) params: Pairs,
    /// The session at the provider, as ID tokens and logout tokens name it (OpenID Connect Front-Channel Logout, section 3).
    pub(crate) sid: String,
}

/// A code for another device that waits for its user.
pub(crate) struct PendingDevice {
    pub(crate) provider: String,
    pub(crate) user_code: String,
    pub(crate) request: Authorization,
    pub(crate) expires_at: i64,
    pub(crate) interval: Duration,
    pub(crate) polled: Option<Instant>,
    pub(crate) decision: DeviceDecision,
}

/// What the user said on the page.
#[derive(Clone, Copy)]
pub(crate) enum DeviceDecision {
    None,
    Denied,
    Allowed(GrantId),
}

/// A consent that was just given, as a dialect sees it before the callback is sent.
pub(crate) struct Allowed<'a> {
    pub(crate) request: &'a Authorization,
    /// After faults: without an address where the user shares none.
    pub(crate) user: &'a User,
    /// Whether the user has no other authorization of this application that is still good.
    pub(crate) first: bool,
}

/// What a user allowed an application to do.
#[derive(Clone)]
pub(crate) struct UserGrant {
    pub(crate) provider: String,
    family: String,
    pub(crate) user: User,
    pub(crate) request: Authorization,
    pub(crate) auth_time: i64,
    /// Whether the provider had to ask the user, or was told to: at the first sign-in, for a new scope, with `prompt=consent`.
    pub(crate) asked: bool,
    ended: bool,
}

impl UserGrant {
    pub(crate) fn has_any_scope(&self, wanted: &[String]) -> bool {
        wanted.is_empty() || wanted.iter().any(|scope| self.request.scopes.contains(scope))
    }

    pub(crate) fn has_scope(&self, wanted: &str) -> bool {
        self.request.scopes.iter().any(|scope| scope == wanted)
    }

    /// Whether a request at these URL parameters can be about this grant: a code of one shop is worth nothing at another.
    pub(crate) fn is_at(&self, captures: &Captures) -> bool {
        captures
            .iter()
            .all(|(name, value)| self.request.captures.get(name).is_none_or(|other| other == value))
    }
}

struct Code {
    grant: GrantId,
    expires_at: i64,
    used: bool,
}

struct StoredAccessToken {
    grant: GrantId,
    issued_at: i64,
    expires_at: Option<i64>,
    scopes: Vec<String>,
    terms: TokenTerms,
    revoked: bool,
}

struct StoredRefreshToken {
    grant: GrantId,
    terms: TokenTerms,
    /// When it was replaced, and by what.
    successor: Option<(Instant, Issued)>,
}

/// What a token endpoint hands out.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) grant: UserGrant,
    pub(crate) access_token: String,
    pub(crate) expires_in: Option<u64>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) terms: TokenTerms,
    /// Whether this is the exchange of a code, not a refresh.
    pub(crate) first: bool,
}

/// What a revocation revoked.
pub(crate) struct RevokedToken {
    pub(crate) token: String,
    pub(crate) grant: UserGrant,
}

/// Why a code or a refresh token is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    Unknown,
    Expired,
    /// Used before. The authorization has been ended (RFC 6749, section 4.1.2; RFC 9700, section 4.14.2).
    Used,
    Revoked,
}

impl EmulatorState {
    pub(crate) fn apps(&self, family: &str) -> Vec<App> {
        self.registered.get(family).cloned().unwrap_or_else(|| vec![App::default_of(family)])
    }

    pub(crate) fn app(&self, family: &str, client_id: &str) -> Option<App> {
        self.apps(family).into_iter().find(|app| app.client_id == client_id)
    }

    pub(crate) fn demands(&self, family: &str) -> Demands {
        self.demands.get(family).cloned().unwrap_or_default()
    }

    /// The faults that concern an endpoint of a provider.
    pub(crate) fn faults(&self, family: &str, endpoint: EmulatedEndpoint) -> Vec<Fault> {
        self.faults
            .iter()
            .filter(|active| active.provider == family)
            .filter(|active| active.endpoint.is_none_or(|only| only == endpoint))
            .map(|active| active.fault.clone())
            .collect()
    }

    pub(crate) fn has_fault(&self, family: &str, fault: &Fault) -> bool {
        self.faults.iter().any(|active| active.provider == family && active.fault == *fault)
    }

    /// Notes what a user allowed and returns the code for it.
    pub(crate) fn grant(
        &mut self,
        provider: &EmulatedProvider,
        user: User,
        request: Authorization,
        auth_time: i64,
    ) -> (String, UserGrant) {
        let code = crypto::random();
        let expired = self.has_fault(&provider.family, &Fault::ExpiredCode);
        let expires_at = if expired { now() - 1 } else { now() + CODE_LIFETIME };
        let (grant, noted) = self.grant_without_code(provider, user, request, auth_time);
        self.codes.insert(code.clone(), Code { grant, expires_at, used: false });
        (code, noted)
    }

    /// Notes what a user allowed, where no browser carries a code to the application.
    pub(crate) fn grant_without_code(
        &mut self,
        provider: &EmulatedProvider,
        user: User,
        request: Authorization,
        auth_time: i64,
    ) -> (GrantId, UserGrant) {
        let grant = GrantId(self.grants.len());
        let prompts = request.params.get("prompt").unwrap_or_default();
        let asked = prompts.split(' ').any(|prompt| prompt == "consent")
            || self.needs_consent(provider, &user, &request);
        let noted = UserGrant {
            provider: provider.name.clone(),
            family: provider.family.clone(),
            user,
            request,
            auth_time,
            asked,
            ended: false,
        };
        self.grants.push(noted.clone());
        (grant, noted)
    }

    /// The latest grant of a user to an application that has not ended.
    pub(crate) fn grant_of_user(&self, family: &str, user: &str, client_id: &str) -> Option<&UserGrant> {
        let mut grants = self.grants.iter().rev();
        grants.find(|grant| {
            !grant.ended
                && grant.family == family
                && grant.user.id == user
                && grant.request.app.client_id == client_id
        })
    }

    /// A grant by its number.
    pub(crate) fn grant_of(&self, id: GrantId) -> Option<&UserGrant> {
        self.grants.get(id.0)
    }

    /// Notes an ID token, so that a logout can name it.
    pub(crate) fn remember_id_token(&mut self, token: &str, grant: &UserGrant) {
        let client_id = grant.request.app.client_id.clone();
        let hint = IdTokenHint { family: grant.family.clone(), client_id, user: grant.user.id.clone() };
        self.id_tokens.insert(token.to_owned(), hint);
    }

    /// What an ID token of a provider says, however old it is.
    pub(crate) fn id_token(&self, family: &str, token: &str) -> Option<&IdTokenHint> {
        self.id_tokens.get(token).filter(|hint| hint.family == family)
    }

    /// Notes the id of a client assertion; whether it is new (RFC 7523, section 3).
    pub(crate) fn spend_jti(&mut self, jti: &str) -> bool {
        self.spent_jtis.insert(jti.to_owned())
    }

    /// The URL parameters of an application's latest authorization.
    pub(crate) fn captures(&self, family: &str, client_id: &str) -> Captures {
        let mut grants = self.grants.iter().rev();
        let latest = grants.find(|grant| grant.family == family && grant.request.app.client_id == client_id);
        latest.map(|grant| grant.request.captures.clone()).unwrap_or_default()
    }

    /// Who is signed in at a provider in a browser.
    pub(crate) fn signed_in(&self, session: &str, family: &str) -> Option<&UserSession> {
        self.sessions.get(session)?.get(family)
    }

    pub(crate) fn sign_out(&mut self, session: &str, family: &str) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.remove(family);
        }
    }

    /// Tokens of a sign-in without a browser; see [`Emulator::sign_in`](crate::Emulator::sign_in).
    pub(crate) fn sign_in(&mut self, provider: &EmulatedProvider) -> Option<Issued> {
        let scopes = provider.facts.default_scopes.clone();
        let request = Authorization {
            app: self.apps(&provider.family).into_iter().next()?,
            redirect_uri: String::new(),
            scopes: scopes.clone(),
            captures: Captures::new(),
            params: Pairs::default(),
            sid: crypto::random(),
        };
        let user = self.users.first()?.clone();
        let (code, _) = self.grant(provider, user, request, now());
        let id = self.codes.remove(&code)?.grant;
        let with_refresh_token = provider.facts.refresh_url.is_some();
        self.issue(provider, id, scopes, with_refresh_token, provider.facts.emulator.expires_in > 0)
    }

    /// Notes what a user allowed on another device.
    pub(crate) fn grant_device(
        &mut self,
        provider: &EmulatedProvider,
        user: User,
        request: Authorization,
    ) -> Option<GrantId> {
        let (code, _) = self.grant(provider, user, request, now());
        self.codes.remove(&code).map(|code| code.grant)
    }

    /// Whether a user has no authorization of this application that is still good.
    pub(crate) fn is_first(&self, provider: &EmulatedProvider, user: &User, app: &App) -> bool {
        self.live_grants(provider, user, app).next().is_none()
    }

    /// Whether a user has not yet allowed this application all that it asks for.
    pub(crate) fn needs_consent(
        &self,
        provider: &EmulatedProvider,
        user: &User,
        request: &Authorization,
    ) -> bool {
        let given: Vec<&UserGrant> = self.live_grants(provider, user, &request.app).collect();
        given.is_empty()
            || request.scopes.iter().any(|scope| !given.iter().any(|grant| grant.has_scope(scope)))
    }

    fn live_grants(
        &self,
        provider: &EmulatedProvider,
        user: &User,
        app: &App,
    ) -> impl Iterator<Item = &UserGrant> {
        self.grants.iter().filter(|grant| {
            grant.provider == provider.name
                && grant.user.id == user.id
                && grant.request.app.client_id == app.client_id
                && !grant.ended
        })
    }

    /// Keeps a request, and forgets the oldest ones when there are too many or too large ones.
    pub(crate) fn keep_request(&mut self, request: RecordedRequest) {
        let size = |request: &RecordedRequest| request.url.len() + request.body.len();
        self.request_bytes += size(&request);
        self.requests.push_back(request);
        while self.requests.len() > MOST_REQUESTS || self.request_bytes > MOST_REQUEST_BYTES {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.request_bytes -= size(&oldest);
        }
    }

    pub(crate) fn clear_requests(&mut self) {
        self.requests.clear();
        self.request_bytes = 0;
    }

    /// Looks a code up without using it; a code that was used before ends its authorization here.
    pub(crate) fn code(
        &mut self,
        provider: &EmulatedProvider,
        code: &str,
    ) -> Result<(GrantId, UserGrant), Dead> {
        let found = self.codes.get(code).ok_or(Dead::Unknown)?;
        let (id, used, expires_at) = (found.grant, found.used, found.expires_at);
        let grant = self.grants.get(id.0).cloned().ok_or(Dead::Unknown)?;
        if grant.provider != provider.name {
            return Err(Dead::Unknown);
        }
        if used {
            self.end(id);
            return Err(Dead::Used);
        }
        if expires_at <= now() || self.has_fault(&provider.family, &Fault::ExpiredCode) {
            return Err(Dead::Expired);
        }
        Ok((id, grant))
    }

    /// The grant of a code, which does not count as a use.
    pub(crate) fn peek_code(&self, code: &str) -> Option<UserGrant> {
        let found = self.codes.get(code).filter(|code| !code.used)?;
        self.grant_of(found.grant).cloned()
    }

    /// Marks a code as used. Real servers do this on the first complete request, whether it then succeeds or not.
    pub(crate) fn use_code(&mut self, code: &str) {
        if let Some(code) = self.codes.get_mut(code) {
            code.used = true;
        }
    }

    /// Looks a refresh token up; one that was replaced ends its authorization here.
    pub(crate) fn refresh(
        &mut self,
        provider: &EmulatedProvider,
        token: &str,
    ) -> Result<(GrantId, UserGrant), Dead> {
        let found = self.refresh_tokens.get(token).ok_or(Dead::Unknown)?;
        let (id, replaced) = (found.grant, found.successor.is_some());
        let grant = self.grants.get(id.0).cloned().ok_or(Dead::Unknown)?;
        if grant.provider != provider.name {
            return Err(Dead::Unknown);
        }
        if replaced {
            self.end(id);
            return Err(Dead::Used);
        }
        if grant.ended {
            return Err(Dead::Revoked);
        }
        Ok((id, grant))
    }

    /// The grant of a provider's live refresh token; unlike [`refresh`](Self::refresh) this does not count as a use.
    pub(crate) fn live_refresh(&self, family: &str, token: &str) -> Option<&UserGrant> {
        let found = self.refresh_tokens.get(token).filter(|found| found.successor.is_none())?;
        self.grants.get(found.grant.0).filter(|grant| !grant.ended && grant.family == family)
    }

    pub(crate) fn rotates(&self, provider: &EmulatedProvider) -> bool {
        self.rotate_refresh_tokens.unwrap_or(provider.facts.emulator.rotates)
    }

    pub(crate) fn replace(&mut self, refresh_token: &str, by: &Issued) {
        if let Some(token) = self.refresh_tokens.get_mut(refresh_token) {
            token.successor = Some((Instant::now(), by.clone()));
        }
    }

    /// What a refresh token was replaced by, if that was so short a while ago that it is told again.
    pub(crate) fn successor(&self, refresh_token: &str) -> Option<Issued> {
        let found = self.refresh_tokens.get(refresh_token)?;
        let (at, issued) = found.successor.as_ref()?;
        let is_good = self.grants.get(found.grant.0).is_some_and(|grant| !grant.ended);
        (is_good && at.elapsed() < self.refresh_token_grace).then(|| issued.clone())
    }

    /// Makes an access token, and a refresh token if asked to.
    pub(crate) fn issue(
        &mut self,
        provider: &EmulatedProvider,
        id: GrantId,
        scopes: Vec<String>,
        with_refresh_token: bool,
        expires: bool,
    ) -> Option<Issued> {
        self.issue_on(provider, id, scopes, with_refresh_token, expires, TokenTerms::default())
    }

    /// Makes an access token on these terms, and a refresh token if asked to.
    pub(crate) fn issue_on(
        &mut self,
        provider: &EmulatedProvider,
        id: GrantId,
        scopes: Vec<String>,
        with_refresh_token: bool,
        expires: bool,
        terms: TokenTerms,
    ) -> Option<Issued> {
        let grant = self.grants.get(id.0).cloned()?;
        let manners = &provider.facts.emulator;
        let expires_in = match (expires, self.access_token_lifetime) {
            (false, _) => None,
            (true, Some(lifetime)) => Some(lifetime.as_secs()),
            (true, None) => Some(manners.expires_in),
        };
        let access_token = format!("{}{}", manners.token_prefix, crypto::random());
        let issued_at = now();
        let expires_at = expires_in.map(|seconds| issued_at.saturating_add_unsigned(seconds));
        self.access_tokens.insert(
            access_token.clone(),
            StoredAccessToken {
                grant: id,
                issued_at,
                expires_at,
                scopes: scopes.clone(),
                terms: terms.clone(),
                revoked: false,
            },
        );
        let refresh_token = with_refresh_token.then(crypto::random);
        if let Some(token) = &refresh_token {
            let stored = StoredRefreshToken { grant: id, terms: terms.clone(), successor: None };
            self.refresh_tokens.insert(token.clone(), stored);
        }
        Some(Issued { grant, access_token, expires_in, refresh_token, scopes, terms, first: false })
    }

    /// The grant of a live access token, with the scopes of that token.
    pub(crate) fn access(&self, family: &str, token: &str) -> Option<(GrantId, UserGrant)> {
        let found = self.access_tokens.get(token)?;
        let mut grant = self.grants.get(found.grant.0)?.clone();
        let live = !found.revoked && !grant.ended && found.expires_at.is_none_or(|at| at > now());
        grant.request.scopes.clone_from(&found.scopes);
        (grant.family == family && live).then_some((found.grant, grant))
    }

    /// The terms of a token of either kind.
    pub(crate) fn terms(&self, token: &str) -> TokenTerms {
        let access = self.access_tokens.get(token).map(|found| &found.terms);
        let terms = access.or_else(|| self.refresh_tokens.get(token).map(|found| &found.terms));
        terms.cloned().unwrap_or_default()
    }

    /// Gives an access token another text.
    pub(crate) fn rename_access_token(&mut self, from: &str, to: &str) {
        if let Some(stored) = self.access_tokens.remove(from) {
            self.access_tokens.insert(to.to_owned(), stored);
        }
    }

    /// When a live access token was issued and when it expires.
    pub(crate) fn access_times(&self, token: &str) -> Option<(i64, Option<i64>)> {
        self.access_tokens.get(token).map(|found| (found.issued_at, found.expires_at))
    }

    /// The grant that a token of either kind belongs to, dead or alive.
    pub(crate) fn owner(&self, token: &str) -> Option<(GrantId, &UserGrant, bool)> {
        let (id, is_refresh) = match (self.access_tokens.get(token), self.refresh_tokens.get(token)) {
            (Some(access), _) => (access.grant, false),
            (None, Some(refresh)) => (refresh.grant, true),
            (None, None) => return None,
        };
        self.grants.get(id.0).map(|grant| (id, grant, is_refresh))
    }

    /// Revokes one token; a refresh token takes its access tokens with it (RFC 7009, section 2.1).
    pub(crate) fn revoke(&mut self, token: &str, with_grant: bool) {
        let Some((id, _, is_refresh)) = self.owner(token) else { return };
        if with_grant || is_refresh {
            self.end(id);
        } else if let Some(access) = self.access_tokens.get_mut(token) {
            access.revoked = true;
        }
    }

    /// Ends an authorization: no token or code of it is worth anything from now on.
    pub(crate) fn end(&mut self, id: GrantId) {
        if let Some(grant) = self.grants.get_mut(id.0) {
            grant.ended = true;
        }
    }

    /// Ends all authorizations that a user, by the id, or a shop, by its name, gave an application.
    pub(crate) fn end_grants(&mut self, family: &str, client_id: &str, of: &str) {
        for grant in &mut self.grants {
            let is_of_shop = grant.request.captures.get("shop").is_some_and(|shop| shop == of);
            if grant.family == family
                && grant.request.app.client_id == client_id
                && (is_of_shop || grant.user.id == of)
            {
                grant.ended = true;
            }
        }
    }

    /// Ends all authorizations that this user gave this application.
    pub(crate) fn end_all(&mut self, like: &UserGrant) {
        for grant in &mut self.grants {
            if grant.provider == like.provider
                && grant.user.id == like.user.id
                && grant.request.app.client_id == like.request.app.client_id
            {
                grant.ended = true;
            }
        }
    }
}
