//! An HTTP client that answers everything alike, without network.

use bytes::Bytes;
use oauth_core::{HttpClient, HttpError, async_trait};

/// Answers everything with one JSON body.
#[derive(Debug)]
pub struct Fixed(Bytes);

impl Fixed {
    /// Answers with this JSON.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self(body.into())
    }
}

#[async_trait]
impl HttpClient for Fixed {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let mut reply = http::Response::new(self.0.clone());
        let json = http::HeaderValue::from_static("application/json");
        reply.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Ok(reply)
    }
}
