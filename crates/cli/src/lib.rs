//! `oauth-clients`, the command-line tool: signs in with any provider, and keeps the tokens fresh.
//!
//! ```text
//! oauth-clients login github --client-id …     sign in; the browser opens
//! oauth-clients token github                   print a live access token, refreshed if it must be
//! oauth-clients curl github https://api.github.com/user
//! oauth-clients whoami github                  who is signed in
//! oauth-clients doctor https://login.example   what is wrong with a configuration or an issuer
//! ```
//!
//! What it prints for programs goes to standard output, and everything else to standard error; `--json` makes the output of any
//! command JSON. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 sign in again, 4 try again later, 130 interrupted.
//!
//! A secret is never an argument, because other users of the machine see those: it comes from a variable, a file or a command.
//! Tokens are in an encrypted file, and its key in the system's keyring.

#![forbid(unsafe_code)]

mod accounts;
mod arguments;
mod commands;
mod config;
mod doctor;
mod exchange;
mod exit;
mod jwt;
mod machine;
mod managers;
mod mcp;
mod metadata;
mod output;
mod provider;
mod run;
mod signal;
mod signals;
mod store;
mod tokens;
mod urls;
mod words;

pub use arguments::Arguments;
pub use run::run;
