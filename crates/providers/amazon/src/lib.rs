//! Sign in with [Amazon](https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html).
//!
//! ```
//! use oauth_amazon::{AmazonOAuth2, oauth_core::Provider};
//!
//! let amazon = AmazonOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let europe = amazon.with_region("eu")?;
//! assert_eq!(europe.oauth2().endpoints().token(), "https://api.amazon.co.uk/auth/o2/token");
//! # Ok::<(), oauth_amazon::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Create a security profile in the [console](https://developer.amazon.com/loginwithamazon/console/site/lwa/overview.html)
//! and enter each allowed return URL: https, or http on localhost.
//!
//! **What you get.** The subject is the account's `user_id`. The address is the one that the account is registered with; Amazon does
//! not say whether it is verified, and advises against knowing users by it. Access tokens live an hour; a refresh keeps the refresh
//! token. There is no revocation: users remove an application in their account.
//!
//! **Surprises.** Each region has hosts of its own; accounts of all regions sign in at each. The access token goes in a header of
//! Amazon's own. The device grant is another dialect, which is not built in.
//!
//! Read on 2026-11-29; more at [customer profiles](https://developer.amazon.com/docs/login-with-amazon/customer-profile.html).

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Error, Provider, Result, Spec,
    provider_kit::{DeviceSpec, LoopbackHost, LoopbackPort, NativeSpec, ProfileSpec, TokenPlace},
};

/// Amazon's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "amazon",
    display_name: "Amazon",
    color: "#ff9900",
    docs: "https://developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html",
    parameters: &[("login_host", "www.amazon.com"), ("api_host", "api.amazon.com")],
    endpoints: &[
        (Endpoint::Authorization, "https://{login_host}/ap/oa"),
        (Endpoint::Token, "https://{api_host}/auth/o2/token"),
        (Endpoint::Refresh, "https://{api_host}/auth/o2/token"),
        (Endpoint::DeviceAuthorization, "https://{api_host}/auth/o2/create/codepair"),
        (Endpoint::Profile, "https://{api_host}/user/profile"),
    ],
    scopes: &["profile"],
    profile: ProfileSpec {
        id_at: "/user_id",
        name_at: Some("/name"),
        token: TokenPlace::Header("x-amz-access-token"),
        ..ProfileSpec::RFC6749
    },
    native: NativeSpec {
        loopback_hosts: &[LoopbackHost::Localhost],
        loopback_port: LoopbackPort::Registered,
        device: DeviceSpec {
            client_auth: Some(ClientAuth::None),
            params: &[("response_type", "device_code"), ("scope", "{scope}")],
            poll_client_auth: Some(ClientAuth::None),
            poll_params: &[
                ("grant_type", "device_code"),
                ("device_code", "{device_code}"),
                ("user_code", "{user_code}"),
            ],
            ..DeviceSpec::RFC8628
        },
        ..NativeSpec::RFC8252
    },
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Amazon.
    pub struct AmazonOAuth2 from SPEC, configured by { region: with_region };
}

impl AmazonOAuth2 {
    /// Uses the endpoints of this region: `na` for North America (the default), `eu` for Europe, or `fe` for the Far East.
    ///
    /// # Errors
    ///
    /// A configuration error when it is not a region, and after the endpoints were moved.
    pub fn with_region(mut self, region: &str) -> Result<Self> {
        let (login_host, api_host) = match region {
            "na" => ("www.amazon.com", "api.amazon.com"),
            "eu" => ("eu.account.amazon.com", "api.amazon.co.uk"),
            "fe" => ("apac.account.amazon.com", "api.amazon.co.jp"),
            _ => return Err(Error::configuration(SPEC.name, "region is na, eu or fe")),
        };
        self.oauth2 = self.oauth2.with_parameter("login_host", login_host)?;
        self.oauth2 = self.oauth2.with_parameter("api_host", api_host)?;
        Ok(self)
    }
}

impl Provider for AmazonOAuth2 {
    oauth_core::accessors!();
}
