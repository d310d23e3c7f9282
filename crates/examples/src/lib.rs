//! What the examples share: clients of the providers, keys, an address, and accounts for those that have no database.
//!
//! Without credentials in the environment, [`Providers`] are those of the emulator, so that each example runs at once.

#![forbid(unsafe_code)]

mod accounts;
mod error;
mod providers;

use std::env;

pub use accounts::{Account, Accounts, LinkedIdentity};
pub use error::{Error, Result};
use oauth_clients::SealingKey;
pub use providers::Providers;
use tokio::net::TcpListener;

/// Listens on the port of the environment variable `PORT`, or on 3000. Returns the address too, as the browser sees it.
///
/// # Errors
///
/// When the port is taken or not a number.
pub async fn listen() -> Result<(TcpListener, String)> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, and not a port"))?,
        Err(_) => 3000,
    };
    let listener =
        TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| format!("port {port}: {error}"))?;
    let address = format!("http://{}", listener.local_addr()?);
    Ok((listener, address))
}

/// The key of the environment variable `SEALING_KEY`, which `openssl rand -base64 32` makes, or a new one for this run alone.
///
/// # Errors
///
/// When the variable is not such a key.
pub fn sealing_key() -> Result<SealingKey> {
    match env::var("SEALING_KEY") {
        Ok(key) => Ok(SealingKey::from_base64(&key)?),
        Err(_) => Ok(SealingKey::random()?),
    }
}

/// The guide's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/accounts-and-linking.md")]
struct AccountsGuide;

/// The code of the first page to read, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/start.md")]
struct StartGuide;

/// The guide's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
struct TestingGuide;
