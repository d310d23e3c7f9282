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
//! **Set up.** Add an application "Web" to a project, with the authentication Basic and each redirect URI exactly; plain http
//! needs its development mode. A refresh token needs the scope `offline_access` and the grant switched on for the application.
//! For an application without a secret pass `ClientSecret::NONE`.
//!
//! **What you get.** UserInfo says who the user is. A refresh brings a new refresh token. Revoking a refresh token ends
//! its access token; revoking an access token ends that one.
//!
//! **Surprises.** The scopes `urn:zitadel:iam:org:id:ID` and `urn:zitadel:iam:org:domain:primary:DOMAIN`, of the client or of
//! one login, restrict who may sign in: the claims about the user's organization, in UserInfo or the ID token, must say the
//! same. [`with_organization`](ZitadelOAuth2::with_organization) adds the first of them, and no later `with_scopes` takes it
//! out. ZITADEL's ID tokens are for a whole project: their `aud` is a list of the project, its applications, and this client,
//! which `azp` names ([claims](https://zitadel.com/docs/apis/openidoauth/claims)). Such a list is accepted if `azp` is this
//! client. Callbacks have no `iss`.

pub use oauth_core;
use oauth_core::{
    Provider, Result, Spec, parameter,
    provider_kit::{ConfirmedBy, LoginSpec, Restriction, text_at},
    serde_json::Value,
};
pub use oauth_openid;
use oauth_openid::{OtherAudiences, VerificationPolicy};

/// ZITADEL's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "zitadel",
    display_name: "ZITADEL",
    color: "#5469d4",
    docs: "https://zitadel.com/docs/apis/openidoauth/endpoints",
    scopes: &["openid", "profile", "email"],
    login: LoginSpec {
        restrictions: &[
            Restriction::scope(ORGANIZATION, ConfirmedBy::IdTokenOrProfile, |asked, claims| {
                Restriction::same_at("/urn:zitadel:iam:user:resourceowner:id", asked, claims)
            }),
            Restriction::scope(PRIMARY_DOMAIN, ConfirmedBy::IdTokenOrProfile, is_of_domain),
        ],
        ..LoginSpec::RFC6749
    },
    ..Spec::OPENID
};

/// The scope that restricts a login to an organization, up to its id.
const ORGANIZATION: &str = "urn:zitadel:iam:org:id:";
/// The organization by its primary domain.
const PRIMARY_DOMAIN: &str = "urn:zitadel:iam:org:domain:primary:";

oauth_openid::client! {
    /// Signs users in with ZITADEL.
    pub struct ZitadelOAuth2 from SPEC, at issuer(domain), verified by policy();
}

fn issuer(domain: &str) -> Result<String> {
    Ok(format!("https://{}", parameter::host("domain", domain)?))
}

fn policy() -> VerificationPolicy {
    VerificationPolicy::new().openid_always().other_audiences(OtherAudiences::AnyWithAuthorizedParty)
}

fn is_of_domain(asked: &str, claims: &Value) -> Option<bool> {
    let places =
        ["/urn:zitadel:iam:org:domain:primary", "/urn:zitadel:iam:user:resourceowner:primary_domain"];
    let found = places.iter().find_map(|place| text_at(claims, place))?;
    Some(found.eq_ignore_ascii_case(asked))
}

impl ZitadelOAuth2 {
    /// Signs in the users of this organization only, by its id.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not an identifier.
    pub fn with_organization(mut self, id: &str) -> Result<Self> {
        let id = parameter::segment("organization", id).map_err(|error| error.at(SPEC.name))?;
        self.oauth2 = self.oauth2.with_restricting_scope(ORGANIZATION, id);
        Ok(self)
    }
}

impl Provider for ZitadelOAuth2 {
    oauth_core::accessors!();
}
