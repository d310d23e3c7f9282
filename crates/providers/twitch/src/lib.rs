//! Sign in with [Twitch](https://dev.twitch.tv/docs/authentication/getting-tokens-oidc/).
//!
//! ```
//! use oauth_twitch::{TwitchOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let twitch = TwitchOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = twitch.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("claims="));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an application in the [console](https://dev.twitch.tv/console/apps): client type "Confidential", each
//! redirect URL exactly, https or http on localhost.
//!
//! **What you get.** Twitch tells what the parameter `claims` asks for and nothing else: by default address, name and picture,
//! in UserInfo. The address needs the scope `user:read:email` too. An ID token comes with a login and never with a refresh.
//! Revocation takes access tokens.
//!
//! **Surprises.** Twitch documents no PKCE: the nonce is what ties a code to the browser here. The user as Twitch's API has it
//! is read by [`get_user`](TwitchOAuth2::get_user).

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Error, ErrorKind, OAuthError, Operation, Pkce, Provider, Result, Spec,
    http::Method,
    provider_kit::{
        AuthorizationSpec, DeviceSpec, LoopbackHost, LoopbackPort, NativeSpec, ProfileSpec, RevocationSpec,
    },
    serde_json::Value,
};
pub use oauth_openid;

/// Twitch's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "twitch",
    display_name: "Twitch",
    color: "#9146ff",
    docs: "https://dev.twitch.tv/docs/authentication/getting-tokens-oidc/",
    issuer: Some("https://id.twitch.tv/oauth2"),
    endpoints: &[
        (Endpoint::Authorization, "https://id.twitch.tv/oauth2/authorize"),
        (Endpoint::Token, "https://id.twitch.tv/oauth2/token"),
        (Endpoint::Refresh, "https://id.twitch.tv/oauth2/token"),
        (Endpoint::Revocation, "https://id.twitch.tv/oauth2/revoke"),
        (Endpoint::DeviceAuthorization, "https://id.twitch.tv/oauth2/device"),
        (Endpoint::Profile, "https://id.twitch.tv/oauth2/userinfo"),
        (Endpoint::Jwks, "https://id.twitch.tv/oauth2/keys"),
        (Endpoint::Other("users"), "https://api.twitch.tv/helix/users"),
    ],
    scopes: &["openid", "user:read:email"],
    authorization: AuthorizationSpec {
        pkce: Pkce::Unsupported,
        params: &[(
            "claims",
            r#"{"userinfo":{"email":null,"email_verified":null,"picture":null,"preferred_username":null}}"#,
        )],
        ..AuthorizationSpec::RFC6749
    },
    revocation: RevocationSpec {
        // The secret has no place there.
        client_auth: Some(ClientAuth::None),
        access_tokens_only: true,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec { name_at: Some("/preferred_username"), ..ProfileSpec::OPENID },
    native: NativeSpec {
        loopback_hosts: &[LoopbackHost::Localhost],
        loopback_port: LoopbackPort::Registered,
        device: DeviceSpec {
            client_auth: Some(ClientAuth::None),
            params: &[("scopes", "{scope}")],
            poll_client_auth: Some(ClientAuth::None),
            poll_params: &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("device_code", "{device_code}"),
                ("scopes", "{scope}"),
            ],
            code_at: Some("/message"),
            codes: &[("invalid device code", "invalid_grant")],
            ..DeviceSpec::RFC8628
        },
        ..NativeSpec::RFC8252
    },
    ..Spec::OPENID
};

/// The method [`TwitchOAuth2::get_user`], in errors.
pub const GET_USER: Operation = Operation::new("get_user");

oauth_openid::client! {
    /// Signs users in with Twitch.
    pub struct TwitchOAuth2 from SPEC;
}

impl TwitchOAuth2 {
    /// The user as the [API](https://dev.twitch.tv/docs/api/reference/#get-users) has it: the only item of `data`.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn get_user(&self, access_token: &str) -> Result<Value> {
        let url = self.oauth2.endpoints().other("users").map_err(|error| error.at(SPEC.name))?;
        let call = self.oauth2.request(GET_USER, Method::GET, url).bearer(access_token);
        // The API wants to know which application asks.
        call.header("client-id", self.oauth2.client_id()).send().await?.object()
    }
}

impl Provider for TwitchOAuth2 {
    oauth_core::accessors!();

    /// Twitch says in a message what RFC 6749 section 5.2 has error codes for.
    fn translate_error(&self, error: Error) -> Error {
        let message = match error.kind() {
            ErrorKind::UnexpectedStatus { message: Some(message), .. } => message,
            ErrorKind::Refused { error: OAuthError { description: Some(message), .. }, .. } => message,
            _ => return error,
        };
        match message.to_ascii_lowercase().as_str() {
            "invalid authorization code" | "invalid refresh token" => error.under_code("invalid_grant"),
            "invalid client secret" | "invalid client" => error.under_code("invalid_client"),
            _ => error,
        }
    }
}
