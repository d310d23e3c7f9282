//! Authorization for the Model Context Protocol: how a client signs in to a server that it may never have seen before.

mod access;
mod authorizer;
mod challenge;
mod client;
mod error;
mod grant;
mod http;
mod metadata;
mod metadata_document;
mod records;
mod registration;
mod revision;
mod scopes;
mod server_url;
mod sources;
mod step;

pub use access::{Access, Browser, Reaction};
pub use authorizer::Authorizer;
pub use challenge::Challenge;
pub use client::McpClient;
pub use error::{Error, Probe, Result};
pub use grant::{
    EXCHANGE_FOR_ID_JAG, Enterprise, Grant, IdentityAssertion, SubjectKind, SubjectTokens, WorkloadIdentity,
};
pub use metadata::{ResourceMetadata, ServerMetadata, metadata_urls};
pub use metadata_document::{ClientIdUrl, MetadataDocument};
pub use oauth_core;
pub use oauth_tokens;
pub use records::{MemoryRecords, RecordError, Records};
pub use registration::{ApplicationType, KnownClient, REGISTER, RegistrationMethod};
pub use revision::Revision;
pub use server_url::{NameRules, ServerUrl};
pub use step::{Authorized, ClientIdQuestion, PendingLogin, Step, Target};
