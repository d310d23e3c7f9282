//! Keys: any text, many of them, listed.

use std::sync::Arc;

use oauth_core::{bytes::Bytes, random_token};
use tokio::task::JoinSet;

use super::check::{Checked, ensure, some_key};
use crate::{
    key::TokenKey,
    store::{Expected, Saved, TokenStore},
};

/// Texts that a careless store takes for one another, or cannot keep.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "a ",
    " a",
    "ab",
    "ä",
    "a\u{308}",
    "ß",
    "ss",
    "株式会社",
    "🗓\u{fe0f}",
    "\u{0}",
    "a\u{0}b",
    "a\nb",
    "a'b",
    "a\"b",
    "a\\b",
    "a%b",
    "a_b",
    "a:b",
    "a{b}",
    "a/b",
    "a*b",
    "NULL",
    "\u{202e}abc",
    "\u{10ffff}",
];

pub(super) async fn keys_of_any_text_are_different(store: &Arc<dyn TokenStore>) -> Checked {
    let run = random_token()?;
    let mut keys = Vec::new();
    for text in TEXTS {
        // The same text in each of the four places, so that a store that joins them is found out.
        keys.push(TokenKey::from_parts(&format!("{run}{text}"), "s", "p", "l"));
        keys.push(TokenKey::from_parts(&run, &format!("s{text}"), "p", "l"));
        keys.push(TokenKey::from_parts(&run, "s", &format!("p{text}"), "l"));
        keys.push(TokenKey::from_parts(&run, "s", "p", &format!("l{text}")));
    }
    keys.push(TokenKey::from_parts(&run, "s", "p", &"long ".repeat(100)));
    keys.sort();
    keys.dedup();
    for (index, key) in keys.iter().enumerate() {
        let saved = store.save(key, Bytes::from(index.to_string()), Expected::Absent, None).await?;
        ensure!(matches!(saved, Saved::Version(_)), "{key:?} was taken for another key: {saved:?}");
    }
    for (index, key) in keys.iter().enumerate() {
        let found = store.load(key).await?.map(|record| record.sealed);
        ensure!(found == Some(Bytes::from(index.to_string())), "{key:?} has another key's record");
        let listed = store.list(key.tenant(), key.subject()).await?;
        ensure!(listed.iter().any(|(other, _)| other == key), "{key:?} is not listed as itself");
    }
    Ok(())
}

pub(super) async fn a_list_has_one_subjects_keys_in_their_order(store: &Arc<dyn TokenStore>) -> Checked {
    let first = some_key()?;
    let mut mine = vec![
        first.clone(),
        first.with_label("b"),
        first.with_label("a"),
        TokenKey::from_parts(first.tenant(), first.subject(), "another", ""),
        TokenKey::from_parts(first.tenant(), first.subject(), "Another", "z"),
    ];
    let others = [
        TokenKey::from_parts(first.tenant(), "subject2", "testkit", ""),
        TokenKey::from_parts(first.tenant(), "subjec", "ttestkit", ""),
        TokenKey::from_parts("", first.subject(), "testkit", first.tenant()),
        first.with_tenant(format!("{}2", first.tenant())),
    ];
    for key in mine.iter().chain(&others) {
        store.save(key, Bytes::from(key.to_string()), Expected::Any, None).await?;
    }
    mine.sort();
    let listed = store.list(first.tenant(), first.subject()).await?;
    let keys: Vec<_> = listed.iter().map(|(key, _)| key.clone()).collect();
    ensure!(keys == mine, "the list should have been {mine:?}, and was {keys:?}");
    for (key, record) in listed {
        ensure!(record.sealed == key.to_string(), "{key:?} is listed with another's record");
        ensure!(store.load(&key).await? == Some(record), "{key:?} is listed with another version");
    }
    Ok(())
}

pub(super) async fn ten_thousand_keys(store: &Arc<dyn TokenStore>) -> Checked {
    const KEYS: usize = 10_000;
    const WRITERS: usize = 20;
    let tenant = random_token()?;
    let key = move |index: usize| {
        TokenKey::new("testkit", (index % 1000).to_string())
            .with_tenant(&tenant)
            .with_label(index.to_string())
    };
    let mut writers: JoinSet<Checked> = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, key) = (Arc::clone(store), key.clone());
        writers.spawn(async move {
            for index in (writer..KEYS).step_by(WRITERS) {
                let sealed = Bytes::from(format!("{index:01000}"));
                store.save(&key(index), sealed.clone(), Expected::Absent, None).await?;
                let found = store.load(&key(index)).await?.map(|record| record.sealed);
                ensure!(found == Some(sealed), "key {index} of 10,000 is not there after its save");
            }
            Ok(())
        });
    }
    while let Some(outcome) = writers.join_next().await {
        outcome??;
    }
    for subject in [0, 7, 999] {
        let listed = store.list(key(0).tenant(), &subject.to_string()).await?;
        ensure!(listed.len() == KEYS / 1000, "a subject with 10 of 10,000 keys has {}", listed.len());
    }
    let found = store.load(&key(KEYS - 1)).await?;
    ensure!(found.is_some(), "the last of 10,000 keys is gone");
    Ok(())
}
