//! Which site a sign-in thinks it is, behind a proxy.

use oauth_properties::{cases, target};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn whatever_a_proxy_says_the_redirect_uri_is_one_of_a_site(
        proto in prop_oneof![Just("https".to_owned()), Just("http".to_owned()), "[ -~]{0,12}"],
        host in prop_oneof!["[a-z0-9.:@/\\[\\]-]{0,24}", "[ -~]{0,24}"],
    ) {
        (target("proxies").check)(format!("{proto} {host}").as_bytes());
    }
}
