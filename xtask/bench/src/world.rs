//! What all rows share: the server, the clients' TLS, and how long to measure.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::Result;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::{measure::Plan, server::Server};

pub struct World {
    pub server: Server,
    pub quick: bool,
    /// The top of the repository.
    pub repository: PathBuf,
    /// Where everything goes that is made on the way.
    pub scratch: PathBuf,
    /// Peers that could not be measured, and why.
    pub left_out: BTreeMap<String, String>,
}

impl World {
    /// So much work for each round of a full run.
    pub fn plan(&self, iterations: usize) -> Plan {
        match self.quick {
            true => Plan { rounds: 3, iterations: (iterations / 10).max(1) },
            false => Plan { rounds: 11, iterations },
        }
    }
}

/// rustls on ring with the platform's verifier, which trusts the authority of this run: what `rustls-ring` of oauth-core is, for
/// those contenders that are given a configuration.
pub fn tls() -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth())
}

/// One thread, so that what it uses is what the contender uses.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

pub fn nobody() -> Vec<(String, u64)> {
    Vec::new()
}
