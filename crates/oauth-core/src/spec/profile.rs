//! What a `Spec` says of the profile and of the identity in it.

use super::requests::TokenPlace;

/// How a provider's profile is read, and where in it the members of an identity are, as [places](crate::Spec) in its JSON.
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
    /// The parts of the user's name, for a provider that has it in parts. They count where there is nothing at
    /// [`name_at`](Self::name_at). Example: `&["/first_name", "/last_name"]`.
    pub name_parts_at: &'static [&'static str],
    /// The URL of the user's picture. Example: `Some("/images/0/url")`.
    pub picture_at: Option<&'static str>,
    /// Where the provider says who the user is. Example: `ProfileSource::TokenReply`.
    pub source: ProfileSource,
    /// The request. Example: `ProfileRequest::GraphQl("{ viewer { id email } }")`.
    pub request: ProfileRequest,
    /// Parameters of the query. Example: `&[("fields", "id,name")]`. Values can have places to fill in: `{client_id}`, a `{parameter}` of
    /// the client, and `{token:/openid}` for a member of the token reply.
    pub params: &'static [(&'static str, &'static str)],
    /// Headers, with values as those of [`params`](Self::params). Example: `&[("client-id", "{client_id}")]`.
    pub headers: &'static [(&'static str, &'static str)],
    /// How the access token is presented. In a header, it is so in an application's own requests to the provider's API as well. Example:
    /// `TokenPlace::Scheme("OAuth")`.
    pub token: TokenPlace,
    /// A second request, for the address, where the profile has none. Example: `Some(EmailCall { email_at: "/email",
    /// ..EmailCall::EMAILS })`.
    pub email_call: Option<EmailCall>,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl ProfileSpec {
    /// A profile with `id` and `email`: RFC 6749 has none, and these are the most common.
    pub const RFC6749: Self = Self {
        id_at: "/id",
        email_at: Some("/email"),
        email_verified_at: None,
        name_at: None,
        name_parts_at: &[],
        picture_at: None,
        source: ProfileSource::Endpoint,
        request: ProfileRequest::Get,
        params: &[],
        headers: &[],
        token: TokenPlace::Bearer,
        email_call: None,
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

/// Where a provider says who the user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileSource {
    /// At the profile endpoint; a client without one that speaks OpenID Connect reads the ID token.
    Endpoint,
    /// In the token reply, beside the tokens: the places begin at the object that
    /// [`TokenSpec::token_at`](crate::provider_kit::TokenSpec::token_at) names. Nothing more is asked. A token that came by a refresh may
    /// lack it.
    TokenReply,
}

/// The request for a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileRequest {
    /// A GET.
    Get,
    /// A POST without a body.
    Post,
    /// A POST of a form, with values as those of [`ProfileSpec::params`]. Example: `PostForm(&[("client_id", "{client_id}")])`.
    PostForm(&'static [(&'static str, &'static str)]),
    /// A POST of this JSON text. Example: `PostJson("null")`.
    PostJson(&'static str),
    /// A GraphQL query. The profile is what the answer has under `data`. Example: `GraphQl("{ viewer { id email } }")`.
    GraphQl(&'static str),
}

/// The request for the address of a user whose profile has none: a GET, with the access token and the headers of the profile's.
///
/// A token that may not see the address (403, 404) brings none, which is not an error.
#[derive(Clone, Copy, Debug)]
pub struct EmailCall {
    /// The name of the endpoint, an [`Endpoint::Other`](crate::Endpoint::Other). Example: `"emails"`.
    pub endpoint: &'static str,
    /// The address. Example: `"/values/[?is_primary]/email"`.
    pub email_at: &'static str,
    /// Whether the provider has verified it. Example: `Some("/values/[?is_primary]/is_confirmed")`.
    pub email_verified_at: Option<&'static str>,
    #[doc(hidden)]
    pub __needs_base: (),
}

impl EmailCall {
    /// The endpoint `emails`, whose answer has the member `email`.
    pub const EMAILS: Self =
        Self { endpoint: "emails", email_at: "/email", email_verified_at: None, __needs_base: () };
}
