//! The property `return_to` of `oauth-properties`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (oauth_properties::target("return_to").check)(input));
