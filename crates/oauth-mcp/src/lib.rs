//! Authorization for the Model Context Protocol: how a client signs in to a server that it may never have seen before, and what a server
//! needs to let clients in.
//!
//! ```no_run
//! use oauth_mcp::{Access, Authorizer, Browser, ServerUrl};
//!
//! # async fn f(browser: &dyn Browser) -> Result<(), oauth_mcp::McpError> {
//! let server = ServerUrl::parse("https://mcp.example/mcp")?;
//! let access = Access::in_memory(Authorizer::new("My agent"), server)?;
//! // Finds the authorization server, registers, and has the user sign in.
//! let token = access.authorize(browser).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | to | look at |
//! | --- | --- |
//! | send requests to an MCP server, with tokens that are kept and refreshed | [`Access`], [`Browser`] |
//! | do it step by step | [`Authorizer`], [`Step`], [`PendingLogin`] |
//! | say which client the program is | [`KnownClient`], [`ClientIdUrl`], [`MetadataDocument`] |
//! | keep registrations | [`Records`], [`FileRecords`] |
//! | do without a user | [`Grant`], [`Enterprise`], [`WorkloadIdentity`] |
//! | read challenges and metadata | [`Challenge`], [`ServerUrl`], [`ResourceMetadata`], [`ServerMetadata`] |
//! | use it with the crate `rmcp` | `rmcp::AuthorizedHttp` |
//! | be a server | [`server::Guard`], [`server::ProtectedResource`], [`server::TokenVerifier`] |
//! | know what to do when something fails | [`McpError::class`] |
//!
//! The guide is `docs/mcp.md` in the repository.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `axum` | | the server's side as a layer: `server::axum` |
//! | `dpop` | | a [`server::Guard`] takes tokens that are bound to a key, with their proofs (RFC 9449) |
//! | `jwt` | | `AccessTokenVerifier` of [oauth-fapi](https://docs.rs/oauth-fapi) is a [`server::TokenVerifier`] |
//! | `native` | | `LoopbackBrowser` of [oauth-native](https://docs.rs/oauth-native) is a [`Browser`] |
//! | `rmcp` | | `rmcp::AuthorizedHttp`, for the client of the crate [`rmcp`](https://docs.rs/rmcp) 3 |

#![forbid(unsafe_code)]

mod access;
mod authorizer;
mod client;
mod error;
mod file_records;
mod grant;
mod http;
mod metadata;
mod metadata_document;
#[cfg(feature = "native")]
mod native;
mod records;
mod registration;
mod revision;
#[cfg(feature = "rmcp")]
pub mod rmcp;
mod scopes;
pub mod server;
mod server_url;
mod sources;
mod step;

pub use access::{Access, Browser, Reaction};
pub use authorizer::Authorizer;
pub use client::McpClient;
pub use error::{McpError, Probe};
pub use file_records::FileRecords;
pub use grant::{
    EXCHANGE_FOR_ID_JAG, Enterprise, Grant, IdentityAssertion, SubjectKind, SubjectTokens, WorkloadIdentity,
};
pub use metadata::{ResourceMetadata, ServerMetadata, metadata_urls};
pub use metadata_document::{ClientIdUrl, MetadataDocument};
pub use oauth_core;
pub use oauth_core::Challenge;
pub use oauth_tokens;
pub use records::{MemoryRecords, RecordError, Records};
pub use registration::{ApplicationType, KnownClient, REGISTER, Registration, RegistrationMethod};
pub use revision::Revision;
pub use server_url::{NameRules, ServerUrl};
pub use step::{Authorized, ClientIdQuestion, PendingLogin, Step, Target};

/// The code of the guide.
#[cfg(all(doctest, feature = "axum", feature = "dpop", feature = "jwt"))]
#[doc = include_str!("../../../docs/mcp.md")]
struct Guide;
