//! Sign in with [Gitea](https://docs.gitea.com/development/oauth2-provider): gitea.com, Codeberg, or an installation of Gitea or
//! [Forgejo](https://forgejo.org/docs/latest/user/oauth2-provider/) of your own.
//!
//! ```
//! use oauth_gitea::{GiteaOAuth2, oauth_core::Provider};
//!
//! let codeberg = GiteaOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_base_url("https://codeberg.org")?;
//! assert_eq!(codeberg.oauth2().endpoints().token(), "https://codeberg.org/login/oauth/access_token");
//! # Ok::<(), oauth_gitea::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Add an OAuth2 application in the settings of a user, an organization or the site ("Applications"), confidential, with
//! one redirect URI on a line.
//!
//! **What you get.** The subject is the user's number in that installation. The ID token's `email_verified` says only that the account
//! is active, so the verification of an address is unknown. Access tokens live an hour, refresh tokens a month unless the
//! installation's settings differ; keep the refresh token that each refresh brings. There is no revocation: users remove an
//! application in their settings.
//!
//! **Surprises.** With none but the scopes `openid`, `profile`, `email` and `groups`, an access token can do whatever the user can; a
//! scope of the API, such as `read:user`, limits it. The `iss` of ID tokens had a slash at its end in Gitea until a change of November
//! 2025, and has it in Forgejo: both are accepted and are one issuer, the base URL without it. What an administrator says of an address
//! holds for that installation alone. A refresh token that has expired or is spent is told as `unauthorized_client`, which the client
//! translates.
//!
//! Read on 2026-11-29, with Gitea's
//! [source](https://github.com/go-gitea/gitea/tree/main/services/oauth2_provider) and the
//! [change of the issuer](https://github.com/go-gitea/gitea/pull/35915).

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Error, Operation, Provider, Result, Spec, parameter,
    provider_kit::{ProfileSpec, TokenSpec},
};
pub use oauth_openid;
use oauth_openid::{Issuers, OpenIDProvider, VerificationPolicy};

/// The endpoints of gitea.com, and Gitea's dialect.
pub const SPEC: Spec = Spec {
    name: "gitea",
    display_name: "Gitea",
    color: "#609926",
    docs: "https://docs.gitea.com/development/oauth2-provider",
    identity_issuer: Some(GITEA_COM),
    endpoints: &[
        (Endpoint::Authorization, "https://gitea.com/login/oauth/authorize"),
        (Endpoint::Token, "https://gitea.com/login/oauth/access_token"),
        (Endpoint::Refresh, "https://gitea.com/login/oauth/access_token"),
        (Endpoint::Introspection, "https://gitea.com/login/oauth/introspect"),
        (Endpoint::Profile, "https://gitea.com/login/oauth/userinfo"),
        (Endpoint::Jwks, "https://gitea.com/login/oauth/keys"),
    ],
    scopes: &["openid", "profile", "email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec { email_verified_at: None, ..ProfileSpec::OPENID },
    ..Spec::OPENID
};

const GITEA_COM: &str = "https://gitea.com";

oauth_openid::client! {
    /// Signs users in with Gitea, Forgejo or Codeberg.
    pub struct GiteaOAuth2 from SPEC, verified by VerificationPolicy::new().issuers(issuers(GITEA_COM)),
        configured by { base_url: with_base_url };
}

/// An installation goes by its base URL with and without a slash at the end.
fn issuers(base_url: &str) -> Issuers {
    Issuers::Aliases(vec![base_url.to_owned(), format!("{base_url}/")])
}

impl GiteaOAuth2 {
    /// Uses another installation, which may be below a path.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment, and where the endpoints were moved before.
    pub fn with_base_url(mut self, base_url: &str) -> Result<Self> {
        let base_url = parameter::base_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 =
            self.oauth2.with_installation(base_url.clone(), |all| all.rebased(GITEA_COM, &base_url))?;
        Ok(self.with_policy(|policy| policy.issuers(issuers(&base_url))))
    }
}

impl Provider for GiteaOAuth2 {
    oauth_core::accessors!();

    /// A dead refresh token and an unknown code are told as if the client were not allowed to ask; so is a wrong secret, in other words.
    fn translate_error(&self, error: Error) -> Error {
        let dead: &[&str] = match error.operation() {
            Operation::REFRESH_TOKEN => &["unable to parse refresh token", "token was already used"],
            Operation::GET_ACCESS_TOKEN => &["client is not authorized", "failed PKCE code challenge"],
            _ => return error,
        };
        let is_dead = error.oauth_error().is_some_and(|said| {
            said.code == "unauthorized_client"
                && said.description.as_deref().is_some_and(|text| dead.contains(&text))
        });
        if is_dead { error.under_code("invalid_grant") } else { error }
    }
}
