//! An MCP server's authorization in an axum application.
//!
//! ```
//! use axum::{Extension, Router, routing::post};
//! use oauth_mcp::server::{Guard, TokenInfo, axum::protect};
//!
//! async fn mcp(Extension(token): Extension<TokenInfo>) -> String {
//!     format!("hello {}", token.subject.unwrap_or_default())
//! }
//!
//! fn application(guard: Guard) -> Router {
//!     protect(Router::new().route("/mcp", post(mcp)), guard)
//! }
//! ```

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use oauth_core::{bytes::Bytes, http};

use super::{Guard, ProtectedResource, Refusal, TokenInfo};

/// Lets only requests with a good token reach the routes, and serves the resource's document beside them.
///
/// A layer for CORS goes around the result, so that it answers the questions of browsers, which have no token.
///
/// Handlers get the [`TokenInfo`] by `Extension<TokenInfo>`. A handler that needs more scopes asks [`Guard::require`] and answers with
/// [`refused`].
pub fn protect(routes: Router, guard: Guard) -> Router {
    let document = metadata_route(guard.resource());
    let guard = Arc::new(guard);
    routes.layer(middleware::from_fn_with_state(guard, check)).merge(document)
}

/// The route of the resource's document alone.
pub fn metadata_route(resource: &ProtectedResource) -> Router {
    let reply = resource.metadata_reply();
    let answer = move || {
        let reply = reply.clone();
        async move { with_body(reply) }
    };
    Router::new().route(resource.metadata_path(), get(answer))
}

/// The reply to a request that is not let in.
pub fn refused(guard: &Guard, refusal: &Refusal) -> Response {
    with_body(guard.reply(refusal))
}

async fn check(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let checked: Result<TokenInfo, Refusal> =
        guard.check_request(request.method(), request.headers(), request.uri()).await;
    match checked {
        Ok(info) => {
            // Nothing behind this can send the token on.
            request.headers_mut().remove(http::header::AUTHORIZATION);
            request.extensions_mut().insert(info);
            next.run(request).await
        }
        Err(refusal) => refused(&guard, &refusal),
    }
}

fn with_body(reply: http::Response<Bytes>) -> Response {
    reply.map(Body::from)
}
