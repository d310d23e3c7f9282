//! Keeps tokens under load and faults for as long as asked (`cargo xtask soak`), and tells how far a store and a provider go.

mod crew;
mod drip;
mod herd;
mod measure;
mod plot;
mod run;
mod site;
mod storm;
mod worker;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(|argument| &**argument).collect();
    match *arguments {
        ["worker"] => worker::run().await,
        ["run", minutes, folder] => {
            run::run(minutes.parse().context("minutes are a number")?, &PathBuf::from(folder)).await
        }
        ["measure", folder] => measure::run(&PathBuf::from(folder)).await,
        ["simulate"] => {
            herd::run();
            Ok(())
        }
        _ => bail!("oauth-soak run MINUTES FOLDER | measure FOLDER | simulate"),
    }
}
