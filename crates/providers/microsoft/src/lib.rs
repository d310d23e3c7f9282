//! Sign in with [Microsoft](https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow): Entra ID
//! and personal accounts, with the profile of Microsoft Graph.
//!
//! ```
//! use oauth_microsoft::{MicrosoftGraphOAuth2, oauth_core::Provider};
//!
//! let microsoft = MicrosoftGraphOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_tenant("organizations")?;
//! assert!(microsoft.with_tenant("evil.example/#").is_err());
//! # Ok::<(), oauth_core::Error>(())
//! ```
//!
//! The tenant is `common` (the default), `organizations`, `consumers`, a tenant's id or one of its domains.
//!
//! **E-mail.** Microsoft Graph says neither of `mail` nor of `userPrincipalName` that the user owns it: an administrator
//! of any tenant can set them to anything. So the address is `mail`, else a `userPrincipalName` that is an address, and
//! its verification is unknown, unless the profile holds the claim `xms_edov`. Never link accounts by it.

pub use oauth_core;
use oauth_core::{
    Email, EmailVerification, Identity, OAuth2Token, Provider, Result, Spec, async_trait, text_at,
};

/// Microsoft's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "microsoft",
    display_name: "Microsoft",
    color: "#2f2f2f",
    docs: "https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow",
    parameters: &[("tenant", "common")],
    authorize: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
    token: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
    refresh: Some("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"),
    device_authorization: Some("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode"),
    profile: Some("https://graph.microsoft.com/v1.0/me"),
    end_session: Some("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/logout"),
    scopes: &["openid", "profile", "email", "offline_access", "User.Read"],
    authorize_params: &[("response_mode", "query")],
    email_at: Some("/mail"),
    email_verified_at: Some("/xms_edov"),
    name_at: Some("/displayName"),
    ..Spec::RFC6749
};

oauth_core::client! {
    /// Signs users in with Microsoft.
    pub struct MicrosoftGraphOAuth2 from SPEC, configured by { tenant: with_tenant };
}

impl MicrosoftGraphOAuth2 {
    /// Lets only accounts of this tenant sign in.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is no tenant.
    pub fn with_tenant(mut self, tenant: &str) -> Result<Self> {
        self.oauth2.set_parameter("tenant", tenant)?;
        Ok(self)
    }
}

#[async_trait]
impl Provider for MicrosoftGraphOAuth2 {
    oauth_core::accessors!();

    /// Many accounts have no `mail`; a guest's `userPrincipalName` looks like an address and is none.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let mut identity = self.oauth2.identity(self.get_profile(token.bearer()?).await?)?;
        if identity.email.is_none() {
            identity.email = text_at(&identity.profile, "/userPrincipalName")
                .filter(|name| name.contains('@') && !name.contains("#EXT#"))
                .map(|name| Email::new(name, EmailVerification::of(identity.profile.get("xms_edov"))));
        }
        Ok(identity)
    }
}
