//! What the unit tests of several modules use.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::Request;
use oauth_core::{
    LoginAttempt, OAuth2, OffsetDateTime, Provider, Sealer, SealingKey,
    serde_json::{self, json},
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
