//! Sign in with [ZITADEL](https://zitadel.com/docs/apis/openidoauth/endpoints).
//!
//! ```
//! use oauth_zitadel::{ZitadelOAuth2, oauth_core::Provider};
//!
//! let zitadel = ZitadelOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "my-instance.eu1.zitadel.cloud")?;
//! assert_eq!(zitadel.oauth2().issuer(), Some("https://my-instance.eu1.zitadel.cloud"));
//! # Ok::<(), oauth_zitadel::oauth_core::Error>(())
//! ```
//!
//! ZITADEL's ID tokens are for a whole project: their `aud` is a list of the project, its applications, and this
//! client, which `azp` names ([claims](https://zitadel.com/docs/apis/openidoauth/claims)). Such a list is accepted if
//! `azp` is this client. Who the user is stands in UserInfo. For an application without a secret pass
//! `ClientSecret::NONE`. A refresh token needs the scope `offline_access` and the grant switched on for the
//! application.

pub use oauth_core;
use oauth_core::{Provider, Result, Spec, parameter};
pub use oauth_openid;
use oauth_openid::{OtherAudiences, Rules};

/// ZITADEL's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "zitadel",
    display_name: "ZITADEL",
    color: "#5469d4",
    docs: "https://zitadel.com/docs/apis/openidoauth/endpoints",
    scopes: &["openid", "profile", "email"],
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with ZITADEL.
    pub struct ZitadelOAuth2 from SPEC, at issuer(domain), verified by rules();
}

fn issuer(domain: &str) -> Result<String> {
    Ok(format!("https://{}", parameter::host("domain", domain)?))
}

fn rules() -> Rules {
    Rules::new().openid_always().other_audiences(OtherAudiences::AnyWithAuthorizedParty)
}

impl Provider for ZitadelOAuth2 {
    oauth_core::accessors!();
}
