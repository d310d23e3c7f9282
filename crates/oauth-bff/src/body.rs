//! The body of a response.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use oauth_web::ResolveError;

/// The body of a response: a text, or what an API sends, as it comes.
pub struct BffBody(Pin<Box<dyn Body<Data = Bytes, Error = ResolveError> + Send>>);

impl BffBody {
    pub(crate) fn new(body: impl Body<Data = Bytes, Error = ResolveError> + Send + 'static) -> Self {
        Self(Box::pin(body))
    }
}

impl From<String> for BffBody {
    fn from(text: String) -> Self {
        Self::new(Full::new(Bytes::from(text)).map_err(|never| match never {}))
    }
}

impl Body for BffBody {
    type Data = Bytes;
    type Error = ResolveError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResolveError>>> {
        self.0.as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for BffBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BffBody").finish_non_exhaustive()
    }
}
