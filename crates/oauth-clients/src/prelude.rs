//! The names that most programs need: `use oauth_clients::prelude::*;`.
//!
//! ```
//! use oauth_clients::prelude::*;
//!
//! # async fn f() -> Result<(), Error> {
//! let acme = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token");
//! let started = acme.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! # Ok(())
//! # }
//! ```

pub use oauth_core::{
    Callback, Error, Identity, LoginOptions, OAuth2, OAuth2Token, Provider, Sealer, SealingKey,
};

pub use crate::registry::Registry;
