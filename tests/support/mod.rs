//! What several tests need.

pub(crate) mod chromium;
pub(crate) mod events;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use oauth_clients::{HttpClient, HttpError, async_trait};
use serde_json::Value;

/// An HTTP client that answers by itself and keeps what it was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    replies: Vec<http::Response<Bytes>>,
    requests: Vec<http::Request<Bytes>>,
}

impl Script {
    /// Answers the requests with these replies, in their order.
    pub(crate) fn new(replies: impl IntoIterator<Item = http::Response<Bytes>>) -> Self {
        let mut replies: Vec<_> = replies.into_iter().collect();
        replies.reverse();
        Self(Arc::new(Mutex::new(Kept { replies, requests: Vec::new() })))
    }

    /// Answers one request with JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new([reply(status, "application/json", body.to_string())])
    }

    /// What was sent so far.
    pub(crate) fn requests(&self) -> Vec<Sent> {
        self.0.lock().unwrap().requests.iter().map(Sent::of).collect()
    }

    /// The only request that was sent.
    pub(crate) fn request(&self) -> Sent {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let mut kept = self.0.lock().unwrap();
        kept.requests.push(request);
        Ok(kept.replies.pop().expect("a reply for each request"))
    }
}

pub(crate) fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> http::Response<Bytes> {
    http::Response::builder().status(status).header("content-type", content_type).body(body.into()).unwrap()
}

/// One request, whole, in a form that is easy to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) url: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Sent {
    pub(crate) fn of(request: &http::Request<Bytes>) -> Self {
        let url = request.uri().to_string();
        let (url, query) = url.split_once('?').unwrap_or((&url, ""));
        let mut headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            // What every request has.
            .filter(|(name, value)| {
                name != "user-agent" && (&**name, &**value) != ("accept-encoding", "identity")
            })
            .collect();
        headers.sort();
        Self {
            method: request.method().to_string(),
            url: url.to_owned(),
            query: pairs(query),
            headers,
            body: String::from_utf8(request.body().to_vec()).unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    pub(crate) fn form(&self) -> Vec<(String, String)> {
        assert_eq!(self.header("content-type"), Some("application/x-www-form-urlencoded"));
        pairs(&self.body)
    }
}

pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Pairs of texts, as [`pairs`] gives them.
pub(crate) fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The query of a URL.
pub(crate) fn query_of(url: &str) -> Vec<(String, String)> {
    pairs(url.split_once('?').map_or("", |(_, query)| query))
}

/// A folder of another user's: one that is given away where root may do that, and else one of root's own.
#[cfg(unix)]
pub(crate) fn foreign_folder(parent: &std::path::Path) -> std::path::PathBuf {
    use std::os::unix::fs::{DirBuilderExt, chown};

    const NOBODY: u32 = 65_534;

    let path = parent.join("foreign");
    std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
    match chown(&path, Some(NOBODY), None) {
        Ok(()) => path,
        Err(_) => "/".into(),
    }
}
