//! What one provider's documentation says, as constants.

use serde::{Deserialize, Serialize};

use crate::{endpoints::Endpoint, pkce::CodeChallengeMethod, restriction::Restriction};

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
/// [`token`](Self::token), [`revocation`](Self::revocation), [`profile`](Self::profile), [`login`](Self::login). A provider that
/// departs nowhere in a group does not name it.
///
/// A literal of a `Spec` or a group ends with a base, such as `..Spec::OPENID` or `..TokenSpec::RFC6749`: it has the values of all
/// other fields, those of later versions among them, so that a new field breaks no provider. Without one it does not compile:
///
/// ```compile_fail
/// use oauth_core::provider_kit::RevocationSpec;
///
/// const REVOCATION: RevocationSpec = RevocationSpec { client_auth: None, access_tokens_only: true };
/// ```
///
/// A `{parameter}` in a URL is a place that the constructor fills in: a tenant, a shop, a domain; `{client_id}` fills
/// itself in.
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
    /// Headers on every request. Example: `&[("x-api-version", "2")]`.
    pub headers: &'static [(&'static str, &'static str)],
    /// The authorization request.
    pub authorization: AuthorizationSpec,
    /// The token endpoint: what it is sent, and what it answers.
    pub token: TokenSpec,
    /// The revocation of tokens.
    pub revocation: RevocationSpec,
    /// The profile: where in it the members of an identity are.
    pub profile: ProfileSpec,
    /// Who may sign in, and how sure the provider is of them.
    pub login: LoginSpec,
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
        headers: &[],
        authorization: AuthorizationSpec::RFC6749,
        token: TokenSpec::RFC6749,
        revocation: RevocationSpec::RFC7009,
        profile: ProfileSpec::RFC6749,
        login: LoginSpec::RFC6749,
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

/// How a provider's authorization request departs from the standard (RFC 6749 section 4.1.1).
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationSpec {
    /// The separator between two scopes. Example: `","`.
    pub scope_separator: &'static str,
    /// Which proof of possession of the code the provider takes (RFC 7636). Example: `Pkce::Unsupported`.
    pub pkce: Pkce,
    /// Parameters that the provider wants by default. Callers can override them. Example: `&[("access_type", "offline")]`.
    pub params: &'static [(&'static str, &'static str)],
    /// Parameters that the provider refuses, so that the library adds none of them by itself. Example: `&["max_age"]`.
    pub refused_params: &'static [&'static str],
    /// Whether the provider refuses a request without a `nonce`. Example: `true`.
    pub requires_nonce: bool,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl AuthorizationSpec {
    /// An authorization request as RFC 6749 says, with a code challenge (RFC 7636).
    pub const RFC6749: Self = Self {
        scope_separator: " ",
        pkce: Pkce::Challenge(CodeChallengeMethod::S256),
        params: &[],
        refused_params: &[],
        requires_nonce: false,
        __needs_base: (),
    };
}

/// How a provider's token endpoint departs from the standard (RFC 6749 section 3.2).
#[derive(Clone, Copy, Debug)]
pub struct TokenSpec {
    /// How the client authenticates. Example: `ClientAuth::Basic`.
    pub client_auth: ClientAuth,
    /// The parameters of the callback that the token endpoint wants to see again, beside the code. Example: `&["state"]`. Those that
    /// come from elsewhere are for [`Provider::token_params`](crate::Provider::token_params).
    pub callback_params: &'static [&'static str],
    /// The error codes that mean what RFC 6749 section 5.2 calls `invalid_grant`, be it as `error`, or where there is none as
    /// `errorType`, `status` or `code`. Example: `&["bad_refresh_token"]`. What takes more than a code to tell is for
    /// [`Provider::translate_error`](crate::Provider::translate_error).
    pub invalid_grant_codes: &'static [&'static str],
    /// The values of `expires_in` by which the provider says that a token does not expire: 0 at some, -1 at others. Elsewhere such a
    /// token has expired as it comes. Example: `&[0]`.
    pub never_expires_in: &'static [i64],
    /// Where in the reply the token is, as a JSON pointer (RFC 6901). Example: `"/authed_user"`; `""` is the reply itself.
    pub token_at: &'static str,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl TokenSpec {
    /// A token endpoint as RFC 6749 says, with the secret in the request body.
    pub const RFC6749: Self = Self {
        client_auth: ClientAuth::Post,
        callback_params: &[],
        invalid_grant_codes: &[],
        never_expires_in: &[],
        token_at: "",
        __needs_base: (),
    };
}

/// How a provider's revocation of tokens departs from the standard (RFC 7009).
#[derive(Clone, Copy, Debug)]
pub struct RevocationSpec {
    /// How the client authenticates; `None` for the way of the token endpoint. Example: `Some(ClientAuth::None)`.
    pub client_auth: Option<ClientAuth>,
    /// Whether access tokens are revoked, and no refresh tokens. Example: `true`.
    pub access_tokens_only: bool,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl RevocationSpec {
    /// A revocation endpoint as RFC 7009 says.
    pub const RFC7009: Self = Self { client_auth: None, access_tokens_only: false, __needs_base: () };
}

/// Where the members of an identity are in a provider's profile, as JSON pointers (RFC 6901).
#[derive(Clone, Copy, Debug)]
pub struct ProfileSpec {
    /// The identifier that never changes. Example: `"/account_id"`.
    pub id_at: &'static str,
    /// The e-mail address. Example: `Some("/kakao_account/email")`.
    pub email_at: Option<&'static str>,
    /// Whether the provider has verified the address. Example: `Some("/verified")`.
    pub email_verified_at: Option<&'static str>,
    /// The user's name. Example: `Some("/display_name")`.
    pub name_at: Option<&'static str>,
    /// The URL of the user's picture. Example: `Some("/images/0/url")`.
    pub picture_at: Option<&'static str>,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl ProfileSpec {
    /// A profile with `id` and `email`, for want of a standard.
    pub const RFC6749: Self = Self {
        id_at: "/id",
        email_at: Some("/email"),
        email_verified_at: None,
        name_at: None,
        picture_at: None,
        __needs_base: (),
    };

    /// The claims of UserInfo and ID tokens (OpenID Connect Core section 5.1).
    pub const OPENID: Self = Self {
        id_at: "/sub",
        email_verified_at: Some("/email_verified"),
        name_at: Some("/name"),
        picture_at: Some("/picture"),
        ..Self::RFC6749
    };
}

/// Who may sign in at a provider, and how sure the provider is of them.
#[derive(Clone, Copy, Debug)]
pub struct LoginSpec {
    /// The parameters and scopes that restrict who may sign in, and where the provider's answer confirms them. Example:
    /// `&[Restriction::parameter("hd", ConfirmedBy::IdToken, is_of_domain)]`.
    pub restrictions: &'static [Restriction],
    /// The provider's levels of assurance (`acr`), each with its rank: a higher one is as good as what was asked for. Where they are
    /// known, the answer to `acr_values` is checked too. Example: `&[("eidas1", 1), ("eidas2", 2)]`.
    pub acr_levels: &'static [(&'static str, u8)],
    #[doc(hidden)]
    pub __needs_base: (),
}

impl LoginSpec {
    /// Nothing restricts who may sign in, and no levels of assurance are known.
    pub const RFC6749: Self = Self { restrictions: &[], acr_levels: &[], __needs_base: () };
}

/// How a client proves at an endpoint who it is (RFC 6749 section 2.3; the names are those of RFC 7591 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ClientAuth {
    /// `client_secret_post`: id and secret in the request body.
    #[serde(rename = "client_secret_post")]
    Post,
    /// `client_secret_basic`: id and secret, each form-encoded, in the `Authorization` header (RFC 6749 section 2.3.1).
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// `client_secret_basic` without the form-encoding, for servers that do not decode. It matters only to secrets with characters
    /// other than letters, digits, `-`, `.`, `_` and `*`.
    #[serde(rename = "client_secret_basic_unencoded")]
    BasicUnencoded,
    /// `none`: a public client sends its id in the request body.
    #[serde(rename = "none")]
    None,
}

impl ClientAuth {
    /// The method's registered name (RFC 7591 section 2).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "client_secret_post",
            Self::Basic | Self::BasicUnencoded => "client_secret_basic",
            Self::None => "none",
        }
    }
}

/// What a provider does with a code challenge (RFC 7636).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pkce {
    /// A login sends one, made this way.
    Challenge(CodeChallengeMethod),
    /// A login sends none, because the provider does not know it; some token endpoints refuse a verifier.
    Unsupported,
}
