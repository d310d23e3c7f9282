//! The property `dpop_nonces` of `oauth-properties`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (oauth_properties::target("dpop_nonces").check)(input));
