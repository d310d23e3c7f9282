//! Sign in with [Google](https://developers.google.com/identity/protocols/oauth2/web-server).
//!
//! ```
//! use oauth_google::{GoogleAuthorizeParams, GoogleOAuth2, oauth_core::Provider};
//!
//! let google = GoogleOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_authorize_params(&GoogleAuthorizeParams {
//!     prompt: Some("consent".to_owned()),
//!     hd: Some("example.com".to_owned()),
//!     ..Default::default()
//! });
//! ```
//!
//! **Set up.** Create an OAuth client "Web application" in the [console](https://console.cloud.google.com/apis/credentials),
//! with each redirect URI exactly: https with a public domain, or http on localhost. While the consent screen is in testing,
//! refresh tokens end after seven days.
//!
//! **What you get.** Because `access_type=offline` is sent, a refresh token comes, but with the first consent only; `prompt=consent`
//! forces a new one. It ends after six months without use, when the user revokes it, and when too many were issued. Identify
//! users by the subject alone: an address can change, and be another's later. A Google account can have an address at any
//! domain, and `email_verified` says that it was confirmed once. Google is authoritative for gmail.com, and for a Workspace's
//! own domain: [`workspace_addresses`] tells [`LinkPolicy`](oauth_core::LinkPolicy).
//!
//! **Surprises.** The domain in `hd`, of the client or of one login, restricts who may sign in: the ID token's claim `hd` must
//! be it, or, with `*`, any Workspace domain. [`with_hosted_domain`](GoogleOAuth2::with_hosted_domain) is short for it. A bare
//! access token does not tell the domain, so `get_identity` then takes the whole token of the login. Callbacks name the issuer
//! (`iss`) since February 2026, which is compared where it is there: Google's metadata does not announce it. An ID token that
//! Google's kits gave to a mobile application is verified by
//! [`verify_id_token`](oauth_openid::OpenIDProvider::verify_id_token), with the ids of all your applications.
//!
//! **Without a user.** With the feature `jwt`, `service_account::ServiceAccount` gets tokens for programs, also on behalf of the users of a domain that
//! allows it.
//!
//! **Signals.** [`GoogleSignals`] verifies the security events of Cross-Account Protection: revoked tokens and sessions, disabled accounts.

#[cfg(feature = "jwt")]
pub mod service_account;
mod signals;

pub use oauth_core;
use oauth_core::{
    ClientAuth, EmailAuthority, Endpoint, Operation, Provider, Result, Spec,
    http::Method,
    parameter,
    provider_kit::{AuthorizationSpec, ConfirmedBy, DeviceSpec, LoginSpec, NativeSpec, Restriction},
    serde_json::Value,
};
pub use oauth_openid;
use oauth_openid::{Issuers, VerificationPolicy};

pub use crate::signals::{GET_RISC_CONFIGURATION, GoogleSignals};

/// Google's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "google",
    display_name: "Google",
    color: "#4285f4",
    docs: "https://developers.google.com/identity/protocols/oauth2",
    issuer: Some("https://accounts.google.com"),
    endpoints: &[
        (Endpoint::Authorization, "https://accounts.google.com/o/oauth2/v2/auth"),
        (Endpoint::Token, "https://oauth2.googleapis.com/token"),
        (Endpoint::Refresh, "https://oauth2.googleapis.com/token"),
        (Endpoint::Revocation, "https://oauth2.googleapis.com/revoke"),
        (Endpoint::DeviceAuthorization, "https://oauth2.googleapis.com/device/code"),
        (Endpoint::Profile, "https://openidconnect.googleapis.com/v1/userinfo"),
        (Endpoint::Jwks, "https://www.googleapis.com/oauth2/v3/certs"),
        (Endpoint::Other("risc_configuration"), "https://accounts.google.com/.well-known/risc-configuration"),
        (Endpoint::Other("people"), "https://people.googleapis.com/v1/people/me"),
    ],
    scopes: &["openid", "email", "profile"],
    authorization: AuthorizationSpec { params: &[("access_type", "offline")], ..AuthorizationSpec::RFC6749 },
    login: LoginSpec {
        restrictions: &[Restriction::parameter("hd", ConfirmedBy::IdToken, is_of_domain)],
        ..LoginSpec::RFC6749
    },
    native: NativeSpec {
        device: DeviceSpec { client_auth: Some(ClientAuth::None), ..DeviceSpec::RFC8628 },
        ..NativeSpec::RFC8252
    },
    ..Spec::OPENID
};

/// The method [`GoogleOAuth2::get_people_profile`], in errors.
pub const GET_PEOPLE_PROFILE: Operation = Operation::new("get_people_profile");

oauth_openid::client! {
    /// Signs users in with Google.
    pub struct GoogleOAuth2 from SPEC, verified by policy(), configured by { hosted_domain: with_hosted_domain };
}

/// The statement that Google is authoritative for the addresses of a Workspace at its own domain, which the claim `hd` names.
///
/// Google's page says it of any address beside an `hd`
/// (<https://developers.google.com/identity/gsi/web/guides/verify-google-id-token>); that the domains must be the same is stricter. A
/// domain can change hands, and its new owner gets the same `hd` and address under another subject
/// (<https://workos.com/blog/google-oauth-vulnerability-can-expose-sensitive-data-of-failed-startups>): hence it is for the application to
/// choose. [`LinkPolicy::new`](oauth_core::LinkPolicy::new) knows gmail.com already.
pub fn workspace_addresses() -> EmailAuthority {
    EmailAuthority::for_domain_in("https://accounts.google.com", "/hd")
}

/// Google's documentation allows for an issuer without its scheme.
fn policy() -> VerificationPolicy {
    let issuers = ["https://accounts.google.com", "accounts.google.com"];
    VerificationPolicy::new().issuers(Issuers::Aliases(issuers.map(str::to_owned).into()))
}

oauth_core::authorize_params! {
    /// Google's own authorization parameters.
    pub struct GoogleAuthorizeParams {
        /// `offline` for a refresh token, `online` for none.
        pub access_type: Option<String>,
        /// `none`, or `consent` and `select_account`, or both with a space between them.
        pub prompt: Option<String>,
        /// The address or the subject of the user who is to sign in.
        pub login_hint: Option<String>,
        /// Whether the token also gets the scopes that were granted before.
        pub include_granted_scopes: Option<bool>,
        /// The Workspace domain of the accounts that may sign in; `*` for any.
        pub hd: Option<String>,
    }
}

/// Accounts that are of no Workspace domain have no `hd`.
fn is_of_domain(asked: &str, claims: &Value) -> Option<bool> {
    let found = claims.get("hd").filter(|found| !found.is_null())?;
    let found = found.as_str().unwrap_or_default();
    Some(!found.is_empty() && (asked == "*" || found.eq_ignore_ascii_case(asked)))
}

impl GoogleOAuth2 {
    /// Signs in the accounts of this Workspace domain only.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not a domain.
    pub fn with_hosted_domain(mut self, domain: &str) -> Result<Self> {
        let domain = parameter::host("hosted_domain", domain).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 = self.oauth2.with_authorize_param("hd", domain.to_ascii_lowercase());
        Ok(self)
    }

    /// The user's addresses as the
    /// [People API](https://developers.google.com/people/api/rest/v1/people/get) has them, which is where the original
    /// library reads them. It must be enabled in the project.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error).
    pub async fn get_people_profile(&self, access_token: &str) -> Result<Value> {
        let url = self.oauth2.endpoints().other("people").map_err(|error| error.at(SPEC.name))?;
        let call = self
            .oauth2
            .request(GET_PEOPLE_PROFILE, Method::GET, url)
            .query(&[("personFields", "emailAddresses")]);
        call.bearer(access_token).send().await?.object()
    }
}

impl GoogleSignals {
    /// The events for this client.
    #[must_use]
    pub fn new(client: &GoogleOAuth2) -> Self {
        Self::of(client.oauth2())
    }
}

impl Provider for GoogleOAuth2 {
    oauth_core::accessors!();
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json;

    use super::*;

    #[test]
    fn parameters_are_written_by_their_names() {
        let params = GoogleAuthorizeParams {
            include_granted_scopes: Some(true),
            hd: Some("example.com".to_owned()),
            ..Default::default()
        };
        assert_eq!(
            serde_json::to_string(&params).unwrap(),
            r#"{"access_type":null,"prompt":null,"login_hint":null,"include_granted_scopes":true,"hd":"example.com"}"#
        );
    }
}
