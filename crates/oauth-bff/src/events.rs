//! Events of `tracing`. None contains a token, a cookie, a session's id or a user's identifier.

use oauth_core::{
    ErrorClass,
    telemetry::{EVENT_NAME, event},
};
use oauth_tokens::TokenKey;

use crate::{error::BffError, telemetry::event as own};

/// A session began.
pub(crate) fn session_begun(key: &TokenKey) {
    tracing::debug!({ EVENT_NAME } = own::SESSION_BEGUN, provider = key.provider(), "session begun");
}

/// A session was ended before its time, or all of a user.
pub(crate) fn session_ended(key: &TokenKey, all: bool) {
    tracing::info!({ EVENT_NAME } = own::SESSION_ENDED, provider = key.provider(), all, "session ended");
}

/// A session came whose end this process could not know of.
pub(crate) fn session_of_another_process() {
    tracing::warn!(
        { EVENT_NAME } = own::SESSION_ELSEWHERE,
        "a session that began in another process is refused: give Bff::ended_sessions a cache that all processes share, and make the Bff once \
         in each"
    );
}

/// The user's tokens stay at the provider.
pub(crate) fn tokens_not_revoked(key: &TokenKey, class: ErrorClass) {
    tracing::warn!(
        { EVENT_NAME } = own::TOKENS_NOT_REVOKED,
        provider = key.provider(),
        reason = ?class,
        "the tokens of a session that ended were not revoked"
    );
}

/// An upstream gets tokens by plain http.
pub(crate) fn plain_http(address: &str) {
    tracing::warn!(
        { EVENT_NAME } = event::SETTING_LOOSENED,
        ?address,
        "tokens are sent to an upstream by plain http: others on the network can read them"
    );
}

/// A request was not answered with what it asked for. Nobody being signed in is not an event.
pub(crate) fn refused(route: &str, error: &BffError) {
    let (status, code, reason) = (error.status().as_u16(), error.code(), error.to_string());
    match error {
        BffError::NoSession => {}
        BffError::SignInAgain(_) => {
            let name = own::REQUEST_UNAUTHORIZED;
            tracing::info!({ EVENT_NAME } = name, route, status, code, ?reason, "request not authorized");
        }
        BffError::Token(_) | BffError::Application(_) | BffError::Sessions(_) => {
            tracing::error!(
                { EVENT_NAME } = own::REQUEST_FAILED,
                route,
                status,
                code,
                ?reason,
                "request failed"
            );
        }
        _ => {
            let name = own::REQUEST_REFUSED;
            tracing::warn!({ EVENT_NAME } = name, route, status, code, ?reason, "request refused");
        }
    }
}
