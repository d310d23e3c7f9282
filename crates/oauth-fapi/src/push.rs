//! How an authorization request is pushed (RFC 9126 section 2).

use oauth_core::{
    AuthorizationParams, AuthorizationStage, Endpoint, OAuth2, Operation, Participant, RequestDemand, Result,
    async_trait, http::Method,
};

use crate::{
    pushed_requests::{PushedRequests, configuration},
    signed_requests::{SignedRequests, UnsignedRequest},
};

#[async_trait]
impl Participant for PushedRequests {
    fn stage(&self) -> AuthorizationStage {
        AuthorizationStage::Delivery
    }

    fn fulfils(&self, client: &OAuth2, demand: RequestDemand) -> bool {
        demand == RequestDemand::Pushed && client.endpoints().get(Endpoint::PushedAuthorization).is_some()
    }

    async fn authorize(&self, client: &OAuth2, params: &mut AuthorizationParams) -> Result<()> {
        let Some(endpoint) = self.endpoint(client)? else { return Ok(()) };
        if params.get("request_uri").is_some() {
            let problem = "a request_uri must not be pushed (RFC 9126 section 2.1); the client has two participants that make one";
            return Err(configuration(client, problem));
        }
        let operation = Operation::PUSH_AUTHORIZATION_REQUEST;
        let mut request = client
            .request(operation, Method::POST, endpoint)
            .endpoint(Endpoint::PushedAuthorization)
            .client_auth(client.client_auth());
        let client_id = (client.spec().client_id_param, client.client_id());
        request = match client.participant::<SignedRequests>() {
            // It is signed as often as it is sent (RFC 9126 section 3), and by itself.
            Some(signed) => {
                request.form([client_id]).extension(UnsignedRequest(signed.parameters(client, params)?))
            }
            None => request.form(params.iter()),
        };
        let (request_uri, lifetime) = self.read(&request.send().await?)?;
        params.clear();
        params.set(client_id.0, client_id.1);
        params.set("request_uri", request_uri);
        params.set_expiry(client.now() + lifetime);
        Ok(())
    }
}
