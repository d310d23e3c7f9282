//! Signed, pushed and bound requests against a provider that is hostile or faulty.

pub(crate) mod sent_jwt;

mod access_tokens;
mod assertion_grants;
mod ciba;
mod ciba_endpoint;
mod client_auth;
mod client_auth_emulator;
mod client_auth_metadata;
mod client_auth_tls;
mod client_auth_tokens;
mod dpop;
mod emulated_grants;
mod exchange;
mod introspection;
mod jarm;
mod jwt;
mod keys;
mod par;
mod profile;
mod rar;
mod request_objects;
mod resources;
mod step_up;
mod token_sources;
mod vendors;
mod web;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::async_trait;
use oauth_fapi::{SignError, Signer, oauth_openid::Algorithm};
use serde_json::{Map, Value, json};

use crate::{
    openid::op::{Endpoint, Key, Op, Signing},
    support::{Sent, reply},
};

const PAR: &str = "https://op.example/par";

/// A provider with an endpoint for pushed requests, which gives each a reference of its own.
pub(crate) fn par_op() -> Op {
    let op = Op::new();
    let pushed = AtomicUsize::new(0);
    op.bend(|state| {
        state.metadata["pushed_authorization_request_endpoint"] = PAR.into();
        state.answer(Endpoint::Other, move |sent| {
            assert_eq!(sent.url, PAR);
            let number = pushed.fetch_add(1, Ordering::Relaxed);
            let body = json!({"request_uri": format!("urn:example:request:{number}"), "expires_in": 60});
            Some(reply(201, "application/json", body.to_string()))
        });
    });
    op
}

/// A provider that answers each pushed request with this.
pub(crate) fn par_op_answering(status: u16, body: impl Into<String>) -> Op {
    let (op, body) = (par_op(), body.into());
    op.bend(|state| {
        state.answer(Endpoint::Other, move |_| Some(reply(status, "application/json", body.clone())));
    });
    op
}

/// The requests that were pushed.
pub(crate) fn pushed(op: &Op) -> Vec<Sent> {
    op.requests().into_iter().filter(|sent| sent.url == PAR).collect()
}

pub(crate) fn value(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
}

pub(crate) fn names(pairs: &[(String, String)]) -> Vec<&str> {
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names
}

/// The client's own key.
#[derive(Debug)]
pub(crate) struct TestSigner {
    algorithm: Algorithm,
    key: Key,
}

pub(crate) fn signer(algorithm: Algorithm, key: Key) -> Arc<dyn Signer> {
    Arc::new(TestSigner { algorithm, key })
}

pub(crate) fn es256() -> Arc<dyn Signer> {
    signer(Algorithm::ES256, Key::P256)
}

#[async_trait]
impl Signer for TestSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn key_id(&self) -> Option<&str> {
        Some("client-key")
    }

    fn public_jwk(&self) -> Map<String, Value> {
        self.key.bare("client-key").as_object().unwrap().clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(Signing::With(self.algorithm.as_str(), self.key).sign(message))
    }
}

/// Header and claims of a JWT, unverified.
pub(crate) fn decoded(jwt: &str) -> (Value, Value) {
    let part = |index: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(index).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (part(0), part(1))
}
