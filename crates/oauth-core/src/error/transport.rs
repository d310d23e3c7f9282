//! Why no complete reply came: the error of an HTTP client.

use std::{borrow::Cow, error::Error as StdError, sync::Arc};

use http::StatusCode;

use crate::text::redaction::OneLine;

/// The most bytes a reply may have, with any client.
pub const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// Why no complete reply came.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", OneLine(self.text()))]
pub struct HttpError {
    kind: HttpErrorKind,
    status: Option<StatusCode>,
    proxy: Option<String>,
    // In a box, so that `source` gives the cause itself, by its own type, and not the `Arc`.
    #[source]
    cause: Option<Arc<Box<dyn StdError + Send + Sync>>>,
}

/// The kinds of [`HttpError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// No connection: name, address, TLS or proxy.
    Connect,
    /// The server's certificate is not accepted, or the server does not accept the client's.
    Certificate,
    /// The server does not speak TLS: it is plain http where https was expected.
    NotTls,
    /// There is no Tokio runtime, which the HTTP client needs.
    NoRuntime,
    /// The time limit passed.
    Timeout,
    /// The reply is larger than [`MAX_REPLY_BYTES`].
    TooLarge,
    /// The HTTP client followed a redirect, so the reply is not from the host that was asked.
    Redirected,
    /// The host is not one of the public internet, and only those may be asked: see [`PublicHosts`](crate::PublicHosts).
    NotPublic,
    /// The request could not be put together.
    InvalidRequest,
    /// Anything else, such as a connection that was reset in the middle of the reply.
    Other,
}

impl HttpError {
    /// An error of a kind, without a cause.
    #[must_use]
    pub fn new(kind: HttpErrorKind) -> Self {
        Self { kind, status: None, proxy: None, cause: None }
    }

    /// Adds the cause that the HTTP library gave. It must show neither a URL's query nor a header.
    ///
    /// Where the cause tells that TLS failed, a [`Connect`](HttpErrorKind::Connect) or an [`Other`](HttpErrorKind::Other) becomes
    /// [`Certificate`](HttpErrorKind::Certificate) or [`NotTls`](HttpErrorKind::NotTls).
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let cause = cause.into();
        if matches!(self.kind, HttpErrorKind::Connect | HttpErrorKind::Other) {
            self.kind = failure_of_tls(&innermost(&*cause).to_string()).unwrap_or(self.kind);
        }
        self.cause = Some(Arc::new(cause));
        self
    }

    /// Names the proxy that the request went through, a host with its port.
    #[must_use]
    pub fn through_proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// The proxy that the request went through, if that is known.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Adds the status of the reply that was not read to its end.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> HttpErrorKind {
        self.kind
    }

    /// The status, if the reply began.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    fn text(&self) -> String {
        let mut text = self.kind.text().into_owned();
        if let Some(status) = self.status {
            text.push_str(&format!(" (HTTP {})", status.as_u16()));
        }
        if let Some(proxy) = &self.proxy {
            text.push_str(&format!(" through the proxy {proxy}"));
        }
        if let Some(cause) = self.source() {
            let cause = innermost(cause).to_string();
            text.push_str(&format!(": {cause}"));
            if let Some(what) = what_to_do(self.kind, &cause) {
                text.push_str(&format!(": {what}"));
            }
        }
        text
    }
}

/// The innermost cause, which is the one that tells: "connection refused", "certificate expired".
fn innermost<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    std::iter::successors(Some(error), |&error| error.source()).last().unwrap_or(error)
}

impl HttpErrorKind {
    /// The value of `error.type` in spans.
    #[cfg(feature = "tracing")]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Certificate => "certificate",
            Self::NotTls => "not_tls",
            Self::NoRuntime => "no_runtime",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Redirected => "redirected",
            Self::NotPublic => "not_public",
            Self::InvalidRequest => "invalid_request",
            Self::Other => "other",
        }
    }

    fn text(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Connect => "no connection",
            Self::Certificate => "the certificate is not accepted",
            Self::NotTls => "the server speaks no TLS",
            Self::NoRuntime => {
                "there is no Tokio runtime here; call this from within one, such as from #[tokio::main]"
            }
            Self::Timeout => "no complete reply within the time limit",
            Self::TooLarge => {
                return Cow::Owned(format!("the reply has more than {MAX_REPLY_BYTES} bytes"));
            }
            Self::Redirected => {
                "the HTTP client followed a redirect; build it with redirects switched off, because requests carry credentials"
            }
            Self::NotPublic => "nothing was sent, because only public hosts may be asked here",
            Self::InvalidRequest => "the request could not be put together",
            Self::Other => "the connection failed before the reply was complete",
        })
    }
}

/// How TLS failed, if it did. Each library has an error type of its own, and only the texts have something in common.
fn failure_of_tls(cause: &str) -> Option<HttpErrorKind> {
    let cause = cause.to_ascii_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| cause.contains(text));
    // rustls, OpenSSL, Windows, macOS; and the alerts by which a server refuses a client's certificate.
    if says(&["certificate", "unknownca", "unknown ca", "cert_e_", "errsec"]) {
        Some(HttpErrorKind::Certificate)
    } else if says(&["invalidcontenttype", "wrong version number", "packet length too long"]) {
        Some(HttpErrorKind::NotTls)
    } else {
        None
    }
}

/// What helps, where the cause tells.
fn what_to_do(kind: HttpErrorKind, cause: &str) -> Option<&'static str> {
    let cause = cause.to_ascii_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| cause.contains(text));
    match kind {
        HttpErrorKind::NotTls => Some("is the URL's port that of https? If there is none, use an http URL"),
        HttpErrorKind::Certificate if says(&["causedasendentity", "ca used as end entity"]) => Some(
            "it is that of an authority, which no server may use; make one with `openssl req -x509 -addext \
             basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:…`, and trust that",
        ),
        HttpErrorKind::Certificate if says(&["expired", "not valid yet", "notvalidyet", "not yet valid"]) => {
            Some("is this machine's clock right? If it is, the server needs a new certificate")
        }
        HttpErrorKind::Certificate if says(&["name", "hostname mismatch"]) => {
            Some("ask the server by a name that its certificate has")
        }
        HttpErrorKind::Certificate if says(&["alert"]) => {
            Some("show the server a certificate that it knows with with_client_certificate")
        }
        HttpErrorKind::Certificate if says(&["revoked"]) => None,
        HttpErrorKind::Certificate => Some(
            "trust its authority with tls_trusting (oauth-reqwest, oauth-hyper), or by SSL_CERT_FILE on Linux",
        ),
        _ => None,
    }
}
