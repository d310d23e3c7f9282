//! Sign in with [Stripe](https://docs.stripe.com/connect/oauth-reference): the accounts that a platform connects.
//!
//! ```
//! use oauth_stripe::{StripeAuthorizeParams, StripeOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let stripe = StripeOAuth2::new("ca_CLIENT_ID", "sk_SECRET_KEY");
//! let params = StripeAuthorizeParams { stripe_landing: Some("login".into()), ..Default::default() };
//! let options = LoginOptions::new().extras_params(&params);
//! let login = stripe.start_login("https://app.example/callback", options).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Switch OAuth on in the Connect settings of your platform's [dashboard](https://dashboard.stripe.com/settings/connect) and
//! enter each redirect URI. The client id begins with `ca_` and is another for test mode; the client secret is the platform's secret
//! key of the same mode. Stripe recommends OAuth to platforms for accounts that exist already.
//!
//! **What you get.** The subject is the account (`acct_…`), which is a business and not a person; it is `stripe_user_id` in the token
//! reply too. The address is the account's, and Stripe does not say whether it is verified. The access token does not expire; a
//! refresh can exchange it for one of lesser scope.
//!
//! **Surprises.** Disconnecting takes the account's id and not a token, so it is not built in: POST `client_id` and `stripe_user_id` to
//! `https://connect.stripe.com/oauth/deauthorize` with the secret key as the user name of Basic. Whoever holds an access token of the scope
//! `read_write` acts for the account.
//!
//! Read on 2026-11-29. No page mentions PKCE; a challenge is sent, as by another library in production.

pub use oauth_core;
use oauth_core::{
    Endpoint, Identity, Provider, Spec,
    provider_kit::{ProfileSpec, text_at},
};

/// Stripe's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "stripe",
    display_name: "Stripe",
    color: "#635bff",
    docs: "https://docs.stripe.com/connect/oauth-reference",
    endpoints: &[
        (Endpoint::Authorization, "https://connect.stripe.com/oauth/authorize"),
        (Endpoint::Token, "https://connect.stripe.com/oauth/token"),
        (Endpoint::Refresh, "https://connect.stripe.com/oauth/token"),
        (Endpoint::Profile, "https://api.stripe.com/v1/account"),
    ],
    scopes: &["read_write"],
    profile: ProfileSpec { name_at: Some("/settings/dashboard/display_name"), ..ProfileSpec::RFC6749 },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs accounts in with Stripe.
    pub struct StripeOAuth2 from SPEC;
}

oauth_core::authorize_params! {
    /// Stripe's own authorization parameters.
    pub struct StripeAuthorizeParams {
        /// `login` or `register`: which page those see who are not signed in.
        pub stripe_landing: Option<String>,
        /// Whether to ask those too who have connected before.
        pub always_prompt: Option<bool>,
    }
}

impl Provider for StripeOAuth2 {
    oauth_core::accessors!();

    /// An account can have a name for its customers and none for its dashboard.
    fn complete_identity(&self, identity: &mut Identity) {
        if identity.name.is_none() {
            identity.name = text_at(&identity.profile, "/business_profile/name");
        }
    }
}
