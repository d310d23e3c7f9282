//! The names of spans, events and metrics, which stay the same between minor versions.
//!
//! Every event has its name in the field [`EVENT_NAME`]. The guide, with the fields and labels of each, is `docs/observability.md` in the
//! repository.
//!
//! The crates put no code, token, state, verifier, secret, cookie, identifier of a user or e-mail address into a span, an event or a metric. The
//! guide names the fields that quote somebody else's text.

/// The field that names an event, as in OpenTelemetry's semantic conventions.
pub const EVENT_NAME: &str = "event.name";

/// The names of spans.
pub mod span {
    /// One call of a provider, with all its HTTP requests.
    pub const REQUEST: &str = "oauth.request";
    /// One HTTP request.
    pub const HTTP: &str = "oauth.http";
    /// The refresh of a key's token in `oauth-tokens`.
    pub const TOKENS_REFRESH: &str = "oauth_tokens.refresh";

    /// All of them.
    pub const ALL: &[&str] = &[REQUEST, HTTP, TOKENS_REFRESH];
}

/// Writes constants, and a list of them all from which none can be missing.
macro_rules! constants {
    ($all:literal: $($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        #[doc = $all]
        pub const ALL: &[&str] = &[$($name),*];
    };
}

/// The names of events.
pub mod event {
    constants! { "All of them.":
        /// A code was exchanged for tokens.
        TOKEN_EXCHANGED = "oauth.token.exchanged";
        /// A token was refreshed at the provider.
        TOKEN_REFRESHED = "oauth.token.refreshed";
        /// A token was revoked at the provider.
        TOKEN_REVOKED = "oauth.token.revoked";
        /// A token was introspected.
        TOKEN_INTROSPECTED = "oauth.token.introspected";
        /// A provider's metadata were fetched.
        DISCOVERY_FETCHED = "oauth.discovery.fetched";
        /// A provider's signing keys were fetched.
        KEYS_FETCHED = "oauth.keys.fetched";
        /// A profile or an identity was fetched.
        PROFILE_FETCHED = "oauth.profile.fetched";
        /// An authorization request was pushed (RFC 9126).
        AUTHORIZATION_REQUEST_PUSHED = "oauth.authorization_request.pushed";
        /// A client was registered (RFC 7591).
        CLIENT_REGISTERED = "oauth.client.registered";
        /// A login on another device began (RFC 8628).
        DEVICE_STARTED = "oauth.device.started";
        /// The provider was asked whether a login on another device has ended; with `error.type` where it has not.
        DEVICE_POLLED = "oauth.device.polled";
        /// Any other call of a provider succeeded; the field `operation` names it.
        REQUEST_COMPLETED = "oauth.request.completed";
        /// A call of a provider failed; `error.type` says in which way.
        REQUEST_FAILED = "oauth.request.failed";
        /// A request is sent once more, with a DPoP nonce or another client secret.
        REQUEST_REPEATED = "oauth.request.repeated";
        /// The `iss` of a callback was not compared, because the provider's issuer is not known.
        ISSUER_NOT_COMPARED = "oauth.callback.issuer_not_compared";
        /// The client secret expires soon.
        SECRET_EXPIRES_SOON = "oauth.secret.expires_soon";
        /// A browser was sent to a provider to sign in.
        SIGN_IN_BEGUN = "oauth.sign_in.begun";
        /// Somebody signed in.
        SIGN_IN_COMPLETED = "oauth.sign_in.completed";
        /// Somebody signed in to link an identity to an account.
        SIGN_IN_LINKED = "oauth.sign_in.linked";
        /// The user did not allow a sign-in.
        SIGN_IN_DENIED = "oauth.sign_in.denied";
        /// A sign-in was refused.
        SIGN_IN_REFUSED = "oauth.sign_in.refused";
        /// A sign-in failed for a fault of the application or the server.
        SIGN_IN_FAILED = "oauth.sign_in.failed";
        /// A provider reported that a session has ended.
        LOGOUT_RECEIVED = "oauth.logout.received";
        /// A report of a provider that a session has ended was refused.
        LOGOUT_REFUSED = "oauth.logout.refused";
        /// A report of a provider that a session has ended had no effect: for a fault of the application or the server, or because
        /// the provider's keys could not be fetched.
        LOGOUT_FAILED = "oauth.logout.failed";
        /// A setting loosens security.
        SETTING_LOOSENED = "oauth.setting.loosened";
        /// The listener that a browser comes back to could not accept a connection.
        LOOPBACK_FAILED = "oauth.loopback.failed";
        /// A vendor's message was handled.
        SIGNAL_HANDLED = "oauth.signal.handled";
        /// A vendor's message came once more.
        SIGNAL_REPEATED = "oauth.signal.repeated";
        /// A vendor's message was refused, or could not be handled.
        SIGNAL_REFUSED = "oauth.signal.refused";
        /// An MCP server demands a sign-in, or more scopes.
        MCP_CHALLENGED = "oauth.mcp.challenged";
        /// A token that nothing leads to any more stays in the store.
        MCP_TOKEN_LEFT = "oauth.mcp.token_left";
        /// An access token, or the proof of its key, was refused at a resource.
        ACCESS_TOKEN_REFUSED = "oauth.access_token.refused";
        /// Access tokens cannot be verified at a resource, because what verifies them does not answer.
        ACCESS_TOKEN_UNVERIFIED = "oauth.access_token.unverified";
        /// `oauth-tokens` refreshed and saved a token.
        TOKENS_REFRESHED = "oauth.tokens.refreshed";
        /// `oauth-tokens` obtained a further access token.
        TOKENS_FURTHER_TOKEN = "oauth.tokens.further_token";
        /// Another process or a login was faster.
        TOKENS_ADOPTED = "oauth.tokens.adopted";
        /// The store had gone back, and the newer token was written again.
        TOKENS_RESTORED = "oauth.tokens.restored";
        /// A refresh that a crashed process had begun goes on here.
        TOKENS_TAKEN_OVER = "oauth.tokens.taken_over";
        /// A record was sealed anew.
        TOKENS_RESEALED = "oauth.tokens.resealed";
        /// A grant has ended.
        TOKENS_DEAD = "oauth.tokens.dead";
        /// Something failed that may pass.
        TOKENS_TRANSIENT = "oauth.tokens.transient";
        /// What had failed works again.
        TOKENS_RECOVERED = "oauth.tokens.recovered";
        /// The token of a login was stored.
        TOKENS_PUT = "oauth.tokens.put";
        /// A token was deleted from the store.
        TOKENS_DELETED = "oauth.tokens.deleted";
        /// A token was revoked.
        TOKENS_REVOKED = "oauth.tokens.revoked";
        /// A dead grant was given another chance.
        TOKENS_REVIVED = "oauth.tokens.revived";
    }
}

/// The names of metrics.
pub mod metric {
    constants! { "All of them.":
        /// A counter of calls of providers.
        REQUESTS = "oauth_requests_total";
        /// A histogram of how long calls of providers took, in seconds.
        REQUEST_SECONDS = "oauth_request_seconds";
        /// A counter of sign-ins by their outcome.
        SIGN_INS = "oauth_sign_ins_total";
        /// A counter of what happened to the tokens of `oauth-tokens`.
        TOKENS = "oauth_tokens_total";
        /// A histogram of how long that took, in seconds.
        TOKENS_SECONDS = "oauth_tokens_seconds";
        /// A counter of what failed and may pass, by where.
        TOKENS_TROUBLE = "oauth_tokens_trouble_total";
        /// A gauge of the new tokens that the store has not taken.
        TOKENS_UNSAVED = "oauth_tokens_unsaved";
    }
}
