//! Scopes that an application asks for, and those that a server says it has granted.

use oauth_core::{
    LoginOptions, OAuth2Token, Provider, WantedScopes,
    serde_json::{self, Value, json},
};
use url::Url;

use crate::server::{Server, block_on, client};

/// The parameters of a login. A nonce comes with `openid`.
const OF_A_LOGIN: &[&str] = &[
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
];

/// Scopes that are asked for, with a `|` between them, and after a tab what the server says of them, as JSON or as it is. They are asked
/// for in one parameter or not at all, and each of them counts as granted if the server has named it.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (asked, granted) = text.split_once('\t').unwrap_or((&*text, ""));
    let asked: Vec<&str> = asked.split('|').collect();
    ask(&asked);
    let granted = serde_json::from_str(granted).unwrap_or_else(|_| Value::from(granted));
    let stored = json!({ "access_token": "AT", "scope": granted });
    let Ok(token) = serde_json::from_value::<OAuth2Token>(stored) else { return };
    grant(&asked, &granted, &token);
}

fn ask(asked: &[&str]) {
    let client = client(&Server::new(500, ""));
    let options = LoginOptions::new().scopes(asked.iter().map(|&scope| scope.to_owned()));
    let url = match block_on(client.start_login("https://app.example/cb", options)) {
        Ok(started) => Url::parse(started.url.as_str()).unwrap(),
        Err(error) => {
            assert!(!asked.iter().all(|scope| is_written_as_the_rfc_has_it(scope)), "{error}");
            let shown = format!("{error} {error:?}");
            return assert!(!shown.contains(['\n', '\r', '\u{202e}']), "{shown:?}");
        }
    };
    assert!(asked.iter().all(|scope| is_written_as_the_rfc_has_it(scope)), "{asked:?}");
    let pairs: Vec<_> = url.query_pairs().collect();
    let scopes: Vec<_> =
        pairs.iter().filter(|(name, _)| name == "scope").map(|(_, value)| &**value).collect();
    let joined = asked.join(" ");
    assert!(scopes == [&*joined] || (scopes.is_empty() && joined.is_empty()), "{scopes:?} of {joined:?}");
    // Nothing else came with them.
    let other = pairs.iter().find(|(name, _)| !OF_A_LOGIN.contains(&&**name));
    assert!(other.is_none(), "{other:?}");
}

/// RFC 6749 section 3.3, where several in one text count as several.
fn is_written_as_the_rfc_has_it(scope: &str) -> bool {
    scope.chars().all(|one| one == ' ' || (one.is_ascii_graphic() && one != '"' && one != '\\'))
}

fn grant(asked: &[&str], granted: &Value, token: &OAuth2Token) {
    let words: Option<Vec<String>> = token.scopes().map(|all| all.into_iter().map(str::to_owned).collect());
    match (granted, &words) {
        (Value::String(text), Some(words)) => {
            assert!(words.iter().all(|word| !word.is_empty() && !word.contains([' ', ','])), "{words:?}");
            let kept: String = text.chars().filter(|one| !matches!(one, ' ' | ',')).collect();
            assert_eq!(words.concat(), kept);
        }
        (Value::Array(all), Some(words)) => assert!(words.len() <= all.len()),
        (_, words) => assert!(words.is_none(), "{words:?} of {granted}"),
    }
    let (required, optional) = asked.split_at(asked.len() / 2);
    let wanted = WantedScopes::required(required.iter().copied()).with_optional(optional.iter().copied());
    let found = wanted.check(token);
    let parts = [&found.missing_required, &found.missing_optional, &found.granted];
    assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), asked.len());
    let is_named = |scope: &str| {
        let has = |name: &str| words.as_ref().is_none_or(|words| words.iter().any(|word| word == name));
        // Several in one text are asked for as several.
        let parts: Vec<_> = scope.split(' ').filter(|one| !one.is_empty()).collect();
        !parts.is_empty() && parts.into_iter().all(has)
    };
    assert!(found.granted.iter().all(|scope| is_named(scope)), "{found:?} of {words:?}");
    let missing = found.missing_required.iter().chain(&found.missing_optional);
    assert!(missing.clone().all(|scope| !is_named(scope)), "{found:?} of {words:?}");
    assert_eq!(found.is_sufficient(), required.iter().all(|scope| is_named(scope)));
    // What is stored is what was granted.
    let stored: OAuth2Token = serde_json::from_str(&serde_json::to_string(token).unwrap()).unwrap();
    assert_eq!(stored.scopes(), token.scopes());
}
