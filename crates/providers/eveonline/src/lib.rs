//! Sign in with [EVE Online](https://developers.eveonline.com/docs/services/sso/).
//!
//! ```
//! use oauth_eveonline::{EVEOnlineOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let eve = EVEOnlineOAuth2::new("CLIENT_ID", "SECRET_KEY");
//! let login = eve.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an application at <https://developers.eveonline.com/applications> with its one callback URL, exactly, and the
//! scopes that it may ask for.
//!
//! **What you get.** Who signs in is a game character, and the subject is its number. A player has several characters, and can sell
//! one: then the number stays and the profile's `owner` changes, so compare that too before you let a known character in. There is
//! no e-mail address. Access tokens live 20 minutes; keep the refresh token that each refresh brings. Revocation takes
//! [refresh tokens](https://docs.esi.evetech.net/docs/sso/revoking_refresh_tokens.html).
//!
//! **Surprises.** There is no profile endpoint: the access token is a JWT that names the character, and
//! [`get_profile`](Provider::get_profile) verifies it with EVE's keys and returns its claims. It must be for this application and
//! not have expired. A confidential application sends no code challenge, which the vendor describes for applications without a
//! secret.
//!
//! Read on 2026-11-29, with the [metadata](https://login.eveonline.com/.well-known/oauth-authorization-server).

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Identity, OAuth2, OAuth2Token, Pkce, Provider, Result, Spec, async_trait,
    provider_kit::{AuthorizationSpec, ProfileSpec, TokenSpec},
    serde_json::Value,
};
pub use oauth_openid;
use oauth_openid::{Expectations, Issuers, OpenIDProvider, OtherAudiences, VerificationPolicy};

/// EVE Online's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "eveonline",
    display_name: "EVE Online",
    color: "#222222",
    docs: "https://developers.eveonline.com/docs/services/sso/",
    issuer: Some("https://login.eveonline.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://login.eveonline.com/v2/oauth/authorize"),
        (Endpoint::Token, "https://login.eveonline.com/v2/oauth/token"),
        (Endpoint::Refresh, "https://login.eveonline.com/v2/oauth/token"),
        (Endpoint::Revocation, "https://login.eveonline.com/v2/oauth/revoke"),
        (Endpoint::Jwks, "https://login.eveonline.com/oauth/jwks"),
    ],
    scopes: &["publicData"],
    authorization: AuthorizationSpec { pkce: Pkce::Unsupported, ..AuthorizationSpec::RFC6749 },
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec { id_at: "/sub", email_at: None, name_at: Some("/name"), ..ProfileSpec::RFC6749 },
    ..Spec::RFC6749
};

oauth_openid::client! {
    /// Signs users in with EVE Online.
    pub struct EVEOnlineOAuth2 from SPEC, verified by policy();
}

/// Every application's tokens are for "EVE Online" too, so `azp` has to name this one.
fn policy() -> VerificationPolicy {
    let issuers = ["https://login.eveonline.com", "login.eveonline.com"].map(str::to_owned);
    VerificationPolicy::new()
        .issuers(Issuers::Aliases(issuers.into()))
        .other_audiences(OtherAudiences::Trusted(vec!["EVE Online".to_owned()]))
}

#[async_trait]
impl Provider for EVEOnlineOAuth2 {
    oauth_core::accessors!();

    /// A bare access token is enough: it says by itself whose it is.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let mut identity = self.oauth2.identity(self.get_profile(token.bearer()?).await?)?;
        self.complete_identity(&mut identity);
        Ok(identity.without_unusable())
    }

    /// The claims of the access token, which is verified.
    async fn read_profile(&self, _client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        let expected = Expectations::new().without_nonce().scopes_allowed();
        Ok(self.verify_id_token(token.access_token(), &expected).await?.identity().profile)
    }

    /// The subject is `CHARACTER:EVE:` with the number, and pictures have a server of their own.
    fn complete_identity(&self, identity: &mut Identity) {
        if let Some(id) = identity.subject.strip_prefix("CHARACTER:EVE:") {
            identity.picture = Some(format!("https://images.evetech.net/characters/{id}/portrait"));
            identity.subject = id.to_owned();
        }
    }
}
