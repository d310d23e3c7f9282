//! TLS by rustls with the platform's roots.
//!
//! `oauth-reqwest` has the same lines: neither crate depends on the other, and a crate below both would be one more to release for a page of
//! code.

use std::sync::{Arc, OnceLock};

use oauth_core::Error;
use rustls::{
    ClientConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_platform_verifier::BuilderVerifierExt;
#[cfg(not(target_os = "android"))]
use rustls_platform_verifier::Verifier;

/// The default TLS settings, which trust the platform's root certificates.
///
/// Clients that use them share TLS sessions, so that a new connection can resume one. Cryptography is that of the provider which the
/// application installed for the process, or else of ring, or of the FIPS module of aws-lc-rs with the feature `fips`.
///
/// # Errors
///
/// A configuration error when the system has no root certificates. They are looked for anew each time.
pub fn tls_defaults() -> Result<ClientConfig, Error> {
    // Reading the system's certificates takes as long as hundreds of exchanges.
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();

    if let Some(config) = CONFIG.get() {
        return Ok(config.clone());
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(refused)?
        .with_no_client_auth();
    Ok(CONFIG.get_or_init(|| config).clone())
}

/// TLS settings that trust these certificates besides the platform's, for servers of a private authority.
///
/// ```
/// use oauth_hyper::{HyperClient, rustls::pki_types::{CertificateDer, pem::PemObject}, tls_trusting};
///
/// # fn f(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let authority = CertificateDer::from_pem_slice(pem)?;
/// let http = HyperClient::with_tls(tls_trusting([authority])?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A configuration error when one of them is not a certificate, or the system has no root certificates.
#[cfg(not(target_os = "android"))]
pub fn tls_trusting(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<ClientConfig, Error> {
    let provider = provider();
    let verifier = Verifier::new_with_extra_roots(certificates, provider.clone()).map_err(refused)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    // It is dangerous only with a verifier that does not verify; this one is the platform's.
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

/// TLS settings with which the client shows this certificate to servers that ask for one (mutual TLS).
///
/// The chain begins with the client's own certificate. The settings are those of [`tls_defaults`] or `tls_trusting`:
///
/// ```
/// use oauth_hyper::{
///     HyperClient,
///     rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
///     tls_defaults, with_client_certificate,
/// };
///
/// # fn f(certificates: &[u8], key: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>()?;
/// let key = PrivateKeyDer::from_pem_slice(key)?;
/// let http = HyperClient::with_tls(with_client_certificate(tls_defaults()?, chain, key)?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A configuration error when the key is not one that can sign, or not the certificate's.
pub fn with_client_certificate(
    mut tls: ClientConfig,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, Error> {
    let certified = CertifiedKey::from_der(chain, key, tls.crypto_provider()).map_err(refused)?;
    tls.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    // Sessions of connections without the certificate must not be resumed in its place.
    tls.resumption = rustls::client::Resumption::default();
    Ok(tls)
}

fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "fips")]
    let provider = rustls::crypto::default_fips_provider;
    #[cfg(not(feature = "fips"))]
    let provider = rustls::crypto::ring::default_provider;
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(provider()))
}

fn refused(error: rustls::Error) -> Error {
    Error::configuration("oauth2", format!("no TLS: {error}"))
}
