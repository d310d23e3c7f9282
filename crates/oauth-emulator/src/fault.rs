use std::time::Duration;

/// Something that goes wrong at a provider, switched on with [`Emulator::fault`](crate::Emulator::fault).
///
/// "Server replies" are those to the application itself: every endpoint but the authorization page. A reply that is spoilt
/// on its way (`EmptyBody`, `TruncatedJson`, `InvalidUtf8`, `ResetMidBody`) belongs to a request that was carried out: the
/// code is used up, the refresh token replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The user refuses, whatever is pressed on the consent page.
    Deny,
    /// Every authorization code has expired by the time it is redeemed.
    ExpiredCode,
    /// The callback carries another `state` than the application sent.
    WrongState,
    /// A new signing key comes into use before each ID token (and each signed userinfo reply), so that a cached key set
    /// never knows it.
    RotateKeys,
    /// Every server reply takes this much longer.
    Slow(Duration),
    /// Server replies are 429, with `Retry-After` in whole seconds.
    TooManyRequests {
        /// After how long to try again.
        retry_after: Duration,
    },
    /// Server replies are 500 with a JSON body.
    ServerError,
    /// Server replies are a proxy's HTML page with status 502.
    HtmlErrorPage,
    /// Server replies have their status, but no body.
    EmptyBody,
    /// Server replies stop in the middle of their text, with a matching `Content-Length`.
    TruncatedJson,
    /// Server replies hold bytes that are not UTF-8.
    InvalidUtf8,
    /// The token endpoint redirects (307) to another host, which must not be followed: the request holds the secret.
    Redirect,
    /// The connection breaks in the middle of each server reply.
    ResetMidBody,
    /// The user's e-mail address is marked unverified, where the provider tells.
    UnverifiedEmail,
    /// The user has no e-mail address, or does not share it.
    NoEmail,
    /// ID tokens, and the callback's `iss` where the provider sends one, name another issuer.
    WrongIssuer,
}

/// The issuer that [`Fault::WrongIssuer`] names.
pub(crate) const WRONG_ISSUER: &str = "https://attacker.example";
