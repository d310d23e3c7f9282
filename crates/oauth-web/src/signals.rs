//! An endpoint for a vendor's signals.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use oauth_core::{
    MemoryCache, SharedCache, Signal, SignalError, SignalVerifier, bytes::Bytes,
    provider_kit::hmac_sha256_hex, serde_json::json,
};

use crate::{error::ResolveError, events, task};

/// The most bytes of a message. Shopify's request for the data of a customer lists all of their orders.
const MOST_BYTES: usize = 1024 * 1024;
/// For how long a message is known again: longer than any vendor goes on trying.
const REMEMBERED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// For how long a message counts as being handled, unless the process that does it says how that ended.
const HANDLED_WITHIN: Duration = Duration::from_secs(60);

const RUNNING: &[u8] = b"running";
const DONE: &[u8] = b"done";

type Handle = dyn Fn(Signal) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync;

/// An endpoint to which a vendor's server posts signals: it verifies them, calls the application's handler once for each, and answers as
/// the vendor wants it.
///
/// ```
/// use http::{Request, Response};
/// use http_body::Body;
/// use oauth_core::{Signal, SignalVerifier};
/// use oauth_web::SignalEndpoint;
///
/// fn endpoint(verifier: impl SignalVerifier + 'static) -> SignalEndpoint {
///     SignalEndpoint::new(verifier, |signal: Signal| async move {
///         // End the sessions and grants of `signal.about`, or put the signal into a queue.
///         println!("{} at {}", signal.event.name(), signal.provider);
///         Ok::<(), std::io::Error>(())
///     })
/// }
///
/// /// In an adapter for a framework: whatever was posted to the endpoint's path.
/// async fn answer<B>(endpoint: &SignalEndpoint, request: Request<B>) -> Response<String>
/// where
///     B: Body,
///     B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
/// {
///     endpoint.receive(request).await
/// }
/// ```
///
/// A message that is sent again after it was handled is answered like the first, and the handler is not called. If the handler fails, or its
/// process dies, the vendor sends the message again, and the handler is called again, for all signals of the message. So it must be able to do
/// its work twice.
#[derive(Clone)]
#[must_use]
pub struct SignalEndpoint {
    verifier: Arc<dyn SignalVerifier>,
    seen: Arc<dyn SharedCache>,
    remembered_for: Duration,
    most_bytes: usize,
    handle: Arc<Handle>,
}

impl SignalEndpoint {
    /// An endpoint that remembers messages in this process, which is enough for an application of one process.
    ///
    /// The vendor waits while the handler works, Shopify for five seconds: what takes longer belongs in a queue.
    pub fn new<H, F, E>(verifier: impl SignalVerifier + 'static, handler: H) -> Self
    where
        H: Fn(Signal) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let handle: Arc<Handle> = Arc::new(move |signal| {
            let handled = handler(signal);
            Box::pin(async move { handled.await.map_err(|error| error.to_string()) })
        });
        Self {
            verifier: Arc::new(verifier),
            seen: Arc::new(MemoryCache::new()),
            remembered_for: REMEMBERED_FOR,
            most_bytes: MOST_BYTES,
            handle,
        }
    }

    /// Remembers the messages in a cache that all machines of the application share, or all endpoints.
    pub fn remember_in(self, seen: Arc<dyn SharedCache>) -> Self {
        Self { seen, ..self }
    }

    /// Remembers a message for this long. Default: seven days.
    pub fn remember_for(self, time: Duration) -> Self {
        Self { remembered_for: time, ..self }
    }

    /// Accepts messages of this size at most. Default: 1 MiB.
    pub fn most_bytes(self, most_bytes: usize) -> Self {
        Self { most_bytes, ..self }
    }

    /// Answers a request.
    ///
    /// On a Tokio runtime, the handler is carried to its end even if the vendor hangs up. Without one, as in a worker on WebAssembly, it
    /// runs in the caller.
    pub async fn receive<B>(&self, request: Request<B>) -> Response<String>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let mut response = match *request.method() == Method::POST {
            true => self.answer(request).await,
            false => method_not_allowed(),
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<String>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        match self.handled(request).await {
            Ok(signals) => self.verifier.accepted(&signals),
            Err(error) => {
                let response = self.verifier.refused(&error);
                events::signal_refused(self.verifier.provider(), response.status(), &error);
                response
            }
        }
    }

    async fn handled<B>(&self, request: Request<B>) -> Result<Vec<Signal>, SignalError>
    where
        B: Body,
        B::Error: Into<ResolveError>,
    {
        let (head, body) = request.into_parts();
        let read = Limited::new(body, self.most_bytes).collect().await;
        let body = read.map_err(|error| match error.is::<LengthLimitError>() {
            true => SignalError::TooLarge,
            false => SignalError::Malformed("its body breaks off".to_owned()),
        })?;
        let signals = self.verifier.verify(&head.headers, &body.to_bytes()).await?;
        let not_handled = |reason: &str| SignalError::NotHandled(reason.to_owned());
        let name = self.name_in_cache(&signals);
        let unreachable = |cause: ResolveError| {
            SignalError::NotHandled(format!("the messages that were seen cannot be looked up: {cause}"))
        };
        if !self
            .seen
            .put_new(&name, Bytes::from_static(RUNNING), HANDLED_WITHIN)
            .await
            .map_err(unreachable)?
        {
            return match self.seen.get(&name).await.map_err(unreachable)? {
                Some(state) if state == DONE => {
                    events::signal_repeated(self.verifier.provider());
                    Ok(signals)
                }
                _ => Err(not_handled("another request with the same message is being handled")),
            };
        }
        let (work, all) = (self.clone(), signals.clone());
        // It is carried to its end even if the vendor hangs up, or else half of the work would be done.
        let done = task::to_the_end(async move { work.carry_out(all, &name).await });
        done.await.map_err(SignalError::NotHandled)?;
        Ok(signals)
    }

    async fn carry_out(&self, signals: Vec<Signal>, name: &str) -> Result<(), String> {
        for signal in signals {
            let event = signal.event.name().to_owned();
            // In a task of its own, so that a panic is a failure like any other.
            let handle = self.handle.clone();
            let handled = task::to_the_end(async move { handle(signal).await });
            if let Err(cause) = handled.await {
                // If this fails too, the mark ends by itself.
                let _ = self.seen.take(name).await;
                return Err(cause);
            }
            events::signal_handled(self.verifier.provider(), &event);
        }
        // If this fails, the message is handled again should it be sent again.
        let _ = self.seen.put(name, Bytes::from_static(DONE), self.remembered_for).await;
        Ok(())
    }

    /// Under what a message is remembered. The events are part of it: Meta posts the same text to its two callbacks.
    fn name_in_cache(&self, signals: &[Signal]) -> String {
        let events: Vec<_> = signals.iter().map(|signal| signal.event.name()).collect();
        let id = signals.first().map(|signal| &signal.id);
        let message = json!([self.verifier.provider(), id, events]).to_string();
        // A hash is short, whatever a vendor's id is.
        format!("signal:{}", hmac_sha256_hex("signal", &message))
    }
}

fn method_not_allowed() -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

impl fmt::Debug for SignalEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalEndpoint").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use oauth_core::async_trait;

    use super::*;
    use crate::testing::ready;

    #[derive(Debug)]
    struct Vendor;

    #[async_trait]
    impl SignalVerifier for Vendor {
        fn provider(&self) -> &str {
            "acme"
        }

        async fn verify(&self, _: &HeaderMap, _: &[u8]) -> Result<Vec<Signal>, SignalError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn an_endpoint_is_shown_by_its_verifier_and_takes_a_message_of_its_most_bytes() {
        let endpoint = SignalEndpoint::new(Vendor, |_| async { Ok::<_, String>(()) }).most_bytes(4);
        assert_eq!(format!("{endpoint:?}"), "SignalEndpoint { verifier: Vendor, .. }");
        for (method, body, status) in [("POST", "1234", 200), ("POST", "12345", 413), ("GET", "", 405)] {
            let request = Request::builder().method(method).body(body.to_owned()).unwrap();
            let response = ready(endpoint.receive(request));
            assert_eq!(response.status().as_u16(), status, "{method} {body}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }
    }
}
