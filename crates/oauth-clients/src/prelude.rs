//! The names that most programs need: `use oauth_clients::prelude::*;`.
//!
//! ```
//! use oauth_clients::prelude::*;
//!
//! # async fn f(query: &str) -> Result<(), Error> {
//! let acme = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token");
//! let started = acme.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! // The browser's session keeps the attempt until the user comes back.
//! let attempt: LoginAttempt = started.attempt;
//! let login = acme.finish_login(attempt, Callback::from_query(query)).await?;
//! # Ok(())
//! # }
//! ```

pub use oauth_core::{
    Callback, Error, Identity, LoginAttempt, LoginOptions, OAuth2, OAuth2Token, Provider, Sealer, SealingKey,
};
