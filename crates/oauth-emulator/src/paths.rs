//! The field paths of the provider table: `a.b.c`, `a[0].b`, `a[?primary].b`, `[?primary].b`.

use serde_json::{Map, Value};

/// Where a value of the user's is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Profile,
    /// The token reply: `token:a.b`.
    TokenReply,
    /// The answer of a second call, for the addresses: `email:a.b`.
    Emails,
}

/// The reply that a path is about, and the path within it.
pub(crate) fn place(path: &str) -> (Place, &str) {
    match path.split_once(':') {
        Some(("token", rest)) => (Place::TokenReply, rest),
        Some(("email", rest)) => (Place::Emails, rest),
        _ => (Place::Profile, path),
    }
}

/// Puts `value` at `path`, with the objects and arrays that the path needs.
///
/// The conditional item `a[?k]` is the second of its list, with a member `k` that is true. The first is somebody else's, whose `k` is
/// false, so that a client that takes whatever comes first is found out.
pub(crate) fn set(target: &mut Value, path: &str, value: Value) {
    if path.is_empty() {
        *target = value;
        return;
    }
    let (segment, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, index) = split(segment);
    let Some(member) = (if name.is_empty() { Some(target) } else { entry(target, name) }) else { return };
    let Some(index) = index else { return set(member, rest, value) };
    let Some(items) = items(member) else { return };
    match index.strip_prefix('?') {
        Some(flag) => {
            while items.len() < 2 {
                let mut item = Value::Object(Map::new());
                set(&mut item, flag, Value::Bool(!items.is_empty()));
                items.push(item);
            }
            set(&mut items[0], rest, decoy(&value));
            set(&mut items[1], rest, value);
        }
        None => {
            let index = index.parse().unwrap_or(0);
            while items.len() <= index {
                items.push(Value::Null);
            }
            set(&mut items[index], rest, value);
        }
    }
}

/// Makes the lists that `path` goes through, and puts nothing into them.
pub(crate) fn set_empty(target: &mut Value, path: &str) {
    let (segment, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, index) = split(segment);
    if rest.is_empty() && index.is_none() {
        return;
    }
    let Some(member) = (if name.is_empty() { Some(target) } else { entry(target, name) }) else { return };
    match index {
        Some(_) => {
            items(member);
        }
        None => set_empty(member, rest),
    }
}

/// The value at a path without conditions.
pub(crate) fn get<'a>(target: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(target, |target, segment| {
        let (name, index) = split(segment);
        let member = if name.is_empty() { target } else { target.get(name)? };
        match index {
            Some(index) => member.get(index.parse::<usize>().ok()?),
            None => Some(member),
        }
    })
}

/// The names of the members that a path goes through.
pub(crate) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').map(|segment| split(segment).0).filter(|name| !name.is_empty())
}

fn split(segment: &str) -> (&str, Option<&str>) {
    match segment.split_once('[') {
        Some((name, index)) => (name, Some(index.trim_end_matches(']'))),
        None => (segment, None),
    }
}

/// The member of that name of what is made an object.
fn entry<'a>(target: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    target.as_object_mut().map(|object| object.entry(name).or_insert(Value::Null))
}

/// The items of what is made an array.
fn items(target: &mut Value) -> Option<&mut Vec<Value>> {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    target.as_array_mut()
}

/// What the item beside the right one says.
fn decoy(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("other-{text}")),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_forms_of_paths_are_set() {
        let mut profile = json!({});
        set(&mut profile, "id", json!(1));
        set(&mut profile, "account.profile.name", json!("Ada"));
        set(&mut profile, "account.email", json!("a@example.com"));
        set(&mut profile, "names[0].text", json!("Ada"));
        set(&mut profile, "emails[?primary].value", json!("a@example.com"));
        set(&mut profile, "emails[?primary].verified", json!(true));
        assert_eq!(
            profile,
            json!({
                "id": 1,
                "account": {"profile": {"name": "Ada"}, "email": "a@example.com"},
                "names": [{"text": "Ada"}],
                "emails": [
                    {"value": "other-a@example.com", "primary": false, "verified": true},
                    {"value": "a@example.com", "primary": true, "verified": true},
                ],
            })
        );
        assert_eq!(get(&profile, "names[0].text"), Some(&json!("Ada")));
        assert_eq!(get(&profile, "names[1].text"), None);

        let mut list = Value::Null;
        set(&mut list, "[?primary].email", json!("a@example.com"));
        assert_eq!(list[1], json!({"email": "a@example.com", "primary": true}));
    }

    #[test]
    fn a_list_without_items_is_empty() {
        let mut body = json!({});
        set_empty(&mut body, "values[?is_primary].email");
        set_empty(&mut body, "email");
        assert_eq!(body, json!({"values": []}));
        let mut list = json!({});
        set_empty(&mut list, "[?primary].email");
        assert_eq!(list, json!([]));
    }

    #[test]
    fn a_prefix_names_the_reply() {
        assert_eq!(place("token:owner.user.id"), (Place::TokenReply, "owner.user.id"));
        assert_eq!(place("email:[?primary].email"), (Place::Emails, "[?primary].email"));
        assert_eq!(place("urn:x"), (Place::Profile, "urn:x"));
    }
}
