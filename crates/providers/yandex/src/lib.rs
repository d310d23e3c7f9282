//! Sign in with [Yandex](https://yandex.com/dev/id/doc/en/).
//!
//! ```
//! use oauth_yandex::{YandexAuthorizeParams, YandexOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let yandex = YandexOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let params = YandexAuthorizeParams { force_confirm: Some(true), ..Default::default() };
//! let login = yandex.start_login("https://app.example/callback", LoginOptions::new().extras_params(&params)).await?;
//! assert!(login.url.contains("force_confirm=true"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an application at <https://oauth.yandex.com/>, choose "web services", enter each redirect URI exactly, and grant it
//! the permissions `login:info`, `login:email` and `login:avatar`.
//!
//! **What you get.** The subject is the account's number. The address is the one by which the user wants to be contacted; it can be at any
//! provider, and Yandex does not say whether it is verified: its verification is unknown. Access tokens live a year or so, and a refresh can
//! return the same one while it is still good for long.
//!
//! **Surprises.** Only a token that was issued for a device can be revoked: send `device_id` (6 to 50 characters) with the sign-in. Any other
//! is refused as `unsupported_token_type`, and users take the access back in their account. The API wants the token by a scheme of its own,
//! `OAuth`. A picture is a number of which the client makes a URL.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's pages and public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Email, EmailVerification, Endpoint, Identity, Provider, Spec,
    provider_kit::{DeviceSpec, NativeSpec, ProfileSpec, RevocationSpec, TokenPlace, TokenSpec, text_at},
};

/// Yandex's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "yandex",
    display_name: "Yandex",
    color: "#fc3f1d",
    docs: "https://yandex.com/dev/id/doc/en/",
    endpoints: &[
        (Endpoint::Authorization, "https://oauth.yandex.com/authorize"),
        (Endpoint::Token, "https://oauth.yandex.com/token"),
        (Endpoint::Refresh, "https://oauth.yandex.com/token"),
        (Endpoint::Revocation, "https://oauth.yandex.ru/revoke_token"),
        (Endpoint::DeviceAuthorization, "https://oauth.yandex.com/device/code"),
        (Endpoint::Profile, "https://login.yandex.ru/info"),
    ],
    scopes: &["login:info", "login:email", "login:avatar"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    revocation: RevocationSpec {
        access_tokens_only: true,
        token: TokenPlace::Field("access_token"),
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        email_at: Some("/default_email"),
        name_at: Some("/display_name"),
        params: &[("format", "json")],
        token: TokenPlace::Scheme("OAuth"),
        ..ProfileSpec::RFC6749
    },
    native: NativeSpec {
        device: DeviceSpec {
            client_auth: Some(ClientAuth::None),
            poll_params: &[("grant_type", "device_code"), ("code", "{device_code}")],
            ..DeviceSpec::RFC8628
        },
        ..NativeSpec::RFC8252
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Yandex.
    pub struct YandexOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// Yandex's own authorization parameters.
    pub struct YandexAuthorizeParams {
        /// The device that the token is bound to, 6 to 50 characters. Only then can it be revoked.
        pub device_id: Option<String>,
        /// The name of that device, for the user's list.
        pub device_name: Option<String>,
        /// The account to sign in with: a user name or an address.
        pub login_hint: Option<String>,
        /// Whether users who have approved the application are asked again.
        pub force_confirm: Option<bool>,
        /// Scopes that the user may decline, with spaces between them.
        pub optional_scope: Option<String>,
    }
}

impl Provider for YandexOAuth2 {
    oauth_core::accessors!();

    /// The picture is a number, and neither an address nor a name need be where it usually is.
    fn complete_identity(&self, identity: &mut Identity) {
        let text = |place: &str| text_at(&identity.profile, place);
        let email = || text("/emails/0").map(|address| Email::new(address, EmailVerification::Unknown));
        let email = identity.email.clone().or_else(email);
        let name = identity.name.clone().or_else(|| text("/real_name")).or_else(|| text("/first_name"));
        let has_picture = identity.profile["is_avatar_empty"] != true;
        // The identifier becomes part of a URL, which other characters could lead elsewhere.
        let is_id =
            |id: &String| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte));
        let picture = text("/default_avatar_id").filter(|id| has_picture && is_id(id));
        identity.picture = picture.map(|id| format!("https://avatars.yandex.net/get-yapic/{id}/islands-200"));
        (identity.email, identity.name) = (email, name);
    }
}
