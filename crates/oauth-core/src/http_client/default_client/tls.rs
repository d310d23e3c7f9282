//! TLS of the default client: rustls with the platform's roots.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt;

/// The settings that all clients share: to read the system's certificates takes as long as hundreds of exchanges. They share
/// the TLS sessions too, so that a new connection can resume one.
///
/// The provider is the one that the application installed, or else ring, or with the feature `fips` that of the FIPS module. To
/// install it for the whole process is not a library's business.
///
/// # Errors
///
/// What is wrong, when the system has no root certificates. It is looked for anew each time.
#[allow(dead_code, reason = "reqwest's own TLS takes its place when that is switched on too")]
pub(super) fn shared_config() -> Result<ClientConfig, String> {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();

    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    #[cfg(feature = "fips")]
    let provider = rustls::crypto::default_fips_provider;
    #[cfg(not(feature = "fips"))]
    let provider = rustls::crypto::ring::default_provider;
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(provider()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(|error| format!("no TLS: {error}"))?
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| config).clone())
}
