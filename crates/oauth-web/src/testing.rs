//! What the unit tests of several modules use.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use http::Request;
use oauth_core::{
    LoginAttempt, OAuth2, OffsetDateTime, Provider, Sealer, SealingKey,
    serde_json::{self, json},
    telemetry::EVENT_NAME,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{request::SignInRequest, sign_in::SignIn};

pub(crate) const STATE: &str = "AAAAAAAAAAAAAAAAbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Awaits what never waits, because nothing in it goes over the network.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

pub(crate) fn sealer() -> Sealer {
    Sealer::new(SealingKey::from_bytes([7; 32]))
}

/// An attempt that began so many seconds ago, with this much data of the application.
pub(crate) fn attempt(state: &str, redirect_uri: &str, age: i64, data: usize) -> LoginAttempt {
    serde_json::from_value(json!({
        "provider": "acme",
        "redirect_uri": redirect_uri,
        "state": state,
        "scopes": [],
        "client": "",
        "started_at": OffsetDateTime::now_utc().unix_timestamp() - age,
        "lifetime": 600,
        "data": "x".repeat(data),
    }))
    .unwrap()
}

/// A site with one provider, `acme`.
pub(crate) fn sign_in() -> SignIn {
    let acme = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token");
    SignIn::new(sealer()).at("https://app.example").unwrap().provider(acme.with_name("acme")).unwrap()
}

pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> SignInRequest {
    let request =
        headers.iter().fold(Request::builder().method(method).uri(uri), |request, (name, value)| {
            request.header(*name, *value)
        });
    SignInRequest::new(request.body(()).unwrap().into_parts().0, [("provider", "acme")])
}

/// The names and levels of the events that some code logs.
pub(crate) fn logged(code: impl FnOnce()) -> Vec<(String, Level)> {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), code);
    log.0.lock().unwrap().clone()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(String, Level)>>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut name = Name(String::new());
        event.record(&mut name);
        self.0.lock().unwrap().push((name.0, *event.metadata().level()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The name of an event.
struct Name(String);

impl Visit for Name {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == EVENT_NAME {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
