//! Pushed authorization requests (RFC 9126).

use std::time::Duration;

use oauth_core::{Endpoint, Error, ErrorKind, OAuth2, Operation, RequestDemand, Response, Result};

/// Pushes authorization requests to the server before the browser is sent there (RFC 9126), as a
/// [participant](oauth_core::Participant) of a client.
///
/// The request then travels over an authenticated connection, and the browser's URL has nothing in it but the client id and a reference.
/// Nobody can read or change what is asked for, it may be as long as it needs to be, and mistakes are told before the user leaves.
///
/// A request is pushed where the provider's metadata name a `pushed_authorization_request_endpoint`, or
/// [`Endpoint::PushedAuthorization`] is among the client's endpoints. Each login pushes a request of its own, once. If that fails, the login
/// fails: there is no way back to a plain URL. The client authenticates as it does at the token endpoint; a public client sends its id.
///
/// ```
/// use oauth_fapi::{PushedRequests, oauth_core::Provider, oauth_openid::OpenID};
///
/// # fn f() -> Result<(), oauth_fapi::oauth_core::Error> {
/// let client = OpenID::lazy("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com")?
///     .with_participant(PushedRequests::new());
/// # Ok(())
/// # }
/// ```
///
/// The server keeps the request for a short time, and hands it out once: start the login when the user acts.
/// [`StartedLogin::url_expires_at`](oauth_core::StartedLogin::url_expires_at) tells how long that is.
///
/// An error of the push has the operation [`Operation::PUSH_AUTHORIZATION_REQUEST`], and
/// [`Error::is_before_the_browser`] is true of it. Its [`oauth_error`](Error::oauth_error) is one of those that a callback brings otherwise.
#[derive(Clone, Debug)]
#[must_use]
pub struct PushedRequests {
    usage: Usage,
    accepts_ok: bool,
}

/// Which requests are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    /// All, if the provider can.
    Offered,
    /// Those of a provider that demands it.
    Demanded,
    /// All; one whose endpoint is not known is an error.
    Always,
}

impl Default for PushedRequests {
    fn default() -> Self {
        Self::new()
    }
}

impl PushedRequests {
    /// Pushes each request, if the provider has an endpoint for it.
    pub fn new() -> Self {
        Self { usage: Usage::Offered, accepts_ok: false }
    }

    /// Pushes requests only where the provider or the client's registration demands it (`require_pushed_authorization_requests`).
    pub fn only_on_demand(mut self) -> Self {
        self.usage = Usage::Demanded;
        self
    }

    /// Refuses to build a request that cannot be pushed.
    pub fn required(mut self) -> Self {
        self.usage = Usage::Always;
        self
    }

    /// Takes an answer of HTTP 200 in place of 201 (RFC 9126 section 2.2), for a server that keeps to the letter elsewhere.
    pub fn accepting_200(mut self) -> Self {
        self.accepts_ok = true;
        self
    }

    /// Whether some requests are not pushed, or an answer may be another than RFC 9126 has it.
    pub(crate) fn is_loose(&self) -> bool {
        self.usage == Usage::Demanded || self.accepts_ok
    }

    /// Where the client's requests are pushed; `None` for those that are not.
    pub(crate) fn endpoint<'c>(&self, client: &'c OAuth2) -> Result<Option<&'c str>> {
        let is_demanded = client.demands(RequestDemand::Pushed);
        match (client.endpoints().get(Endpoint::PushedAuthorization), self.usage) {
            (Some(_), Usage::Demanded) if !is_demanded => Ok(None),
            (Some(endpoint), _) => Ok(Some(endpoint)),
            (None, Usage::Always) => Err(configuration(client, NO_ENDPOINT)),
            (None, _) if is_demanded => Err(configuration(client, NO_ENDPOINT)),
            (None, _) => Ok(None),
        }
    }

    /// The reference in the server's answer, and how long it is kept.
    pub(crate) fn read(&self, reply: &Response) -> Result<(String, Duration)> {
        let status = reply.status().as_u16();
        if status != 201 && !(status == 200 && self.accepts_ok) {
            return Err(reply.malformed(format!(
                "a pushed request is answered with HTTP 201 and not {status} (RFC 9126 section 2.2); see \
                 PushedRequests::accepting_200 for a server that sends 200"
            )));
        }
        let object = reply.object()?;
        let Some(request_uri) = object["request_uri"].as_str().filter(|uri| !uri.is_empty()) else {
            return Err(reply.malformed("it has no request_uri that is a text"));
        };
        let lifetime = object["expires_in"].as_f64().filter(|seconds| *seconds > 0.0);
        let lifetime = lifetime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match lifetime {
            Some(lifetime) => Ok((request_uri.to_owned(), lifetime.min(LONGEST))),
            None => Err(reply.malformed("it has no expires_in that is a positive number")),
        }
    }
}

/// A longer life means the same, and would leave the calendar.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const NO_ENDPOINT: &str = "authorization requests must be pushed (RFC 9126), and no pushed_authorization_request_endpoint is known: it \
                           is in the provider's metadata, or set as Endpoint::PushedAuthorization";

pub(crate) fn configuration(client: &OAuth2, problem: &str) -> Error {
    client.error(Operation::PUSH_AUTHORIZATION_REQUEST, ErrorKind::Configuration(problem.to_owned()))
}
