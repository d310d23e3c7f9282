//! Sign in with [X](https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token), formerly Twitter.
//!
//! ```
//! use oauth_x::{XOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let x = XOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! let login = x.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("scope=users.read%20tweet.read%20users.email"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [portal](https://developer.x.com/en/portal/projects-and-apps), set up "User authentication settings" for
//! a web app, enter each callback URI exactly, and switch "Request email from users" on, which needs a privacy policy and terms of
//! service. Without it leave the scope `users.email` out: `with_scopes(["users.read", "tweet.read"])`. Id and secret are those of OAuth 2.0,
//! not the API key. An app of the type "native" has no secret: pass `ClientSecret::NONE`.
//!
//! **What you get.** The subject is the account's number. X gives an address only if its owner has confirmed it, so an address that is there
//! is verified. Access tokens live two hours. A refresh token needs the scope `offline.access`, and each refresh replaces it. Revocation
//! takes both kinds of tokens.
//!
//! **Surprises.** A code lives 30 seconds. A dead code or refresh token is `invalid_request`, which X tells from a wrong request by its text
//! alone; the client reads that text. A profile needs both `users.read` and `tweet.read`. A token without the scope for the address is
//! refused the whole profile, so the client then asks once more without the address.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's pages and public programs.

pub use oauth_core;
use oauth_core::{
    ClientAuth, EmailVerification, Endpoint, Error, Identity, OAuth2, OAuth2Token, Operation, Provider,
    Result, Spec, async_trait,
    http::{Method, StatusCode},
    provider_kit::{ProfileSpec, TokenSpec},
    serde_json::Value,
};

/// X's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "x",
    display_name: "X",
    color: "#0f1419",
    docs: "https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token",
    endpoints: &[
        (Endpoint::Authorization, "https://x.com/i/oauth2/authorize"),
        (Endpoint::Token, "https://api.x.com/2/oauth2/token"),
        (Endpoint::Refresh, "https://api.x.com/2/oauth2/token"),
        (Endpoint::Revocation, "https://api.x.com/2/oauth2/revoke"),
        (Endpoint::Profile, "https://api.x.com/2/users/me"),
    ],
    scopes: &["users.read", "tweet.read", "users.email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/data/id",
        email_at: Some("/data/confirmed_email"),
        name_at: Some("/data/name"),
        picture_at: Some("/data/profile_image_url"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// The members of a user that are not there unless they are asked for.
const FIELDS: &str = "profile_image_url";

oauth_core::client! {
    /// Signs users in with X.
    pub struct XOAuth2 from SPEC;
}

async fn user(client: &OAuth2, token: &OAuth2Token, fields: &str) -> Result<Value> {
    let request = client.request(Operation::GET_PROFILE, Method::GET, client.profile_endpoint()?);
    request.query(&[("user.fields", fields)]).bearer(token.access_token()).send().await?.object()
}

#[async_trait]
impl Provider for XOAuth2 {
    oauth_core::accessors!();

    /// Asks for the address too, and does without where the token may not see it.
    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        match user(client, token, &format!("{FIELDS},confirmed_email")).await {
            Err(error) if is_refused(&error) => user(client, token, FIELDS).await,
            outcome => outcome,
        }
    }

    /// X gives confirmed addresses only.
    fn complete_identity(&self, identity: &mut Identity) {
        if let Some(email) = identity.email.as_mut() {
            email.verification = EmailVerification::Verified;
        }
    }

    /// A dead code or refresh token is told from a wrong request by the text alone.
    fn translate_error(&self, error: Error) -> Error {
        const DEAD: [&str; 2] =
            ["Value passed for the authorization code was invalid", "Value passed for the token was invalid"];
        let is_dead = error.oauth_error().is_some_and(|said| {
            let text = said.description.as_deref().unwrap_or_default();
            said.code == "invalid_request" && DEAD.iter().any(|dead| text.starts_with(dead))
        });
        if is_dead { error.under_code("invalid_grant") } else { error }
    }
}

/// Whether the whole request was refused, as it is where a token may not see one of the members: X's pages do not say with which of the
/// two statuses.
fn is_refused(error: &Error) -> bool {
    let is_refusal = matches!(error.status(), Some(StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN));
    is_refusal && error.retry_after().is_none()
}
