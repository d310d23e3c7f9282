//! Sign in with [GitLab](https://docs.gitlab.com/integration/openid_connect_provider/): gitlab.com, or an installation
//! of your own.
//!
//! ```
//! use oauth_gitlab::{GitLabOAuth2, oauth_core::Provider};
//!
//! let gitlab = GitLabOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let own = gitlab.with_base_url("https://example.org/gitlab")?;
//! assert_eq!(own.oauth2().endpoints().token(), "https://example.org/gitlab/oauth/token");
//! # Ok::<(), oauth_gitlab::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Add an application in the [user settings](https://gitlab.com/-/user_settings/applications), of a group or of the
//! instance: confidential, with one redirect URI on a line, and the scopes `openid`, `profile` and `email`.
//!
//! **What you get.** With the scope `email`, the primary address and whether it is confirmed. Access tokens live two hours, and
//! a refresh replaces the refresh token too and ends the old access token at once. The user as GitLab's own API has it, with
//! the scope `read_user`, is read by [`get_user`](GitLabOAuth2::get_user).
//!
//! **Surprises.** Expect callbacks to name the issuer (`iss`) after an upgrade of GitLab since summer 2026; it is compared
//! where it is there. `root_namespace_id` starts a group's SAML sign-in, and confirms nothing.

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Operation, Provider, Result, Spec, http::Method, parameter,
    provider_kit::TokenSpec, serde_json::Value,
};
pub use oauth_openid;

/// The endpoints of gitlab.com, and GitLab's dialect.
pub const SPEC: Spec = Spec {
    name: "gitlab",
    display_name: "GitLab",
    color: "#fc6d26",
    docs: "https://docs.gitlab.com/integration/openid_connect_provider/",
    issuer: Some(GITLAB_COM),
    endpoints: &[
        (Endpoint::Authorization, "https://gitlab.com/oauth/authorize"),
        (Endpoint::Token, "https://gitlab.com/oauth/token"),
        (Endpoint::Refresh, "https://gitlab.com/oauth/token"),
        (Endpoint::Revocation, "https://gitlab.com/oauth/revoke"),
        (Endpoint::Introspection, "https://gitlab.com/oauth/introspect"),
        (Endpoint::DeviceAuthorization, "https://gitlab.com/oauth/authorize_device"),
        (Endpoint::Profile, "https://gitlab.com/oauth/userinfo"),
        (Endpoint::Jwks, "https://gitlab.com/oauth/discovery/keys"),
        (Endpoint::Other("user"), "https://gitlab.com/api/v4/user"),
    ],
    scopes: &["openid", "profile", "email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    ..Spec::OPENID
};

const GITLAB_COM: &str = "https://gitlab.com";

/// The method [`GitLabOAuth2::get_user`], in errors.
pub const GET_USER: Operation = Operation::new("get_user");

oauth_openid::client! {
    /// Signs users in with GitLab.
    pub struct GitLabOAuth2 from SPEC, configured by { base_url: with_base_url };
}

impl GitLabOAuth2 {
    /// Uses another installation, which may be below a path.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment, and where the endpoints were moved before.
    pub fn with_base_url(mut self, base_url: &str) -> Result<Self> {
        let as_given = base_url.trim_end_matches('/').to_owned();
        let base_url = parameter::base_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 =
            self.oauth2.with_installation(base_url.clone(), |all| all.rebased(GITLAB_COM, &base_url))?;
        self.oauth2 = self.oauth2.with_former_identity_issuer(as_given);
        Ok(self)
    }

    /// The user as the [API](https://docs.gitlab.com/api/users/#retrieve-the-current-user) has it, whose `id` is a
    /// number. It needs the scope `read_user`.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error).
    pub async fn get_user(&self, access_token: &str) -> Result<Value> {
        let url = self.oauth2.endpoints().other("user").map_err(|error| error.at(SPEC.name))?;
        self.oauth2.request(GET_USER, Method::GET, url).bearer(access_token).send().await?.object()
    }
}

impl Provider for GitLabOAuth2 {
    oauth_core::accessors!();
}
