/// What an endpoint of a provider is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmulatedEndpoint {
    /// The authorization page.
    Authorize,
    /// The exchange of an authorization code.
    Token,
    /// The refresh, also where it shares the token endpoint's URL.
    Refresh,
    /// Revocation, in whatever form.
    Revoke,
    /// Token introspection (RFC 7662).
    Introspect,
    /// The user's profile.
    Profile,
    /// OpenID Connect's userinfo, where the profile is another API.
    UserInfo,
    /// A list of the user's e-mail addresses.
    Emails,
    /// Provider metadata.
    Discovery,
    /// Where a code for another device is given (RFC 8628).
    DeviceAuthorization,
    /// The page to type such a code into.
    DevicePage,
    /// Where it is asked whether the user is done, if that is not the token endpoint.
    DevicePoll,
    /// The signing keys.
    Jwks,
    /// Where a browser ends the session (OpenID Connect RP-Initiated Logout).
    EndSession,
    /// Where authorization requests are pushed (RFC 9126).
    PushedAuthorization,
    /// Where a user's authentication on another device is asked for (OpenID Connect CIBA Core).
    BackchannelAuthentication,
    /// What the provider sends an application about such an authentication: no endpoint, but the place of its faults.
    BackchannelNotification,
    /// An API that the provider's access tokens are for.
    Resource,
    /// Any other endpoint.
    Other,
}
