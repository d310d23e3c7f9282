//! The property `error_replies` of `oauth-properties`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (oauth_properties::target("error_replies").check)(input));
