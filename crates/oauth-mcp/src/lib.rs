//! Authorization for the Model Context Protocol: how a client signs in to a server that it may never have seen before.

pub use oauth_core;
