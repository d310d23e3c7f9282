//! OpenID Connect as a participant of a client: its policy, its metadata and keys, and a client that is ready for requests.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use oauth_core::{Endpoint, Endpoints, Error, ErrorKind, OAuth2, Operation, Provider, Result};

use crate::{
    discovered::Discovered, jws::quoted, metadata::ProviderMetadata, policy::VerificationPolicy,
    provider_keys::ProviderKeys,
};

/// OpenID Connect as a [participant](oauth_core::Participant) of a client: what a provider crate gives to its `OAuth2`, by way of
/// [`client!`](crate::client).
///
/// [`OpenIDConnect::of`] gives what it can do beyond logins.
pub struct OpenIDConnect {
    pub(crate) policy: VerificationPolicy,
    pub(crate) source: MetadataSource,
    pub(crate) keys: Arc<ProviderKeys>,
    /// The client that was made ready last, with the one that it was made of, and the metadata.
    ready: Mutex<Option<Ready>>,
}

/// Where endpoints come from.
#[derive(Clone, Debug)]
pub(crate) enum MetadataSource {
    /// The provider's description.
    Spec,
    /// Metadata that the application wrote or kept.
    Given(Arc<ProviderMetadata>),
    /// Discovery.
    Discovered(Arc<Discovered>),
}

struct Ready {
    of: OAuth2,
    metadata: Arc<ProviderMetadata>,
    client: OAuth2,
}

impl OpenIDConnect {
    pub(crate) fn new(source: MetadataSource, policy: VerificationPolicy) -> Self {
        Self { policy, source, keys: Arc::default(), ready: Mutex::default() }
    }

    /// A protocol with another policy. Keys and metadata that were read stay.
    pub(crate) fn with_policy(&self, policy: VerificationPolicy) -> Self {
        Self { policy, source: self.source.clone(), keys: self.keys.clone(), ready: Mutex::default() }
    }

    /// The provider's metadata, if the client has any.
    pub(crate) async fn metadata(&self, client: &OAuth2) -> Result<Option<Arc<ProviderMetadata>>> {
        match &self.source {
            MetadataSource::Spec => Ok(None),
            MetadataSource::Given(metadata) => Ok(Some(metadata.clone())),
            MetadataSource::Discovered(discovered) => discovered.get(client, &self.policy).await.map(Some),
        }
    }

    pub(crate) fn make_ready(&self, client: &OAuth2, metadata: &ProviderMetadata) -> Result<OAuth2> {
        let at = |error: Error| error.at(client.name().to_owned());
        metadata.check(client).map_err(at)?;
        let ready = client.clone().with_credentials(metadata.chosen_credentials(client).map_err(at)?);
        let (ready, found) = choose_authentication(ready, client, metadata).map_err(at)?;
        let found = metadata.without_strange_schemes(found).map_err(at)?;
        let mut ready =
            ready.with_mtls_endpoints(metadata.mtls_endpoints()).with_endpoints(|own| own.or(found));
        if ready.endpoints().get(Endpoint::Authorization).is_none() {
            ready = ready.refuse_authorization_requests(
                "the provider has no authorization endpoint, so nobody signs in there by a browser",
            );
        }
        if let Some(chosen) = client.chosen_issuer().filter(|chosen| *chosen != metadata.issuer()) {
            let problem = format!(
                "the issuer was set to {chosen:?}, but that of the provider's metadata is {}",
                quoted(metadata.issuer())
            );
            return Err(client.error(Operation::DISCOVER, ErrorKind::Configuration(problem)));
        }
        ready = ready.with_issuer(metadata.issuer().to_owned());
        if metadata.flag("authorization_response_iss_parameter_supported") {
            ready = ready.require_callback_issuer();
        }
        for demand in metadata.demands_on_requests() {
            ready = ready.demand_of_requests(demand);
        }
        if metadata.allows_http {
            ready = ready.dangerously_allow_plain_http();
        }
        // What a login does not need is checked when it is used.
        for endpoint in [Endpoint::Authorization, Endpoint::Token, Endpoint::Jwks] {
            ready.check_endpoint(endpoint)?;
        }
        Ok(ready)
    }

    /// The client with what the metadata says, as it was made before if neither has changed since.
    pub(crate) async fn ready(&self, client: &OAuth2) -> Result<OAuth2> {
        if self.is_ready(client) {
            return Ok(client.clone());
        }
        let Some(metadata) = self.metadata(client).await? else { return Ok(client.clone()) };
        if let Some(ready) = self.remembered(client, &metadata) {
            return Ok(ready);
        }
        let ready = self.make_ready(client, &metadata).map_err(|error| error.during(Operation::DISCOVER))?;
        let of = client.clone();
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Ready { of, metadata, client: ready.clone() });
        Ok(ready)
    }

    fn remembered(&self, client: &OAuth2, metadata: &Arc<ProviderMetadata>) -> Option<OAuth2> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = ready.as_ref()?;
        (ready.of.is_same(client) && Arc::ptr_eq(&ready.metadata, metadata)).then(|| ready.client.clone())
    }

    /// Whether nothing is left to do: there is nothing to discover, or this has made the client ready.
    fn is_ready(&self, client: &OAuth2) -> bool {
        if !matches!(self.source, MetadataSource::Discovered(_)) {
            return true;
        }
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.as_ref().is_some_and(|ready| ready.client.is_same(client))
    }
}

impl fmt::Debug for OpenIDConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIDConnect").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Chooses how the client authenticates at each endpoint, and returns it with the endpoints at which it can.
fn choose_authentication(
    mut ready: OAuth2,
    client: &OAuth2,
    metadata: &ProviderMetadata,
) -> Result<(OAuth2, Endpoints)> {
    let mut found = metadata.endpoints();
    if let Some(own) = ready.credentials().own_authentication() {
        // Where a provider does not take it elsewhere, it is still one to sign in with.
        for (endpoint, name) in [
            (Endpoint::Revocation, "revocation_endpoint"),
            (Endpoint::Introspection, "introspection_endpoint"),
        ] {
            if metadata.offers(name, &**own).is_err() {
                found = found.without(endpoint);
            }
        }
    } else {
        let public = ready.credentials().are_none();
        if client.chosen_client_auth().is_none() {
            ready = ready.with_client_auth(metadata.client_auth("token_endpoint", public)?);
        }
        // A provider whose revocation cannot be used is still one to sign in with.
        match metadata.client_auth("revocation_endpoint", public) {
            _ if client.revoke_auth().is_some() => {}
            // What is set here is sent even where the token itself authenticates the request.
            Ok(auth) if Some(auth) != ready.chosen_client_auth() => ready = ready.with_revoke_auth(auth),
            Ok(_) => {}
            Err(_) => found = found.without(Endpoint::Revocation),
        }
        // Without a list of its own, the methods are whatever the server says elsewhere (RFC 8414 section 2).
        if client.introspection_auth().is_none()
            && metadata.list("introspection_endpoint_auth_methods_supported").is_some()
            && let Ok(auth) = metadata.client_auth("introspection_endpoint", public)
        {
            ready = ready.with_introspection_auth(auth);
        }
    }
    Ok((ready, found))
}

#[cfg(test)]
mod tests {
    use oauth_core::{ClientAuth, serde_json::json};

    use super::*;
    use crate::{client::OpenID, discovery::Discovery};

    fn metadata() -> ProviderMetadata {
        let metadata = json!({
            "issuer": "https://op.example",
            "authorization_endpoint": "https://op.example/auth",
            "token_endpoint": "https://op.example/token",
            "jwks_uri": "https://op.example/jwks",
            "revocation_endpoint": "https://op.example/revoke",
            "revocation_endpoint_auth_methods_supported": ["client_secret_post"],
        });
        ProviderMetadata::new(metadata).unwrap()
    }

    #[tokio::test]
    async fn a_client_that_is_ready_is_not_made_ready_again() {
        let client = OpenID::new("id", "secret", metadata()).unwrap();
        assert!(client.oauth2().ready().await.unwrap().is_same(client.oauth2()));
    }

    #[test]
    fn how_a_client_revokes_is_the_applications_choice_before_it_is_the_metadatas() {
        let revokes = |client: &OpenID| {
            let protocol = client.oauth2().participant::<OpenIDConnect>().unwrap();
            let ready = protocol.make_ready(client.oauth2(), &metadata()).unwrap();
            (ready.revoke_auth(), ready.endpoints().get(Endpoint::Revocation).is_some())
        };
        let client = Discovery::new("https://op.example").client("id", "secret").unwrap();
        assert_eq!(revokes(&client), (Some(ClientAuth::Post), true));
        // The method of the token endpoint needs no saying.
        let posts = client.clone().with_client_auth(ClientAuth::Post);
        assert_eq!(revokes(&posts), (None, true));
        assert_eq!(revokes(&client.with_revoke_auth(ClientAuth::Basic)), (Some(ClientAuth::Basic), true));
    }

    #[test]
    fn a_participant_says_where_its_metadata_comes_from() {
        let client = Discovery::new("https://op.example").client("id", "secret-1").unwrap();
        let shown = format!("{:?}", client.oauth2().participant::<OpenIDConnect>().unwrap());
        assert!(shown.starts_with("OpenIDConnect") && shown.contains("https://op.example"), "{shown}");
        assert!(shown.contains("openid-configuration") && !shown.contains("secret-1"), "{shown}");
    }
}
