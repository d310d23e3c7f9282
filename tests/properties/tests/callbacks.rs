//! What the browser brings back.

use oauth_core::Callback;
use proptest::prelude::*;

use crate::inputs::{cases, mutated};

/// Reads text as every kind of callback; its values must not show.
fn read(text: &str) {
    for callback in [Callback::from_query(text), Callback::from_form(text), Callback::from_url(text)] {
        let shown = format!("{callback:?}");
        for (name, value) in callback.pairs() {
            // A name is shown, and may hold what looks like a value.
            let is_name = callback.pairs().any(|(other, _)| other.contains(value));
            assert!(value.len() < 8 || is_name || !shown.contains(value), "{name}: {shown}");
        }
    }
    let expected: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    let form = Callback::from_form(text);
    let read: Vec<_> = form.pairs().map(|(name, value)| (name.into(), value.into())).collect();
    assert_eq!(read, expected);
}

#[test]
fn a_changed_callback_is_read_as_a_form_and_shows_no_value() {
    mutated(include_str!("../corpus/callbacks.txt"), 3000, read);
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_text_is_read_as_a_form_and_shows_no_value(text in any::<String>()) {
        read(&text);
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
