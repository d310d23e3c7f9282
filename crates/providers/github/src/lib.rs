//! Sign in with [GitHub](https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps).
//!
//! ```
//! use oauth_github::{GitHubAuthorizeParams, GitHubOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let github = GitHubOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let params = GitHubAuthorizeParams { allow_signup: Some(false), ..Default::default() };
//! let options = LoginOptions::new().extras_params(&params);
//! let login = github.start_login("https://app.example/callback", options).await?;
//! assert!(login.url.contains("allow_signup=false"));
//!
//! let enterprise = GitHubOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_enterprise_server("https://github.example.com")?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Register an OAuth app or a GitHub App under <https://github.com/settings/developers>, with up to ten callback
//! URLs: the redirect URI must have the host and port of one and a path at or below its own. Plain http is allowed on this
//! machine, where the port may differ. A GitHub App needs the account permission "Email addresses" (read).
//!
//! **What you get.** The subject is the account's number, under `github`, or an Enterprise Server's issuer. The address is the
//! primary one that GitHub has verified; one at `users.noreply.github.com` takes no mail and counts as none. OAuth apps get
//! tokens that do not expire, unless the app's settings say otherwise or the scope `offline_access` is asked for: then tokens
//! of eight hours with a refresh token, which each refresh replaces, as GitHub Apps have them. Revocation takes access tokens.
//!
//! **Surprises.** Errors come under HTTP 200, and limits of requests under 403, some of them told by a message alone: both are
//! understood. Callbacks of github.com name the issuer (`iss`) since August 2026, which is compared. GitHub switched that off
//! once before, so a callback without it is not refused unless
//! [`require_callback_issuer`](oauth_core::OAuth2::require_callback_issuer) says so.
//!
//! **Without a user.** With the feature `jwt`, `app::GitHubApp` gets tokens of an app's installations.

#[cfg(feature = "jwt")]
pub mod app;

pub use oauth_core;
use oauth_core::{
    ClientAuth, Email, EmailVerification, Endpoint, Error, ErrorKind, Identity, OAuth2Token, Operation,
    Provider, Result, Spec, async_trait,
    http::{Method, StatusCode},
    provider_kit::{
        DeviceSpec, NativeSpec, ProfileSpec, RequestFormat, RequestMethod, RevocationSpec, TokenPlace,
        TokenSpec, text_at,
    },
    serde_json::Value,
};
use serde::{Deserialize, Serialize};

/// GitHub's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "github",
    display_name: "GitHub",
    color: "#24292f",
    docs: "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps",
    issuer: Some("https://github.com/login/oauth"),
    // Users were known by this before GitHub had an issuer.
    identity_issuer: Some("github"),
    endpoints: &[
        (Endpoint::Authorization, "https://github.com/login/oauth/authorize"),
        (Endpoint::Token, "https://github.com/login/oauth/access_token"),
        (Endpoint::Refresh, "https://github.com/login/oauth/access_token"),
        (Endpoint::Revocation, "https://api.github.com/applications/{client_id}/token"),
        (Endpoint::DeviceAuthorization, "https://github.com/login/device/code"),
        (Endpoint::Profile, "https://api.github.com/user"),
        (Endpoint::Other("emails"), "https://api.github.com/user/emails"),
    ],
    scopes: &["read:user", "user:email"],
    token: TokenSpec {
        invalid_grant_codes: &["bad_verification_code", "bad_refresh_token"],
        ..TokenSpec::RFC6749
    },
    revocation: RevocationSpec {
        client_auth: Some(ClientAuth::Basic),
        access_tokens_only: true,
        method: RequestMethod::Delete,
        token: TokenPlace::Field("access_token"),
        format: RequestFormat::Json,
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec { name_at: Some("/name"), picture_at: Some("/avatar_url"), ..ProfileSpec::RFC6749 },
    native: NativeSpec {
        device: DeviceSpec {
            client_auth: Some(ClientAuth::None),
            poll_client_auth: Some(ClientAuth::None),
            ..DeviceSpec::RFC8628
        },
        ..NativeSpec::RFC8252
    },
    ..Spec::RFC6749
};

/// The method [`GitHubOAuth2::get_emails`], in errors.
pub const GET_EMAILS: Operation = Operation::new("get_emails");

oauth_core::client! {
    /// Signs users in with GitHub.
    pub struct GitHubOAuth2 from SPEC, configured by { base_url: with_enterprise_server };
}

oauth_core::authorize_params! {
    /// GitHub's own authorization parameters.
    pub struct GitHubAuthorizeParams {
        /// The account to sign in with.
        pub login: Option<String>,
        /// Whether those without an account are offered one.
        pub allow_signup: Option<bool>,
        /// `select_account` to let the user choose among accounts.
        pub prompt: Option<String>,
    }
}

/// One of a user's addresses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GitHubEmail {
    /// The address.
    pub email: String,
    /// Whether it is the one that GitHub writes to.
    #[serde(default)]
    pub primary: bool,
    /// Whether GitHub has verified it.
    #[serde(default)]
    pub verified: bool,
    /// `public`, `private` or nothing.
    pub visibility: Option<String>,
}

impl GitHubOAuth2 {
    /// Uses an Enterprise Server, such as `https://github.example.com`, whose API is under `/api/v3`, or an enterprise at
    /// GHE.com, such as `https://example.ghe.com`, whose API has a host of its own.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an https URL without query and fragment, and where the endpoints were moved before.
    pub fn with_enterprise_server(mut self, base_url: &str) -> Result<Self> {
        let as_given = base_url.trim_end_matches('/');
        let base_url =
            oauth_core::parameter::base_url("base_url", base_url).map_err(|error| error.at(SPEC.name))?;
        let host = base_url.strip_prefix("https://");
        let api = match host.filter(|host| host.ends_with(".ghe.com") && !host.contains('/')) {
            Some(host) => format!("https://api.{host}"),
            None => format!("{base_url}/api/v3"),
        };
        // User 1 of an Enterprise Server is not user 1 of github.com.
        self.oauth2 = self.oauth2.with_installation(format!("{base_url}/login/oauth"), |all| {
            all.rebased("https://github.com", &base_url).rebased("https://api.github.com", &api)
        })?;
        self.oauth2 = self.oauth2.with_former_identity_issuer(format!("{as_given}/login/oauth"));
        Ok(self)
    }

    /// The user's addresses, which need the scope `user:email`: the first hundred, where GitHub gives thirty unless it is
    /// asked for more.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn get_emails(&self, access_token: &str) -> Result<Vec<GitHubEmail>> {
        let url = self.oauth2.endpoints().other("emails").map_err(|error| error.at(SPEC.name))?;
        let request = self.oauth2.request(GET_EMAILS, Method::GET, url).query(&[("per_page", "100")]);
        let outcome = async { request.bearer(access_token).send().await?.json_as() }.await;
        outcome.map_err(|error| self.translate_error(error))
    }
}

#[async_trait]
impl Provider for GitHubOAuth2 {
    oauth_core::accessors!();

    /// The profile holds the public address only. Where there is none, the primary and verified one counts, or else
    /// a verified one, or else the primary one as unverified. An address at `users.noreply.github.com` reaches nobody.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let token = token.bearer()?;
        let mut identity = self.oauth2.identity(self.get_profile(token).await?)?;
        identity.name = identity.name.or_else(|| text_at(&identity.profile, "/login"));
        identity.email = identity.email.filter(|email| reaches_somebody(&email.address));
        if identity.email.is_none() {
            let emails = match self.get_emails(token).await {
                Err(error) if lacks_permission(&error) => Vec::new(),
                emails => emails?,
            };
            let emails: Vec<_> = emails.iter().filter(|email| reaches_somebody(&email.email)).collect();
            let first = |is_wanted: fn(&GitHubEmail) -> bool| emails.iter().find(|email| is_wanted(email));
            let best = first(|email| email.primary && email.verified)
                .or_else(|| first(|email| email.verified))
                .or_else(|| first(|email| email.primary));
            identity.email = best.map(|best| {
                Email::new(&*best.email, EmailVerification::of(Some(&Value::Bool(best.verified))))
            });
        }
        Ok(identity.without_unusable())
    }

    /// A limit of requests that is reached under 403, which only the message tells.
    fn translate_error(&self, error: Error) -> Error {
        if is_limit(&error) { error.under_code("temporarily_unavailable") } else { error }
    }
}

/// Whether mail for this address reaches anybody: those at `users.noreply.github.com`, or an Enterprise Server's, stand in commits in
/// place of the address that a user keeps private.
fn reaches_somebody(address: &str) -> bool {
    let domain = address.rsplit('@').next().unwrap_or_default();
    !domain.to_ascii_lowercase().starts_with("users.noreply.")
}

/// Whether the API refuses because of its [limits](https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api).
/// The secondary ones need not come with a header that says so.
fn is_limit(error: &Error) -> bool {
    let ErrorKind::UnexpectedStatus { message: Some(message), .. } = error.kind() else { return false };
    let message = message.to_ascii_lowercase();
    error.status() == Some(StatusCode::FORBIDDEN)
        && (message.contains("rate limit") || message.contains("abuse detection"))
}

/// Whether the application may not see addresses: that is no reason to fail the sign-in.
fn lacks_permission(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedStatus { .. })
        && matches!(error.status(), Some(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND))
        && error.retry_after().is_none()
}

impl std::fmt::Debug for GitHubEmail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHubEmail")
            .field("primary", &self.primary)
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json;

    use super::*;

    #[test]
    fn an_address_is_read_as_github_writes_it() {
        let read = serde_json::from_str::<GitHubEmail>;
        let least =
            GitHubEmail { email: "a@b.example".into(), primary: false, verified: false, visibility: None };
        let written = r#"{"email":"a@b.example","primary":false,"verified":false,"visibility":null}"#;
        assert_eq!(serde_json::to_string(&least).unwrap(), written);
        assert!(read(written).unwrap() == least);
        assert!(read(r#"{"email":"a@b.example","added":[1]}"#).unwrap() == least);
        let full = GitHubEmail { primary: true, verified: true, visibility: Some("private".into()), ..least };
        let written = r#"{"email":"a@b.example","primary":true,"verified":true,"visibility":"private"}"#;
        assert_eq!(serde_json::to_string(&full).unwrap(), written);
        assert!(read(written).unwrap() == full);
        for wrong in [
            "null",
            "{}",
            r#"{"email":null}"#,
            r#"{"email":1}"#,
            r#"{"email":"a","primary":null}"#,
            r#"{"email":"a","verified":"true"}"#,
            r#"{"email":"a","verified":1}"#,
            r#"{"email":"a","visibility":true}"#,
            r#"{"email":"a","email":"b"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parameters_are_written_by_their_names() {
        let params =
            GitHubAuthorizeParams { allow_signup: Some(false), login: Some("a".into()), prompt: None };
        assert_eq!(
            serde_json::to_string(&params).unwrap(),
            r#"{"login":"a","allow_signup":false,"prompt":null}"#
        );
    }
}
