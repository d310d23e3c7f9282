//! What Python's httpx-oauth 0.17 did in 1300 recorded calls, and what this library does in the same calls.
//!
//! A difference is allowed only if `tests/data/httpx_oauth_differences.toml` names the case and the aspect that differs,
//! under a heading of `docs/httpx-oauth-differences.md` that tells users about it. Clients are set up with the
//! original's endpoints and scopes, so that what differs is behaviour; the defaults have a table and a test of their own.

mod compare;
mod defaults;
mod replay;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

const RECORDED: &str = include_str!("../data/httpx_oauth_0_17.json");
const DIFFERENCES: &str = include_str!("../data/httpx_oauth_differences.toml");
/// What differs, and the page for those who migrate, which has the headings of a few.
const PAGE: &str = concat!(
    include_str!("../../docs/httpx-oauth-differences.md"),
    include_str!("../../docs/migrating-from-httpx-oauth.md")
);

/// The file that `tests/data/record_httpx_oauth.py` writes and describes.
#[derive(Deserialize)]
struct Recording {
    /// When the original's clock stood still, in Unix seconds.
    time: i64,
    /// The nonce that the original took for random.
    nonce: String,
    new_defaults: Map<String, Value>,
    bodies: BTreeMap<String, String>,
    cases: Vec<Case>,
}

/// One call.
#[derive(Deserialize)]
struct Case {
    id: String,
    provider: String,
    new: Map<String, Value>,
    method: String,
    args: Map<String, Value>,
    replies: Vec<Reply>,
    requests: Vec<Request>,
    result: Outcome,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Reply {
    Failure {
        #[serde(rename = "fail")]
        exception: String,
    },
    Http {
        status: u16,
        headers: BTreeMap<String, String>,
        body: Option<String>,
        body_base64: Option<String>,
        body_name: Option<String>,
    },
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    query: Vec<(String, String)>,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    form: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok(Value),
    Error(Exception),
}

#[derive(Deserialize)]
struct Exception {
    class: String,
    message: String,
    /// Whether the class is none of httpx-oauth's.
    #[serde(default)]
    leak: bool,
    /// Of an `OAuth2AuthorizeCallbackError`: what the browser gets.
    status: Option<u16>,
    response_status: Option<u16>,
}

/// A table of `httpx_oauth_differences.toml`. In the patterns, `*` stands for any text.
#[derive(Deserialize)]
struct Allowed {
    heading: String,
    cases: Vec<String>,
    aspects: Vec<String>,
}

#[derive(Deserialize)]
struct Differences {
    difference: Vec<Allowed>,
}

fn recording() -> Recording {
    serde_json::from_str(RECORDED).unwrap()
}

#[tokio::test]
async fn every_recorded_call_gives_what_it_gave_or_differs_as_documented() {
    let recording = recording();
    let allowed = toml::from_str::<Differences>(DIFFERENCES).unwrap().difference;
    // Which patterns were needed: (table, whether of a case, pattern).
    let mut used = BTreeSet::new();
    let (mut same, mut failures) = (0, Vec::new());
    for case in &recording.cases {
        let replayed = replay::replay(&recording, case).await;
        let differences = compare::differences(&recording, case, &replayed);
        same += usize::from(differences.is_empty());
        for difference in differences {
            let mut documented = false;
            for (number, table) in allowed.iter().enumerate() {
                let cases = table.cases.iter().filter(|pattern| matches(pattern, &case.id));
                let aspects = table.aspects.iter().filter(|pattern| matches(pattern, &difference.aspect));
                let (cases, aspects) = (cases.collect::<Vec<_>>(), aspects.collect::<Vec<_>>());
                if !cases.is_empty() && !aspects.is_empty() {
                    documented = true;
                    used.extend(cases.into_iter().map(|pattern| (number, true, pattern)));
                    used.extend(aspects.into_iter().map(|pattern| (number, false, pattern)));
                }
            }
            if !documented {
                failures.push(format!(
                    "{}: {}\n    httpx-oauth  {}\n    here         {}",
                    case.id, difference.aspect, difference.original, difference.here
                ));
            }
        }
    }

    let headings: Vec<_> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| line.trim_start_matches('#').trim())
        .collect();
    for (number, table) in allowed.iter().enumerate() {
        if !headings.contains(&&*table.heading) {
            failures.push(format!("the migration page has no heading {:?}", table.heading));
        }
        for (of_case, pattern) in table
            .cases
            .iter()
            .map(|case| (true, case))
            .chain(table.aspects.iter().map(|aspect| (false, aspect)))
        {
            if !used.contains(&(number, of_case, pattern)) {
                failures.push(format!("{:?} lists {pattern:?}, where nothing differs", table.heading));
            }
        }
    }

    let total = recording.cases.len();
    println!("{total} cases: {same} are the same, {} differ in part or whole", total - same);
    assert!(
        failures.is_empty(),
        "{} differences that are not documented, or documented and absent:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Whether a text fits a pattern in which `*` stands for any text, also an empty one.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }),
    }
}

#[test]
fn patterns_match_whole_texts() {
    for (pattern, text, expected) in [
        ("a/b", "a/b", true),
        ("a/b", "a/bc", false),
        ("*", "", true),
        ("*/new/*", "github/new/ok", true),
        ("*/new", "github/new/ok", false),
        ("g*b/*ok", "github/new/ok", true),
        ("é*", "éa", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
