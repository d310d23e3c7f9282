//! TLS of the default client and of `HyperClient`: rustls with the platform's roots.

use std::sync::{Arc, OnceLock};

use rustls::{
    ClientConfig,
    crypto::{CryptoProvider, ring},
};
use rustls_platform_verifier::BuilderVerifierExt;
#[cfg(not(target_os = "android"))]
use {crate::error::Error, rustls::pki_types::CertificateDer, rustls_platform_verifier::Verifier};

/// The settings that all clients share: to read the system's certificates takes as long as hundreds of exchanges. They share
/// the TLS sessions too, so that a new connection can resume one.
///
/// The provider is the one that the application installed, or else ring. To install it for the whole process is not a
/// library's business.
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
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(|error| format!("no TLS: {error}"))?
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| config).clone())
}

/// TLS settings that trust these certificates besides the platform's, for servers of a private authority: to be handed to
/// `reqwest_client` by `tls_backend_preconfigured`, or to `HyperClient::with_tls`.
///
#[cfg_attr(feature = "reqwest", doc = "```")]
#[cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
/// use oauth_core::{reqwest_client, rustls::pki_types::{CertificateDer, pem::PemObject}, tls_trusting};
///
/// # fn f(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let authority = CertificateDer::from_pem_slice(pem)?;
/// let tls = tls_trusting([authority])?;
/// let http = reqwest_client(|defaults| defaults.tls_backend_preconfigured(tls))?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A configuration error when one of them is no certificate, or the system has no root certificates.
#[cfg(not(target_os = "android"))]
pub fn tls_trusting(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<ClientConfig, Error> {
    let provider = provider();
    let trusting = Verifier::new_with_extra_roots(certificates, provider.clone()).and_then(|verifier| {
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        // What is dangerous about it is a verifier that does not verify; this one is the platform's.
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(builder.with_no_client_auth())
    });
    trusting.map_err(|error| Error::configuration("oauth2", format!("no TLS: {error}")))
}

fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()))
}
