//! How private keys are read, and what each algorithm wants of them.

pub(crate) mod algorithms;
pub(crate) mod der;
pub(crate) mod jwk;
pub(crate) mod pem;
pub(crate) mod private_key;
