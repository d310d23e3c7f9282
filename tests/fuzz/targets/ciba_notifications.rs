//! The property `ciba_notifications` of `oauth-properties`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| (oauth_properties::target("ciba_notifications").check)(input));
