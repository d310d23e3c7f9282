//! What the browser brings back.

use oauth_core::{Callback, LoginOptions, Provider, provider_kit::says_success};

use crate::{
    server::{Server, block_on, client},
    shown::shows_none,
};

/// A callback is read as a form, shows no value, and ends a login only with the login's own state.
pub(crate) fn check(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    for callback in [Callback::from_query(text), Callback::from_form(text), Callback::from_url(text)] {
        let shown = format!("{callback:?}");
        for (name, value) in callback.pairs() {
            // A name is shown, and may hold what looks like a value.
            let is_name = callback.pairs().any(|(other, _)| other.contains(value));
            // A quote could belong to the list of names.
            let is_open = is_name || value.contains('"');
            assert!(value.len() < 8 || is_open || !shown.contains(value), "{name}: {shown}");
        }
    }
    let expected: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    let form = Callback::from_form(text);
    let read: Vec<_> = form.pairs().map(|(name, value)| (name.into(), value.into())).collect();
    assert_eq!(read, expected);
    finish(text);
}

/// `$STATE` in the input is the state of the login, so that a fuzzer gets beyond it.
fn finish(text: &str) {
    let server = Server::new(200, r#"{"access_token":"AT"}"#);
    let client = client(&server);
    let started = block_on(client.start_login("https://app.example/callback", LoginOptions::new())).unwrap();
    let state = started.attempt.state().to_owned();
    let callback = Callback::from_query(&text.replace("$STATE", &state));
    let values = |name: &str| -> Vec<String> {
        let of_name = callback.pairs().filter(|(other, _)| *other == name);
        of_name.map(|(_, value)| value.to_owned()).collect()
    };
    let (states, codes, errors) = (values("state"), values("code"), values("error"));
    // An error of the server's is shown, and may hold whatever the server likes.
    let said: Vec<_> = ["error", "error_description", "error_uri"].into_iter().flat_map(values).collect();
    match block_on(client.finish_login(started.attempt, callback)) {
        Ok(_) => {
            assert_eq!(states, [state]);
            assert!(codes.len() == 1 && !codes[0].is_empty(), "{codes:?}");
            assert!(errors.iter().all(|error| error.is_empty() || says_success(error)), "{errors:?}");
            assert_eq!(server.requests(), 1);
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            shows_none(&shown, [&*state]);
            let secrets = states.iter().chain(&codes).map(String::as_str);
            shows_none(&shown, secrets.filter(|secret| !said.iter().any(|text| text.contains(secret))));
        }
    }
}
