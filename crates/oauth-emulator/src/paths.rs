//! The field paths of the provider table: `a.b.c`, `a[0].b`, `a[?primary].b`.

use serde_json::{Map, Value};

/// Puts `value` at `path` inside `object`, with the objects and arrays that the path needs.
///
/// The conditional item `a[?k]` becomes an item whose member `k` is true. Paths that begin with `token:` are not part of the
/// profile and leave it alone.
pub(crate) fn set(object: &mut Map<String, Value>, path: &str, value: Value) {
    if path.contains(':') {
        return;
    }
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, index) = match first.split_once('[') {
        Some((name, index)) => (name, Some(index.trim_end_matches(']'))),
        None => (first, None),
    };
    let member = object.entry(name).or_insert(Value::Null);
    let Some(index) = index else { return put(member, rest, value) };
    if !member.is_array() {
        *member = Value::Array(vec![Value::Null]);
    }
    if let Some(item) = member.as_array_mut().and_then(|items| items.first_mut()) {
        put(item, rest, value);
        if let (Some(condition), Some(item)) = (index.strip_prefix('?'), item.as_object_mut()) {
            item.insert(condition.to_owned(), Value::Bool(true));
        }
    }
}

fn put(target: &mut Value, rest: &str, value: Value) {
    if rest.is_empty() {
        *target = value;
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Some(object) = target.as_object_mut() {
        set(object, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_forms_of_paths_are_set() {
        let mut profile = Map::new();
        set(&mut profile, "id", json!(1));
        set(&mut profile, "account.profile.name", json!("Ada"));
        set(&mut profile, "account.email", json!("a@example.com"));
        set(&mut profile, "names[0].text", json!("Ada"));
        set(&mut profile, "emails[?primary].value", json!("a@example.com"));
        set(&mut profile, "token:open_id", json!("x"));
        assert_eq!(
            Value::Object(profile),
            json!({
                "id": 1,
                "account": {"profile": {"name": "Ada"}, "email": "a@example.com"},
                "names": [{"text": "Ada"}],
                "emails": [{"value": "a@example.com", "primary": true}],
            })
        );
    }
}
