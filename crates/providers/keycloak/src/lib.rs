//! Sign in with [Keycloak](https://www.keycloak.org/securing-apps/oidc-layers).
//!
//! ```
//! use oauth_keycloak::{KeycloakOAuth2, oauth_core::Provider};
//!
//! let keycloak = KeycloakOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com/realms/my-realm")?;
//! assert_eq!(keycloak.oauth2().issuer(), Some("https://login.example.com/realms/my-realm"));
//! # Ok::<(), oauth_keycloak::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Create a client of the type OpenID Connect in the realm, with "Client authentication" on and exact "Valid
//! redirect URIs". For a client without a secret pass `ClientSecret::NONE`. The URL is the realm's, as its `issuer` says it:
//! older servers have `/auth` in front of `/realms`.
//!
//! **What you get.** Whether an address is verified is what the realm says: by a mail of Keycloak's, or because an
//! administrator or another identity provider ("Trust Email") said so. A refresh always brings a new refresh token; the old one
//! keeps working unless the realm revokes it after use.
//!
//! **Surprises.** The scope `organization:ALIAS`, of the client or of one login, restricts who may sign in: the claim
//! `organization` must name it. `kc_idp_hint` is a hint that the browser can take out. A sign-out at Keycloak can reach the
//! application by [`verify_logout_token`](oauth_openid::OpenIDProvider::verify_logout_token).

pub use oauth_core;
use oauth_core::{
    Provider, Result, Spec, parameter,
    provider_kit::{ConfirmedBy, LoginSpec, LoopbackHost, NativeSpec, Restriction},
    serde_json::Value,
};
pub use oauth_openid;

/// Keycloak's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "keycloak",
    display_name: "Keycloak",
    color: "#4d4d4d",
    docs: "https://www.keycloak.org/securing-apps/oidc-layers",
    scopes: &["openid", "profile", "email"],
    login: LoginSpec {
        restrictions: &[Restriction::scope(
            "organization:",
            ConfirmedBy::IdTokenOrProfile,
            is_of_organization,
        )],
        ..LoginSpec::RFC6749
    },
    native: NativeSpec {
        loopback_hosts: &[LoopbackHost::Localhost, LoopbackHost::V4],
        ..NativeSpec::RFC8252
    },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Keycloak.
    pub struct KeycloakOAuth2 from SPEC, at issuer(realm_url);
}

/// The claim is a list of aliases, or an object whose members they are, as the mapper is set.
fn is_of_organization(asked: &str, claims: &Value) -> Option<bool> {
    Some(match claims.get("organization")? {
        Value::Null => return None,
        Value::Array(aliases) => {
            aliases.iter().any(|alias| alias.as_str().is_some_and(|alias| asked == "*" || alias == asked))
        }
        Value::Object(aliases) => aliases.keys().any(|alias| asked == "*" || alias == asked),
        _ => false,
    })
}

fn issuer(realm_url: &str) -> Result<String> {
    parameter::self_hosted_url("realm_url", realm_url)
}

impl Provider for KeycloakOAuth2 {
    oauth_core::accessors!();
}
