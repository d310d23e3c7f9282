//! What a user of the whole workspace would ask of it.

mod support;

mod bad_replies;
mod discovery;
mod facade;
mod login;
mod providers;
mod quirks;
mod real_server;
mod requests;
mod transport;
