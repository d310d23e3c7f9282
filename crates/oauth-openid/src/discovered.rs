//! A provider's metadata, read when it is needed and kept for a while.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use oauth_core::{OAuth2, Operation, Result, provider_kit::check_public_url, serde_json::Value};

use crate::{
    cached::{Cached, JsonText, KeptDocument, Reader, Reading, SharedDocuments},
    issuer::slash,
    jws::quoted,
    metadata::ProviderMetadata,
    policy::VerificationPolicy,
};

/// Metadata that is read and kept.
pub(crate) struct Discovered {
    /// The first of these is expected, and the others count as well.
    pub(crate) issuers: Vec<String>,
    pub(crate) url: String,
    /// Where a second document may be.
    pub(crate) supplements: Vec<String>,
    pub(crate) allows_http: bool,
    pub(crate) public_hosts_only: bool,
    /// By who reads it, the one that was not asked for longest first.
    pub(crate) cached: Mutex<Vec<(Reader, Arc<Cached<ProviderMetadata>>)>>,
}

/// The most readers of one provider's metadata: clones of a client with HTTP clients of their own.
const MOST_READERS: usize = 1024;

impl Discovered {
    pub(crate) async fn get(
        &self,
        client: &OAuth2,
        policy: &VerificationPolicy,
    ) -> Result<Arc<ProviderMetadata>> {
        let cached = self.of(client, policy);
        match cached.fresh(policy.clock.now()) {
            Some(metadata) => Ok(metadata),
            None => cached.get(client, &self.reading(client, policy)).await,
        }
    }

    pub(crate) fn export(&self, client: &OAuth2, policy: &VerificationPolicy) -> Option<KeptDocument> {
        self.of(client, policy).export()
    }

    pub(crate) fn import(&self, kept: KeptDocument, client: &OAuth2, policy: &VerificationPolicy) {
        self.of(client, policy).import(kept, &self.reading(client, policy));
    }

    fn of(&self, client: &OAuth2, policy: &VerificationPolicy) -> Arc<Cached<ProviderMetadata>> {
        let reader = Reader::of(client, policy);
        let mut all = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|(own, _)| *own == reader) {
            // The one that was not asked for longest is the first to be forgotten.
            all[at..].rotate_left(1);
            return all[all.len() - 1].1.clone();
        }
        if all.len() == MOST_READERS {
            all.remove(0);
        }
        let cached = Arc::default();
        all.push((reader, Arc::clone(&cached)));
        cached
    }

    fn reading(&self, client: &OAuth2, policy: &VerificationPolicy) -> Reading<ProviderMetadata> {
        let (issuers, allows_http) = (self.issuers.clone(), self.allows_http);
        let public_hosts_only = self.public_hosts_only;
        Reading {
            operation: Operation::DISCOVER,
            url: self.url.clone(),
            supplements: self.supplements.clone(),
            issuer: self.issuers.first().cloned().unwrap_or_default(),
            policy: policy.metadata_cache,
            // Whoever signs in next may find the provider up again; the request is one at a time.
            pause_after_failure: Duration::ZERO,
            clock: policy.clock.clone(),
            shared: SharedDocuments::of(client, policy),
            parse: Arc::new(move |document: &JsonText, members| {
                let metadata = ProviderMetadata::of(document.clone(), members)
                    .map_err(|_| "there is no string issuer in it".to_owned())?;
                let metadata = checked(metadata, &issuers, allows_http)?;
                if public_hosts_only {
                    check_public_endpoints(&metadata)?;
                }
                Ok(metadata)
            }),
        }
    }
}

/// The metadata, if it is that of an expected issuer.
fn checked(
    metadata: ProviderMetadata,
    issuers: &[String],
    allows_http: bool,
) -> Result<ProviderMetadata, String> {
    let found = metadata.issuer();
    if issuers.iter().any(|issuer| issuer == found) {
        return Ok(if allows_http { metadata.dangerously_allow_plain_http() } else { metadata });
    }
    let expected = issuers.first().map_or("", |issuer| issuer);
    Err(format!(
        "its issuer is {}, but {} was asked for; they must be equal byte for byte{}",
        quoted(found),
        quoted(expected),
        slash(found, expected)
    ))
}

/// Checks that metadata sends nobody into a private network, neither the application nor its users' browsers.
fn check_public_endpoints(metadata: &ProviderMetadata) -> Result<(), String> {
    // Requests with a client certificate go to these (RFC 8705 section 5).
    let members = metadata.members();
    let aliases = members.get("mtls_endpoint_aliases").and_then(Value::as_object);
    for (name, url) in members.iter().chain(aliases.into_iter().flatten()) {
        if name != "jwks_uri" && !name.ends_with("_endpoint") {
            continue;
        }
        if let Some(Err(problem)) = url.as_str().map(check_public_url) {
            return Err(format!("its {} is refused: {problem}", quoted(name)));
        }
    }
    Ok(())
}

impl fmt::Debug for Discovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovered")
            .field("issuers", &self.issuers)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
