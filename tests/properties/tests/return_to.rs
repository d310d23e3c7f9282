//! Where a sign-in returns to.

use oauth_properties::{accepted_return_to, cases, target};
use proptest::prelude::*;

/// Pieces of which addresses are made that look like paths.
fn address() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("\\".to_owned()),
        Just("..".to_owned()),
        Just("%2e".to_owned()),
        Just("\t".to_owned()),
        Just(":".to_owned()),
        Just("@".to_owned()),
        Just("?".to_owned()),
        Just("https://app.example".to_owned()),
        Just("evil.example".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn no_made_up_return_to_leads_to_another_site(wanted in address()) {
        let return_to = target("return_to").check;
        return_to(wanted.as_bytes());
        return_to(format!("/{wanted}").as_bytes());
    }

    #[test]
    fn a_plain_path_is_returned_to(path in "/[a-z0-9]{1,20}(/[a-z0-9]{1,8}){0,3}(\\?[a-z]{1,5}=[a-z0-9%/]{0,9})?") {
        prop_assert_eq!(accepted_return_to("https://app.example", &path), Some(path));
    }
}
