//! The project's own commands. `cargo xtask --help` lists them; each has a file of its name.

mod bench;
mod browser;
mod budgets;
mod ci;
mod contract;
mod facts;
mod fuzz;
mod generate;
mod guide;
mod keycloak;
mod mutants;
mod new;
mod nightly;
mod node;
mod package;
mod program;
mod provider;
mod provider_page;
mod readme;
mod release_check;
mod services;
mod site;
mod soak;
mod steps;
mod supply_chain;
mod system;
mod test;
mod tidy;
mod tools;
mod versions;
mod wasm;
mod workspace;

use std::{env, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: XtaskCommand,
}

#[derive(Subcommand)]
enum XtaskCommand {
    /// Start a site that signs in with every provider, at the emulator or at the real service
    ///
    /// Arguments and exit code are those of the program oauth-demo; `cargo xtask demo -- --help` lists them.
    Demo {
        /// The provider, and options of the demo
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run every test, after installing what the tests need
    ///
    /// The tests need Node.js 20 or newer, for the OpenID Provider in tests/oidc-provider, Chromium with its driver, for
    /// the demo site, and the servers of PostgreSQL, MariaDB and Redis, which are started for the tests of the stores.
    Test {
        /// Arguments of `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure this library beside its peers, and write docs/benchmarks.md
    ///
    /// A whole run takes half an hour and more, most of it for builds; with --quick or with names of rows, the page goes to target/bench.
    /// Python 3 and Node.js with npm are optional: peers that cannot be had are left out, and the page says so.
    Bench {
        /// Less of everything, for a first look
        #[arg(long)]
        quick: bool,
        /// Rows to measure, in place of all: exchange, url, verify, cold, parse, seal, manager, storm, build, catalogue
        rows: Vec<String>,
    },
    /// Compare allocations, requests and packages with tests/budgets.toml
    ///
    /// Requests may not be more at all; allocations and packages may be a quarter more.
    Budgets {
        /// Write the file anew
        #[arg(long)]
        update: bool,
    },
    /// Check everything that must hold on each change
    Ci,
    /// Check what takes too long for each change: storms of a full minute, each provider alone, the API beside the last release's
    ///
    /// It installs cargo-public-api and cargo-semver-checks where they have work, which takes minutes. Keycloak comes by Maven and needs
    /// Java 17; OAUTH_TEST_KEYCLOAK_HOME names a distribution that is there already.
    Nightly {
        /// Only write the snapshots of the API in docs/api anew
        #[arg(long)]
        update_api: bool,
    },
    /// Look for inputs that break what must hold for any input, guided by the code that they reach; it takes the nightly toolchain
    ///
    /// The targets are in tests/fuzz, their properties in tests/properties, which the tests check with fewer inputs. It installs cargo-fuzz,
    /// which takes minutes.
    Fuzz {
        /// For how long each target runs
        #[arg(long, default_value_t = 1)]
        minutes: u64,
        /// Names of targets, in place of all
        targets: Vec<String>,
    },
    /// Change the code a little, again and again, and tell which changes no test notices
    ///
    /// docs/mutation-testing.md says what the changes and the tests are. A sample takes a minute and more for each change, by cargo-mutants, which
    /// is installed first; a whole crate takes hours. It works in a copy of the repository.
    Mutants {
        /// Try every change of each crate, in one build
        #[arg(long, conflicts_with_all = ["sample", "begin"])]
        whole: bool,
        /// Of the whole crate, try what no test noticed the last time
        #[arg(long, requires = "whole")]
        again: bool,
        /// How many changes of each crate
        #[arg(long, default_value_t = 20)]
        sample: usize,
        /// With which change to begin; another number tries others
        #[arg(long, default_value_t = 0)]
        begin: usize,
        /// The crates, in place of oauth-core, oauth-openid, oauth-tokens and oauth-web
        packages: Vec<String>,
    },
    /// Make a provider crate from the template
    ///
    /// docs/adding-a-provider.md says how to go on.
    New {
        /// Folder, package suffix, feature and module: lower-case letters, digits and hyphens
        name: String,
        /// The name that users know, for a button; the type's name comes from it
        #[arg(long)]
        display_name: Option<String>,
    },
    /// Write what follows from the provider crates: features, re-exports, tables
    Generate {
        /// Write nothing; fail if something would be written
        #[arg(long)]
        check: bool,
    },
    /// Follow docs/adding-a-provider.md in a copy of the repository, and run the tests that it names
    Guide,
    /// Check that each published crate builds from what would be uploaded, and so does an application that has nothing else
    Package,
    /// Check what a release needs, ask the registry whose the packages' names are, and print the plan of publishing
    ///
    /// Nothing is published. Without a network, everything that needs no registry is checked, and the rest is named.
    ReleaseCheck {
        /// Do not ask the registry
        #[arg(long)]
        offline: bool,
        /// The packages that the registry is asked about, in place of all
        packages: Vec<String>,
    },
    /// Fetch what providers publish about themselves, and print where it differs from the emulator's facts; it needs a network
    ///
    /// Arguments and exit code are those of the program oauth-verify-providers; `cargo xtask verify-providers -- --help` lists them.
    VerifyProviders {
        /// Names of providers, in place of all, and options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write what each published package is made of, as CycloneDX documents in target/sbom
    ///
    /// A release has them beside it. It installs cargo-cyclonedx, which takes minutes.
    Sbom,
    /// Build the guides in docs/ as web pages in target/site, and check their links
    ///
    /// A dead internal link or anchor fails it. External links are not fetched; target/site/external-links.txt lists them.
    Site {
        /// Serve the pages on loopback afterwards
        #[arg(long)]
        serve: bool,
        /// The port to serve on; 0 takes a free one
        #[arg(long, default_value_t = 8000)]
        port: u16,
    },
    /// Keep tokens in SQLite and PostgreSQL under load, with one trouble after another, and check that nothing is lost and nothing grows
    ///
    /// Processes are killed and suspended, stores and the provider fail, clocks and keys change. Report and plot go to target/soak.
    Soak {
        /// For how long
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// Instead, measure what the stores take, and simulate ten million grants, as in docs/how-far-it-goes.md
        #[arg(long)]
        scale: bool,
    },
    /// Check the rules that no compiler knows: layers, import circles, names, manifests, text
    Tidy,
    /// Run the library in Node.js, compiled to WebAssembly, against the emulator
    ///
    /// It needs the target wasm32-unknown-unknown, which rustup adds, and Node.js 20 or newer.
    Wasm,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: XtaskCommand) -> Result<ExitCode> {
    match command {
        XtaskCommand::Demo { arguments } => return program::run("oauth-demo", &arguments),
        XtaskCommand::VerifyProviders { arguments } => {
            return program::run("oauth-verify-providers", &arguments);
        }
        // As they were typed, because a `--` among them is for Cargo to see.
        XtaskCommand::Test { .. } => test::run(&env::args().skip(2).collect::<Vec<_>>())?,
        XtaskCommand::Bench { quick, rows } => bench::run(quick, &rows)?,
        XtaskCommand::Budgets { update } => budgets::run(update)?,
        XtaskCommand::Ci => ci::run()?,
        XtaskCommand::Nightly { update_api } => nightly::run(update_api)?,
        XtaskCommand::Fuzz { minutes, targets } => fuzz::run(minutes, &targets)?,
        XtaskCommand::Mutants { whole: true, again, packages, .. } => {
            mutants::run(&mutants::Extent::Whole { again }, &packages)?;
        }
        XtaskCommand::Mutants { sample, begin, packages, .. } => {
            mutants::run(&mutants::Extent::Sample(sample, begin), &packages)?;
        }
        XtaskCommand::New { name, display_name } => new::run(&name, display_name.as_deref())?,
        XtaskCommand::Guide => guide::run()?,
        XtaskCommand::Generate { check: false } => generate::write()?,
        XtaskCommand::Generate { check: true } => generate::check()?,
        XtaskCommand::Package => {
            package::run()?;
            package::set_up()?;
        }
        XtaskCommand::ReleaseCheck { offline, packages } => release_check::run(offline, &packages)?,
        XtaskCommand::Sbom => supply_chain::sbom()?,
        XtaskCommand::Site { serve, port } => site::run(serve, port)?,
        XtaskCommand::Soak { scale: true, .. } => soak::scale()?,
        XtaskCommand::Soak { minutes, .. } => soak::run(minutes)?,
        XtaskCommand::Tidy => tidy::run()?,
        XtaskCommand::Wasm => wasm::run()?,
    }
    Ok(ExitCode::SUCCESS)
}
