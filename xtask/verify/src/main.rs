//! Compares what providers publish about themselves with what the emulator's facts say of them. It needs a network.

mod compare;
mod facts;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Result;
use clap::Parser;
use oauth_core::{HttpClient, default_http_client};

use crate::{
    compare::{ComparisonOutcome, compare},
    facts::PublishedFacts,
};

/// Fetches the metadata and the keys of providers, and prints where they differ from the emulator's facts.
///
/// Metadata is read from the `discovery_url` of each facts file (OpenID Connect Discovery, RFC 8414). Providers that publish none are left
/// out. The exit code is 1 if something differs, and 2 if a provider was asked for by name and could not be compared.
#[derive(Parser)]
struct VerifyArguments {
    /// The folder of the facts files
    #[arg(long, default_value = "crates/oauth-emulator/providers")]
    facts: PathBuf,
    /// Fills in a `{parameter}` of the URLs, as `tenant=contoso`, where the facts have no usual value
    #[arg(long = "set", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// The providers to compare, in place of all
    names: Vec<String>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let arguments = VerifyArguments::parse();
    let parameters = arguments.parameters.into_iter().collect();
    let http = default_http_client().map_err(anyhow::Error::msg)?;
    let facts = PublishedFacts::all(&arguments.facts, &arguments.names)?;
    Ok(report(&facts, &parameters, !arguments.names.is_empty(), &http).await)
}

async fn report(
    all: &BTreeMap<String, PublishedFacts>,
    parameters: &BTreeMap<String, String>,
    by_name: bool,
    http: &Arc<dyn HttpClient>,
) -> ExitCode {
    let (mut same, mut different, mut unreached) = (0, 0, 0);
    for (name, facts) in all {
        match compare(facts, parameters, &**http).await {
            ComparisonOutcome::Nothing if by_name => {
                println!("{name}: it publishes no metadata, so that there is nothing to compare");
                unreached += 1;
            }
            ComparisonOutcome::Nothing => {}
            ComparisonOutcome::NotCompared(reason) => {
                println!("{name}: not compared: {reason}");
                unreached += 1;
            }
            ComparisonOutcome::Compared(differences) if differences.is_empty() => same += 1,
            ComparisonOutcome::Compared(differences) => {
                different += 1;
                println!("{name}:");
                differences.iter().for_each(|difference| println!("  {difference}"));
            }
        }
    }
    println!("{same} as the facts say, {different} different, {unreached} not compared");
    match (different, by_name && unreached > 0) {
        (0, false) => ExitCode::SUCCESS,
        (0, true) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
