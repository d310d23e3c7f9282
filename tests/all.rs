//! What a user of the whole workspace would ask of it.

mod support;

mod bad_replies;
mod login;
mod providers;
mod quirks;
mod requests;
mod transport;
