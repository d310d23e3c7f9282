//! Cookies that somebody else made.

use oauth_properties::{cases, is_accepted, mutated, started};
use proptest::prelude::*;

#[test]
fn the_browsers_own_cookie_is_accepted_and_that_of_another_key_is_not() {
    let (cookie, state) = started(1);
    assert!(is_accepted(cookie.as_bytes(), &state));
    let (other, other_state) = started(2);
    assert!(!is_accepted(other.as_bytes(), &other_state));
    // The name of this sign-in with what was sealed for another one.
    let (name, _) = cookie.split_once('=').unwrap();
    let (theirs, _) = started(1);
    let (_, sealed) = theirs.split_once('=').unwrap();
    assert!(!is_accepted(format!("{name}={sealed}").as_bytes(), &state));
}

#[test]
fn a_changed_cookie_is_not_accepted() {
    let (cookie, state) = started(1);
    let mut changed_ones = 0;
    mutated(&cookie, 600, |changed| {
        if !changed.contains(&cookie) {
            changed_ones += 1;
            assert!(!is_accepted(changed.as_bytes(), &state), "{changed}");
        }
    });
    assert!(changed_ones > 300);
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_made_up_cookie_is_not_accepted(value in any::<Vec<u8>>(), sealed in "[A-Za-z0-9_-]{0,300}") {
        let (cookie, state) = started(1);
        let (name, _) = cookie.split_once('=').unwrap();
        prop_assert!(!is_accepted(&value, &state));
        let named = format!("{name}={sealed}");
        prop_assert!(!is_accepted(named.as_bytes(), &state));
    }
}
