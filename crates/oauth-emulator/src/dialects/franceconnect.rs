use crate::{
    exchange::{Dialect, Exchange},
    refusal::CallbackError,
};

/// What an authorization request may hold.
const KNOWN: [&str; 10] = [
    "client_id",
    "acr_values",
    "claims",
    "response_type",
    "nonce",
    "state",
    "redirect_uri",
    "scope",
    "prompt",
    "idp_hint",
];

/// <https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-endpoints/>
pub(super) struct FranceConnect;

impl Dialect for FranceConnect {
    /// Version 2 refuses whatever else a request holds, such as a code challenge: by an error page, where this is a callback.
    fn check_authorize(&self, exchange: &Exchange<'_>, _scopes: &[String]) -> Result<(), CallbackError> {
        let is_version_1 = exchange.provider.name != exchange.provider.family;
        match exchange.request.query.iter().find(|(name, _)| !KNOWN.contains(name)) {
            Some((unknown, _)) if !is_version_1 => {
                Err(CallbackError::new("invalid_request", format!("the parameter {unknown} is not known")))
            }
            _ => Ok(()),
        }
    }
}
