//! The command-line tool.

use std::process::ExitCode;

use clap::Parser;
use oauth_clients_cli::{Arguments, run};

fn main() -> ExitCode {
    run(Arguments::parse())
}
