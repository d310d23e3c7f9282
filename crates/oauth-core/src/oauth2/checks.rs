//! What is checked of a login, when it begins and when it ends.

mod assurance;
mod login;
mod restrictions;
