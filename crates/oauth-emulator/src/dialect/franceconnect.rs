use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Dialect;
use crate::{
    fault::{Fault, WRONG_ISSUER},
    reply::Reply,
    server::Call,
    state::{Grant, now},
    table::SigningAlg,
    token,
};

/// <https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-endpoints/>
pub(super) struct FranceConnect;

impl Dialect for FranceConnect {
    /// Version 2 signs the claims as a JWT; version 1, which has no keys, answers plain JSON.
    fn profile(&self, call: &Call<'_>, grant: &Grant, mut body: Map<String, Value>) -> Reply {
        if call.provider.facts.emulator.id_token_alg == SigningAlg::HS256 {
            return Reply::ok(&Value::Object(body));
        }
        let wrong = call.has_fault(&Fault::WrongIssuer);
        let issuer =
            if wrong { WRONG_ISSUER.to_owned() } else { call.provider.issuer(&grant.request.captures) };
        body.insert("iss".to_owned(), json!(issuer));
        body.insert("aud".to_owned(), json!(grant.request.app.client_id));
        body.insert("iat".to_owned(), json!(now()));
        body.insert("exp".to_owned(), json!(now() + 60));
        match token::sign(call, &grant.request.app, &body) {
            Ok(jwt) => Reply::new(StatusCode::OK, "application/jwt", jwt),
            Err(refusal) => refusal.standard(),
        }
    }

    /// The level of assurance that was asked for.
    fn id_token(&self, grant: &Grant, claims: &mut Map<String, Value>) {
        if let Some(level) = grant.request.params.get("acr_values") {
            claims.insert("acr".to_owned(), json!(level));
        }
    }
}
