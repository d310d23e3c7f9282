//! What the log is told. No event holds a code, a token or a cookie.

use std::error::Error as StdError;

use http::StatusCode;

use crate::{
    error::SignInError,
    origin::{Origin, Site, is_exposed},
};

/// Somebody was refused. What strangers chose is quoted, so that it cannot look like a line of its own.
pub(crate) fn refused(route: &'static str, error: &SignInError) {
    // Names are short, and paths may be long.
    let provider: String = error.provider().chars().take(64).collect();
    let (status, reason) = (error.status().as_u16(), error.to_string());
    // What is behind it, such as the words of the application's own function.
    let cause = error.source().map(ToString::to_string).filter(|cause| *cause != reason);
    if error.is_denied() {
        tracing::info!(route, ?provider, status, ?reason, "the user did not allow the sign-in");
    } else if error.status() == StatusCode::INTERNAL_SERVER_ERROR || error.is_of_application() {
        tracing::error!(route, ?provider, status, ?reason, ?cause, "sign-in failed");
    } else {
        tracing::warn!(route, ?provider, status, ?reason, ?cause, "sign-in refused");
    }
}

/// A sign-in began.
pub(crate) fn begun(route: &'static str, provider: &str) {
    tracing::debug!(route, provider, "sign-in begun");
}

/// Somebody signed in.
pub(crate) fn signed_in(provider: &str) {
    tracing::debug!(provider, "signed in");
}

/// A setting that loosens security.
pub(crate) fn configured(origin: &Origin) {
    match origin {
        Origin::Proxy(headers) => tracing::warn!(
            ?headers,
            "redirect URIs are made of headers of the request: a proxy must set them on each, and nobody may reach the application without it"
        ),
        Origin::Fixed(address) if is_exposed(address) => tracing::warn!(
            ?address,
            "this site is not https: others on the network can read its cookies and its users' codes"
        ),
        Origin::Fixed(_) | Origin::Host => {}
    }
}

/// Nothing said whether browsers see this site by https.
pub(crate) fn guessed(site: &Site) {
    tracing::warn!(
        address = ?site.address,
        "taking this for the site's address, from the request's Host; if it is another, or plain http, set it by SignIn::at"
    );
}

/// A callback gave no token.
pub(crate) fn callback_refused(provider: &str, status: StatusCode, error: &dyn StdError) {
    tracing::warn!(provider, status = status.as_u16(), reason = ?error.to_string(), "callback refused");
}
