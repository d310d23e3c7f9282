//! Signs in: on a site with a button for every provider, or in the terminal.

mod emulated;
mod real;

use std::{env, path::PathBuf, process::ExitCode};

use clap::Parser;
use oauth_demo::{
    settings,
    site::{self, Options},
};

/// Signs in with every provider at an emulator in this process and prints a table, then starts a site with a button for
/// each. Those whose credentials are in the environment (GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET for github) sign in at the real service.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct DemoArguments {
    /// Signs in with this provider alone, at its real service, and prints in the terminal who it was.
    provider: Option<String>,

    /// A setting of that provider, such as tenant=organizations or domain=example.okta.com. Can be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "provider")]
    settings: Vec<String>,

    /// A TOML file with a table for each provider that is to sign in at the real service: client_id, client_secret_env,
    /// and whatever else the provider needs.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["provider", "headless"])]
    config: Option<PathBuf>,

    /// The port on the loopback interface.
    #[arg(long, default_value_t = 8976)]
    port: u16,

    /// Opens no browser.
    #[arg(long)]
    no_browser: bool,

    /// Starts no site: ends after the table, and fails if a provider failed.
    #[arg(long, conflicts_with = "provider")]
    headless: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = DemoArguments::parse();
    let outcome = match &arguments.provider {
        None if arguments.headless => emulated::sign_in_everywhere().await,
        None => match emulated::sign_in_everywhere().await {
            Ok(()) => run_site(&arguments).await,
            failed => failed,
        },
        Some(name) => real::sign_in(name, &arguments.settings, arguments.port, !arguments.no_browser).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run_site(arguments: &DemoArguments) -> Result<(), String> {
    let real = settings::all(arguments.config.as_deref())?;
    let options = Options { port: arguments.port, real, ..Options::default() };
    let site = site::start(options).await.map_err(|error| error.to_string())?;
    println!("\nNow sign in yourself, at {}", site.url());
    println!("An emulator plays the providers there, at {}", site.emulator().origin());
    for (name, redirect_uri) in site.redirect_uris() {
        println!("{name} leads to the real service, which must know the redirect URI {redirect_uri}");
    }
    println!("Ctrl+C ends it.");
    // Without a display, only a browser for the terminal would be found, and it would take the terminal over.
    let display = !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some());
    if !arguments.no_browser && display && webbrowser::open(&site.url()).is_err() {
        println!("No browser could be opened; open the address yourself.");
    }
    site.ended().await;
    Ok(())
}
