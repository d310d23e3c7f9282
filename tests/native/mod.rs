//! Sign-in from programs without a web server: the rows NA, NT, ST, DV and DG of the conformance list, by their ids.

mod app_codes;
mod device;
mod device_providers;
mod loopback;
mod paste;
mod processes;
mod program;
mod stores;
