//! The demo: clients of every provider at the emulator, and the site that signs in with them.

mod color;
mod explain;
mod faults;
mod pages;
mod session;
pub mod settings;
pub mod site;

use std::sync::Arc;

use oauth_clients::{
    Endpoint, OAuth2, Parameter, Provider, ProviderConfig, Registry, RegistryEntry, Secret,
    apple::{AppleOAuth2, AppleSecret},
};
use oauth_emulator::Emulator;

/// The providers that the facade knows, and the generic client as `oauth2`.
pub fn names() -> Vec<&'static str> {
    Registry::known().iter().copied().chain(["oauth2"]).collect()
}

/// The client of a provider, as the emulator's first application there.
///
/// # Errors
///
/// When the emulator or the registry does not know the provider, or its discovery fails.
pub async fn client(
    emulator: &Emulator,
    name: &str,
) -> Result<Arc<dyn Provider>, Box<dyn std::error::Error>> {
    let app = emulator.apps(name)?.remove(0);
    if name == "oauth2" {
        // The generic client, for a provider that has no crate.
        let client = OAuth2::new(
            app.client_id,
            app.client_secret.unwrap_or_default(),
            "https://oauth2.example/authorize",
            "https://oauth2.example/token",
        )
        .with_refresh_endpoint("https://oauth2.example/token")
        .with_revoke_endpoint("https://oauth2.example/revoke")
        .with_profile_endpoint("https://oauth2.example/profile")
        .with_scopes(["profile", "email"])
        .with_http_client(emulator.http_client()?);
        return Ok(Arc::new(client));
    }
    if name == "apple" {
        // Its settings name a file or a variable with the private key, and the emulator has made the key just now.
        let key = emulator.apple_key();
        let secret = AppleSecret::new(key.team_id, key.key_id, &key.private_key_pem)?;
        let client = AppleOAuth2::new(app.client_id, secret).with_http_client(emulator.http_client()?);
        return Ok(Arc::new(client));
    }
    let mut config = ProviderConfig::new(app.client_id);
    config.client_secret = app.client_secret.map(Secret::from);
    let settings = emulator.settings(name)?.into_iter();
    config.parameters = settings.map(|(name, value)| (name, Parameter::Text(value))).collect();
    config.http_client = Some(Arc::new(emulator.http_client()?));
    Ok(Registry::build(name, &RegistryEntry::new(config)).await?)
}

/// A client whose authorization endpoint is the emulator's, so that a browser is sent there too.
///
/// # Errors
///
/// As [`client`].
pub async fn connected(
    emulator: &Emulator,
    name: &str,
) -> Result<Arc<dyn Provider>, Box<dyn std::error::Error>> {
    let mut provider = client(emulator, name).await?;
    let authorize = emulator.local(provider.oauth2().ready().await?.endpoints().authorization());
    // Nobody else has it yet, so it can still be changed.
    let changed = Arc::get_mut(&mut provider).ok_or("the client is shared already")?;
    let moved = changed.oauth2().clone();
    *changed.oauth2_mut() = moved.with_endpoints(|all| all.with(Endpoint::Authorization, authorize));
    Ok(provider)
}

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The code of the site's first page, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/index.md")]
struct FirstPage;

/// The code of the guide for users of httpx-oauth, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrating-from-httpx-oauth.md")]
struct MigrationGuide;

/// How to get the defaults of httpx-oauth back, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/httpx-oauth-differences.md")]
struct FromHttpxOAuthDifferences;

/// The code of the guide for users of the crate oauth2, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrating-from-oauth2.md")]
struct FromOAuth2;

/// The code of the guide for users of the crate openidconnect, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrating-from-openidconnect.md")]
struct FromOpenidconnect;

/// The code of the guide for users of the crate yup-oauth2, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrating-from-yup-oauth2.md")]
struct FromYupOAuth2;

/// The code of the guide for users of the crate axum-login, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrating-from-axum-login.md")]
struct FromAxumLogin;

/// The code of the guide for users of libraries of other languages, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrating-from-other-languages.md")]
struct FromOtherLanguages;

/// The guide's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/sign-in-with-axum.md")]
struct SignInWithAxum;

/// The guide's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/signals.md")]
struct SignalsGuide;

/// The guide's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/openid-connect.md")]
struct OpenIDConnectGuide;

/// The guide's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/security.md")]
struct SecurityGuide;
