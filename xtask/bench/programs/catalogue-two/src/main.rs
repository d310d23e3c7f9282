//! All providers that the features know, chosen at run time.

use std::{env, error::Error};

use oauth_clients::{Registry, RegistryEntry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).unwrap_or_default();
    let provider = Registry::build(&name, &RegistryEntry::default()).await?;
    println!("{} of {:?}", provider.name(), Registry::known());
    Ok(())
}
