use serde::{Deserialize, Serialize};

use crate::{endpoints::Endpoint, pkce::CodeChallengeMethod, restriction::Restriction};

/// What one provider's documentation says, as constants. Only departures from RFC 6749 are written down:
///
/// ```
/// use oauth_core::{Endpoint, Spec};
///
/// pub const SPEC: Spec = Spec {
///     name: "example",
///     display_name: "Example",
///     endpoints: &[
///         (Endpoint::Authorization, "https://example.com/oauth/authorize"),
///         (Endpoint::Token, "https://example.com/oauth/token"),
///         (Endpoint::Profile, "https://api.example.com/me"),
///     ],
///     scopes: &["profile", "email"],
///     ..Spec::RFC6749
/// };
/// ```
///
/// A `{parameter}` in a URL is a place that the constructor fills in: a tenant, a shop, a domain; `{client_id}` fills
/// itself in.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The one word for this provider: folder, package suffix, feature, module, and the name in errors and logins.
    pub name: &'static str,
    /// The name that users know, for a button.
    pub display_name: &'static str,
    /// The brand colour, as `#rrggbb`, for a button.
    pub color: &'static str,
    /// The vendor's page that this was written from.
    pub docs: &'static str,
    /// The issuer identifier, where the provider documents one (RFC 8414 section 2): what the `iss` of a callback and of an ID
    /// token must be.
    pub issuer: Option<&'static str>,
    /// What [`Identity::issuer`](crate::Identity::issuer) is called, where it is not the issuer: a name of this library's choosing,
    /// which nothing is compared with.
    pub identity_issuer: Option<&'static str>,
    /// The `{parameter}`s of the URLs that have a usual value, with it.
    pub parameters: &'static [(&'static str, &'static str)],

    /// The URLs, by what they are for.
    pub endpoints: &'static [(Endpoint, &'static str)],

    /// What is asked for unless the caller asks for something else.
    pub scopes: &'static [&'static str],
    /// The separator between two scopes.
    pub scope_separator: &'static str,
    /// The parameter that carries the client id.
    pub client_id_param: &'static str,
    /// How the client authenticates at the token endpoint.
    pub client_auth: ClientAuth,
    /// How it authenticates at the revocation endpoint; `None` for the same way.
    pub revoke_auth: Option<ClientAuth>,
    /// Whether it is access tokens that are revoked there, and no refresh tokens.
    pub revokes_access_tokens_only: bool,
    /// Which proof of possession of the code the provider takes (RFC 7636).
    pub pkce: Pkce,
    /// Whether the provider refuses an authorization request without a `nonce`.
    pub requires_nonce: bool,
    /// Authorization parameters that the provider wants by default. Callers can override them.
    pub authorize_params: &'static [(&'static str, &'static str)],
    /// Authorization parameters that the provider refuses, so that the library adds none of them by itself.
    pub refused_params: &'static [&'static str],
    /// The parameters and scopes that restrict who may sign in, and where the provider's answer confirms them.
    pub restrictions: &'static [Restriction],
    /// The provider's levels of assurance (`acr`), each with its rank: a higher one is as good as what was asked for. Where
    /// they are known, the answer to `acr_values` is checked too.
    pub acr_levels: &'static [(&'static str, u8)],
    /// Headers on every request.
    pub headers: &'static [(&'static str, &'static str)],

    /// The parameters of the callback that the token endpoint wants to see again, beside the code.
    pub exchange_params_of_callback: &'static [&'static str],
    /// The error codes that the token endpoint sends for what RFC 6749 section 5.2 calls `invalid_grant`, be it as `error`, or
    /// where there is none as `errorType`, `status` or `code`. What takes more than a code to tell is for
    /// [`Provider::translate_error`](crate::Provider::translate_error).
    pub invalid_grant_codes: &'static [&'static str],
    /// Where in the token reply the token stands, as a JSON pointer (RFC 6901); `""` for the reply itself.
    pub token_at: &'static str,
    /// Where the profile has the identifier that never changes.
    pub id_at: &'static str,
    /// Where the profile has the e-mail address.
    pub email_at: Option<&'static str>,
    /// Where the provider says whether it has verified the address.
    pub email_verified_at: Option<&'static str>,
    /// Where the profile has the user's name.
    pub name_at: Option<&'static str>,
    /// Where the profile has the URL of the user's picture.
    pub picture_at: Option<&'static str>,
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
        scope_separator: " ",
        client_id_param: "client_id",
        client_auth: ClientAuth::Post,
        revoke_auth: None,
        revokes_access_tokens_only: false,
        pkce: Pkce::Challenge(CodeChallengeMethod::S256),
        requires_nonce: false,
        authorize_params: &[],
        refused_params: &[],
        restrictions: &[],
        acr_levels: &[],
        headers: &[],
        exchange_params_of_callback: &[],
        invalid_grant_codes: &[],
        token_at: "",
        id_at: "/id",
        email_at: Some("/email"),
        email_verified_at: None,
        name_at: None,
        picture_at: None,
    };

    /// A provider that does everything as OpenID Connect Core 1.0 says.
    pub const OPENID: Self = Self {
        name: "openid",
        display_name: "OpenID Connect",
        docs: "https://openid.net/specs/openid-connect-core-1_0.html",
        scopes: &["openid", "email"],
        id_at: "/sub",
        email_verified_at: Some("/email_verified"),
        name_at: Some("/name"),
        picture_at: Some("/picture"),
        ..Self::RFC6749
    };
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
