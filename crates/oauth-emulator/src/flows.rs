//! What is under way between an application and a provider: pushed requests, authentications on another device, nonces.

use std::collections::HashMap;

use crate::{app::App, clock::now, crypto, request::Pairs, terms::GrantId, urls::Captures, user::User};

/// How a request URI of a pushed request begins (RFC 9126 section 2.2).
pub(crate) const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// All that is under way.
#[derive(Default)]
pub(crate) struct Flows {
    pushed: HashMap<String, Pushed>,
    backchannel: Vec<Backchannel>,
    nonces: HashMap<(String, bool), IssuedNonces>,
}

struct Pushed {
    provider: String,
    client_id: String,
    params: Pairs,
    expires_at: i64,
}

/// A user who is asked on another device (OpenID Connect CIBA Core section 7).
#[derive(Clone)]
pub(crate) struct Backchannel {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) app: App,
    pub(crate) user: User,
    pub(crate) scopes: Vec<String>,
    pub(crate) captures: Captures,
    pub(crate) params: Pairs,
    pub(crate) expires_at: i64,
    pub(crate) interval: i64,
    pub(crate) last_poll: Option<i64>,
    pub(crate) answer: DeviceAnswer,
}

/// What a user said on the other device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceAnswer {
    Pending,
    Denied,
    Allowed(GrantId),
    /// The tokens have been handed out.
    Done,
}

/// The nonces of a provider's authorization server, or of its APIs.
#[derive(Default)]
struct IssuedNonces {
    current: String,
    /// How often in a row a nonce was asked for.
    asked: u32,
}

impl Flows {
    /// Keeps a pushed request, and names it.
    pub(crate) fn push(&mut self, provider: &str, client_id: &str, params: Pairs, expires_at: i64) -> String {
        let uri = format!("{REQUEST_URI}{}", crypto::random());
        let pushed =
            Pushed { provider: provider.to_owned(), client_id: client_id.to_owned(), params, expires_at };
        self.pushed.insert(uri.clone(), pushed);
        uri
    }

    /// The parameters of a pushed request, which can be had once and by its client.
    pub(crate) fn take_pushed(
        &mut self,
        provider: &str,
        client_id: &str,
        uri: &str,
    ) -> Result<Pairs, &'static str> {
        let found = self.pushed.get(uri).ok_or("the request_uri is unknown or was used before")?;
        if found.provider != provider || found.client_id != client_id {
            return Err("the request_uri was given to another client");
        }
        let found = self.pushed.remove(uri).ok_or("the request_uri is unknown")?;
        match found.expires_at > now() {
            true => Ok(found.params),
            false => Err("the request_uri has expired"),
        }
    }

    pub(crate) fn add_backchannel(&mut self, request: Backchannel) {
        self.backchannel.push(request);
    }

    pub(crate) fn backchannel(&mut self, id: &str) -> Option<&mut Backchannel> {
        self.backchannel.iter_mut().find(|request| request.id == id)
    }

    /// The requests that no user has answered yet, in their order.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = &Backchannel> {
        self.backchannel
            .iter()
            .filter(|request| request.answer == DeviceAnswer::Pending && request.expires_at > now())
    }

    /// The nonce that is good now.
    pub(crate) fn nonce(&mut self, family: &str, at_resource: bool) -> &str {
        let nonces = self.nonces.entry((family.to_owned(), at_resource)).or_default();
        if nonces.current.is_empty() {
            nonces.current = crypto::random();
        }
        &nonces.current
    }

    /// Makes a new nonce the good one.
    pub(crate) fn next_nonce(&mut self, family: &str, at_resource: bool) {
        let nonces = self.nonces.entry((family.to_owned(), at_resource)).or_default();
        nonces.current = crypto::random();
    }

    /// Makes all nonces bad.
    pub(crate) fn rotate_nonces(&mut self) {
        self.nonces.values_mut().for_each(|nonces| nonces.current.clear());
    }

    /// Counts a request for a nonce; how many there have been since the last that was accepted.
    pub(crate) fn ask_for_nonce(&mut self, family: &str, at_resource: bool) -> u32 {
        let nonces = self.nonces.entry((family.to_owned(), at_resource)).or_default();
        nonces.asked += 1;
        nonces.asked
    }

    pub(crate) fn nonce_accepted(&mut self, family: &str, at_resource: bool) {
        self.nonces.entry((family.to_owned(), at_resource)).or_default().asked = 0;
    }
}
