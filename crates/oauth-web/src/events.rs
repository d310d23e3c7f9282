//! Events of `tracing`. None contains a code, a token or a cookie.

use std::error::Error as StdError;

use http::StatusCode;

use crate::{
    error::SignInError,
    origin::{Origin, SiteAddress, is_exposed},
};

/// A refusal. Text from outside is escaped, so that it cannot forge a line of the log.
pub(crate) fn refused(route: &'static str, error: &SignInError) {
    // Paths may be long.
    let provider: String = error.provider().chars().take(64).collect();
    let (status, reason) = (error.status().as_u16(), error.to_string());
    // Such as the error of the application's own function. Others say in the reason what caused them.
    let cause = error.kind().source().map(ToString::to_string).filter(|cause| !reason.contains(&**cause));
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
            "redirect URIs are derived from forwarded headers: make sure that a proxy sets them on every request, and that nobody can bypass it"
        ),
        Origin::Fixed(address) if is_exposed(address) => tracing::warn!(
            ?address,
            "this site does not use https: others on the network can read cookies and codes"
        ),
        Origin::Fixed(_) | Origin::Host => {}
    }
}

/// The scheme of this site was guessed.
pub(crate) fn guessed(site: &SiteAddress) {
    tracing::warn!(
        address = ?site.address,
        "guessed the address of this site from the Host header; if it is wrong, or plain http, set it with SignIn::at"
    );
}

/// A callback of [`OAuth2AuthorizeCallback`](crate::OAuth2AuthorizeCallback) produced no token.
pub(crate) fn callback_refused(provider: &str, status: StatusCode, error: &dyn StdError) {
    tracing::warn!(provider, status = status.as_u16(), reason = ?error.to_string(), "callback refused");
}

/// A vendor's message was not accepted, or could not be handled.
#[cfg(feature = "signals")]
pub(crate) fn signal_refused(provider: &str, status: StatusCode, error: &oauth_core::SignalError) {
    use oauth_core::SignalError::{NotHandled, Unavailable};

    let (status, reason) = (status.as_u16(), error.to_string());
    if matches!(error, NotHandled(_) | Unavailable(_)) {
        tracing::error!(provider, status, ?reason, "signal not handled");
    } else {
        tracing::warn!(provider, status, ?reason, "signal refused");
    }
}

/// A signal was handled by the application.
#[cfg(feature = "signals")]
pub(crate) fn signal_handled(provider: &str, event: &str) {
    tracing::info!(provider, ?event, "signal handled");
}

/// A message came that was handled before.
#[cfg(feature = "signals")]
pub(crate) fn signal_repeated(provider: &str) {
    tracing::debug!(provider, "signal repeated");
}
