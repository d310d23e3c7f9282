//! A relying party for the conformance suite of the OpenID Foundation, from the public API alone.
//!
//! It registers at a provider or takes a client id, signs in, reads UserInfo, refreshes, signs out, and prints in lines of
//! JSON what it accepted and what it refused, by which check. The exit code is 0 if that was as expected, 1 if not, and 2 if
//! it could not find out. `docs/conformance.md` in the repository says how each plan of the suite is run with it.
//!
//! ```text
//! cargo run -p oauth-fapi --example rp-conformance -- --issuer https://suite.example/test/a/alias/ --expect accepted
//! ```

mod driver;

use std::process::ExitCode;

use clap::Parser;

use driver::{Outcome, Report, Settings};

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let mut report = Report::printing();
    driver::run(&settings, &mut report).await;
    match report.outcome() {
        Outcome::Failed => ExitCode::from(2),
        _ if report.is_as_expected(&settings) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
