//! Sign in with [Battle.net](https://develop.battle.net/documentation/guides/using-oauth).
//!
//! ```
//! use oauth_battlenet::{BattleNetOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let battlenet = BattleNetOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = battlenet.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! let china = BattleNetOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_china()?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a client in the [developer portal](https://develop.battle.net/access/clients) and enter each redirect URL exactly.
//! Accounts of mainland China are at another host, with clients of their own: [`with_china`](BattleNetOAuth2::with_china).
//!
//! **What you get.** The subject is the account's number, and the name is the BattleTag, which users can change. There are no e-mail
//! addresses, pictures or refresh tokens. Access tokens live a day. The ID token is verified by the published keys.
//!
//! **Surprises.** Further scopes, such as `wow.profile`, are for the games' APIs. The vendor documents neither PKCE nor the nonce. A code
//! challenge is sent, as other libraries do in production, and an ID token that does not repeat the nonce is tolerated; the revocation
//! endpoint is known from the metadata alone.
//!
//! Read on 2026-11-23 and 2026-11-29: public programs and copies of the
//! [metadata](https://oauth.battle.net/.well-known/openid-configuration).

pub use oauth_core;
use oauth_core::{Endpoint, Provider, Result, Spec, provider_kit::ProfileSpec};
pub use oauth_openid;
use oauth_openid::VerificationPolicy;

/// Battle.net's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "battlenet",
    display_name: "Battle.net",
    color: "#148eff",
    docs: "https://develop.battle.net/documentation/guides/using-oauth",
    issuer: Some(WORLD),
    endpoints: &[
        (Endpoint::Authorization, "https://oauth.battle.net/authorize"),
        (Endpoint::Token, "https://oauth.battle.net/token"),
        (Endpoint::Revocation, "https://oauth.battle.net/revoke"),
        (Endpoint::Profile, "https://oauth.battle.net/userinfo"),
        (Endpoint::Jwks, "https://oauth.battle.net/jwks/certs"),
    ],
    scopes: &["openid"],
    profile: ProfileSpec {
        email_at: None,
        email_verified_at: None,
        name_at: Some("/battletag"),
        picture_at: None,
        ..ProfileSpec::OPENID
    },
    ..Spec::OPENID
};

const WORLD: &str = "https://oauth.battle.net";
const CHINA: &str = "https://oauth.battlenet.com.cn";

oauth_openid::client! {
    /// Signs users in with Battle.net.
    pub struct BattleNetOAuth2 from SPEC, verified by VerificationPolicy::new().nonce_may_be_missing(),
        configured by { region: with_region };
}

impl BattleNetOAuth2 {
    /// Signs in accounts of mainland China, who are not users of the rest of the world.
    ///
    /// # Errors
    ///
    /// A configuration error after the endpoints were moved.
    pub fn with_china(mut self) -> Result<Self> {
        self.oauth2 = self.oauth2.with_installation(CHINA, |all| all.rebased(WORLD, CHINA))?;
        Ok(self)
    }

    fn with_region(self, region: &str) -> Result<Self> {
        match region {
            "world" => Ok(self),
            "china" => self.with_china(),
            _ => Err(oauth_core::Error::configuration(SPEC.name, "region is world or china")),
        }
    }
}

impl Provider for BattleNetOAuth2 {
    oauth_core::accessors!();
}
