//! What a `Spec` says of the token endpoint.

use super::requests::{ClientAuth, RequestFormat};

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
    /// How the parameters are sent. Example: `RequestFormat::Json`.
    pub format: RequestFormat,
    /// Parameters that the exchange of a code needs beside the standard ones. Example: `&[("expiring", "1")]`. Those of the callback are
    /// for [`callback_params`](Self::callback_params).
    pub params: &'static [(&'static str, &'static str)],
    /// Parameters of the standard that the exchange of a code is sent without. Example: `&["redirect_uri"]`.
    pub omitted_params: &'static [&'static str],
    /// The request for a new token.
    pub refresh: RefreshSpec,
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
        format: RequestFormat::Form,
        params: &[],
        omitted_params: &[],
        refresh: RefreshSpec::RFC6749,
        __needs_base: (),
    };
}

/// How the request for a new token departs from the standard (RFC 6749 section 6).
#[derive(Clone, Copy, Debug)]
pub struct RefreshSpec {
    /// The token for which a new one is given. Example: `RefreshBy::AccessToken`.
    pub by: RefreshBy,
    /// The grant type. Example: `"ig_refresh_token"`.
    pub grant_type: &'static str,
    /// How the parameters are sent, if not as for the exchange of a code. Example: `Some(RequestFormat::Query)`.
    pub format: Option<RequestFormat>,
    /// How the client authenticates; `None` for the way of the token endpoint, or, where the access token authorizes the request, not at
    /// all. Example: `Some(ClientAuth::None)`.
    pub client_auth: Option<ClientAuth>,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl RefreshSpec {
    /// A request as RFC 6749 says, with client authentication as at the token endpoint.
    pub const RFC6749: Self = Self {
        by: RefreshBy::RefreshToken,
        grant_type: "refresh_token",
        format: None,
        client_auth: None,
        __needs_base: (),
    };
}

/// The token for which a provider gives a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshBy {
    /// The refresh token, as RFC 6749 section 6 says.
    RefreshToken,
    /// The access token itself, in the parameter `access_token`: the provider has no other token. It is the
    /// [`refresh_token`](crate::OAuth2Token::refresh_token) of such a token, so that what keeps tokens need not know.
    AccessToken,
}
