//! What a `Spec` says of programs without a web server.

use super::requests::ClientAuth;
use crate::endpoints::Endpoint;

/// What a provider offers to programs without a web server: redirect URIs on the user's own machine (RFC 8252) and the device grant
/// (RFC 8628).
#[derive(Clone, Copy, Debug)]
pub struct NativeSpec {
    /// The hosts of loopback redirect URIs that the provider takes, the best first; empty where it takes none. Example:
    /// `&[LoopbackHost::Localhost]`.
    pub loopback_hosts: &'static [LoopbackHost],
    /// Which ports a loopback redirect URI can have. Example: `LoopbackPort::Registered`.
    pub loopback_port: LoopbackPort,
    /// The device grant. It is offered where the provider has an
    /// [`Endpoint::DeviceAuthorization`].
    pub device: DeviceSpec,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl NativeSpec {
    /// Any loopback host and any port, as RFC 8252 section 7.3 says, and the device grant as RFC 8628 says.
    pub const RFC8252: Self = Self {
        loopback_hosts: &[LoopbackHost::V4, LoopbackHost::V6, LoopbackHost::Localhost],
        loopback_port: LoopbackPort::Any,
        device: DeviceSpec::RFC8628,
        __needs_base: (),
    };
}

/// The host of a redirect URI on the user's own machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoopbackHost {
    /// `127.0.0.1`, which RFC 8252 section 7.3 prefers.
    V4,
    /// `[::1]`.
    V6,
    /// `localhost`, for providers that take nothing else: another program can be in the way of one of its two addresses.
    Localhost,
}

impl LoopbackHost {
    /// The host as a URL has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.1",
            Self::V6 => "[::1]",
            Self::Localhost => "localhost",
        }
    }
}

/// The ports that a provider takes in a loopback redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoopbackPort {
    /// Any, whatever was registered (RFC 8252 section 7.3).
    Any,
    /// The registered one alone: the URI is compared as a whole.
    Registered,
}

/// How a provider's device grant departs from the standard (RFC 8628).
///
/// `{scope}`, `{device_code}`, `{user_code}` and `{client_id}` in a parameter's value are filled in; a `{setting}` of the client is too.
#[derive(Clone, Copy, Debug)]
pub struct DeviceSpec {
    /// How the client authenticates when it asks for a code; `None` for the way of the token endpoint. Example:
    /// `Some(ClientAuth::None)`.
    pub client_auth: Option<ClientAuth>,
    /// The parameters that ask for a code. Example: `&[("scopes", "{scope}")]`.
    pub params: &'static [(&'static str, &'static str)],
    /// Where the client asks whether the user is done. Example: `Endpoint::Other("device_token")`.
    pub poll_endpoint: Endpoint,
    /// How the client authenticates when it asks; `None` for the way of the token endpoint. Example: `Some(ClientAuth::None)`.
    pub poll_client_auth: Option<ClientAuth>,
    /// The parameters with which it asks. Example: `&[("code", "{device_code}")]`.
    pub poll_params: &'static [(&'static str, &'static str)],
    /// Where the error code of a poll is, if not in `error`, as a JSON pointer. Example: `Some("/error/error_subcode")`.
    pub code_at: Option<&'static str>,
    /// What the provider's codes mean in the words of RFC 8628 section 3.5. The HTTP status counts as a code too. Example:
    /// `&[("authorization_declined", "access_denied"), ("410", "expired_token")]`.
    pub codes: &'static [(&'static str, &'static str)],
    #[doc(hidden)]
    pub __needs_base: (),
}

impl DeviceSpec {
    /// A device grant as RFC 8628 says.
    pub const RFC8628: Self = Self {
        client_auth: None,
        params: &[("scope", "{scope}")],
        poll_endpoint: Endpoint::Token,
        poll_client_auth: None,
        poll_params: &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", "{device_code}"),
        ],
        code_at: None,
        codes: &[],
        __needs_base: (),
    };
}
