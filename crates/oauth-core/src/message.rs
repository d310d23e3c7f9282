//! HTTP messages: a request in the making, and the response to it.

mod bearer;
pub(crate) mod challenge;
pub(crate) mod draft;
pub(crate) mod response;
