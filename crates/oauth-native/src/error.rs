use std::{io, time::Duration};

use oauth_core::{Error, Login};

/// Why a sign-in from a program did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeSignInError {
    /// The login failed: what the provider refused, or which check was not passed. [`Error::class`] says what to do.
    #[error(transparent)]
    Login(#[from] Error),
    /// The options cannot work with this provider, or with each other. Nothing was sent.
    #[error("{0}")]
    Options(String),
    /// None of the ports can be listened on.
    #[error(
        "cannot listen on {host}, port {}: {cause}; end the program that has it, or name another port with `ports`",
        port_list(.ports)
    )]
    PortsTaken {
        /// The host of the redirect URI.
        host: &'static str,
        /// The ports that were tried; empty if any would have done.
        ports: Vec<u16>,
        /// Why the last of them could not be listened on.
        #[source]
        cause: io::Error,
    },
    /// The browser did not come back in time.
    #[error(
        "the browser did not come back within {} s; if it runs on another machine, choose `Method::Paste` or `Method::Device`",
        .after.as_secs()
    )]
    TimedOut {
        /// How long it was waited.
        after: Duration,
    },
    /// Nothing more can be pasted, and nothing else was waited for.
    #[error("the input ended before the address of the page was pasted")]
    InputEnded,
    /// Reading what was pasted failed.
    #[error("cannot read what is pasted: {0}")]
    Input(#[source] io::Error),
    /// Somebody else signed in than who was asked for with [`expect_user`](crate::SignInOptions::expect_user).
    #[error("signed in as {found}, but {expected} was to sign in; choose that account in the browser")]
    OtherUser {
        /// Who was to sign in, as `issuer subject`.
        expected: String,
        /// Who did, as `issuer subject`.
        found: String,
        /// The login, for a program that lets the user keep it as another account.
        login: Box<Login>,
    },
}

fn port_list(ports: &[u16]) -> String {
    match ports {
        [] => "any".to_owned(),
        ports => ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
    }
}
