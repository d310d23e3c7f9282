//! A file for each command.

pub(crate) mod credential_docker;
pub(crate) mod credential_git;
pub(crate) mod credential_kubectl;
pub(crate) mod curl;
pub(crate) mod decode;
pub(crate) mod discover;
pub(crate) mod doctor;
pub(crate) mod exchange;
pub(crate) mod exec;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod manual;
pub(crate) mod serve_emulator;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod whoami;
