//! A JSON object in few pieces of memory: what the header and the claims of a token are read into.

use std::fmt;

use oauth_core::{
    StrictJson, TWICE_IN_JSON, parse_json_as,
    serde_json::{Map, Value},
};
use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

/// How many members there is room for at first. Few tokens have more.
const USUAL_MEMBERS: usize = 16;

/// Up to how many names it is quickest to compare each with each.
const FEW_NAMES: usize = 32;

/// The end of the year 9999, in seconds since 1970.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// The members of a JSON object, no two of one name.
///
/// All names and texts stand in one string, because a map of strings would take two allocations for each claim of each token
/// that is verified. Lists and objects among the values are as serde_json has them.
#[derive(Clone, Default)]
pub(crate) struct Members {
    text: String,
    members: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    /// See [`beginning`].
    beginning: u64,
    name: Span,
    value: Held,
}

#[derive(Clone)]
enum Held {
    Text(Span),
    Other(Value),
}

/// A part of the string that holds all of them.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

/// The value of a member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Claim<'m> {
    /// A string.
    Text(&'m str),
    /// Anything else.
    Other(&'m Value),
}

/// The first eight bytes of a name: most are no longer, and few begin alike, so that one look tells them apart.
fn beginning(name: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = name.len().min(bytes.len());
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    u64::from_le_bytes(bytes)
}

impl Members {
    /// Reads a JSON text; `None` if it is another thing than an object.
    ///
    /// # Errors
    ///
    /// What is wrong with it: see [`parse_json`](oauth_core::parse_json), by whose rules the whole text is read.
    pub(crate) fn parse(json: &[u8]) -> Result<Option<Self>, String> {
        match parse_json_as(json, Reader { length: json.len() }) {
            Ok(members) => Ok(Some(members)),
            // Another value is told from bad JSON here and not while reading, which is what nearly all calls do.
            Err(problem) => match oauth_core::parse_json(json) {
                Ok(_) => Ok(None),
                Err(_) => Err(problem),
            },
        }
    }

    /// The value of a member, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<Claim<'_>> {
        Self::find(&self.members, name, &self.text).map(|member| member.value.of(&self.text))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A member that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A member that is a number, such as a NumericDate (RFC 7519 section 2), which may have a fraction.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Claim::Other(value) => value.as_f64().filter(|number| number.is_finite()),
            Claim::Text(_) => None,
        }
    }

    /// A member that is a NumericDate in the calendar, from 1970 to 9999. What lies beyond is a mistake, such as milliseconds, or a
    /// trick, and no date.
    pub(crate) fn date(&self, name: &str) -> Option<f64> {
        self.number(name).filter(|seconds| (0.0..=LAST_SECOND).contains(seconds))
    }

    fn find<'m>(members: &'m [Member], name: &str, all: &str) -> Option<&'m Member> {
        let beginning = beginning(name);
        members.iter().find(|member| member.beginning == beginning && member.name.of(all) == name)
    }

    fn has_a_name_twice(&self) -> bool {
        let names = self.members.iter().map(|member| member.name.of(&self.text));
        if self.members.len() <= FEW_NAMES {
            let is_known =
                |(at, name): (usize, &str)| Self::find(&self.members[..at], name, &self.text).is_some();
            return names.enumerate().any(is_known);
        }
        let mut sorted: Vec<&str> = names.collect();
        sorted.sort_unstable();
        sorted.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// The same as serde_json has it.
    pub(crate) fn to_map(&self) -> Map<String, Value> {
        let pair =
            |member: &Member| (member.name.of(&self.text).to_owned(), member.value.of(&self.text).to_value());
        self.members.iter().map(pair).collect()
    }
}

impl Span {
    /// Puts a text behind those that are there.
    fn push(all: &mut String, text: &str) -> Self {
        let start = all.len();
        all.push_str(text);
        Self { start, end: all.len() }
    }

    fn of(self, all: &str) -> &str {
        all.get(self.start..self.end).unwrap_or_default()
    }
}

impl Held {
    fn of<'m>(&'m self, all: &'m str) -> Claim<'m> {
        match self {
            Self::Text(span) => Claim::Text(span.of(all)),
            Self::Other(value) => Claim::Other(value),
        }
    }
}

impl<'m> Claim<'m> {
    pub(crate) fn as_str(self) -> Option<&'m str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }

    /// The value, if it is no string.
    pub(crate) fn other(self) -> Option<&'m Value> {
        match self {
            Self::Text(_) => None,
            Self::Other(value) => Some(value),
        }
    }

    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Other(value) => value.clone(),
        }
    }
}

impl<'m> From<&'m Value> for Claim<'m> {
    fn from(value: &'m Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            other => Self::Other(other),
        }
    }
}

// What a token says is personal data.
impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Members({})", self.members.len())
    }
}

/// Reads an object from a text of some length, so that room for all that is in it is made at once.
struct Reader {
    length: usize,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Members;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Members, A::Error> {
        let mut text = String::with_capacity(self.length);
        let mut members = Vec::with_capacity(USUAL_MEMBERS);
        while let Some(name) = source.next_key_seed(Name(&mut text))? {
            let value = source.next_value_seed(Rest(&mut text))?;
            members.push(Member { beginning: beginning(name.of(&text)), name, value });
        }
        let members = Members { text, members };
        match members.has_a_name_twice() {
            true => Err(de::Error::custom(TWICE_IN_JSON)),
            false => Ok(members),
        }
    }
}

/// Reads a name.
struct Name<'t>(&'t mut String);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Span;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Span, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Span, E> {
        Ok(Span::push(self.0, name))
    }
}

/// Reads what stands behind a name.
struct Rest<'t>(&'t mut String);

impl<'de> DeserializeSeed<'de> for Rest<'_> {
    type Value = Held;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Held, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rest<'_> {
    type Value = Held;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Held, E> {
        Ok(Held::Other(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Held, E> {
        Ok(Held::Other(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Held, E> {
        Ok(Held::Other(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Held, E> {
        Ok(Held::Other(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Held, E> {
        Ok(Held::Other(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Held, E> {
        Ok(Held::Text(Span::push(self.0, value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Held, A::Error> {
        let StrictJson(list) = StrictJson::deserialize(SeqAccessDeserializer::new(items))?;
        Ok(Held::Other(list))
    }

    // A number comes this way too when any crate of the program switches serde_json's `arbitrary_precision` on.
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Held, A::Error> {
        let StrictJson(object) = StrictJson::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Held::Other(object))
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::{parse_json, serde_json::json};

    use super::*;

    fn read(json: &str) -> Members {
        Members::parse(json.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn an_object_is_what_serde_json_makes_of_it() {
        for json in [
            "{}",
            r#" {"a":"x","b":[1,{"c":"\u00e9\n"},[]],"":"","ab":{"a":{"a":null}},"n":-1,"m":18446744073709551615} "#,
            r#"{"beginning":1,"beginning_of":2,"beginnin":3,"beginnin\u0000":4,"beginnings":5,"b":6,"b\u0000":7}"#,
            r#"{"f":1.5e3,"t":true,"z":null,"\u0061\"":"\ud83d\ude00","é":"e","aa":"","longer name":0}"#,
            "\u{feff}{\"a\":1}",
        ] {
            let Value::Object(expected) = parse_json(json.as_bytes()).unwrap() else { panic!("{json}") };
            let members = read(json);
            assert_eq!(members.to_map(), expected, "{json}");
            for (name, value) in &expected {
                assert_eq!(members.get(name), Some(Claim::from(value)), "{name} in {json}");
            }
            assert_eq!(members.get("absent"), None);
        }
    }

    #[test]
    fn many_members_are_found_too() {
        let many: Map<String, Value> =
            (0..1_000).map(|at| (format!("claim_{at}"), json!(at.to_string()))).collect();
        let members = read(&Value::Object(many.clone()).to_string());
        assert_eq!(members.to_map(), many);
        assert_eq!(members.text("claim_999"), Some("999"));
    }

    #[test]
    fn tk_21_a_member_that_stands_twice_is_refused_however_many_there_are() {
        for count in [1, FEW_NAMES - 1, FEW_NAMES, FEW_NAMES + 1, 5_000] {
            let names = (0..count).map(|at| format!("\"claim_{at}\":0"));
            let once = names.clone().collect::<Vec<_>>().join(",");
            let last = count - 1;
            for twice in [0, count / 2, last] {
                let json = format!("{{{once},\"claim_{twice}\":1}}");
                assert_eq!(Members::parse(json.as_bytes()).unwrap_err(), TWICE_IN_JSON, "{twice} of {count}");
            }
            assert_eq!(read(&format!("{{{once}}}")).members.len(), count);
        }
    }

    #[test]
    fn tk_21_a_member_that_stands_twice_is_refused_wherever_it_stands() {
        for json in [
            r#"{"a":1,"b":2,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"beginning_1":1,"beginning_2":2,"beginning_1":1}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"y":[{"a":1,"b":1,"a":2}]}]}"#,
        ] {
            assert_eq!(Members::parse(json.as_bytes()).unwrap_err(), TWICE_IN_JSON, "{json}");
        }
    }

    #[test]
    fn bad_json_is_refused_as_everywhere_else() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        for json in [
            &b""[..],
            b"{",
            b"{\"a\":1",
            b"{\"a\":1}}",
            b"{\"a\":1} {}",
            b"{\"a\":1,}",
            b"{a:1}",
            b"{1:1}",
            b"{\"a\":NaN}",
            b"{\"a\":01}",
            b"{\"a\":1e999}",
            b"{\"a\":\"\xff\"}",
            b"{\"\xff\":1}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\n\"}",
            deep.as_bytes(),
        ] {
            let shown = String::from_utf8_lossy(json);
            assert_eq!(Members::parse(json).unwrap_err(), parse_json(json).unwrap_err(), "{shown}");
        }
    }

    #[test]
    fn another_value_is_no_object() {
        for json in ["[]", "1", "\"{}\"", "null", " true "] {
            assert!(Members::parse(json.as_bytes()).unwrap().is_none(), "{json}");
        }
    }
}
