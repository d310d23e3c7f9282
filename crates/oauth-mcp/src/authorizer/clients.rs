//! Which client an authorizer is at a server.

use std::sync::{Arc, MutexGuard, PoisonError};

use oauth_core::{
    Endpoint, OAuth2, Provider, Secret,
    serde_json::Value,
    telemetry::{EVENT_NAME, event},
};

use super::{Authorizer, MadeClients};
use crate::{
    client::McpClient,
    error::McpError,
    registration::{
        Applicant, ApplicationType, KnownClient, Registered, Registration, RegistrationMethod, register,
    },
    step::Target,
};

/// More clients than these are made anew when they are needed.
const MOST_MADE: usize = 256;

impl Authorizer {
    /// The client to use at a server; `None` if a person has to be asked.
    pub(super) async fn client_for(
        &self,
        target: &Target,
        redirect_uri: &str,
        scopes: Option<&[String]>,
    ) -> Result<Option<KnownClient>, McpError> {
        let issuer = target.issuer();
        let pre_registered = self.pre_registered(issuer);
        let registers = self.0.registers.unwrap_or(self.0.clients.is_empty());
        let has_document = self.0.metadata_document.is_some() && self.0.revision.takes_metadata_documents();
        let method =
            RegistrationMethod::choose(&target.metadata, pre_registered.is_some(), has_document, registers);
        if let Some(given) = self.registered(&given_key(issuer)).await?
            && pre_registered.is_none()
        {
            return Ok(Some(given.client()));
        }
        match method {
            RegistrationMethod::PreRegistered => Ok(pre_registered.cloned()),
            RegistrationMethod::MetadataDocument => Ok(self.of_document(issuer)),
            RegistrationMethod::Dynamic => self.dynamic(target, redirect_uri, scopes).await.map(Some),
            RegistrationMethod::Ask if !self.0.clients.is_empty() && !registers => {
                Err(McpError::ClientOfOtherIssuer {
                    issuer: issuer.to_owned(),
                    registered: self.0.clients.iter().map(|client| client.issuer.clone()).collect(),
                })
            }
            RegistrationMethod::Ask => Ok(None),
        }
    }

    fn pre_registered(&self, issuer: &str) -> Option<&KnownClient> {
        self.0.clients.iter().find(|client| client.issuer == issuer)
    }

    fn of_document(&self, issuer: &str) -> Option<KnownClient> {
        let (url, credentials) = self.0.metadata_document.as_ref()?;
        Some(KnownClient::new(issuer, url.as_str(), credentials.clone()))
    }

    async fn dynamic(
        &self,
        target: &Target,
        redirect_uri: &str,
        scopes: Option<&[String]>,
    ) -> Result<KnownClient, McpError> {
        let issuer = target.issuer();
        let mut redirect_uris = self.0.redirect_uris.clone();
        if !redirect_uris.iter().any(|uri| uri == redirect_uri) {
            redirect_uris.insert(0, redirect_uri.to_owned());
        }
        let key = self.dynamic_key(issuer, &redirect_uris);
        if let Some(known) = self.registered(&key).await?
            && !known.is_expired(self.0.clock.now())
        {
            return Ok(known.client());
        }
        let application_type = self.0.application_type.unwrap_or(ApplicationType::of(redirect_uri));
        let applicant = Applicant {
            client_name: &self.0.client_name,
            redirect_uris: &redirect_uris,
            application_type,
            scopes,
            further: &self.0.registration,
        };
        let nobody = self.nobody(&target.server);
        let initial = self.0.initial_access_tokens.get(issuer);
        let registered = register(&nobody, &target.metadata, &target.server, &applicant, initial).await?;
        self.remember(&registered, &key).await?;
        Ok(registered.client())
    }

    /// Under which name a registration is kept: what the server knows of the client decides.
    fn dynamic_key(&self, issuer: &str, redirect_uris: &[String]) -> String {
        let software =
            self.0.registration.get("software_id").and_then(Value::as_str).unwrap_or(&self.0.client_name);
        format!("registration\n{issuer}\n{}\n{software}", redirect_uris.join(" "))
    }

    /// The client of this issuer with this id.
    pub(crate) async fn known(&self, issuer: &str, client_id: &str) -> Result<KnownClient, McpError> {
        let given = self.pre_registered(issuer).filter(|client| client.client_id == client_id);
        if let Some(client) = given {
            return Ok(client.clone());
        }
        if let Some(client) = self.of_document(issuer).filter(|client| client.client_id == client_id) {
            return Ok(client);
        }
        let found = self.registered(&client_key(issuer, client_id)).await?;
        // Its own name is in the record as well, so that nobody's key can lead to another issuer's secret.
        let found = found.filter(|found| found.issuer == issuer && found.client_id == client_id);
        found.map(|found| found.client()).ok_or_else(|| McpError::UnknownClient {
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
        })
    }

    /// What is known of a client to which a token was issued.
    pub(crate) async fn registration(&self, issuer: &str, client_id: &str) -> Result<Registration, McpError> {
        let kept = self.registered(&client_key(issuer, client_id)).await?;
        let secret_expires_at = kept.as_ref().and_then(Registered::secret_expires_at);
        let is_known = kept.is_some() || self.known(issuer, client_id).await.is_ok();
        let (issuer, client_id) = (issuer.to_owned(), client_id.to_owned());
        Ok(Registration { issuer, client_id, secret_expires_at, is_known })
    }

    async fn registered(&self, key: &str) -> Result<Option<Registered>, McpError> {
        let Some(text) = self.load(key).await? else { return Ok(None) };
        // What an unknown version wrote is registered anew.
        Ok(serde_json::from_str(text.expose()).ok())
    }

    pub(super) async fn remember(&self, registered: &Registered, key: &str) -> Result<(), McpError> {
        self.made().clear();
        let text = serde_json::to_string(registered).map_err(|error| McpError::Records(error.to_string()))?;
        let text = Secret::new(text);
        self.save(&client_key(&registered.issuer, &registered.client_id), text.clone()).await?;
        self.save(&issuer_key(&registered.issuer), Secret::new(key)).await?;
        self.save(key, text).await
    }

    /// Forgets a client that was registered dynamically, and says whether there was one.
    pub(crate) async fn forget(&self, issuer: &str, client_id: &str) -> Result<bool, McpError> {
        let key = client_key(issuer, client_id);
        let Some(known) = self.registered(&key).await?.filter(|known| !known.is_given) else {
            return Ok(false);
        };
        self.remove(&key).await?;
        // It is the newest in most cases; an older one is found by its redirect URIs, and replaced when it is refused.
        if let Some(newest) = self.load(&issuer_key(issuer)).await?
            && let Some(found) = self.registered(newest.expose()).await?
            && found.client_id == known.client_id
        {
            self.remove(newest.expose()).await?;
        }
        self.remove(&issuer_key(issuer)).await?;
        Ok(true)
    }

    /// The client of a server, with all that its metadata says. It is made once, so that what its participants learn (a nonce) is kept.
    pub(crate) fn mcp_client(&self, target: &Target, client: &KnownClient) -> Result<McpClient, McpError> {
        let issuer = target.issuer().to_owned();
        let key = [target.server.resource(), target.resource.clone(), issuer, client.client_id.clone()];
        let made = |found: &MadeClients| {
            let (metadata, client) = found.get(&key)?;
            Arc::ptr_eq(metadata, &target.metadata).then(|| client.clone())
        };
        if let Some(made) = made(&self.made()) {
            return Ok(made);
        }
        let client = self.new_client(target, client)?;
        let mut all = self.made();
        if all.len() >= MOST_MADE {
            all.clear();
        }
        all.insert(key, (target.metadata.clone(), client.clone()));
        Ok(client)
    }

    fn made(&self) -> MutexGuard<'_, MadeClients> {
        self.0.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_client(&self, target: &Target, client: &KnownClient) -> Result<McpClient, McpError> {
        let metadata = &target.metadata;
        let auth = client.auth_at(metadata)?;
        let endpoints = metadata.endpoints(&target.server)?;
        let mut oauth2 = OAuth2::new(&*client.client_id, client.credentials.clone(), "", "")
            .with_name("mcp")
            .with_endpoints(|_| endpoints)
            .with_issuer(metadata.issuer().to_owned())
            .with_client_auth(auth)
            .with_http_client(self.http(&target.server)?);
        if metadata.flag("authorization_response_iss_parameter_supported") {
            oauth2 = oauth2.require_callback_issuer();
        }
        if oauth2.endpoints().get(Endpoint::Token).is_none() {
            let problem = format!("the metadata of {:?} names no token_endpoint", metadata.issuer());
            return Err(oauth_core::Error::configuration("mcp", problem).into());
        }
        if let Some(set_up) = &self.0.set_up {
            oauth2 = set_up(oauth2);
        }
        let is_without = self.0.without_resource.iter().any(|issuer| issuer == metadata.issuer());
        if is_without {
            tracing::warn!(
                { EVENT_NAME } = event::SETTING_LOOSENED,
                issuer = metadata.issuer(),
                "tokens are asked for without the parameter resource, so that they may be good for other servers too"
            );
        }
        let names_resource = self.0.revision.names_resource() && !target.is_legacy && !is_without;
        Ok(McpClient::new(oauth2, names_resource.then(|| target.resource.clone())))
    }

    pub(crate) async fn load(&self, key: &str) -> Result<Option<Secret>, McpError> {
        self.0.records.load(key).await.map_err(|cause| McpError::Records(cause.to_string()))
    }

    pub(crate) async fn save(&self, key: &str, value: Secret) -> Result<(), McpError> {
        self.0.records.save(key, value).await.map_err(|cause| McpError::Records(cause.to_string()))
    }

    pub(crate) async fn remove(&self, key: &str) -> Result<(), McpError> {
        self.0.records.remove(key).await.map_err(|cause| McpError::Records(cause.to_string()))
    }

    /// The client without a user: one of the application's own, at this issuer.
    pub(crate) fn own_client(&self, issuer: &str) -> Result<&KnownClient, McpError> {
        self.pre_registered(issuer).ok_or_else(|| McpError::ClientOfOtherIssuer {
            issuer: issuer.to_owned(),
            registered: self.0.clients.iter().map(|client| client.issuer.clone()).collect(),
        })
    }
}

pub(super) fn issuer_key(issuer: &str) -> String {
    format!("issuer\n{issuer}")
}

pub(super) fn given_key(issuer: &str) -> String {
    format!("given\n{issuer}")
}

fn client_key(issuer: &str, client_id: &str) -> String {
    format!("client\n{issuer}\n{client_id}")
}
