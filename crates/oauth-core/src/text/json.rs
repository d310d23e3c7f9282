//! JSON from servers, read by one rule: an object that names a member twice is refused, because two readers could see
//! two different tokens in it (RFC 8259 section 4). serde_json keeps the last one, and no kept crate refuses.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Reads a whole JSON text.
///
/// # Errors
///
/// What is wrong with it, by position and never by content: no JSON, cut off, not UTF-8, nested too deeply, or a member
/// that is there twice.
pub fn parse(text: &[u8]) -> Result<Value, String> {
    parse_as(text, PhantomData::<Strict>).map(|Strict(value)| value)
}

/// Reads a whole JSON text into another form than [`Value`]. That no member is there twice is for the form to see to: by
/// [`StrictJson`](Strict) in what it holds as a [`Value`], and elsewhere by the error [`TWICE_IN_JSON`](DUPLICATE).
///
/// # Errors
///
/// As [`parse_json`](parse).
pub fn parse_as<'t, S: DeserializeSeed<'t>>(text: &'t [u8], form: S) -> Result<S::Value, String> {
    // Some servers begin with a byte order mark, which RFC 8259 section 8.1 lets readers ignore.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let not_json = |line: usize, column: usize| format!("it is not JSON (line {line}, column {column})");
    // All at once, or else serde_json does it for each string by itself.
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = &text[..error.valid_up_to()];
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        not_json(lines + 1, column + 1)
    })?;
    let mut source = serde_json::Deserializer::from_str(text);
    let read = form.deserialize(&mut source).and_then(|value| source.end().map(|()| value));
    read.map_err(|error| match () {
        () if text.is_empty() => "it is empty".to_owned(),
        () if error.is_eof() => "it is cut off".to_owned(),
        () if error.to_string().starts_with(DUPLICATE) => DUPLICATE.to_owned(),
        () => not_json(error.line(), error.column()),
    })
}

/// The error of a form for [`parse_json_as`](parse_as) that finds a member twice.
pub const DUPLICATE: &str = "an object names a member twice";

/// What serde says is wrong with a value, without the value: serde quotes what it found.
pub(crate) fn unquoted(error: &serde_json::Error) -> String {
    let message = error.to_string();
    if message.starts_with("unknown field") {
        return "it has a member that is not known".to_owned();
    }
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("a member is not {expected}"),
        None => message,
    }
}

/// A value in which no object names a member twice.
#[derive(Clone, Debug)]
pub struct Strict(pub Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    /// How CBOR has null.
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            // How serde_json hands a number over when any crate of the program switches `arbitrary_precision` on.
            if let ("$serde_json::private::Number", Value::String(digits)) = (&*name, &value) {
                return digits.parse().map(Value::Number).map_err(de::Error::custom);
            }
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}

/// What a place in JSON holds: a JSON pointer (RFC 6901) in which the segment `[?primary]` is the first item of an array whose member
/// `primary` is true.
#[must_use]
pub fn value_at<'v>(value: &'v Value, place: &str) -> Option<&'v Value> {
    if !place.contains("/[?") {
        return value.pointer(place);
    }
    place.split('/').skip(1).try_fold(value, |value, segment| {
        match segment.strip_prefix("[?").and_then(|flag| flag.strip_suffix(']')) {
            Some(flag) => value.as_array()?.iter().find(|item| item.get(flag) == Some(&Value::Bool(true))),
            None => value.pointer(&format!("/{segment}")),
        }
    })
}

/// A text or a number at a [place](value_at) in a profile, as text; empty ones count as absent.
#[must_use]
pub fn text_at(profile: &Value, place: &str) -> Option<String> {
    match value_at(profile, place)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        // A number that JSON readers round is not an identifier.
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#"{"a":[1,-2,3.5,"x",null,true],"b":{"c":18446744073709551615}}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn tk_21_a_member_named_twice_is_refused() {
        for twice in [r#"{"a":1,"a":2}"#, r#"{"x":{"a":1,"b":2,"a":1}}"#] {
            assert_eq!(parse(twice.as_bytes()).unwrap_err(), DUPLICATE);
        }
    }

    #[test]
    fn a_place_can_be_the_item_of_a_list_that_a_flag_marks() {
        let profile = serde_json::json!({
            "emails": [{"email": "a"}, {"email": "b", "main": false}, {"email": "c", "main": true}, {"email": "d", "main": true}],
            "odd~/name": {"0": "x"},
        });
        for (place, text) in [
            ("/emails/[?main]/email", Some("c")),
            ("/emails/0/email", Some("a")),
            ("/emails/[?other]/email", None),
            ("/emails/[?main]/other", None),
            ("/odd~0~1name/[?main]", None),
            ("/odd~0~1name/0", Some("x")),
            ("/emails/[?main", None),
        ] {
            assert_eq!(text_at(&profile, place).as_deref(), text, "{place}");
        }
        let root = serde_json::json!([{"email": "a", "primary": true}]);
        assert_eq!(text_at(&root, "/[?primary]/email").as_deref(), Some("a"));
    }

    #[test]
    fn lb_04_deep_nesting_is_an_error_and_no_overflow_of_the_stack() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse(r#"{"a":"#.repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn bad_text_is_named_without_quoting_it() {
        for (text, reason) in [
            (&b""[..], "it is empty"),
            (b"{\"access_token\":\"SECR", "it is cut off"),
            (b"<html>SECRET</html>", "it is not JSON (line 1, column 1)"),
        ] {
            assert_eq!(parse(text).unwrap_err(), reason);
        }
        assert_eq!(parse(b"\"\xff\"").unwrap_err(), "it is not JSON (line 1, column 2)");
        assert_eq!(parse(b"{\n\"a\":\"\xff\"}").unwrap_err(), "it is not JSON (line 2, column 6)");
    }

    #[test]
    fn a_number_that_readers_round_is_no_text() {
        let profile = serde_json::json!({
            "id": 1, "huge": 18_446_744_073_709_551_615_u64, "below": -7, "rounded": 1e300, "half": 0.5, "empty": "", "yes": true,
        });
        for (place, text) in [
            ("/id", Some("1")),
            ("/huge", Some("18446744073709551615")),
            ("/below", Some("-7")),
            ("/rounded", None),
            ("/half", None),
            ("/empty", None),
            ("/yes", None),
        ] {
            assert_eq!(text_at(&profile, place).as_deref(), text, "{place}");
        }
    }
}
