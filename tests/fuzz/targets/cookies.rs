//! The property `cookies` of `oauth-properties`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (oauth_properties::target("cookies").check)(input));
