//! OpenID Connect against a provider that is hostile or faulty: one test for each row of the conformance list, by its id.

pub(crate) mod op;

mod callback;
mod documents;
mod id_token;
mod issuers;
mod keys;
mod logout;
mod metadata;
mod mobile;
mod mutation;
mod refresh;
mod registration;
mod requests;
mod stored;
mod strangers;
mod userinfo;
