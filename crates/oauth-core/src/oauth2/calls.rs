//! What spans, events and metrics are told of calls of providers.

use std::time::Duration;

#[cfg(feature = "metrics")]
use crate::telemetry::metric;
#[cfg(feature = "tracing")]
use crate::telemetry::{EVENT_NAME, event};
use crate::{
    error::{Error, Operation, class::ErrorClass},
    message::response::Response,
};

/// Tells of the end of a call of a provider.
pub(crate) fn ended(provider: &str, operation: Operation, result: &Result<Response, Error>, took: Duration) {
    let error = result.as_ref().err().map(error_type);
    let seconds = took.as_secs_f64();
    #[cfg(feature = "tracing")]
    tell(provider, operation, error, seconds);
    #[cfg(feature = "metrics")]
    {
        let provider = || ("provider", provider.to_owned());
        let operation = || ("operation", operation.as_str().to_owned());
        let labels = [provider(), operation(), ("outcome", error.unwrap_or("ok").to_owned())];
        metrics::counter!(metric::REQUESTS, &labels).increment(1);
        metrics::histogram!(metric::REQUEST_SECONDS, &[provider(), operation()]).record(seconds);
    }
}

#[cfg(feature = "tracing")]
fn tell(provider: &str, operation: Operation, error: Option<&'static str>, duration: f64) {
    let operation_name = operation.as_str();
    match error {
        // Most of these are answers that the user has not decided yet.
        Some(error) if operation == Operation::POLL_DEVICE_LOGIN => tracing::debug!(
            { EVENT_NAME } = event::DEVICE_POLLED,
            provider,
            operation = operation_name,
            { "error.type" } = error,
            duration,
            "the login on another device has not ended"
        ),
        Some(error) => tracing::debug!(
            { EVENT_NAME } = event::REQUEST_FAILED,
            provider,
            operation = operation_name,
            { "error.type" } = error,
            duration,
            "the call of the provider failed"
        ),
        None => tracing::debug!(
            { EVENT_NAME } = event_of(operation),
            provider,
            operation = operation_name,
            duration,
            "the call of the provider succeeded"
        ),
    }
}

#[cfg(feature = "tracing")]
fn event_of(operation: Operation) -> &'static str {
    match operation {
        Operation::GET_ACCESS_TOKEN => event::TOKEN_EXCHANGED,
        Operation::REFRESH_TOKEN => event::TOKEN_REFRESHED,
        Operation::REVOKE_TOKEN => event::TOKEN_REVOKED,
        Operation::INTROSPECT_TOKEN => event::TOKEN_INTROSPECTED,
        Operation::DISCOVER => event::DISCOVERY_FETCHED,
        Operation::GET_KEYS => event::KEYS_FETCHED,
        Operation::GET_PROFILE | Operation::GET_IDENTITY => event::PROFILE_FETCHED,
        Operation::PUSH_AUTHORIZATION_REQUEST => event::AUTHORIZATION_REQUEST_PUSHED,
        Operation::START_DEVICE_LOGIN => event::DEVICE_STARTED,
        Operation::POLL_DEVICE_LOGIN => event::DEVICE_POLLED,
        // An operation of crates above this one.
        _ if operation.as_str() == "register" => event::CLIENT_REGISTERED,
        _ => event::REQUEST_COMPLETED,
    }
}

/// In which way a call failed: a class of [`ErrorClass`](crate::ErrorClass). What a server said is not among them, so that they are few.
fn error_type(error: &Error) -> &'static str {
    match error.class() {
        ErrorClass::Reauthorize => "reauthorize",
        ErrorClass::Transient { .. } => "transient",
        ErrorClass::Configuration => "configuration",
        ErrorClass::Protocol => "protocol",
    }
}
