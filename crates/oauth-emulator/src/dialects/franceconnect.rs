use crate::{
    exchange::{Dialect, Exchange},
    refusal::CallbackError,
};

/// What an authorization request may hold.
const KNOWN: [&str; 11] = [
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
    "ui_locales",
];

/// <https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-endpoints/>
pub(super) struct FranceConnect;

impl Dialect for FranceConnect {
    /// Version 2 refuses whatever else a request holds, such as a code challenge: by an error page, where this is a callback.
    fn check_authorize(&self, exchange: &Exchange<'_>, _scopes: &[String]) -> Result<(), CallbackError> {
        let is_version_1 = exchange.provider.name != exchange.provider.family;
        if is_version_1 {
            return Ok(());
        }
        let invalid = |description: String| Err(CallbackError::new("invalid_request", description));
        let query = &exchange.request.query;
        if let Some((unknown, _)) = query.iter().find(|(name, _)| !KNOWN.contains(name)) {
            return invalid(format!("the parameter {unknown} is not known"));
        }
        let prompts = query.get("prompt").unwrap_or_default().split_whitespace();
        match prompts.into_iter().find(|prompt| !["login", "consent"].contains(prompt)) {
            Some(other) => invalid(format!("prompt may be login or consent, not {other}")),
            None => Ok(()),
        }
    }
}
