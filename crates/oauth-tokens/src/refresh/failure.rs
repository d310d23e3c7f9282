//! What a failed refresh means: for the grant, for the record, for the caller.

use std::{sync::Arc, time::Duration};

use oauth_core::{BindingError, ErrorClass, ErrorKind, HttpErrorKind, Operation};

use super::record::{Changed, Refresh, RefreshOutcome};
use crate::{
    access_token_request::Wanted,
    calendar::time,
    error::TokenError,
    event,
    further_token::{FurtherFailure, FurtherRefusal},
    rest::Rest,
    sealed_store::{Predecessor, StoredState},
    state::{DeadGrant, DeadReason, TokenState},
    store::{Expected, Lease, Saved, StoreError},
};

/// How long an access token that the provider has refused is not asked for again.
const REFUSED_FOR: Duration = Duration::from_secs(5 * 60);

impl Refresh<'_> {
    /// Decides what a failure means: for the grant, for the record, for the caller.
    pub(super) async fn handle_failure(
        &self,
        error: oauth_core::Error,
        wanted: Option<&Wanted>,
        before: &TokenState,
        predecessor: Predecessor,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        if let Some(tokens) = error.tokens().filter(|_| self.source.needs_login(self.key)) {
            let tokens = tokens.clone();
            return self.set_aside(&error, tokens, before, predecessor, lease).await;
        }
        if let ErrorKind::Binding(BindingError::UnknownKey { .. } | BindingError::OtherCertificate { .. }) =
            error.kind()
        {
            return self.cannot_use(error, before, predecessor, lease).await;
        }
        if let Some(wanted) = wanted {
            return self.fail_further(error, wanted, before, predecessor, lease).await;
        }
        // A machine's grant cannot be lost: what the server refuses today it may grant tomorrow.
        if error.class() == ErrorClass::Reauthorize && self.source.needs_login(self.key) {
            let _ = self.pause.note_answer(self.shared.clock.now());
            self.mark_dead(&error, before, lease).await
        } else {
            self.retry_later(error, before, predecessor, lease).await
        }
    }

    /// Takes the mark back, because nothing was sent: this process lacks what the token is bound to. Another one may have it, so it is
    /// told nothing.
    async fn cannot_use(
        &self,
        error: oauth_core::Error,
        before: &TokenState,
        predecessor: Predecessor,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let shared = self.shared;
        let saved = match predecessor.expected {
            Expected::Version(_) if self.source.needs_login(self.key) => {
                self.save_failure(before, &predecessor, lease).await
            }
            // Nothing was marked.
            Expected::Version(version) => Ok(Saved::Version(version)),
            _ => Ok(Saved::Version(0)),
        };
        let version = match (saved, predecessor.expected) {
            (Ok(Saved::Version(version)), _) => version,
            (Ok(Saved::Conflict(_) | Saved::Fenced), _) => return Err(Changed),
            (Err(_), Expected::Version(version)) => version,
            (Err(_), _) => 0,
        };
        let error = TokenError::BoundElsewhere { key: self.key.clone(), cause: Arc::new(error) };
        let event = Some(event::Outcome::Transient(error.clone()));
        let outcome = match self.wanted {
            Some(_) => self.refuse_further(error, &StoredState::saved(version, before.clone())),
            None => {
                let until = shared.clock.now() + shared.timing.reread_failures_after;
                self.refuse(error, before, version, until)
            }
        };
        Ok(RefreshOutcome { event, ..outcome })
    }

    /// Records that the provider has ended the grant. Before that is believed, the store is asked once more: another process
    /// may have redeemed the same token and saved its successor.
    async fn mark_dead(
        &self,
        error: &oauth_core::Error,
        before: &TokenState,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let shared = self.shared;
        let found = match shared.store.load(self.key).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(RefreshOutcome::not_found(self.key)),
            Err(error) => return Ok(RefreshOutcome::failed(error)),
        };
        // What is noted already stays: that the application has ended the grant, or that another process saw it lost.
        if found.state.dead.is_some() || !found.state.has_the_tokens_of(before) {
            return self.settled(Some(&found)).ok_or(Changed);
        }
        let now = shared.clock.now();
        let reason = match (before.refreshing_since.or(before.contested_since), refusal(error)) {
            (Some(since), DeadReason::Refused { code, .. }) => DeadReason::LostInRefresh { since, code },
            (_, reason) => reason,
        };
        let grant = DeadGrant { reason, at: time(now.unix_timestamp()) };
        let died = before.died(&grant);
        let saved = self.save_failure(&died, &Predecessor::of(&found), lease).await;
        let version = match saved {
            Ok(Saved::Version(version)) => version,
            Ok(Saved::Conflict(_) | Saved::Fenced) => return Err(Changed),
            // This process knows; the next one that asks will learn it from the provider.
            Err(_) => found.version,
        };
        let error = TokenError::Dead { key: self.key.clone(), grant: grant.clone() };
        let outcome = RefreshOutcome::refused(error, version, now + shared.timing.reread_failures_after);
        Ok(RefreshOutcome { event: Some(event::Outcome::Dead(grant)), ..outcome })
    }

    async fn save_failure(
        &self,
        failed: &TokenState,
        predecessor: &Predecessor,
        lease: &Lease,
    ) -> Result<Saved, StoreError> {
        let (store, limit) = (&self.shared.store, self.shared.timing.save_patience / 3);
        if let Some(found) = store.exchanged(&*self.shared.runtime, self.key, predecessor, limit).await {
            return Ok(Saved::Conflict(Some(found)));
        }
        store.save(self.key, failed, predecessor.expected, Some(lease)).await
    }

    /// How long to wait after a failure; where the provider asks for that, all keys do.
    fn wait_after(&self, error: &oauth_core::Error, failures: u32, message: &str) -> Duration {
        let (timing, now) = (&self.shared.timing, self.shared.clock.now());
        let asked_for = error.retry_after();
        if !asks_to_be_left_alone(error) {
            return timing.backoff(failures, asked_for);
        }
        // Whoever limits requests counts those of all keys.
        let wait = timing.backoff(failures.max(self.pause.pauses()), asked_for);
        let is_asked_for = asked_for.is_some() || is_a_limit_of_requests(error);
        self.pause.begin(now, now + wait, is_asked_for, message);
        wait
    }

    /// Records that a further access token was not obtained. Whether it was refused or not, the grant is as good as before: many
    /// providers say `invalid_grant` where the user has not consented to the scope.
    async fn fail_further(
        &self,
        error: oauth_core::Error,
        wanted: &Wanted,
        before: &TokenState,
        predecessor: Predecessor,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let (shared, now) = (self.shared, self.shared.clock.now());
        let error = error.with_short_body();
        let message = error.to_string();
        let known = before.further(wanted).and_then(|further| further.failure.as_ref());
        let failures = known.map_or(0, |failure| failure.failures);
        let refused = refusal_of_further(&error);
        let wait = match refused {
            Some(_) => REFUSED_FOR,
            None => self.wait_after(&error, failures, &message),
        };
        let failure = FurtherFailure {
            rest: Rest::new(now, shared.store_now().await, wait),
            failures: failures.saturating_add(1),
            message,
            refused,
        };
        let was_not_carried_out = was_surely_not_carried_out(&error);
        let failed = before.with_further_failure(wanted, failure.clone(), now, was_not_carried_out);
        let saved = self.save_failure(&failed, &predecessor, lease).await;
        let version = match (saved, predecessor.expected) {
            (Ok(Saved::Version(version)), _) => version,
            (Ok(Saved::Conflict(_) | Saved::Fenced), _) => return Err(Changed),
            // The mark stays in the store, and this process remembers the rest.
            (Err(_), Expected::Version(version)) => version,
            (Err(_), _) => 0,
        };
        let error = match failure.error(self.key, now + wait) {
            TokenError::RefreshFailed { key, message, retry_at, .. } => {
                TokenError::RefreshFailed { key, cause: Some(Arc::new(error)), message, retry_at }
            }
            refused => refused,
        };
        let event = Some(event::Outcome::Transient(error.clone()));
        let found = StoredState::saved(version, failed);
        let live = self.live_further(wanted, &found);
        let outcome = live.unwrap_or_else(|| self.refuse_further(error, &found));
        Ok(RefreshOutcome { event, ..outcome })
    }

    /// Records that the provider gave no usable answer. Nothing is deleted; all processes leave the provider alone for a
    /// while.
    async fn retry_later(
        &self,
        error: oauth_core::Error,
        before: &TokenState,
        predecessor: Predecessor,
        lease: &Lease,
    ) -> Result<RefreshOutcome, Changed> {
        let (shared, now) = (self.shared, self.shared.clock.now());
        // It is kept for each key that fails.
        let error = error.with_short_body();
        let message = error.to_string();
        let wait = self.wait_after(&error, before.failures, &message);
        let failed =
            before.failed(&message, now, shared.store_now().await, wait, was_surely_not_carried_out(&error));
        let saved = self.save_failure(&failed, &predecessor, lease).await;
        let version = match (saved, predecessor.expected) {
            (Ok(Saved::Version(version)), _) => version,
            (Ok(Saved::Conflict(_) | Saved::Fenced), _) => return Err(Changed),
            // The mark stays in the store, and this process remembers the rest.
            (Err(_), Expected::Version(version)) => version,
            (Err(_), _) => 0,
        };
        let retry_at = now + wait;
        let error = TokenError::RefreshFailed {
            key: self.key.clone(),
            cause: Some(Arc::new(error)),
            message,
            retry_at,
        };
        let event = Some(event::Outcome::Transient(error.clone()));
        let resting = StoredState::saved(version, failed);
        let outcome = match self.settled(Some(&resting)) {
            Some(outcome) if outcome.result.is_ok() => outcome,
            _ => {
                let until = retry_at.min(now + shared.timing.reread_failures_after);
                self.refuse(error, &resting.state, version, until)
            }
        };
        Ok(RefreshOutcome { event, ..outcome })
    }
}

/// What the provider said, if it refuses this access token and not the client.
fn refusal_of_further(error: &oauth_core::Error) -> Option<FurtherRefusal> {
    const OF_THE_CLIENT: [&str; 4] =
        ["invalid_client", "unauthorized_client", "unsupported_grant_type", "incorrect_client_credentials"];
    let code = &error.oauth_error()?.code;
    let needs_login = match error.class() {
        ErrorClass::Transient { .. } => return None,
        ErrorClass::Reauthorize => true,
        _ if OF_THE_CLIENT.contains(&&**code) => return None,
        _ => false,
    };
    Some(FurtherRefusal { code: code.clone(), needs_login })
}

/// Whether a provider limits requests or is down, and would not answer other keys either (RFC 9110 section 15.6.4, RFC 6585
/// section 4).
fn asks_to_be_left_alone(error: &oauth_core::Error) -> bool {
    error.retry_after().is_some() || error.status().is_some_and(|status| matches!(status.as_u16(), 429 | 503))
}

/// A login that succeeds does not tell that the limit is over.
fn is_a_limit_of_requests(error: &oauth_core::Error) -> bool {
    error.status().is_some_and(|status| status.as_u16() == 429)
}

fn refusal(error: &oauth_core::Error) -> DeadReason {
    match error.oauth_error() {
        Some(refused) => {
            DeadReason::Refused { code: refused.code.clone(), description: refused.description.clone() }
        }
        None => DeadReason::Refused { code: error.to_string(), description: None },
    }
}

/// Whether the provider cannot have redeemed the refresh token. If something went wrong on its side, or on the way back, nobody
/// knows.
fn was_surely_not_carried_out(error: &oauth_core::Error) -> bool {
    match error.kind() {
        // Before the token endpoint was even known.
        _ if [Operation::DISCOVER, Operation::CONFIGURE].contains(&error.operation()) => true,
        // Afterwards.
        _ if error.operation() != Operation::REFRESH_TOKEN => false,
        ErrorKind::Transport(error) => {
            use HttpErrorKind::{Connect, InvalidRequest, NotPublic};
            matches!(error.kind(), Connect | InvalidRequest | NotPublic)
        }
        // What cannot be signed is not sent, or was refused before because it lacked a nonce.
        ErrorKind::Configuration(_) | ErrorKind::Unsupported(_) | ErrorKind::Signing(_) => true,
        // Some providers refuse under status 200.
        ErrorKind::Refused { .. } => error.status().is_some_and(|status| !status.is_server_error()),
        ErrorKind::UnexpectedStatus { .. } => error.status().is_some_and(|status| status.is_client_error()),
        _ => false,
    }
}
