//! The property `stored_tokens` of `oauth-properties`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (oauth_properties::target("stored_tokens").check)(input));
