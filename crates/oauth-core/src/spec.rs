//! What one provider's documentation says, as constants.

mod authorization;
mod errors;
mod login;
mod native;
mod profile;
mod requests;
pub(crate) mod restriction;
mod revocation;
mod token;

use crate::endpoints::Endpoint;

pub use self::{
    authorization::{AuthorizationSpec, Pkce},
    errors::ErrorSpec,
    login::LoginSpec,
    native::{DeviceSpec, LoopbackHost, LoopbackPort, NativeSpec},
    profile::{EmailCall, ProfileRequest, ProfileSource, ProfileSpec},
    requests::{ClientAuth, RequestFormat, RequestMethod, TokenPlace},
    revocation::RevocationSpec,
    token::{RefreshBy, RefreshSpec, TokenSpec},
};

/// What one provider's documentation says, as constants. Only departures from the standards are written down:
///
/// ```
/// use oauth_core::{ClientAuth, Endpoint, Spec, provider_kit::TokenSpec};
///
/// pub const SPEC: Spec = Spec {
///     name: "example",
///     display_name: "Example",
///     color: "#123456",
///     docs: "https://example.com/docs/oauth",
///     endpoints: &[
///         (Endpoint::Authorization, "https://example.com/oauth/authorize"),
///         (Endpoint::Token, "https://example.com/oauth/token"),
///         (Endpoint::Refresh, "https://example.com/oauth/token"),
///         (Endpoint::Profile, "https://api.example.com/me"),
///     ],
///     scopes: &["profile", "email"],
///     token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
///     ..Spec::RFC6749
/// };
/// ```
///
/// What every provider has is a field here; what departs from a standard is in a group: [`authorization`](Self::authorization),
/// [`token`](Self::token), [`revocation`](Self::revocation), [`profile`](Self::profile), [`errors`](Self::errors),
/// [`login`](Self::login), [`native`](Self::native). A provider that departs nowhere in a group does not name it.
///
/// A literal of a `Spec` or a group ends with a base, such as `..Spec::OPENID` or `..TokenSpec::RFC6749`: it has the values of all
/// other fields, those of later versions among them, so that a new field breaks no provider. Without one it does not compile:
///
/// ```compile_fail
/// use oauth_core::provider_kit::RevocationSpec;
///
/// const REVOCATION: RevocationSpec = RevocationSpec { access_tokens_only: true };
/// ```
///
/// A `{parameter}` in a URL is a place that the constructor fills in: a tenant, a shop, a domain; `{client_id}` fills
/// itself in.
///
/// Where something is in a reply is a JSON pointer (RFC 6901), such as `/picture/data/url`. One kind of segment is new: `[?primary]`
/// is the first item of an array whose member `primary` is true, as in `/values/[?primary]/email`.
// `#[non_exhaustive]` would forbid the base as well, so each struct has a hidden field that only a base gives.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The one word for this provider: folder, package suffix, feature, module, and the name in errors and logins. Example:
    /// `"login-gov"`.
    pub name: &'static str,
    /// The name that users know, for a button. Example: `"Login.gov"`.
    pub display_name: &'static str,
    /// The brand colour for a button. Example: `"#112e51"`.
    pub color: &'static str,
    /// The vendor's page that this was written from. Example: `"https://developers.login.gov/oidc/"`.
    pub docs: &'static str,
    /// The issuer identifier, where the provider documents one (RFC 8414 section 2): what the `iss` of a callback and of an ID
    /// token must be. Example: `Some("https://accounts.google.com")`.
    pub issuer: Option<&'static str>,
    /// What [`Identity::issuer`](crate::Identity::issuer) is called, where it is not the issuer: a name of this library's choosing,
    /// which nothing is compared with. Example: `Some("https://discord.com")`.
    pub identity_issuer: Option<&'static str>,
    /// The `{parameter}`s of the URLs that have a usual value, with it. Example: `&[("tenant", "common")]`.
    pub parameters: &'static [(&'static str, &'static str)],
    /// The URLs, by what they are for. Example: `&[(Endpoint::Token, "https://github.com/login/oauth/access_token")]`.
    pub endpoints: &'static [(Endpoint, &'static str)],
    /// The scopes that are asked for unless the caller asks for others. Example: `&["openid", "email"]`.
    pub scopes: &'static [&'static str],
    /// The parameter that carries the client id in every request. Example: `"client_key"`.
    pub client_id_param: &'static str,
    /// The parameter that carries the client secret where it is not in a header. Example: `"secret"`.
    pub client_secret_param: &'static str,
    /// Headers on every request. Example: `&[("x-api-version", "2")]`.
    pub headers: &'static [(&'static str, &'static str)],
    /// The authorization request.
    pub authorization: AuthorizationSpec,
    /// The token endpoint: what it is sent, and what it answers.
    pub token: TokenSpec,
    /// The revocation of tokens.
    pub revocation: RevocationSpec,
    /// The profile: how it is read, and where in it the members of an identity are.
    pub profile: ProfileSpec,
    /// How the provider says that a request failed.
    pub errors: ErrorSpec,
    /// Who may sign in, and how sure the provider is of them.
    pub login: LoginSpec,
    /// What is offered to programs without a web server.
    pub native: NativeSpec,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl Spec {
    /// The URL of an endpoint, with its `{parameter}`s.
    #[must_use]
    pub fn endpoint(&self, endpoint: Endpoint) -> Option<&'static str> {
        self.endpoints.iter().find(|(other, _)| *other == endpoint).map(|&(_, url)| url)
    }

    /// A provider that does everything as RFC 6749 says and nothing that it leaves open.
    ///
    /// Where the RFC leaves a choice, this makes the one that most providers understand: the secret in the request body.
    pub const RFC6749: Self = Self {
        name: "oauth2",
        display_name: "OAuth 2.0",
        color: "#4a5568",
        docs: "https://www.rfc-editor.org/rfc/rfc6749",
        issuer: None,
        identity_issuer: None,
        parameters: &[],
        endpoints: &[],
        scopes: &[],
        client_id_param: "client_id",
        client_secret_param: "client_secret",
        headers: &[],
        authorization: AuthorizationSpec::RFC6749,
        token: TokenSpec::RFC6749,
        revocation: RevocationSpec::RFC7009,
        profile: ProfileSpec::RFC6749,
        errors: ErrorSpec::RFC6749,
        login: LoginSpec::RFC6749,
        native: NativeSpec::RFC8252,
        __needs_base: (),
    };

    /// A provider that does everything as OpenID Connect Core 1.0 says.
    pub const OPENID: Self = Self {
        name: "openid",
        display_name: "OpenID Connect",
        docs: "https://openid.net/specs/openid-connect-core-1_0.html",
        scopes: &["openid", "email"],
        profile: ProfileSpec::OPENID,
        ..Self::RFC6749
    };
}
