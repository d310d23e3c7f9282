//! Authorization for the Model Context Protocol, by the ids of the checklist.

mod discovery;
mod documents;
mod grants;
mod records;
mod registration;
mod server;
mod sign_in;
mod step_up;
mod strangers;
mod suite;
mod world;
