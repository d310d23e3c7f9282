//! Sign in with [Telegram](https://core.telegram.org/bots/telegram-login), by its OpenID Connect.
//!
//! ```
//! use oauth_telegram::{TelegramOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let telegram = TelegramOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! // `phone` adds the verified number, if the user agrees.
//! let options = LoginOptions::new().scopes(["openid", "profile", "phone"]);
//! let login = telegram.start_login("https://app.example/callback", options).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Make a bot with [BotFather](https://t.me/botfather). In its settings, under "Web Login", add every redirect URI to the
//! allowed URLs, and take client id and client secret from there: the id is the bot's number, and the secret is not the bot's token.
//!
//! **What you get.** The subject is the claim `sub`, an opaque number. The Telegram user id, which the Bot API knows the user by, is the
//! claim `id`: find it at `/id` in [`Identity::profile`](oauth_core::Identity::profile). If your users are known by that from the login
//! widget or from other software, do not compare it with `sub`. Names and `preferred_username` can change. There is no e-mail address.
//! With the scope `phone`, the claim `phone_number` is the account's number, and with `telegram:bot_access` the bot may write to the user.
//!
//! **Surprises.** There is no UserInfo: who signed in is in the ID token, so
//! [`get_identity`](oauth_core::Provider::get_identity) takes the whole token of the login. The token serves no other purpose, and
//! neither refresh nor revocation is documented. The bot's settings choose how ID tokens are signed: RS256 unless they say ES256 or EdDSA,
//! which are verified too, or ES256K, which is not: a login with it fails. The old login widget, which signs with the bot's token, is
//! another protocol and is not covered here.
//!
//! Written from Telegram's page and metadata as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Provider, Spec,
    provider_kit::{ProfileSpec, TokenSpec},
};
pub use oauth_openid;

/// Telegram's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "telegram",
    display_name: "Telegram",
    color: "#26a5e4",
    docs: "https://core.telegram.org/bots/telegram-login",
    issuer: Some("https://oauth.telegram.org"),
    endpoints: &[
        (Endpoint::Authorization, "https://oauth.telegram.org/auth"),
        (Endpoint::Token, "https://oauth.telegram.org/token"),
        (Endpoint::Jwks, "https://oauth.telegram.org/.well-known/jwks.json"),
    ],
    scopes: &["openid", "profile"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec { email_at: None, email_verified_at: None, ..ProfileSpec::OPENID },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Telegram.
    pub struct TelegramOAuth2 from SPEC;
}

impl Provider for TelegramOAuth2 {
    oauth_core::accessors!();
}
