//! What a platform says about an error, without what the URLs in it may tell.

/// Cuts off queries, fragments and user names of URLs in a text.
///
/// Deno names the whole URL of a request that failed, and Node.js one that it cannot read. Some providers want the client secret in the query.
pub(crate) fn without_secrets(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(cut).collect()
}

fn cut(word: &str) -> String {
    let (kept, gap) = match word.char_indices().next_back() {
        Some((at, last)) if last.is_whitespace() => word.split_at(at),
        _ => (word, ""),
    };
    let cut = match kept.find(['?', '#']) {
        // A question mark at the end is one.
        Some(at) if at + 1 < kept.len() => format!("{}…", &kept[..at]),
        _ => kept.to_owned(),
    };
    match cut.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            let user = host.rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}{gap}", &rest[user..])
        }
        None => format!("{cut}{gap}"),
    }
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn what_a_platform_says_shows_no_query_and_no_user() {
        for (said, shown) in [
            (
                "fetch failed: connect ECONNREFUSED 127.0.0.1:1",
                "fetch failed: connect ECONNREFUSED 127.0.0.1:1",
            ),
            (
                "error sending request for url (https://as.example/token?secret=hush&code=x): client error (Connect)",
                "error sending request for url (https://as.example/token… client error (Connect)",
            ),
            (
                "Failed to parse URL from http://1.2.3.256/?client_secret=hush",
                "Failed to parse URL from http://1.2.3.256/…",
            ),
            ("credentials: https://ada:hush@as.example/a\n", "credentials: https://as.example/a\n"),
            ("/token?code=hush is not a URL", "/token… is not a URL"),
            ("https://as.example/#code=hush", "https://as.example/…"),
            ("what went wrong?", "what went wrong?"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(said), shown);
        }
    }
}
