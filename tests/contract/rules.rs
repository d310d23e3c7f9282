//! The rules that every provider's client keeps, whichever provider it is. `cargo xtask generate` picks those that apply to a
//! provider from the emulator's facts about it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use oauth_clients::{
    EmailVerification, Error, ErrorClass, ErrorKind, Login, LoginError, LoginOptions, OAuth2Token, Operation,
    Provider, Sealer, SealingKey,
};
use oauth_demo::client;
use oauth_emulator::{App, Consent, EmulatedEndpoint, Emulator, Fault, User};
use oauth_tokens::{MemoryStore, Revoked, TokenKey, TokenManager};

use super::facts::{Facts, RefreshTokenFor};

const REDIRECT_URI: &str = "https://app.example/%7Ecallback/";

/// A provider's client at an emulator of its own, and what the emulator's facts lead one to expect.
struct Contract {
    name: &'static str,
    facts: Facts,
    emulator: Emulator,
    provider: Arc<dyn Provider>,
}

impl Contract {
    async fn of(name: &'static str) -> Self {
        let facts = Facts::of(name);
        let mut builder = Emulator::builder();
        if let RefreshTokenFor::SomeApplications = facts.refresh_token_for() {
            builder = builder.app(name, App::default_of(name).with_refresh_tokens(true));
        }
        let emulator = builder.start().await.unwrap();
        let provider = client(&emulator, name).await.unwrap();
        Self { name, facts, emulator, provider }
    }

    async fn sign_in(&self, consent: Consent) -> Result<Login, Error> {
        self.sign_in_with(LoginOptions::new(), consent).await
    }

    async fn sign_in_with(&self, options: LoginOptions, consent: Consent) -> Result<Login, Error> {
        let started = self.provider.start_login(REDIRECT_URI, options).await?;
        let arrival = self.emulator.browse(&started.url, consent).await.unwrap();
        assert!(arrival.clone().into_url().starts_with(REDIRECT_URI), "{arrival:?}");
        self.provider.finish_login(started.attempt, arrival.callback()).await
    }

    /// The token of a user who allowed.
    async fn token(&self) -> OAuth2Token {
        self.sign_in(Consent::Allow).await.unwrap().token
    }

    /// A user's token with a refresh token, by whatever the provider needs for one.
    async fn token_to_refresh(&self) -> OAuth2Token {
        let options = match self.facts.refresh_token_for() {
            RefreshTokenFor::Everybody | RefreshTokenFor::SomeApplications => LoginOptions::new(),
            RefreshTokenFor::Scope(scope) => {
                let scopes = self.facts.default_scopes.iter().filter(|other| **other != scope);
                LoginOptions::new().scopes(scopes.cloned().chain([scope.clone()]))
            }
            RefreshTokenFor::Parameter(name, value) => {
                LoginOptions::new().extras_params(&BTreeMap::from([(name, value)]))
            }
        };
        let token = self.sign_in_with(options, Consent::Allow).await.unwrap().token;
        assert!(token.refresh_token().is_some(), "there is no refresh token");
        token
    }

    /// A token with a refresh token where the provider has any.
    async fn token_to_refresh_if_any(&self) -> OAuth2Token {
        match self.facts.refresh_url.is_some() {
            true => self.token_to_refresh().await,
            false => self.token().await,
        }
    }

    /// The address that `get_id_email` hands out, or would if there were a profile to read with the access token alone.
    async fn address(&self, token: &OAuth2Token) -> Option<String> {
        match self.facts.access_token_is_enough() {
            true => self.provider.get_id_email(token.access_token()).await.unwrap().1,
            false => self.provider.get_identity(token).await.unwrap().into_id_email().1,
        }
    }

    /// Asks for the profile.
    async fn profile(&self, token: &OAuth2Token) -> Result<(), Error> {
        match self.facts.access_token_is_enough() {
            true => self.provider.get_profile(token.access_token()).await.map(|_| ()),
            false => self.provider.get_identity(token).await.map(|_| ()),
        }
    }

    /// The error that a token has no longer any use.
    async fn use_dead(&self, token: &OAuth2Token) -> Error {
        match self.facts.profile_url.is_some() {
            true => self.profile(token).await.unwrap_err(),
            // Without a profile to ask for, the refresh token shows that the authorization has ended.
            false => self.provider.refresh_token(token.refresh_token().unwrap(), None).await.unwrap_err(),
        }
    }

    /// A manager that holds a token of this provider.
    async fn manager(&self, token: &OAuth2Token) -> (TokenManager, TokenKey) {
        let manager = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::from_bytes([7; 32])));
        let manager = manager.provider(self.provider.clone()).build().unwrap();
        let key = TokenKey::new(self.name, "user-17");
        manager.put(&key, token).await.unwrap();
        (manager, key)
    }

    fn assert_reauthorize(&self, error: &Error) {
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{error:?}");
        assert_eq!(error.provider(), self.name);
    }
}

/// A token whose member was changed, by way of its stored form.
fn changed(token: &OAuth2Token, name: &str, value: impl Into<serde_json::Value>) -> OAuth2Token {
    let mut stored = serde_json::to_value(token).unwrap();
    stored[name] = value.into();
    serde_json::from_value(stored).unwrap()
}

pub(super) async fn signs_in(name: &'static str) {
    let it = Contract::of(name).await;
    let user = User::default();
    let token = it.token().await;
    let identity = it.provider.get_identity(&token).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(identity.subject, it.facts.subject(&user.id));
    assert_eq!(identity.name.is_some(), it.facts.brings_name());
    let expected = it.facts.email_field.as_ref().and(user.email);
    assert_eq!(it.address(&token).await, expected);
}

pub(super) async fn token_comes_back_from_storage_as_it_was(name: &'static str) {
    let token = Contract::of(name).await.token().await;
    let stored = serde_json::to_string(&token).unwrap();
    assert_eq!(serde_json::from_str::<OAuth2Token>(&stored).unwrap(), token);
}

pub(super) async fn user_who_denies_is_not_signed_in(name: &'static str) {
    let it = Contract::of(name).await;
    let error = it.sign_in(Consent::Deny).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::Refused(_))), "{error:?}");
    it.assert_reauthorize(&error);
    assert_eq!(it.emulator.count_requests(name, EmulatedEndpoint::Token).unwrap(), 0);
}

/// RFC 6749 section 2.3.1, RFC 9700 section 4.3.2: a URL is in logs, histories and `Referer` headers.
pub(super) async fn tk_07_no_secret_is_in_any_url(name: &'static str) {
    let it = Contract::of(name).await;
    it.emulator.clear_requests();
    let started = it.provider.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let arrival = it.emulator.browse(&started.url, Consent::Allow).await.unwrap();
    let browsed = it.emulator.requests().len();
    let (attempt, callback) = (started.attempt, arrival.callback());
    let mut secrets = vec![callback.get("code").unwrap().to_owned()];
    secrets.extend(attempt.code_verifier().map(|verifier| verifier.expose().to_owned()));
    let mut token = it.provider.finish_login(attempt, callback).await.unwrap().token;
    it.provider.get_identity(&token).await.unwrap();
    let of = |token: &OAuth2Token| {
        let all = [Some(token.access_token()), token.refresh_token(), token.id_token()];
        all.into_iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    secrets.extend(of(&token));
    if token.refresh_token().is_some() {
        token = it.provider.refresh(&token, None).await.unwrap();
        secrets.extend(of(&token));
    }
    // Not every provider can, or wants to.
    let _ = it.provider.revoke_token(token.access_token(), Some("access_token")).await;
    let secret = it.provider.oauth2().reveal_client_secret(Operation::REVOKE_TOKEN).await.unwrap();
    secrets.extend(secret.map(|secret| secret.expose().to_owned()));
    let sent = it.emulator.requests().split_off(browsed);
    assert!(sent.len() > 1);
    for request in &sent {
        let demanded = it.facts.secrets_in_queries();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
            let mut others = request.query.iter().filter(|(name, _)| !demanded.contains(name));
            assert!(!others.any(|(_, value)| value.contains(&**secret)), "{}", request.url);
            let is_demanded = it.facts.has_token_in_path(path);
            assert!(is_demanded || !path.contains(&**secret), "{}", request.url);
            assert!(!demanded.is_empty() || !query.contains(&**secret), "{}", request.url);
        }
        assert!(request.method != "GET" || request.body.is_empty(), "{}", request.url);
    }
}

pub(super) async fn faults_have_the_right_class(name: &'static str) {
    let it = Contract::of(name).await;
    let transient =
        |seconds: Option<u64>| ErrorClass::Transient { retry_after: seconds.map(Duration::from_secs) };
    for (fault, class) in [
        (Fault::ServerError, transient(None)),
        (Fault::HtmlErrorPage, transient(None)),
        (Fault::TooManyRequests { retry_after: Duration::from_secs(7) }, transient(Some(7))),
        (Fault::ResetMidBody, transient(None)),
        (Fault::EmptyBody, ErrorClass::Protocol),
        (Fault::TruncatedJson, ErrorClass::Protocol),
        (Fault::InvalidUtf8, ErrorClass::Protocol),
        (Fault::Redirect, ErrorClass::Protocol),
        (Fault::WrongState, ErrorClass::Reauthorize),
    ] {
        it.emulator.fault(name, fault.clone()).unwrap();
        let error = it.sign_in(Consent::Allow).await.unwrap_err();
        assert_eq!(error.class(), class, "{fault:?}: {error:?}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("client-secret"), "{shown}");
        it.emulator.clear_faults();
    }
}

pub(super) async fn expired_code_means_to_sign_in_again(name: &'static str) {
    let it = Contract::of(name).await;
    it.emulator.fault(name, Fault::ExpiredCode).unwrap();
    let error = it.sign_in(Consent::Allow).await.unwrap_err();
    assert!(error.oauth_error().is_some(), "{error:?}");
    it.assert_reauthorize(&error);
}

pub(super) async fn spent_code_means_to_sign_in_again(name: &'static str) {
    let it = Contract::of(name).await;
    let started = it.provider.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
    let callback = it.emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    it.provider.finish_login(started.attempt.clone(), callback.clone()).await.unwrap();
    let error = it.provider.finish_login(started.attempt, callback).await.unwrap_err();
    it.assert_reauthorize(&error);
}

/// The application has one secret, and the provider knows another.
pub(super) async fn wrong_secret_is_a_matter_of_configuration(name: &'static str) {
    let it = Contract::of(name).await;
    let other = App::default_of(name).with_client_secret(Some("another-secret-than-the-clients-own".into()));
    let elsewhere = Emulator::builder().app(name, other).start().await.unwrap();
    let mut provider = it.provider;
    let changed = Arc::get_mut(&mut provider).unwrap();
    *changed.oauth2_mut() = changed.oauth2().clone().with_http_client(elsewhere.http_client().unwrap());
    let it = Contract { name, facts: it.facts, emulator: elsewhere, provider };
    let error = it.sign_in(Consent::Allow).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration, "{error:?}");
    assert!(!format!("{error} {error:?}").contains("client-secret"), "{error:?}");
}

pub(super) async fn unverified_address_is_not_handed_out(name: &'static str) {
    let it = Contract::of(name).await;
    it.emulator.fault(name, Fault::UnverifiedEmail).unwrap();
    let token = it.token().await;
    let email = it.provider.get_identity(&token).await.unwrap().email.unwrap();
    assert_eq!(email.verification, EmailVerification::Unverified);
    assert_eq!(it.address(&token).await, None);
}

/// The provider does not say whether it has verified an address.
pub(super) async fn address_is_not_called_verified(name: &'static str) {
    let it = Contract::of(name).await;
    let token = it.token().await;
    let email = it.provider.get_identity(&token).await.unwrap().email.unwrap();
    assert_eq!(email.verification, EmailVerification::Unknown);
    assert_eq!(it.address(&token).await, User::default().email);
}

/// The provider gives an address only once its owner has confirmed it.
pub(super) async fn address_that_is_there_is_verified(name: &'static str) {
    let it = Contract::of(name).await;
    let token = it.token().await;
    let email = it.provider.get_identity(&token).await.unwrap().email.unwrap();
    assert_eq!(email.verification, EmailVerification::Verified);
    it.emulator.fault(name, Fault::UnverifiedEmail).unwrap();
    assert_eq!(it.provider.get_identity(&token).await.unwrap().email, None);
}

pub(super) async fn user_without_an_address_signs_in(name: &'static str) {
    let it = Contract::of(name).await;
    it.emulator.fault(name, Fault::NoEmail).unwrap();
    let token = it.token().await;
    let identity = it.provider.get_identity(&token).await.unwrap();
    assert_eq!(identity.subject, it.facts.subject(&User::default().id));
    assert_eq!(it.address(&token).await.as_deref(), it.facts.email_without_one());
}

pub(super) async fn refresh_rotates(name: &'static str) {
    let (old, new) = refreshed(name).await;
    assert_ne!(new.refresh_token(), old.refresh_token());
}

pub(super) async fn refresh_keeps_the_refresh_token(name: &'static str) {
    let (old, new) = refreshed(name).await;
    assert_eq!(new.refresh_token(), old.refresh_token());
}

/// A token and what a refresh made of it.
async fn refreshed(name: &'static str) -> (OAuth2Token, OAuth2Token) {
    let it = Contract::of(name).await;
    let old = it.token_to_refresh().await;
    let new = it.provider.refresh(&old, None).await.unwrap_or_else(|error| panic!("{error}"));
    assert_ne!(new.access_token(), old.access_token());
    assert!(new.refresh_token().is_some());
    let identity = it.provider.get_identity(&new).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(identity.subject, it.facts.subject(&User::default().id));
    (old, new)
}

pub(super) async fn dead_refresh_token_means_to_sign_in_again(name: &'static str) {
    let it = Contract::of(name).await;
    let error = it.provider.refresh_token("dead", None).await.unwrap_err();
    it.assert_reauthorize(&error);
}

pub(super) async fn revoked_access_token_is_dead(name: &'static str) {
    let it = Contract::of(name).await;
    let token = it.token().await;
    it.provider.revoke_token(token.access_token(), None).await.unwrap();
    it.assert_reauthorize(&it.use_dead(&token).await);
}

pub(super) async fn revoked_refresh_token_is_dead(name: &'static str) {
    let it = Contract::of(name).await;
    let token = it.token_to_refresh().await;
    let refresh_token = token.refresh_token().unwrap();
    it.provider.revoke_token(refresh_token, Some("refresh_token")).await.unwrap();
    let error = it.provider.refresh_token(refresh_token, None).await.unwrap_err();
    it.assert_reauthorize(&error);
    it.assert_reauthorize(&it.use_dead(&token).await);
}

pub(super) async fn access_token_cannot_be_revoked(name: &'static str) {
    let it = Contract::of(name).await;
    let token = it.token().await;
    let error = it.provider.revoke_token(token.access_token(), None).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "unsupported_token_type", "{error:?}");
    it.provider.get_profile(token.access_token()).await.unwrap();
}

pub(super) async fn revocation_is_unsupported(name: &'static str) {
    let it = Contract::of(name).await;
    let token = it.token().await;
    it.emulator.clear_requests();
    let error = it.provider.revoke_token(token.access_token(), None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
    assert!(it.emulator.requests().is_empty());
}

/// RFC 7009 section 2.1: who revokes a login must not hear that it is revoked while its tokens live.
pub(super) async fn rv_03_what_a_manager_revokes_is_dead(name: &'static str) {
    let it = Contract::of(name).await;
    let token = it.token_to_refresh_if_any().await;
    let (manager, key) = it.manager(&token).await;
    it.emulator.clear_requests();
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider);
    let sent = it.emulator.requests();
    let last = sent.last().unwrap();
    let with_refresh_token = token.refresh_token().is_some_and(|refresh_token| {
        let sent = format!("{} {:?} {}", last.url, last.headers, String::from_utf8_lossy(&last.body));
        sent.contains(refresh_token)
    });
    let by_access_token = it.facts.emulator.revokes_access_tokens_only;
    assert_eq!(with_refresh_token, token.refresh_token().is_some() && !by_access_token);
    if it.facts.profile_url.is_some() {
        it.profile(&token).await.unwrap_err();
    }
    if let Some(refresh_token) = token.refresh_token()
        && (!by_access_token || it.facts.revocation_ends_grant())
    {
        it.provider.refresh_token(refresh_token, None).await.unwrap_err();
    }
}

/// Where only access tokens can be revoked, one that has expired is refreshed first; any other is left as it is.
pub(super) async fn rv_03_a_manager_revokes_an_expired_login(name: &'static str) {
    let it = Contract::of(name).await;
    let token = it.token_to_refresh().await;
    let (manager, key) = it.manager(&changed(&token, "expires_at", 1)).await;
    it.emulator.clear_requests();
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider);
    let refreshes = it.emulator.requests().iter().filter(|sent| is_refresh(sent)).count();
    assert_eq!(refreshes, usize::from(it.facts.emulator.revokes_access_tokens_only));
    if !it.facts.emulator.revokes_access_tokens_only {
        it.provider.refresh_token(token.refresh_token().unwrap(), None).await.unwrap_err();
    }
}

pub(super) async fn rv_03_an_access_token_alone_is_not_called_revoked(name: &'static str) {
    let it = Contract::of(name).await;
    let token = changed(&it.token().await, "refresh_token", serde_json::Value::Null);
    let (manager, key) = it.manager(&token).await;
    let outcome = manager.revoke(&key).await;
    assert!(matches!(outcome, Err(oauth_tokens::TokenError::RevokeFailed { .. })), "{outcome:?}");
}

pub(super) async fn rv_03_a_manager_says_that_it_only_forgot(name: &'static str) {
    let it = Contract::of(name).await;
    let (manager, key) = it.manager(&it.token().await).await;
    it.emulator.clear_requests();
    assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::InTheStoreOnly);
    assert!(it.emulator.requests().is_empty());
    assert!(manager.get(&key).await.is_err());
}

fn is_refresh(request: &oauth_emulator::RecordedRequest) -> bool {
    request.parameter("grant_type").is_some_and(|grant_type| grant_type.ends_with("refresh_token"))
}
