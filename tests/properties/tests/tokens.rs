//! Tokens as they are stored.

use std::time::Duration;

use oauth_core::{
    OAuth2Token,
    serde_json::{self, Map, Value, json},
};
use oauth_properties::cases;
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn unknown_members_are_kept(members in proptest::collection::btree_map("x_[a-z]{1,8}", any::<String>(), 0..6)) {
        let members: Map<_, _> = members.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        let mut stored = members.clone();
        stored.insert("access_token".to_owned(), "AT".into());
        let token: OAuth2Token = serde_json::from_value(Value::Object(stored.clone())).unwrap();
        prop_assert_eq!(token.others(), &members);
        prop_assert_eq!(serde_json::to_value(&token).unwrap(), Value::Object(stored));
    }

    #[test]
    fn any_lifetime_is_read_without_overflow(seconds in any::<i64>(), float in any::<f64>(), margin in any::<u64>()) {
        for lifetime in [json!(seconds), json!(seconds.to_string()), json!(float), json!(float.to_string())] {
            for member in ["expires_in", "expires_at"] {
                let token = json!({ "access_token": "AT", member: lifetime });
                let token: OAuth2Token = serde_json::from_value(token).unwrap();
                let _ = (token.expires_at(), token.expires_within(Duration::from_secs(margin)));
                prop_assert!(!token.is_expired() || token.expires_within(Duration::from_secs(margin)));
            }
        }
    }

    #[test]
    fn scopes_are_read_back(scopes in proptest::collection::vec("[!#-+\\--\\[\\]-~]{1,12}", 1..6)) {
        for written in [json!(scopes.join(" ")), json!(scopes.join(",")), json!(scopes)] {
            let token: OAuth2Token = serde_json::from_value(json!({ "access_token": "AT", "scope": written })).unwrap();
            prop_assert_eq!(token.scopes().unwrap(), scopes.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
