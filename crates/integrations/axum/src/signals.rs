//! Routes that a vendor's server posts signals to.

use axum::{
    extract::Request,
    response::IntoResponse,
    routing::{MethodRouter, any},
};
use oauth_web::SignalEndpoint;

/// The route of a [`SignalEndpoint`], for the path that is registered at the vendor. No cookie comes with it, and no middleware may change
/// the body before it, or demand a login.
///
/// ```
/// use axum::Router;
/// use oauth_core::{Signal, SignalVerifier};
/// use oauth_web_axum::{SignalEndpoint, signal_route};
///
/// fn app(verifier: impl SignalVerifier + 'static) -> Router {
///     let endpoint = SignalEndpoint::new(verifier, |signal: Signal| async move {
///         println!("{} at {}", signal.event.name(), signal.provider);
///         Ok::<(), std::io::Error>(())
///     });
///     Router::new().route("/signals/apple", signal_route(endpoint))
/// }
/// ```
pub fn signal_route<S>(endpoint: SignalEndpoint) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    any(async move |request: Request| endpoint.receive(request).await.into_response())
}
