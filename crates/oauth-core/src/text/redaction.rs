//! Removes secrets from what a server says, and from a log line the characters that would deceive its reader. No kept crate does it:
//! crates that redact know their own fields, and not a secret that a server quotes in its own way.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt::{self, Write},
};

use crate::text::printable::is_printable;

/// Replaces the secrets in a server's text.
///
/// Servers echo what they were sent, and encode it on the way: for URLs, for HTML, as JSON, as JSON in JSON, in base64 or hexadecimal
/// digits, in capitals. So the text is decoded layer by layer, each byte remembers where it came from, and each layer is searched.
pub(crate) fn without_secrets<'s>(text: &[u8], secrets: impl IntoIterator<Item = Cow<'s, str>>) -> Vec<u8> {
    let needles = Needles::of(secrets);
    let mut found = needles.in_text(text, DENSE_LAYERS);
    found.sort_unstable();
    let mut clean = Vec::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in found {
        // What was found in two ways is hidden once.
        if start >= done {
            clean.extend_from_slice(&text[done..start]);
            clean.extend_from_slice(HIDDEN.as_bytes());
        }
        done = done.max(end);
    }
    clean.extend_from_slice(&text[done..]);
    clean
}

/// A server's text without secrets, fit for one line of a log.
pub(crate) fn safe_line<'s>(text: &str, secrets: impl IntoIterator<Item = Cow<'s, str>>) -> String {
    // More than is shown, so that a secret is whole where the line is cut, and not so much that the search takes long.
    const SEARCHED: usize = 8 * 1024;
    let text = &text.as_bytes()[..text.len().min(SEARCHED)];
    shown(&String::from_utf8_lossy(&without_secrets(text, secrets)))
}

/// A server's text, fit for one line of a log.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line: String = text
        .chars()
        .map(|character| if is_unfit(character) { ' ' } else { character })
        .take(LONGEST)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

/// A text that is shown on one line, whatever is in it.
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(LineWriter(f), "{}", self.0)
    }
}

/// Writes a space for each character that has no place in a line.
struct LineWriter<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for LineWriter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(is_unfit) {
            let fit = piece.trim_end_matches(is_unfit);
            self.0.write_str(fit)?;
            if fit.len() < piece.len() {
                self.0.write_char(' ')?;
            }
        }
        Ok(())
    }
}

/// Whether a character would end a line of a log, hide in it or change the order of what follows.
fn is_unfit(character: char) -> bool {
    !is_printable(character)
}

const HIDDEN: &str = "[hidden]";

/// Shorter texts are not secrets, and to take them out would garble the message.
const SHORTEST: usize = 4;

/// So many bytes in a row of a secret are hidden wherever they are.
const PIECE: usize = 12;

/// So many bytes of a secret's beginning are hidden where the text ends or was cut.
const BEGINNING: usize = 6;

/// How often a text may have been encoded.
const LAYERS: usize = 5;

/// How often it may have been encoded as base64 or hexadecimal digits besides.
const DENSE_LAYERS: usize = 2;

/// A byte of a decoded text, and the bytes of the server's text that encode it.
#[derive(Clone, Copy)]
struct Unit {
    byte: u8,
    start: usize,
    end: usize,
}

/// What is searched for.
struct Needles {
    whole: Vec<Vec<u8>>,
    /// In lower case, as some servers write in capitals what they were sent.
    pieces: HashSet<Vec<u8>>,
}

impl Needles {
    fn of<'s>(secrets: impl IntoIterator<Item = Cow<'s, str>>) -> Self {
        let mut whole = Vec::new();
        for secret in secrets {
            if secret.len() < SHORTEST {
                continue;
            }
            let plain: Vec<Unit> = units(secret.as_bytes());
            // A secret that looks as if it were encoded is decoded with the text around it.
            let layers = layers(plain);
            for layer in [layers.first(), layers.last()].into_iter().flatten() {
                let folded = folded(layer);
                if folded.len() >= SHORTEST && !whole.contains(&folded) {
                    whole.push(folded);
                }
            }
        }
        let pieces = whole.iter().flat_map(|needle| needle.windows(PIECE));
        let pieces = pieces.map(<[u8]>::to_ascii_lowercase).collect();
        Self { whole, pieces }
    }

    /// Where secrets are in a text, as ranges of its bytes.
    fn in_text(&self, text: &[u8], dense_layers: usize) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        if self.whole.is_empty() {
            return found;
        }
        for layer in layers(units(text)) {
            self.in_layer(&layer, &mut found);
            if let Some(rest) = dense_layers.checked_sub(1) {
                self.in_dense(&layer, &BASE64, rest, &mut found);
                self.in_dense(&layer, &HEXADECIMAL, rest, &mut found);
            }
        }
        found
    }

    fn in_layer(&self, layer: &[Unit], found: &mut Vec<(usize, usize)>) {
        let hay = folded(layer);
        let mut mark = |start: usize, end: usize| found.push((layer[start].start, layer[end - 1].end));
        for needle in &self.whole {
            let mut from = 0;
            while let Some(at) =
                hay[from..].windows(needle.len()).position(|window| window == needle.as_slice())
            {
                mark(from + at, from + at + needle.len());
                from += at + needle.len();
            }
        }
        let mut run: Option<(usize, usize)> = None;
        for (at, window) in hay.to_ascii_lowercase().windows(PIECE).enumerate() {
            if self.pieces.contains(window) {
                run = match run {
                    Some((start, end)) if at <= end => Some((start, at + PIECE)),
                    Some((start, end)) => {
                        mark(start, end);
                        Some((at, at + PIECE))
                    }
                    None => Some((at, at + PIECE)),
                };
            }
        }
        if let Some((start, end)) = run {
            mark(start, end);
        }
        for end in cuts(&hay) {
            for needle in &self.whole {
                let longest = needle.len().min(PIECE).min(end);
                let length =
                    (BEGINNING..=longest).rev().find(|&length| hay[..end].ends_with(&needle[..length]));
                if let Some(length) = length {
                    mark(end - length, end);
                }
            }
        }
    }

    /// Marks what is base64, base64url or hexadecimal of something with a secret in it, such as `id:secret`.
    fn in_dense(
        &self,
        layer: &[Unit],
        encoding: &Dense,
        more_layers: usize,
        found: &mut Vec<(usize, usize)>,
    ) {
        let is_digit = |unit: &Unit| (encoding.digit)(unit.byte).is_some();
        let mut start = 0;
        while start < layer.len() {
            let length = layer[start..].iter().take_while(|unit| is_digit(unit)).count();
            let run = &layer[start..start + length];
            if length >= 8 {
                // It may begin within the run: behind a word and a slash, or a letter of an escape.
                let has_secret = (0..encoding.offsets)
                    .any(|skipped| !self.in_text(&encoding.decoded(&run[skipped..]), more_layers).is_empty());
                if has_secret {
                    let padding =
                        layer[start + length..].iter().take(2).take_while(|unit| unit.byte == b'=').count();
                    found.push((run[0].start, layer[start + length + padding - 1].end));
                }
            }
            start += length.max(1);
        }
    }
}

fn units(text: &[u8]) -> Vec<Unit> {
    text.iter().enumerate().map(|(at, &byte)| Unit { byte, start: at, end: at + 1 }).collect()
}

/// For comparison: a form has `+` for a space.
fn folded(layer: &[Unit]) -> Vec<u8> {
    layer.iter().map(|unit| if unit.byte == b'+' { b' ' } else { unit.byte }).collect()
}

/// Where a text ends, as somebody who cut it would have it: at its end, before a sign that it was cut, and before an escape of which
/// only a part is left.
fn cuts(hay: &[u8]) -> Vec<usize> {
    let mut ends = vec![hay.len()];
    for at in 0..hay.len() {
        let rest = &hay[at..];
        const SIGNS: &[&str] = &["...", "…", "[trunc", "***", "xxx", "XXX"];
        if SIGNS.iter().any(|sign| rest.starts_with(sign.as_bytes())) {
            ends.push(at);
        }
    }
    let tail = hay.len().saturating_sub(10);
    ends.extend((tail..hay.len()).filter(|&at| matches!(hay[at], b'%' | b'&' | b'\\')));
    ends
}

/// A text and what it is when it is decoded once, twice and so on.
fn layers(text: Vec<Unit>) -> Vec<Vec<Unit>> {
    let mut layers = vec![text];
    while layers.len() <= LAYERS {
        match layers.last().and_then(|last| decoded(last)) {
            Some(next) => layers.push(next),
            None => break,
        }
    }
    layers
}

/// A text without one layer of escapes for URLs, HTML and JSON; `None` if there are none.
fn decoded(text: &[Unit]) -> Option<Vec<Unit>> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut buffer = [0; 4];
    while at < text.len() {
        match escape(&text[at..]) {
            None => {
                out.push(text[at]);
                at += 1;
            }
            Some((character, length)) => {
                let bytes: &[u8] = match character {
                    Escaped::Byte(byte) => {
                        buffer[0] = byte;
                        &buffer[..1]
                    }
                    Escaped::Character(character) => character.encode_utf8(&mut buffer).as_bytes(),
                };
                let (start, end) = (text[at].start, text[at + length - 1].end);
                out.extend(bytes.iter().map(|&byte| Unit { byte, start, end }));
                at += length;
            }
        }
    }
    // Every escape is longer than what it means.
    (out.len() != text.len()).then_some(out)
}

enum Escaped {
    Byte(u8),
    Character(char),
}

/// The meaning and the length of the escape at the beginning of a text.
fn escape(text: &[Unit]) -> Option<(Escaped, usize)> {
    match text[0].byte {
        b'%' => match text.get(1)?.byte {
            // As JavaScript's `escape` and some servers have it.
            b'u' | b'U' => Some((Escaped::Character(char::from_u32(number(&text[2..], 16, 4..=4)?.0)?), 6)),
            _ => Some((Escaped::Byte(number(&text[1..], 16, 2..=2)?.0 as u8), 3)),
        },
        b'&' => html_escape(text),
        b'\\' => {
            let character = |character| Some((Escaped::Character(character), 2));
            match text.get(1)?.byte {
                b'u' => {
                    let (high, _) = number(&text[2..], 16, 4..=4)?;
                    let low = || match text.get(6..)? {
                        [slash, letter, digits @ ..] if slash.byte == b'\\' && letter.byte == b'u' => {
                            number(digits, 16, 4..=4)
                        }
                        _ => None,
                    };
                    match (high, low()) {
                        (0xd800..=0xdbff, Some((low @ 0xdc00..=0xdfff, _))) => {
                            let joined = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                            Some((Escaped::Character(char::from_u32(joined)?), 12))
                        }
                        _ => Some((Escaped::Character(char::from_u32(high)?), 6)),
                    }
                }
                b'x' => Some((Escaped::Character(char::from_u32(number(&text[2..], 16, 2..=2)?.0)?), 4)),
                b'n' => character('\n'),
                b'r' => character('\r'),
                b't' => character('\t'),
                b'b' => character('\u{8}'),
                b'f' => character('\u{c}'),
                byte @ (b'"' | b'\'' | b'/' | b'\\') => character(char::from(byte)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A character reference of HTML, by number or by name.
fn html_escape(text: &[Unit]) -> Option<(Escaped, usize)> {
    let with_semicolon =
        |length: usize| length + usize::from(text.get(length).is_some_and(|unit| unit.byte == b';'));
    if text.get(1)?.byte == b'#' {
        let (value, length) = match text.get(2)?.byte {
            b'x' | b'X' => {
                let (value, digits) = number(&text[3..], 16, 1..=8)?;
                (value, 3 + digits)
            }
            _ => {
                let (value, digits) = number(&text[2..], 10, 1..=10)?;
                (value, 2 + digits)
            }
        };
        return Some((Escaped::Character(char::from_u32(value)?), with_semicolon(length)));
    }
    let name: Vec<u8> =
        text[1..].iter().take(8).map(|unit| unit.byte).take_while(u8::is_ascii_alphanumeric).collect();
    let &(name, character) =
        HTML_NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
    Some((Escaped::Character(character), with_semicolon(1 + name.len())))
}

/// HTML's names of what is in ASCII and neither letter nor digit.
const HTML_NAMES: &[(&str, char)] = &[
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("hat", '^'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsqb", '['),
    ("lt", '<'),
    ("midast", '*'),
    ("nbsp", ' '),
    ("newline", '\n'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("sol", '/'),
    ("tab", '\t'),
    ("tilde", '~'),
    ("verbar", '|'),
    ("vert", '|'),
];

/// A number of so many digits at the beginning, and how many there are.
fn number(text: &[Unit], radix: u32, digits: std::ops::RangeInclusive<usize>) -> Option<(u32, usize)> {
    let mut value: u32 = 0;
    let mut count = 0;
    while count < *digits.end() {
        let Some(digit) = text.get(count).and_then(|unit| char::from(unit.byte).to_digit(radix)) else {
            break;
        };
        value = value.checked_mul(radix)?.checked_add(digit)?;
        count += 1;
    }
    digits.contains(&count).then_some((value, count))
}

/// An encoding that turns all characters of a text into others.
struct Dense {
    /// The value of a digit.
    digit: fn(u8) -> Option<u32>,
    /// How many bits a digit has.
    bits: u32,
    /// After how many digits a byte begins with a digit again.
    offsets: usize,
}

const BASE64: Dense = Dense { digit: sextet, bits: 6, offsets: 4 };
const HEXADECIMAL: Dense = Dense { digit: |byte| char::from(byte).to_digit(16), bits: 4, offsets: 2 };

/// The six bits that a character of base64 or base64url encodes.
fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

impl Dense {
    /// The whole bytes of what may be cut off anywhere, which the decoders of other crates do not read.
    fn decoded(&self, text: &[Unit]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len());
        let (mut bits, mut count) = (0, 0);
        for digit in text.iter().filter_map(|unit| (self.digit)(unit.byte)) {
            bits = (bits << self.bits | digit) & 0xfff;
            count += self.bits;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };

    use super::*;

    const SECRET: &str = "s3cr/t+<&\"\\Zk~9_Q=";

    fn hidden(text: &str) -> String {
        String::from_utf8(without_secrets(text.as_bytes(), [Cow::Borrowed(SECRET)])).unwrap()
    }

    fn percent(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    fn json(text: &str) -> String {
        serde_json::to_string(text).unwrap().trim_matches('"').to_owned()
    }

    #[test]
    fn a_secret_is_found_in_every_encoding_and_in_two_of_them() {
        let html = |text: &str| {
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('"', "&quot;")
                .replace('/', "&#x2F;")
                .replace('+', "&#43;")
        };
        let unicode = |text: &str| text.bytes().map(|byte| format!("\\u{byte:04X}")).collect::<String>();
        let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let decimal = |text: &str| text.bytes().map(|byte| format!("&#{byte};")).collect::<String>();
        let encodings: [&dyn Fn(&str) -> String; 9] = [
            &str::to_owned,
            &percent,
            &form,
            &|text| form(text).to_lowercase().replace("zk", "Zk").replace("_q", "_Q"),
            &html,
            &decimal,
            &json,
            &unicode,
            &|text| json(&json(text)),
        ];
        for (first, one) in encodings.iter().enumerate() {
            for (second, other) in encodings.iter().enumerate() {
                let text = format!("got «{}».", other(&one(SECRET)));
                assert_eq!(hidden(&text), "got «[hidden]».", "{first} {second}: {text}");
            }
        }
    }

    #[test]
    fn base64_with_a_secret_in_it_is_hidden() {
        for text in [
            SECRET.to_owned(),
            format!("id:{SECRET}"),
            format!("id:{}", percent(SECRET)),
            format!("a={SECRET}&b=1"),
        ] {
            for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                assert_eq!(hidden(&format!("Basic {encoded}.")), "Basic [hidden].");
                assert_eq!(hidden(&format!("Basic {}", percent(&encoded))), "Basic [hidden]");
                assert!(
                    !hidden(&format!("Basic {}", &encoded[..encoded.len() - 4])).contains(&encoded[6..12])
                );
            }
        }
    }

    #[test]
    fn base64_of_base64_hexadecimal_digits_and_capitals_are_hidden() {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        for encoded in [
            STANDARD.encode(STANDARD.encode(SECRET)),
            STANDARD.encode(format!("Basic {}", STANDARD.encode(format!("id:{SECRET}")))),
            URL_SAFE_NO_PAD.encode(percent(&STANDARD.encode(SECRET))),
            hex(SECRET),
            hex(SECRET).to_uppercase(),
            hex(&format!("id:{SECRET}")),
            STANDARD.encode(hex(SECRET)),
            SECRET.to_uppercase(),
        ] {
            assert_eq!(hidden(&format!("got «{encoded}».")), "got «[hidden]».", "{encoded}");
        }
        assert_eq!(hidden("s3cr/t+***"), "[hidden]***");
    }

    #[test]
    fn what_was_cut_off_is_hidden_when_it_tells_something() {
        for length in 6..SECRET.len() {
            let cut = &SECRET[..length];
            for text in [format!("bad code {cut}"), format!("bad code {cut}..."), format!("bad code {cut}…")]
            {
                assert!(hidden(&text).starts_with("bad code [hidden]"), "{text}: {}", hidden(&text));
            }
        }
        assert_eq!(hidden("s3cr%2"), "s3cr%2");
        assert_eq!(hidden("it is s3cr/t%2b%3"), "it is [hidden]%3");
        assert_eq!(hidden("and r/t+<&\"\\Zk~9_Q= "), "and [hidden] ");
    }

    #[test]
    fn what_is_no_secret_is_left_as_it_is() {
        for text in [
            "",
            "it expired 5 % ago &c. \\o/ %zz &#; &unknown; \\u12",
            "s3cr is short",
            "ünïcode %C3%BC",
            "…",
        ] {
            assert_eq!(hidden(text), text);
        }
        let bytes = [0xff, b'%', 0xfe, b'&', b'#', 0x80, b'\\'];
        assert_eq!(without_secrets(&bytes, [Cow::Borrowed(SECRET)]), bytes);
        assert_eq!(without_secrets(b"abc", [Cow::Borrowed("abc"), Cow::Borrowed("")]), b"abc");
    }

    #[test]
    fn two_secrets_side_by_side_are_both_hidden() {
        let secrets = || [Cow::Borrowed("FIRST-1"), Cow::Borrowed("SECOND-2")];
        let clean = |text: &str| String::from_utf8(without_secrets(text.as_bytes(), secrets())).unwrap();
        assert_eq!(clean("FIRST-1SECOND-2, FIRST-1"), "[hidden][hidden], [hidden]");
        assert_eq!(clean("FIRST-1"), "[hidden]");
    }

    #[test]
    fn a_line_has_no_character_that_deceives_its_reader() {
        let text = "a\u{2028}b\u{2029}c\u{202e}d\u{200b}e\u{85}f\u{9b}g\u{feff}h\u{2066}i\u{ad}j\u{e0041}k\r\nl\u{61c}m";
        assert_eq!(shown(text), "a b c d e f g h i j k  l m");
        assert_eq!(shown("naïve नमस्ते ไทย é 🙂"), "naïve नमस्ते ไทย é 🙂");
        assert_eq!(OneLine("a\u{2028}\u{2028}b\u{202e}").to_string(), "a  b ");
        assert_eq!(OneLine("two\nlines").to_string(), "two lines");
    }

    fn hidden_of(secret: &str, text: &str) -> String {
        String::from_utf8(without_secrets(text.as_bytes(), [Cow::Borrowed(secret)])).unwrap()
    }

    #[test]
    fn a_secret_of_four_bytes_is_hidden_and_what_is_shorter_is_not() {
        for (secret, text, clean) in [
            ("abcd", "it is abcd", "it is [hidden]"),
            ("abcd", "in hex 61626364", "in hex [hidden]"),
            ("abcdef", "Basic YWJjZGVm", "Basic [hidden]"),
            ("abc", "it is abc", "it is abc"),
            // Once decoded, it is not a secret any more.
            ("%41%42", "it is %41%42, and ABC is not", "it is [hidden], and ABC is not"),
        ] {
            assert_eq!(hidden_of(secret, text), clean, "{text}");
        }
    }

    #[test]
    fn pieces_of_a_secret_are_hidden_and_what_is_between_them_is_not() {
        let (first, second) = (&SECRET[..PIECE], &SECRET[SECRET.len() - PIECE..]);
        assert_eq!(hidden(&format!("{first} and {second}, {first}.")), "[hidden] and [hidden], [hidden].");
        assert_eq!(hidden(&format!("{first}{second}.")), "[hidden].");
        assert_eq!(hidden(&format!("{}.", &SECRET[1..PIECE])), format!("{}.", &SECRET[1..PIECE]));
    }

    #[test]
    fn a_text_that_was_encoded_five_times_is_decoded() {
        let mut text = percent(SECRET);
        for times in 1..=LAYERS {
            assert_eq!(hidden(&format!("code={text}.")), "code=[hidden].", "{times}");
            text = text.replace('%', "%25");
        }
    }

    #[test]
    fn two_escapes_are_one_character_only_if_both_are_escapes() {
        let secret = "pass\u{1f642}word";
        assert_eq!(hidden_of(secret, r"got «pass\ud83d\ude42word»."), "got «[hidden]».");
        assert_eq!(hidden_of(secret, r"got «pass\uD83D\uDE42word»."), "got «[hidden]».");
        for other in [
            r"pass\ud83dxude42word",
            r"pass\ud83d\xde42word",
            r"pass\ud83d\ud83dword",
            r"pass\ud83dword",
            r"pass\ud83d\u",
            r"pass\ud83d\",
            r"pass\ud83d",
        ] {
            assert_eq!(hidden_of(secret, other), other);
        }
    }

    #[test]
    fn references_with_zeros_and_every_digit_of_base64_are_read() {
        for text in
            ["s3cr&#x002F;t+<&\"\\Zk~9_Q=", "s3cr/t&#0043;<&\"\\Zk~9_Q=", "s3cr/t+&#60&#38;\"\\Zk~9_Q="]
        {
            assert_eq!(hidden(&format!("got {text}.")), "got [hidden].", "{text}");
        }
        let secret = "~~~???>>>";
        for encoded in ["fn5+Pz8/Pj4+", "fn5-Pz8_Pj4-"] {
            assert_eq!(hidden_of(secret, &format!("Basic {encoded} .")), "Basic [hidden] .");
        }
    }

    #[test]
    fn escapes_of_javascript_and_of_json_are_read() {
        for (secret, text) in [
            ("s3cr/t-word", "s3cr%u002ft-word"),
            ("s3cr/t-word", "s3cr%U002Ft-word"),
            ("s3cr/t-word", r"s3cr\x2ft-word"),
            ("two\nlines", r"two\nlines"),
            ("two\r\nlines", r"two\r\nlines"),
            ("a\ttab", r"a\ttab"),
            ("a\u{8}\u{c}feed", r"a\b\ffeed"),
            ("with'quotes\"", r#"with\'quotes\""#),
        ] {
            assert_eq!(hidden_of(secret, &format!("got «{text}».")), "got «[hidden]».", "{text}");
        }
    }
}
