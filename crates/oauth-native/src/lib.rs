//! Sign-in for programs without a web server: command lines, desktop applications, daemons.

pub use oauth_core;
