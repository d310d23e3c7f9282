//! The names of this crate's events, which stay the same between minor versions.
//!
//! `docs/observability.md` in the repository has the fields of each. Those of the sign-in are in [`oauth_core::telemetry`].

/// The names of events.
pub mod event {
    /// A session began.
    pub const SESSION_BEGUN: &str = "oauth.bff.session_begun";
    /// A session was ended before its time, or all sessions of a user.
    pub const SESSION_ENDED: &str = "oauth.bff.session_ended";
    /// A session that began in another process was refused, because the processes share no memory of ended sessions.
    pub const SESSION_ELSEWHERE: &str = "oauth.bff.session_elsewhere";
    /// The tokens of a session that ended were not revoked at the provider.
    pub const TOKENS_NOT_REVOKED: &str = "oauth.bff.tokens_not_revoked";
    /// A request was not passed on, because the user has to sign in again.
    pub const REQUEST_UNAUTHORIZED: &str = "oauth.bff.request_unauthorized";
    /// A request was refused, or the API did not answer.
    pub const REQUEST_REFUSED: &str = "oauth.bff.request_refused";
    /// A request failed for a fault of the application or the server.
    pub const REQUEST_FAILED: &str = "oauth.bff.request_failed";

    /// All of them.
    pub const ALL: &[&str] = &[
        SESSION_BEGUN,
        SESSION_ENDED,
        SESSION_ELSEWHERE,
        TOKENS_NOT_REVOKED,
        REQUEST_UNAUTHORIZED,
        REQUEST_REFUSED,
        REQUEST_FAILED,
    ];
}
