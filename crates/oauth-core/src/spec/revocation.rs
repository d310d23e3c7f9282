//! What a `Spec` says of revocation.

use super::requests::{ClientAuth, RequestFormat, RequestMethod, TokenPlace};

/// How a provider's revocation of tokens departs from the standard (RFC 7009).
#[derive(Clone, Copy, Debug)]
pub struct RevocationSpec {
    /// How the client authenticates; `None` for the way of the token endpoint, or, where the token is in a header and so authorizes the
    /// request itself, not at all. Example: `Some(ClientAuth::None)`.
    pub client_auth: Option<ClientAuth>,
    /// Whether access tokens are revoked, and no refresh tokens. Example: `true`.
    pub access_tokens_only: bool,
    /// The HTTP method. Example: `RequestMethod::Delete`.
    pub method: RequestMethod,
    /// Where the token is. With a field of a form, its kind goes as `token_type_hint`. Example: `TokenPlace::Bearer`.
    pub token: TokenPlace,
    /// How the parameters are sent. Example: `RequestFormat::Json`.
    pub format: RequestFormat,
    /// Parameters beside the token. Example: `&[("grant_type", "delete")]`.
    pub params: &'static [(&'static str, &'static str)],
    #[doc(hidden)]
    pub __needs_base: (),
}

impl RevocationSpec {
    /// A revocation endpoint as RFC 7009 says.
    pub const RFC7009: Self = Self {
        client_auth: None,
        access_tokens_only: false,
        method: RequestMethod::Post,
        token: TokenPlace::Field("token"),
        format: RequestFormat::Form,
        params: &[],
        __needs_base: (),
    };
}
