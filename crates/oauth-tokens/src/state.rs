//! What is sealed and stored for a key: the token, and what is known about it.

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{OAuth2Token, OffsetDateTime, ScopeCheck, WantedScopes, same_secret, serde_json};
use serde::{Deserialize, Serialize};

use crate::{
    access_token_request::Wanted,
    calendar::{milliseconds, time},
    further_token::FurtherToken,
    rest::Rest,
};

/// A grant that the provider no longer accepts: a new login must replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadGrant {
    /// Why it is dead.
    pub reason: DeadReason,
    /// Since when it is known to be dead, by the clock of the process that found out.
    pub at: OffsetDateTime,
}

/// Why a grant is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadReason {
    /// The provider refused the refresh token: it was revoked, has expired, or was used twice.
    Refused {
        /// The error that the provider named, such as `invalid_grant`. Text of the server, not to be trusted.
        code: String,
        /// The description that came with it. Text of the server, not to be trusted.
        description: Option<String>,
    },
    /// The provider refused the refresh token after an earlier refresh with it was never completed: the process died between
    /// the request and the save, or the reply was lost. Or two processes redeemed the predecessor, because one of them was suspended or
    /// cut off from the store for longer than its lease lasts. The new token may have been lost then, or the grant may have been
    /// ended for another reason: providers do not tell these apart.
    LostInRefresh {
        /// When that refresh began, as a Unix time in seconds.
        since: i64,
        /// The error that the provider named, such as `invalid_grant`. Text of the server, not to be trusted.
        #[serde(default)]
        code: String,
    },
    /// The provider redeemed the refresh token, and the tokens that it gave are not accepted: they are another user's, say. The new
    /// ones are kept sealed and never handed out, also when the user signs in again; [`revoke`](crate::TokenManager::revoke) revokes
    /// them. Of a key where that happens again and again, the last eight are kept.
    NotAccepted {
        /// What is wrong with them, in one line.
        reason: String,
    },
    /// The access token has expired, and the provider gave no refresh token.
    NoRefreshToken,
    /// The application marked it by [`TokenManager::mark_dead`](crate::TokenManager::mark_dead), because the provider reported that the user took their
    /// consent back, say.
    // Its word in the records that exist.
    #[serde(rename = "ended")]
    MarkedDead {
        /// Why, in a word such as `consent_revoked`.
        reason: String,
    },
}

/// How many tokens that are not accepted a record keeps, because a record must not grow for ever. A login comes before each of them, so
/// that the oldest, which goes first, is the one that has most likely expired.
const MOST_SET_ASIDE: usize = 8;

/// What a record holds before it is sealed. Records outlive versions: a new member needs a default, and no member changes its
/// meaning (`tests/all/golden.rs`).
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct TokenState {
    /// `None` until the first client-credentials token was obtained.
    pub(crate) token: Option<OAuth2Token>,
    /// When the token was obtained, as a Unix time in seconds, by the clock of the process that obtained it.
    pub(crate) obtained_at: i64,
    /// When it expires, by the same clock; that of the token is by the operating system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
    /// When the oldest refresh began of which nobody knows how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refreshing_since: Option<i64>,
    /// Since when another process may have redeemed the predecessor of this token too, for which a provider may have ended the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contested_since: Option<i64>,
    /// When the last refresh failed, in milliseconds, by the clock of the process that tried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed_at_ms: Option<i64>,
    /// When the last refresh failed, in milliseconds, by the store's clock, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed_at_store_ms: Option<i64>,
    /// How long the provider is left alone after that failure, in milliseconds.
    #[serde(default)]
    pub(crate) wait_ms: u64,
    /// How many refreshes have failed since the last success.
    #[serde(default)]
    pub(crate) failures: u32,
    /// The error of the last failed refresh, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead: Option<StoredDeadGrant>,
    /// Tokens that the provider gave in refreshes and that are not accepted, the oldest first. They are never handed out, and are kept,
    /// whatever replaces the grant, until they are revoked or deleted, or [`MOST_SET_ASIDE`] later ones are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "one_or_several")]
    pub(crate) set_aside: Vec<OAuth2Token>,
    /// Whose token it is, if the application said so or an ID token did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<StoredUser>,
    /// The client that the refresh token was issued to, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// The scopes that the refresh token was granted with, where a later login kept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_scopes: Option<Vec<String>>,
    /// The ID token of the login that the refresh token comes from, where a later login kept it: one that comes with a refresh must
    /// agree with it (OpenID Connect Core section 12.2) and not with that of the later login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_id_token: Option<String>,
    /// The scopes that earlier logins of the same user were granted and this one was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) earlier_scopes: Option<Vec<String>>,
    /// The scopes that the application wants, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wanted_scopes: Option<WantedScopes>,
    /// Which login the token comes from; `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lineage: Option<Lineage>,
    /// The process that has set the mark of a refresh and has not noted yet how that refresh ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) marked_by: Option<u64>,
    /// Which further access token that refresh is for, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refreshing_for: Option<Wanted>,
    /// The further access tokens of the grant. They can be obtained again: a process of an earlier version drops them when it saves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) further: Vec<FurtherToken>,
}

/// Which login a token comes from, and how many refreshes lie in between. Of two records of one login, it tells which is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lineage {
    /// A number that no other login has.
    login: u64,
    refreshes: u64,
}

/// The user that a token belongs to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredUser {
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

/// What is read of an ID token that the application has verified.
#[derive(Deserialize)]
struct IdTokenClaims {
    iss: String,
    sub: String,
    aud: Audience,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A [`DeadGrant`] in its stored form.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredDeadGrant {
    #[serde(flatten)]
    reason: DeadReason,
    at: i64,
}

impl StoredDeadGrant {
    /// Whether the application has ended it.
    fn is_ended(&self) -> bool {
        matches!(self.reason, DeadReason::MarkedDead { .. })
    }
}

impl TokenState {
    /// The state of a token that was just obtained.
    pub(crate) fn fresh(token: OAuth2Token, now: OffsetDateTime) -> Self {
        // The token's own expiry was reckoned from the operating system's time.
        let shift = now - OffsetDateTime::now_utc();
        let expires_at =
            token.expires_at().map(|at| at.unix_timestamp().saturating_add(shift.whole_seconds()));
        Self { token: Some(token), obtained_at: now.unix_timestamp(), expires_at, ..Self::default() }
    }

    /// The state that marks the beginning of a refresh by a process, and which further access token it is for, if it is for one.
    pub(crate) fn refreshing(&self, now: OffsetDateTime, process: u64, wanted: Option<&Wanted>) -> Self {
        let since = self.refreshing_since.unwrap_or(now.unix_timestamp());
        Self {
            refreshing_since: Some(since),
            marked_by: Some(process),
            refreshing_for: wanted.cloned(),
            ..self.clone()
        }
    }

    /// How the last refresh failed, if it did.
    pub(crate) fn rest(&self) -> Option<Rest> {
        Some(Rest { at_ms: self.failed_at_ms?, at_store_ms: self.failed_at_store_ms, wait_ms: self.wait_ms })
    }

    /// Whether another process has begun a refresh and has not noted yet how it ended: it has crashed, or cannot reach the store.
    pub(crate) fn is_unfinished_business_of_another(&self, process: u64) -> bool {
        self.marked_by.is_some_and(|by| by != process)
    }

    /// For a record that a process finds in the place of the one that it has marked: since when another process may have redeemed the
    /// same refresh token, because it has marked the record too, or was refused.
    pub(crate) fn contested_since_by_another(&self, process: u64) -> Option<i64> {
        match self.dead.as_ref().map(|dead| &dead.reason) {
            Some(DeadReason::LostInRefresh { since, .. }) => Some(*since),
            Some(_) => None,
            None => self.refreshing_since.filter(|_| self.marked_by != Some(process)),
        }
    }

    /// The state after a refresh that failed for a reason that may pass.
    pub(crate) fn failed(
        &self,
        failure: &str,
        now: OffsetDateTime,
        store_now: Option<OffsetDateTime>,
        wait: Duration,
        was_refused: bool,
    ) -> Self {
        Self {
            // Only what was refused for certain was not carried out.
            refreshing_since: if was_refused {
                self.refreshing_since
            } else {
                Some(self.refreshing_since.unwrap_or(now.unix_timestamp()))
            },
            failed_at_ms: milliseconds(now),
            failed_at_store_ms: store_now.and_then(milliseconds),
            wait_ms: wait.as_millis().try_into().unwrap_or(u64::MAX),
            failures: self.failures.saturating_add(1),
            failure: Some(failure.to_owned()),
            marked_by: None,
            refreshing_for: None,
            ..self.clone()
        }
    }

    /// The state of a dead grant. The token stays, for whoever wants to look into it; the further ones are of no use.
    pub(crate) fn died(&self, grant: &DeadGrant) -> Self {
        let dead = StoredDeadGrant { reason: grant.reason.clone(), at: grant.at.unix_timestamp() };
        Self { dead: Some(dead), marked_by: None, refreshing_for: None, further: Vec::new(), ..self.clone() }
    }

    /// The state of a grant that the application ended. It counts as a later state than that of a refresh which came between.
    pub(crate) fn ended(&self, grant: &DeadGrant) -> Self {
        Self { lineage: self.lineage.map(Lineage::next), ..self.died(grant) }
    }

    /// Of a grant that the application ended while its refresh token was being redeemed: the state with the new token, which a revocation
    /// needs, and which is not handed out. `None` if it was not ended.
    pub(crate) fn with_ended_successor(&self, new: &Self) -> Option<Self> {
        let dead = self.dead.clone().filter(StoredDeadGrant::is_ended)?;
        let lineage = self.lineage.map(Lineage::next);
        Some(Self { dead: Some(dead), lineage, further: Vec::new(), ..new.clone() })
    }

    /// The state after a refresh whose tokens are not accepted: nothing is served, and what the provider gave is kept.
    pub(crate) fn set_aside(&self, tokens: OAuth2Token, grant: &DeadGrant) -> Self {
        let set_aside = kept(&self.set_aside, &[tokens]);
        Self { set_aside, ..self.died(grant) }
    }

    /// Keeps what was set aside in a record that this state is written over, and says whether there was something.
    pub(crate) fn keep_set_aside_of(&mut self, found: &[OAuth2Token]) -> bool {
        let all = kept(found, &self.set_aside);
        let is_news = all != self.set_aside;
        self.set_aside = all;
        is_news
    }

    /// The state of a grant that was dead and gets another chance; `None` if no chance would help.
    pub(crate) fn revived(&self) -> Option<Self> {
        match self.dead.as_ref()?.reason {
            DeadReason::Refused { .. } | DeadReason::LostInRefresh { .. } | DeadReason::MarkedDead { .. } => {
            }
            // The refresh token is spent, or there is none.
            DeadReason::NotAccepted { .. } | DeadReason::NoRefreshToken => return None,
        }
        Some(Self {
            dead: None,
            failed_at_ms: None,
            failed_at_store_ms: None,
            wait_ms: 0,
            failures: 0,
            failure: None,
            ..self.clone()
        })
    }

    pub(crate) fn dead(&self) -> Option<DeadGrant> {
        let dead = self.dead.as_ref()?;
        Some(DeadGrant { reason: dead.reason.clone(), at: time(dead.at) })
    }

    /// The state of a refreshed token, which belongs to the user and the client of its predecessor.
    pub(crate) fn successor_of(self, before: &Self) -> Self {
        Self {
            user: before.user(),
            client_id: before.client_id(),
            refresh_scopes: before.refresh_scopes.clone(),
            refresh_id_token: before.refresh_id_token.clone().filter(|_| {
                let id_token = |state: &Self| state.token.as_ref()?.id_token().map(str::to_owned);
                id_token(&self) == id_token(before)
            }),
            earlier_scopes: before.earlier_scopes.clone(),
            set_aside: before.set_aside.clone(),
            wanted_scopes: before.wanted_scopes.clone(),
            lineage: Some(before.lineage.map_or_else(Lineage::new, Lineage::next)),
            further: before.further_of_use(self.obtained_at),
            ..self
        }
    }

    /// Whether it is an older state of the same login: the store has gone back, as in a failover that lost the last writes.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        match (self.lineage, other.lineage) {
            (Some(this), Some(other)) => this.is_older_than(other),
            _ => false,
        }
    }

    /// The state with the refresh token of an earlier one. The mark of a refresh stays with the token that it may have spent.
    pub(crate) fn with_refresh_token_of(mut self, earlier: &Self) -> Self {
        let (Some(token), Some(from)) = (self.token.take(), &earlier.token) else { return self };
        let scopes = || from.scopes().map(|scopes| scopes.into_iter().map(str::to_owned).collect::<Vec<_>>());
        Self {
            token: Some(token.or_refresh_token_of(from)),
            refreshing_since: earlier.refreshing_since,
            contested_since: earlier.contested_since,
            marked_by: earlier.marked_by,
            refreshing_for: earlier.refreshing_for.clone(),
            refresh_scopes: earlier.refresh_scopes.clone().or_else(scopes),
            refresh_id_token: earlier.refresh_id_token.clone().or_else(|| from.id_token().map(str::to_owned)),
            ..self
        }
    }

    /// Whether it is a login that kept the refresh token of this predecessor while that was being redeemed, and has an access token of
    /// its own.
    pub(crate) fn is_login_with_refresh_token_of(&self, predecessor: &Self) -> bool {
        self.is_of_another_login_than(predecessor)
            && !self.has_the_tokens_of(predecessor)
            && self.is_succeeded_by_token_of(predecessor)
    }

    /// Whether it comes from another login, or nobody knows.
    fn is_of_another_login_than(&self, other: &Self) -> bool {
        match (self.lineage, other.lineage) {
            (Some(this), Some(other)) => !this.is_of_the_same_login(other),
            _ => true,
        }
    }

    /// A login with the refresh token that came of the one that it had kept. Its access token stays: it holds what the user
    /// granted last. If the grant was noted as lost meanwhile, it was not; if the application has ended it, it stays ended.
    pub(crate) fn with_successor(&self, new: &Self) -> Self {
        let token = match (self.token.clone(), &new.token) {
            (Some(token), Some(new)) => Some(token.with_refresh_token_of(new)),
            (token, _) => token,
        };
        Self {
            token,
            refreshing_since: None,
            contested_since: new.contested_since,
            marked_by: None,
            refreshing_for: None,
            dead: self.dead.clone().filter(StoredDeadGrant::is_ended),
            lineage: self.lineage.map(Lineage::next),
            further: new.further.clone(),
            set_aside: new.set_aside.clone(),
            ..self.clone()
        }
    }

    /// The token as it is refreshed: with the ID token of the login that its refresh token comes from.
    pub(crate) fn token_to_refresh(&self) -> Option<Cow<'_, OAuth2Token>> {
        let token = self.token.as_ref()?;
        Some(match &self.refresh_id_token {
            Some(id_token) => Cow::Owned(token.clone().with_id_token(id_token.as_str())),
            None => Cow::Borrowed(token),
        })
    }

    /// The new token with the ID token of the last login, where the provider sent no acceptable one.
    pub(crate) fn with_id_token_of_login(&self, new: OAuth2Token) -> OAuth2Token {
        let login = self.token.as_ref().and_then(OAuth2Token::id_token);
        match (&self.refresh_id_token, login) {
            (Some(of_refresh), Some(of_login)) if new.id_token() == Some(of_refresh) => {
                new.with_id_token(of_login)
            }
            _ => new,
        }
    }

    /// All scopes that the user has granted, now and in earlier logins.
    pub(crate) fn all_scopes(&self) -> Vec<String> {
        let of_token = self.token.as_ref().and_then(OAuth2Token::scopes).unwrap_or_default();
        let mut all: Vec<String> = of_token.into_iter().map(str::to_owned).collect();
        let earlier = [&self.refresh_scopes, &self.earlier_scopes];
        for scope in earlier.into_iter().flatten().flatten() {
            if !all.contains(scope) {
                all.push(scope.clone());
            }
        }
        all
    }

    /// The state of a login with the scopes that the same user has granted before.
    pub(crate) fn with_scopes_of(self, earlier: &Self) -> Self {
        let known = self.all_scopes();
        let scopes: Vec<_> =
            earlier.all_scopes().into_iter().filter(|scope| !known.contains(scope)).collect();
        Self { earlier_scopes: (!scopes.is_empty()).then_some(scopes), ..self }
    }

    /// Which of the scopes that the application wants the token has.
    pub(crate) fn scope_check(&self) -> Option<ScopeCheck> {
        Some(self.wanted_scopes.as_ref()?.check(self.token.as_ref()?))
    }

    /// Its token, which usually is this one.
    pub(crate) fn token_or(&self, token: Arc<OAuth2Token>) -> Arc<OAuth2Token> {
        self.token.clone().map_or(token, Arc::new)
    }

    pub(crate) fn refresh_token(&self) -> Option<&str> {
        self.token.as_ref()?.refresh_token()
    }

    /// The user, as the application or the ID token says.
    pub(crate) fn user(&self) -> Option<StoredUser> {
        let of_id_token = || {
            let IdTokenClaims { iss, sub, .. } = self.id_token_claims()?;
            Some(StoredUser { issuer: iss, subject: sub })
        };
        self.user.clone().or_else(of_id_token)
    }

    /// The client, as it was noted, or as the ID token says if that was issued to one.
    pub(crate) fn client_id(&self) -> Option<String> {
        let of_id_token = || match self.id_token_claims()?.aud {
            Audience::One(client) => Some(client),
            Audience::Many(clients) => match <[String; 1]>::try_from(clients) {
                Ok([client]) => Some(client),
                Err(_) => None,
            },
        };
        self.client_id.clone().or_else(of_id_token)
    }

    fn id_token_claims(&self) -> Option<IdTokenClaims> {
        let payload = self.token.as_ref()?.id_token()?.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    /// Whether a token that was redeemed from this predecessor is to be saved over what is stored now: the predecessor
    /// itself, or a login that kept the predecessor's refresh token while it was being redeemed. A token of the same login with the same
    /// refresh token is none: at a provider that does not rotate, each has it.
    pub(crate) fn is_succeeded_by_token_of(&self, predecessor: &Self) -> bool {
        let has_its_refresh_token = match (self.refresh_token(), predecessor.refresh_token()) {
            (Some(one), Some(other)) => same_secret(one, other),
            _ => false,
        };
        let keeps_it = has_its_refresh_token && self.is_of_another_login_than(predecessor);
        self.has_the_tokens_of(predecessor) || (keeps_it && self.refreshing_since.is_some())
    }

    /// Whether it holds the same tokens as another state, whatever else has changed.
    pub(crate) fn has_the_tokens_of(&self, other: &Self) -> bool {
        match (&self.token, &other.token) {
            (None, None) => true,
            (Some(one), Some(other)) => are_same_tokens(one, other),
            _ => false,
        }
    }
}

fn are_same_tokens(one: &OAuth2Token, other: &OAuth2Token) -> bool {
    let refresh = |token: &OAuth2Token| token.refresh_token().unwrap_or_default().to_owned();
    same_secret(one.access_token(), other.access_token()) && same_secret(&refresh(one), &refresh(other))
}

/// Of tokens that were set aside earlier and later, those that are kept.
fn kept(earlier: &[OAuth2Token], later: &[OAuth2Token]) -> Vec<OAuth2Token> {
    let is_later = |token: &OAuth2Token| later.iter().any(|later| are_same_tokens(token, later));
    let all: Vec<_> = earlier.iter().filter(|token| !is_later(token)).chain(later).cloned().collect();
    let too_many = all.len().saturating_sub(MOST_SET_ASIDE);
    all.into_iter().skip(too_many).collect()
}

/// The stored form of the tokens that were set aside: one token, as before there could be several, or a list. An earlier version does not
/// read a record with a list, and so cannot drop what is in it.
mod one_or_several {
    use oauth_core::OAuth2Token;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrSeveral {
        One(OAuth2Token),
        Several(Vec<OAuth2Token>),
    }

    pub(super) fn serialize<S: Serializer>(tokens: &[OAuth2Token], serializer: S) -> Result<S::Ok, S::Error> {
        match tokens {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<OAuth2Token>, D::Error> {
        Ok(match OneOrSeveral::deserialize(deserializer)? {
            OneOrSeveral::One(token) => vec![token],
            OneOrSeveral::Several(tokens) => tokens,
        })
    }
}

impl Lineage {
    /// That of a new login.
    pub(crate) fn new() -> Self {
        Self { login: random_number(), refreshes: 0 }
    }

    /// That of a token which was refreshed once more.
    pub(crate) fn next(self) -> Self {
        Self { refreshes: self.refreshes.saturating_add(1), ..self }
    }

    pub(crate) fn is_older_than(self, other: Self) -> bool {
        self.login == other.login && self.refreshes < other.refreshes
    }

    pub(crate) fn is_of_the_same_login(self, other: Self) -> bool {
        self.login == other.login
    }
}

/// A number that tells one login or process from another. It is not a secret.
pub(crate) fn random_number() -> u64 {
    RandomState::new().hash_one(std::time::Instant::now())
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, description } => {
                write!(f, "the provider refused the refresh token: {}", code.escape_debug())?;
                match description {
                    Some(description) => write!(f, " ({})", description.escape_debug()),
                    None => Ok(()),
                }
            }
            Self::LostInRefresh { since, code } => write!(
                f,
                "the provider refuses the refresh token: {}; a refresh that began at {} was never completed, and its new token \
                 may have been lost",
                code.escape_debug(),
                time(*since)
            ),
            Self::NotAccepted { reason } => {
                write!(f, "the tokens of the last refresh are not accepted: {}", reason.escape_debug())
            }
            Self::NoRefreshToken => {
                f.write_str("the access token has expired, and there is no refresh token")
            }
            Self::MarkedDead { reason } => {
                write!(f, "the application ended the grant: {}", reason.escape_debug())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;

    const HERE: u64 = 1;
    const THERE: u64 = 2;

    fn now() -> OffsetDateTime {
        time(1_700_000_000)
    }

    fn token(access_token: &str, refresh_token: Option<&str>, id_token: Option<&str>) -> OAuth2Token {
        let mut members =
            json!({ "access_token": access_token, "refresh_token": refresh_token, "id_token": id_token });
        members.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        serde_json::from_value(members).unwrap()
    }

    /// The state of a login.
    fn login(token: OAuth2Token) -> TokenState {
        TokenState { lineage: Some(Lineage::new()), ..TokenState::fresh(token, now()) }
    }

    /// The state after a refresh.
    fn refreshed(before: &TokenState, token: OAuth2Token) -> TokenState {
        TokenState::fresh(token, now()).successor_of(before)
    }

    fn ended(reason: DeadReason) -> DeadGrant {
        DeadGrant { reason, at: now() }
    }

    fn lost(since: i64) -> DeadGrant {
        ended(DeadReason::LostInRefresh { since, code: "invalid_grant".to_owned() })
    }

    fn refused() -> DeadGrant {
        ended(DeadReason::Refused { code: "invalid_grant".to_owned(), description: None })
    }

    #[test]
    fn of_the_records_of_one_login_the_one_with_fewer_refreshes_is_older() {
        let first = login(token("AT-1", Some("RT-1"), None));
        let second = refreshed(&first, token("AT-2", Some("RT-2"), None));
        let another = refreshed(&login(token("AT-3", Some("RT-3"), None)), token("AT-4", Some("RT-4"), None));
        let of_an_earlier_version = TokenState { lineage: None, ..first.clone() };
        assert!(first.is_older_than(&second));
        for (one, other) in [
            (&second, &first),
            (&first, &first),
            (&first, &another),
            (&another, &first),
            (&of_an_earlier_version, &second),
            (&second, &of_an_earlier_version),
        ] {
            assert!(!one.is_older_than(other));
        }
        // What the application has ended counts as one more.
        assert!(second.is_older_than(&second.ended(&refused())));
    }

    #[test]
    fn a_mark_is_the_business_of_the_process_that_has_set_it() {
        let state = login(token("AT", Some("RT"), None));
        assert!(!state.is_unfinished_business_of_another(HERE));
        let marked = state.refreshing(now(), HERE, None);
        assert!(!marked.is_unfinished_business_of_another(HERE));
        assert!(marked.is_unfinished_business_of_another(THERE));
        // A refresh whose end was noted is nobody's business, whether or not the provider may have carried it out.
        for was_refused in [true, false] {
            let failed = marked.failed("HTTP 503", now(), None, Duration::from_secs(1), was_refused);
            assert!(!failed.is_unfinished_business_of_another(THERE));
            assert!(failed.refreshing_since.is_some(), "an earlier mark stays");
        }
        assert!(!marked.died(&refused()).is_unfinished_business_of_another(THERE));
    }

    #[test]
    fn another_process_may_have_redeemed_what_it_has_marked_or_was_refused() {
        let state = login(token("AT", Some("RT"), None));
        let since = now().unix_timestamp();
        let taken_back = DeadReason::MarkedDead { reason: "consent_revoked".to_owned() };
        let cases = [
            ("nobody has marked it", state.clone(), None),
            ("this process has", state.refreshing(now(), HERE, None), None),
            ("another one has", state.refreshing(now(), THERE, None), Some(since)),
            (
                "another one has noted that it does not know how it ended",
                state.failed("HTTP 503", now(), None, Duration::ZERO, false),
                Some(since),
            ),
            ("another one was refused", state.died(&lost(7)), Some(7)),
            ("it was refused to all", state.refreshing(now(), THERE, None).died(&refused()), None),
            ("the application has ended it", state.ended(&ended(taken_back)), None),
        ];
        for (what, state, expected) in cases {
            assert_eq!(state.contested_since_by_another(HERE), expected, "{what}");
        }
    }

    #[test]
    fn a_new_token_replaces_its_predecessor_and_a_login_that_kept_its_refresh_token() {
        let before = login(token("AT-1", Some("RT"), None));
        let marked = before.refreshing(now(), HERE, None);
        // A login that brought no refresh token, while that of the one before was being redeemed, and while it was not.
        let kept = |of: &TokenState| login(token("AT-2", None, None)).with_refresh_token_of(of);
        let of_no_known_login = TokenState { lineage: None, ..kept(&marked) };
        let machine = TokenState::default();
        let machine_that_failed = machine.failed("HTTP 503", now(), None, Duration::ZERO, true);
        for (what, found, before, replaces, is_login) in [
            ("the predecessor", marked.clone(), &before, true, false),
            ("one that was noted as dead", before.died(&refused()), &before, true, false),
            ("a login with its refresh token", kept(&marked), &before, true, true),
            ("a login of an earlier version", of_no_known_login, &before, true, true),
            ("a login while nothing was redeemed", kept(&before), &before, false, false),
            ("a login with its own", login(token("AT-2", Some("RT-2"), None)), &before, false, false),
            ("a login without one", login(token("AT-2", None, None)), &before, false, false),
            // At a provider that does not rotate, each token of the login has the one refresh token.
            (
                "a later token of the same login",
                refreshed(&before, token("AT-3", Some("RT"), None)).refreshing(now(), THERE, None),
                &before,
                false,
                false,
            ),
            ("a machine's record without a token", machine_that_failed, &machine, true, false),
            ("a machine's token", login(token("AT-4", None, None)), &machine, false, false),
        ] {
            assert_eq!(found.is_succeeded_by_token_of(before), replaces, "{what}");
            assert_eq!(found.is_login_with_refresh_token_of(before), is_login, "{what}");
        }
    }

    #[test]
    fn tokens_that_were_set_aside_are_kept_up_to_a_number_the_oldest_goes_first() {
        let number = |number: usize| token(&format!("AT-{number}"), Some(&format!("RT-{number}")), None);
        let state = (0..MOST_SET_ASIDE + 2)
            .fold(login(token("AT", Some("RT"), None)), |state, at| state.set_aside(number(at), &refused()));
        let expected: Vec<_> = (2..MOST_SET_ASIDE + 2).map(number).collect();
        assert!(state.set_aside == expected);
        // What two processes have set aside is kept once.
        let of_another = [number(0), number(2)];
        let mut few = login(token("AT", Some("RT"), None)).set_aside(number(2), &refused());
        assert!(few.keep_set_aside_of(&of_another));
        assert!(few.set_aside == of_another);
        assert!(!few.keep_set_aside_of(&of_another));
    }

    #[test]
    fn one_token_that_was_set_aside_is_stored_as_it_was_when_there_could_be_no_more() {
        let form = |state: &TokenState| serde_json::to_value(state).unwrap();
        let none = login(token("AT", Some("RT"), None));
        let one = none.set_aside(token("AT-1", None, None), &refused());
        let two = one.set_aside(token("AT-2", None, None), &refused());
        assert_eq!(form(&none).get("set_aside"), None);
        assert_eq!(form(&one)["set_aside"], json!({ "access_token": "AT-1" }));
        assert_eq!(form(&two)["set_aside"], json!([{ "access_token": "AT-1" }, { "access_token": "AT-2" }]));
        for state in [none, one, two] {
            let read: TokenState = serde_json::from_value(form(&state)).unwrap();
            assert!(read.set_aside == state.set_aside);
        }
    }

    #[test]
    fn each_login_keeps_its_own_id_token_until_a_refresh_brings_a_new_one() {
        let earlier = login(token("AT-1", Some("RT"), Some("ID-1")));
        let later = login(token("AT-2", None, Some("ID-2"))).with_refresh_token_of(&earlier);
        // The provider compares with the login that the refresh token comes from.
        assert_eq!(later.token_to_refresh().unwrap().id_token(), Some("ID-1"));
        let shown = |id_token| {
            let token = later.with_id_token_of_login(token("AT-3", Some("RT-3"), Some(id_token)));
            let state = refreshed(&later, token);
            let of_refresh = state.token_to_refresh().unwrap().id_token().map(str::to_owned);
            (state.token.unwrap().id_token().map(str::to_owned), of_refresh)
        };
        let text = |text: &str| Some(text.to_owned());
        // Without a new one, the token has that which it was refreshed with.
        assert_eq!(shown("ID-1"), (text("ID-2"), text("ID-1")));
        assert_eq!(shown("ID-3"), (text("ID-3"), text("ID-3")));
        // Where no earlier refresh token was kept, the new token is left as it is.
        let token = earlier.with_id_token_of_login(token("AT-2", Some("RT-2"), Some("ID-1")));
        assert_eq!(token.id_token(), Some("ID-1"));
    }
}
