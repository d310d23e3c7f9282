//! Long inputs take no longer than their length: what compares each part of one with all parts before it would take minutes.

use std::time::{Duration, Instant};

use oauth_core::serde_json::{Value, json};
use oauth_properties::{TARGETS, reader};

/// The longest input that a reply can be is four times as long.
const LONG: usize = 256 * 1024;
/// Where the property computes more about an input than what it is about.
const SHORTER: usize = 32 * 1024;

/// A debug build takes a fraction of a second for any of them; the rest is for a machine that has other work.
const LIMIT: Duration = Duration::from_secs(5);

fn repeated(part: &str, length: usize) -> String {
    part.repeat(length / part.len())
}

fn numbered(part: impl Fn(usize) -> String, length: usize) -> String {
    let mut text = String::with_capacity(length + 64);
    for number in 0.. {
        if text.len() >= length {
            break;
        }
        text += &part(number);
    }
    text
}

/// One of many parts, by its number.
type Part = fn(usize) -> String;

/// Inputs of about this length, each with what it is made of.
fn long_ones(seeds: &str, length: usize) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = [
        "a",
        "0",
        "=",
        "&",
        "a=b&",
        "a=%41&",
        "%",
        "+",
        ";",
        "a=b; ",
        "\"",
        "\\\"",
        "\"\\",
        "a=\" =",
        ", ;",
        ",",
        "Bearer ",
        ".",
        "a.",
        "AA==.",
        "e30.",
        "/",
        "/..",
        "/%2e",
        "\\",
        "//",
        "://",
        "@",
        "[",
        "{",
        "{\"a\":",
        "[[",
        "\\u0000",
        " ",
        "\t",
        "é",
        "\u{202e}",
        "<a ",
        "for=a;",
        "a|",
        "a=1\n",
        "state=$STATE&",
        "code=C&",
        "$COOKIE; ",
        "$SEALED",
    ]
    .map(|part| (format!("{part:?} again and again"), repeated(part, length)))
    .into();
    let counted: [(&str, Part); 7] = [
        ("parameters of a form", |number| format!("p{number}=v&")),
        ("parameters of a challenge", |number| format!("Bearer p{number}=v, ")),
        ("cookies", |number| format!("p{number}=v; ")),
        ("keys of a table", |number| format!("k{number} = 1\n")),
        ("tables", |number| format!("[t{number}]\n")),
        ("words", |number| format!("w{number} ")),
        ("segments", |number| format!("/s{number}")),
    ];
    all.extend(counted.map(|(name, part)| (name.to_owned(), numbered(part, length))));
    let members = numbered(|number| format!("\"m{number}\":{number},"), length);
    let objects = numbered(|number| format!("{{\"kid\":\"{number}\",\"kty\":\"EC\"}},"), length);
    all.extend([
        ("members".to_owned(), format!("{{{members}\"access_token\":\"AT\"}}")),
        ("one member again and again".to_owned(), format!("{{{}\"a\":1}}", repeated("\"a\":1,", length))),
        ("keys of a set".to_owned(), format!("{{\"keys\":[{objects}{{}}]}}")),
        ("items".to_owned(), format!("[{}0]", repeated("0,", length))),
        ("digits".to_owned(), format!("{{\"expires_in\":{}}}", repeated("9", length))),
    ]);
    for line in seeds.lines().filter(|line| !line.is_empty()).take(3) {
        all.push((
            format!("{line:.40} again and again"),
            repeated(&format!("{line}\n"), length.max(line.len() + 1)),
        ));
        // A good document in which one thing is long.
        let Ok(Value::Object(good)) = line.parse::<Value>() else { continue };
        for name in good.keys().cloned().collect::<Vec<_>>() {
            for value in [
                json!(repeated("a ", length)),
                json!(repeated("\u{202e}\"", length / 4)),
                Value::Array(vec![json!("a"); length / 4]),
                Value::Array((0..length / 8).map(|number| json!(number.to_string())).collect()),
            ] {
                let mut changed = good.clone();
                changed.insert(name.clone(), value);
                all.push((format!("a long {name}"), Value::Object(changed).to_string()));
            }
        }
    }
    all
}

#[test]
fn no_input_takes_longer_than_its_length() {
    for target in TARGETS {
        let length = if reader(target.name).is_some() { LONG } else { SHORTER };
        for (name, text) in long_ones(target.seeds, length) {
            let took = || {
                let begun = Instant::now();
                match reader(target.name) {
                    Some(read) => read(&text),
                    None => (target.check)(text.as_bytes()),
                }
                begun.elapsed()
            };
            // What a busy machine held up once is not held up three times.
            let is_quick = (0..3).any(|_| took() < LIMIT);
            assert!(is_quick, "{}: {} bytes, {name}: more than {LIMIT:?}", target.name, text.len());
        }
    }
}
