//! Signs in: with every provider at the emulator, or with one of them at the real service.

mod emulated;
mod real;

use std::process::ExitCode;

use clap::Parser;

/// Signs in with every provider at an emulator in this process, or with one at the real service.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Arguments {
    /// The provider to sign in with at its real service; without it, all of them sign in at the emulator.
    ///
    /// Its credentials come from the environment: GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET for github.
    provider: Option<String>,

    /// A setting of the provider, such as tenant=organizations or domain=example.okta.com. Can be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,

    /// The port on 127.0.0.1 to which the real provider returns.
    #[arg(long, default_value_t = 8976)]
    port: u16,

    /// Prints a table and opens no browser. The emulated demo always does.
    #[arg(long)]
    headless: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.provider {
        None => emulated::sign_in_everywhere().await,
        Some(name) => real::sign_in(name, &arguments.settings, arguments.port, !arguments.headless).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
