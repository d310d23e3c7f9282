//! The property `id_tokens` of `oauth-properties`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (oauth_properties::target("id_tokens").check)(input));
