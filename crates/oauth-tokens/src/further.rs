//! The further access tokens of a grant, which share its refresh token.

use std::sync::Arc;

use oauth_core::{OAuth2Token, OffsetDateTime};

use crate::{
    access_token_request::Wanted,
    cache::CachedToken,
    error::TokenError,
    further_token::{FurtherFailure, FurtherToken},
    key::TokenKey,
    shared::SharedState,
    state::TokenState,
    timing::{Milestones, Moment},
};

/// How many further access tokens are kept for one grant; then the oldest makes room.
pub(crate) const MOST_FURTHER: usize = 32;

impl FurtherFailure {
    pub(crate) fn error(&self, key: &TokenKey, retry_at: OffsetDateTime) -> TokenError {
        let (key, message) = (key.clone(), self.message.clone());
        match &self.refused {
            Some(refused) => TokenError::NotGranted {
                key,
                code: refused.code.clone(),
                message,
                needs_login: refused.needs_login,
                retry_at,
            },
            None => TokenError::RefreshFailed { key, cause: None, message, retry_at },
        }
    }
}

impl TokenState {
    pub(crate) fn further(&self, wanted: &Wanted) -> Option<&FurtherToken> {
        self.further.iter().find(|further| further.wanted == *wanted)
    }

    /// The state with a further access token that its refresh token was redeemed for. The token of the login stays as it is.
    pub(crate) fn with_further(&self, wanted: &Wanted, new: OAuth2Token, now: OffsetDateTime) -> Self {
        let fresh = Self::fresh(new.clone().access_token_only(), now);
        let further = FurtherToken {
            wanted: wanted.clone(),
            token: fresh.token,
            obtained_at: fresh.obtained_at,
            expires_at: fresh.expires_at,
            failure: None,
        };
        let token = self.token.clone().map(|token| token.with_refresh_token_of(&new));
        Self {
            token,
            refreshing_since: None,
            contested_since: None,
            lineage: self.lineage.map(|lineage| lineage.next()),
            ..self.with_further_entry(further)
        }
    }

    /// The state after a request for a further access token that failed.
    pub(crate) fn with_further_failure(
        &self,
        wanted: &Wanted,
        failure: FurtherFailure,
        now: OffsetDateTime,
        was_surely_not_carried_out: bool,
    ) -> Self {
        let known = self.further(wanted).cloned();
        let further = match known {
            Some(known) => FurtherToken { failure: Some(failure), ..known },
            None => FurtherToken {
                wanted: wanted.clone(),
                token: None,
                obtained_at: now.unix_timestamp(),
                expires_at: None,
                failure: Some(failure),
            },
        };
        let since = match was_surely_not_carried_out {
            true => self.refreshing_since,
            false => Some(self.refreshing_since.unwrap_or(now.unix_timestamp())),
        };
        Self { refreshing_since: since, ..self.with_further_entry(further) }
    }

    fn with_further_entry(&self, new: FurtherToken) -> Self {
        let now = new.obtained_at;
        let others = self.further.iter().filter(|known| known.wanted != new.wanted && known.is_of_use(now));
        let mut further: Vec<_> = others.cloned().collect();
        if further.len() >= MOST_FURTHER {
            further.sort_by_key(|known| known.obtained_at);
            further.drain(..=further.len() - MOST_FURTHER);
        }
        further.push(new);
        Self { further, marked_by: None, refreshing_for: None, ..self.clone() }
    }

    /// The further access tokens that are live, without what failed.
    pub(crate) fn live_further(&self, now: i64) -> Vec<FurtherToken> {
        let live = self.further.iter().filter(|further| further.is_live(now));
        live.map(|further| FurtherToken { failure: None, ..further.clone() }).collect()
    }

    /// The further access tokens that a refreshed token keeps.
    pub(crate) fn further_of_use(&self, now: i64) -> Vec<FurtherToken> {
        self.further.iter().filter(|further| further.is_of_use(now)).cloned().collect()
    }
}

impl SharedState {
    pub(crate) fn further_milestones(&self, key: &TokenKey, further: &FurtherToken) -> Milestones {
        self.timing.milestones_of(key, further.obtained_at, further.expires_at)
    }

    /// Until when the provider is not asked for a further access token again, and why.
    pub(crate) fn further_rest<'a>(
        &self,
        further: &'a FurtherToken,
        now: OffsetDateTime,
    ) -> Option<(OffsetDateTime, &'a FurtherFailure)> {
        let failure = further.failure.as_ref()?;
        let until = self.timing.rests_until(failure.rest, now, self.store_ahead())?;
        Some((until, failure))
    }

    /// What this process remembers of a record's further access tokens.
    pub(crate) fn cached_further(&self, key: &TokenKey, state: &TokenState) -> Option<Arc<[CachedToken]>> {
        if state.further.is_empty() || state.dead.is_some() {
            return None;
        }
        let now = self.clock.now();
        let reread_at = self.timing.reread_after.map(|after| now + after);
        let all = state.further.iter().filter_map(|further| {
            let Milestones { due_at, dead_at } = self.further_milestones(key, further);
            let rest = self.further_rest(further, now);
            let token = further.token.as_ref().filter(|_| dead_at.is_none_or(|at| at > now));
            let (result, until) = match (token, rest) {
                (Some(token), rest) => {
                    let due_at = due_at.map(|at| rest.map_or(at, |(until, _)| at.max(until)));
                    (Ok(Arc::new(token.clone())), [due_at, dead_at, reread_at].into_iter().flatten().min())
                }
                (None, Some((until, failure))) => {
                    let reread_at = now + self.timing.reread_failures_after;
                    (Err(Box::new(failure.error(key, until))), Some(until.min(reread_at)))
                }
                (None, None) => return None,
            };
            let moment = |time: Option<OffsetDateTime>| time.map_or_else(Moment::never, Moment::from);
            Some(CachedToken {
                wanted: further.wanted.clone(),
                result,
                holds_until: moment(until),
                live_until: moment(dead_at),
            })
        });
        Some(all.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{access_token_request::AccessTokenRequest, calendar::time, rest::Rest};

    fn wanted(scope: usize) -> Wanted {
        AccessTokenRequest::new().with_scopes([scope.to_string()]).wanted().unwrap().as_ref().clone()
    }

    #[test]
    fn the_oldest_further_token_makes_room_and_what_is_of_no_use_does_first() {
        let token = || {
            let token = oauth_core::serde_json::json!({ "access_token": "AT", "expires_in": 3600 });
            oauth_core::serde_json::from_value(token).unwrap()
        };
        let now = OffsetDateTime::now_utc();
        let scopes = |state: &TokenState| -> Vec<_> {
            state.further.iter().map(|further| further.wanted.clone()).collect()
        };
        let add = |state: TokenState, scope: usize| {
            state.with_further(&wanted(scope), token(), now + std::time::Duration::from_secs(scope as u64))
        };
        let full = (0..MOST_FURTHER).fold(TokenState::default(), add);
        assert_eq!(full.further.len(), MOST_FURTHER);
        let more = add(full.clone(), MOST_FURTHER);
        assert!(scopes(&more) == (1..=MOST_FURTHER).map(wanted).collect::<Vec<_>>());

        // All of them have expired; a failure is remembered while the provider is left alone.
        let late = now + std::time::Duration::from_secs(2 * 3600);
        let failure = |wait: u64| FurtherFailure {
            rest: Rest::new(late, None, std::time::Duration::from_secs(wait)),
            failures: 1,
            message: "HTTP 503".to_owned(),
            refused: None,
        };
        let failed = full.with_further_failure(&wanted(98), failure(60), late, true);
        let failed = failed.with_further_failure(&wanted(99), failure(10), late, true);
        let of_use = |seconds: i64| -> Vec<_> {
            let of_use = failed.further_of_use(late.unix_timestamp() + seconds);
            of_use.into_iter().map(|further| further.wanted).collect()
        };
        assert!(of_use(5) == [wanted(98), wanted(99)]);
        assert!(of_use(30) == [wanted(98)]);
        assert!(of_use(90).is_empty());
        assert!(full.live_further(time(0).unix_timestamp()).len() == MOST_FURTHER);
    }
}
