//! How an authorizer finds the authorization server of an MCP server.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use oauth_core::{Challenge, HttpClient, OAuth2, PublicHosts, serde_json::Value};

use super::{Authorizer, clients::issuer_key};
use crate::{
    error::{McpError, Probe, one_line},
    http::{Fetched, FilteredClient, fetch, nobody},
    metadata::{ResourceMetadata, ServerMetadata, metadata_urls},
    revision::Revision,
    server_url::{ServerUrl, check_url},
    step::Target,
};

/// How long an authorization server's metadata is used without another look.
const METADATA_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// More servers than these are forgotten again.
const MOST_CACHED: usize = 256;

impl Authorizer {
    /// Finds the authorization server of an MCP server, after it answered 401 or 403 with this challenge.
    ///
    /// # Errors
    ///
    /// What is wrong with the metadata, or why it could not be read.
    pub async fn discover(
        &self,
        server: &ServerUrl,
        challenge: Option<&Challenge>,
    ) -> Result<Target, McpError> {
        let challenged_scopes = challenge
            .and_then(Challenge::scopes)
            .map(|scopes| scopes.into_iter().map(str::to_owned).collect());
        let header = challenge.and_then(Challenge::resource_metadata);
        match self.resource_metadata(server, header).await? {
            Some((url, resource_metadata)) => {
                let issuer = self.choose_issuer(&url, &resource_metadata, server).await?;
                let metadata = self.server_metadata(server, resource_metadata.resource(), &issuer).await?;
                Ok(Target {
                    server: server.clone(),
                    resource: resource_metadata.resource().to_owned(),
                    resource_metadata: Some(resource_metadata),
                    metadata,
                    challenged_scopes,
                    is_legacy: false,
                })
            }
            None => Ok(Target {
                server: server.clone(),
                resource: server.resource(),
                resource_metadata: None,
                metadata: self.legacy_metadata(server).await?,
                challenged_scopes,
                is_legacy: true,
            }),
        }
    }

    /// The server's metadata with its URL; `None` where the older revision's endpoints are to be taken.
    async fn resource_metadata(
        &self,
        server: &ServerUrl,
        header: Option<&str>,
    ) -> Result<Option<(String, ResourceMetadata)>, McpError> {
        let client = self.nobody(server);
        if let Some(url) = header {
            let failed = |cause| McpError::ResourceMetadata { url: url.to_owned(), cause };
            let fetched = fetch(&client, "resource_metadata", url, server, &[], failed).await?;
            let (status, found) = match fetched {
                Fetched::Document(document) => (200, ResourceMetadata::new(document)),
                Fetched::Absent(status) => (status, None),
            };
            // Whoever names a place has one, so nothing else is guessed.
            let found = found
                .ok_or_else(|| McpError::NoResourceMetadata(vec![Probe { url: url.to_owned(), status }]))?;
            self.check_resource(server, url, &found, &server.resource())?;
            return Ok(Some((url.to_owned(), found)));
        }
        if !self.0.revision.probes_resource_metadata() {
            return Ok(None);
        }
        let mut tried = Vec::new();
        for (url, expected) in server.metadata_candidates() {
            let failed = |cause| McpError::ResourceMetadata { url: url.clone(), cause };
            let status = match fetch(&client, "resource metadata", &url, server, &[], failed).await? {
                Fetched::Document(document) => match ResourceMetadata::new(document) {
                    Some(found) => {
                        self.check_resource(server, &url, &found, &expected)?;
                        return Ok(Some((url, found)));
                    }
                    None => 200,
                },
                Fetched::Absent(status) => status,
            };
            tried.push(Probe { url, status });
        }
        match self.0.has_legacy_fallback && tried.iter().all(|probe| probe.status == 404) {
            true => Ok(None),
            false => Err(McpError::NoResourceMetadata(tried)),
        }
    }

    fn check_resource(
        &self,
        server: &ServerUrl,
        url: &str,
        found: &ResourceMetadata,
        expected: &str,
    ) -> Result<(), McpError> {
        match server.accepts_resource(found.resource(), expected, self.0.names) {
            true => Ok(()),
            false => Err(McpError::ResourceMismatch {
                url: url.to_owned(),
                expected: expected.to_owned(),
                found: one_line(found.resource()),
            }),
        }
    }

    /// The authorization server to use: the application's choice, one with a client, or the first. Not the next one if it fails.
    async fn choose_issuer(
        &self,
        url: &str,
        metadata: &ResourceMetadata,
        server: &ServerUrl,
    ) -> Result<String, McpError> {
        let issuers = metadata.authorization_servers();
        let Some(first) = issuers.first() else {
            return Err(McpError::NoAuthorizationServer { url: url.to_owned() });
        };
        let chosen = match &self.0.choose_server {
            Some(choose) => match choose(&issuers) {
                Some(chosen) if issuers.contains(&&*chosen) => Some(chosen),
                Some(chosen) => return Err(McpError::NotAnAuthorizationServer { chosen }),
                None => None,
            },
            None => None,
        };
        let chosen = match chosen {
            Some(chosen) => chosen,
            None => self.with_a_client(&issuers).await?.unwrap_or_else(|| (*first).to_owned()),
        };
        let parsed = check_url("issuer", &chosen, server)?;
        match parsed.query() {
            None => Ok(chosen),
            Some(_) => Err(McpError::UnsafeUrl {
                what: "issuer",
                url: one_line(&chosen),
                problem: "it has a query".to_owned(),
            }),
        }
    }

    async fn with_a_client(&self, issuers: &[&str]) -> Result<Option<String>, McpError> {
        if issuers.len() < 2 {
            return Ok(None);
        }
        for issuer in issuers {
            let is_known = self.0.clients.iter().any(|client| client.issuer == **issuer);
            if is_known || self.load(&issuer_key(issuer)).await?.is_some() {
                return Ok(Some((*issuer).to_owned()));
            }
        }
        Ok(None)
    }

    async fn server_metadata(
        &self,
        server: &ServerUrl,
        resource: &str,
        issuer: &str,
    ) -> Result<Arc<ServerMetadata>, McpError> {
        let key = [resource.to_owned(), issuer.to_owned()];
        if let Some(known) = self.cached(&key) {
            return Ok(known);
        }
        let client = self.nobody(server);
        let mut tried = Vec::new();
        for url in metadata_urls(issuer, self.0.revision) {
            let failed =
                |cause| McpError::ServerMetadata { issuer: issuer.to_owned(), url: url.clone(), cause };
            match fetch(&client, "metadata", &url, server, &[], failed).await? {
                Fetched::Document(document) => {
                    let found = document.get("issuer").and_then(Value::as_str).unwrap_or_default().to_owned();
                    let metadata =
                        ServerMetadata::new(document).filter(|found| found.is_of(issuer, self.0.names));
                    // Another server's document ends the search: the next place is not a better one.
                    let metadata = metadata.ok_or(McpError::IssuerMismatch {
                        url,
                        expected: issuer.to_owned(),
                        found: one_line(&found),
                    })?;
                    metadata.endpoints(server)?;
                    let metadata = Arc::new(metadata);
                    self.keep(key, &metadata);
                    return Ok(metadata);
                }
                Fetched::Absent(status) => tried.push(Probe { url, status }),
            }
        }
        Err(McpError::NoServerMetadata { issuer: issuer.to_owned(), tried })
    }

    /// What MCP 2025-03-26 has: the metadata at the server's origin, or else three paths.
    async fn legacy_metadata(&self, server: &ServerUrl) -> Result<Arc<ServerMetadata>, McpError> {
        let origin = server.origin();
        let key = [server.resource(), origin.clone()];
        if let Some(known) = self.cached(&key) {
            return Ok(known);
        }
        let url = format!("{origin}/.well-known/oauth-authorization-server");
        let failed = |cause| McpError::ServerMetadata { issuer: origin.clone(), url: url.clone(), cause };
        let version = [("mcp-protocol-version", Revision::V2025_03_26.as_str())];
        let metadata = match fetch(&self.nobody(server), "metadata", &url, server, &version, failed).await? {
            Fetched::Document(document) => {
                let found = document.get("issuer").and_then(Value::as_str).unwrap_or_default().to_owned();
                let metadata =
                    ServerMetadata::new(document).filter(|found| found.is_of(&origin, self.0.names));
                metadata.ok_or(McpError::IssuerMismatch { url, expected: origin, found: one_line(&found) })?
            }
            Fetched::Absent(404) => ServerMetadata::at_default_paths(&origin),
            Fetched::Absent(status) => {
                return Err(McpError::NoServerMetadata {
                    issuer: origin,
                    tried: vec![Probe { url, status }],
                });
            }
        };
        metadata.endpoints(server)?;
        let metadata = Arc::new(metadata);
        self.keep(key, &metadata);
        Ok(metadata)
    }

    fn cached(&self, key: &[String; 2]) -> Option<Arc<ServerMetadata>> {
        let cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, metadata) = cache.get(key)?;
        (at.elapsed() < METADATA_LIFETIME).then(|| metadata.clone())
    }

    fn keep(&self, key: [String; 2], metadata: &Arc<ServerMetadata>) {
        let mut cache = self.0.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MOST_CACHED {
            cache.clear();
        }
        cache.insert(key, (Instant::now(), metadata.clone()));
    }

    /// What discovery found at an earlier time, with the scopes of a new challenge.
    pub(crate) async fn target_again(
        &self,
        server: &ServerUrl,
        resource: &str,
        issuer: &str,
        is_legacy: bool,
        challenged_scopes: Option<Vec<String>>,
    ) -> Result<Target, McpError> {
        let metadata = match is_legacy {
            true => self.legacy_metadata(server).await?,
            false => self.server_metadata(server, resource, issuer).await?,
        };
        Ok(Target {
            server: server.clone(),
            resource: resource.to_owned(),
            resource_metadata: None,
            metadata,
            challenged_scopes,
            is_legacy,
        })
    }

    pub(crate) fn http(&self, server: &ServerUrl) -> Result<Arc<dyn HttpClient>, McpError> {
        Ok(match (&self.0.http, self.0.reaches_any_address) {
            (Some(given), true) => given.clone(),
            (None, true) => oauth_core::default_http_client()?,
            (given, false) => Arc::new(FilteredClient::new(server, given.as_ref())),
        })
    }

    pub(super) fn nobody(&self, server: &ServerUrl) -> OAuth2 {
        // Without an HTTP client nothing can be sent, and the first request says so.
        let http = self.http(server).unwrap_or_else(|_| Arc::new(PublicHosts::new()));
        nobody(http)
    }
}
