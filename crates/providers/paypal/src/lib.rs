//! Sign in with [PayPal](https://developer.paypal.com/docs/log-in-with-paypal).
//!
//! ```
//! use oauth_paypal::{PayPalOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let paypal = PayPalOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = paypal.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! let for_tests = PayPalOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_sandbox()?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a REST app in the [dashboard](https://developer.paypal.com/dashboard/applications), switch "Log in with PayPal" on,
//! enter the return URL exactly, and tick each piece of information there that the scopes ask for: PayPal refuses scopes that are not
//! ticked. A live app is reviewed first. The sandbox has apps and users of its own: [`with_sandbox`](PayPalOAuth2::with_sandbox).
//!
//! **What you get.** The subject is PayPal's `user_id`, which can look like a URL and is of this app alone. The address is the `email` of
//! UserInfo, or else the primary one of `emails`; of `email_verified` and `confirmed`, by which it counts as verified, PayPal does not say
//! what they mean. There is no revocation, and no page says how long refresh tokens live.
//!
//! **Surprises.** UserInfo demands a `schema`. An ID token, which comes with the scope `openid`, is not looked at: the metadata promises
//! `user_id` there and not the `sub` that OpenID Connect demands, so the user is read from UserInfo. PKCE is not documented; a challenge is
//! sent all the same, as other libraries do in production.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's page and its [reference](https://developer.paypal.com/docs/api/identity/v1/) of UserInfo,
//! copies of the [metadata](https://www.paypal.com/.well-known/openid-configuration) and public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Email, EmailVerification, Endpoint, Error, Identity, Provider, Result, Spec,
    provider_kit::{AuthorizationSpec, ProfileSpec, TokenSpec, text_at, value_at},
};

/// PayPal's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "paypal",
    display_name: "PayPal",
    color: "#003087",
    docs: "https://developer.paypal.com/docs/log-in-with-paypal",
    identity_issuer: Some("https://www.paypal.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://www.paypal.com/signin/authorize"),
        (Endpoint::Token, "https://api-m.paypal.com/v1/oauth2/token"),
        (Endpoint::Refresh, "https://api-m.paypal.com/v1/oauth2/token"),
        (Endpoint::Profile, "https://api-m.paypal.com/v1/identity/oauth2/userinfo?schema=paypalv1.1"),
    ],
    scopes: &["openid", "profile", "email"],
    authorization: AuthorizationSpec { params: &[("flowEntry", "static")], ..AuthorizationSpec::RFC6749 },
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec { id_at: "/user_id", ..ProfileSpec::OPENID },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with PayPal.
    pub struct PayPalOAuth2 from SPEC, configured by { environment: with_environment };
}

impl PayPalOAuth2 {
    /// Uses the sandbox, whose users are not users of PayPal's.
    ///
    /// # Errors
    ///
    /// A configuration error after the endpoints were moved.
    pub fn with_sandbox(mut self) -> Result<Self> {
        self.oauth2 = self.oauth2.with_installation("https://www.sandbox.paypal.com", |all| {
            all.rebased("https://www.paypal.com", "https://www.sandbox.paypal.com")
                .rebased("https://api-m.paypal.com", "https://api-m.sandbox.paypal.com")
        })?;
        Ok(self)
    }

    fn with_environment(self, environment: &str) -> Result<Self> {
        match environment {
            "live" => Ok(self),
            "sandbox" => self.with_sandbox(),
            _ => Err(Error::configuration(SPEC.name, "environment is live or sandbox")),
        }
    }
}

impl Provider for PayPalOAuth2 {
    oauth_core::accessors!();

    /// The documented profile has a list of addresses; that of some applications has one `email`.
    fn complete_identity(&self, identity: &mut Identity) {
        let of = |place: &str| {
            let address = text_at(&identity.profile, &format!("{place}/value"))?;
            let flag = value_at(&identity.profile, &format!("{place}/confirmed"));
            Some(Email::new(address, EmailVerification::of(flag)))
        };
        let listed = || of("/emails/[?primary]").or_else(|| of("/emails/0"));
        let email = identity.email.clone().or_else(listed);
        identity.email = email;
    }
}
