use serde_json::{Map, Value, json};

use crate::{
    clock::now,
    endpoint::EmulatedEndpoint,
    exchange::{Dialect, Exchange},
    id_token,
    refusal::Reason,
    reply::ServerReply,
    signing_alg::SigningAlg,
    state::Issued,
};

/// <https://developers.eveonline.com/docs/services/sso/>
pub(super) struct EveOnline;

impl Dialect for EveOnline {
    /// The access token is a JWT that names the character.
    fn token_reply(&self, exchange: &Exchange<'_>, issued: &Issued, reply: &mut Map<String, Value>) {
        let (grant, now) = (&issued.grant, now());
        let app = &grant.request.app;
        let claims = json!({
            "scp": issued.scopes,
            "jti": issued.access_token,
            "sub": format!("CHARACTER:EVE:{}", grant.user.id),
            "azp": app.client_id,
            "aud": [app.client_id, "EVE Online"],
            "tenant": "tranquility",
            "name": grant.user.name,
            "owner": "8PmzCeTKb4VFUDrHLc/AeZXDSWM=",
            "iat": now,
            "exp": now + 1199,
            "iss": "https://login.eveonline.com",
        });
        let Value::Object(claims) = claims else { return };
        let (backend, provider) = (exchange.backend, exchange.provider);
        let endpoint = EmulatedEndpoint::Token;
        let signed = id_token::sign(backend, provider, endpoint, app, SigningAlg::RS256, Some("JWT"), claims);
        if let Ok(signed) = signed {
            reply.insert("access_token".to_owned(), json!(signed));
        }
    }

    /// Refresh tokens are not JWTs, and nothing else can be revoked.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        let is_jwt = exchange.request.field("token").is_some_and(|token| token.contains('.'));
        is_jwt.then(|| Reason::TokenType.because("access tokens cannot be revoked").standard())
    }
}
