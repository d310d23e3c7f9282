//! What the browser brings back.

use oauth_core::Callback;
use oauth_properties::{cases, target};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_text_is_read_as_a_form_and_shows_no_value(text in any::<String>()) {
        (target("callbacks").check)(text.as_bytes());
    }

    #[test]
    fn what_a_server_writes_is_read_back(
        pairs in proptest::collection::vec(("[a-z_]{1,12}", any::<String>()), 0..6),
    ) {
        let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        for callback in [
            Callback::from_query(&written),
            Callback::from_query(&format!("?{written}")),
            Callback::from_form(&written),
            Callback::from_url(&format!("https://app.example/callback?{written}")),
        ] {
            let read: Vec<_> = callback.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(&read, &pairs);
            for (name, value) in &pairs {
                let first = pairs.iter().find(|(other, _)| other == name).map(|(_, value)| &**value);
                prop_assert_eq!(callback.get(name), first, "{}", value);
            }
        }
    }
}
