//! The property `stored_attempts` of `oauth-properties`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (oauth_properties::target("stored_attempts").check)(input));
