//! What is sealed opens unchanged, with its key and in its place, or not at all.

use oauth_core::{
    Aead, LoginOptions, Provider, SealError, Sealer, SealingKey,
    serde_json::{self, Value},
};
use oauth_properties::{Server, block_on, cases, client};
use proptest::prelude::*;

fn sealer(key: u8, aead: Aead) -> Sealer {
    Sealer::new(SealingKey::from_bytes([key; 32])).with_aead(aead).unwrap()
}

fn aead() -> impl Strategy<Value = Aead> {
    prop_oneof![Just(Aead::ChaCha20Poly1305), Just(Aead::Aes256Gcm)]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no such number", |number| number.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn bytes_open_as_they_were_sealed(plain in any::<Vec<u8>>(), context in any::<Vec<u8>>(), aead in aead()) {
        let sealed = sealer(1, aead).seal_bytes(&plain, &context).unwrap();
        let opened = sealer(1, aead).open_bytes(&sealed, &context).unwrap();
        prop_assert_eq!(&*opened.plain, &plain);
        prop_assert!(opened.is_current);
        prop_assert_eq!(Sealer::key_id_of(&sealed), Some(sealer(1, aead).key_id()));

        let elsewhere = [&*context, b"x"].concat();
        prop_assert_eq!(sealer(1, aead).open_bytes(&sealed, &elsewhere).err(), Some(SealError::Damaged));
        prop_assert_eq!(sealer(2, aead).open_bytes(&sealed, &context).err(), Some(SealError::UnknownKey));
    }

    #[test]
    fn no_byte_can_be_changed(plain in proptest::collection::vec(any::<u8>(), 0..40), aead in aead(), bit in 0..8) {
        let sealed = sealer(1, aead).seal_bytes(&plain, b"here").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1_u8 << bit;
            prop_assert!(sealer(1, aead).open_bytes(&changed, b"here").is_err(), "byte {}", at);
            prop_assert!(sealer(1, aead).open_bytes(&sealed[..at], b"here").is_err(), "cut at {}", at);
        }
    }

    #[test]
    fn any_bytes_and_any_text_are_refused(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        prop_assert!(sealer(1, Aead::Aes256Gcm).open_bytes(&bytes, b"").is_err());
        prop_assert!(sealer(1, Aead::Aes256Gcm).open_any(&text).is_err());
        let _ = Sealer::key_id_of(&bytes);
    }

    #[test]
    fn an_attempt_opens_as_it_was_sealed(
        data in json(),
        scopes in proptest::collection::vec("[!#-\\[\\]-~]{1,12}", 0..4),
        aead in aead(),
    ) {
        let options = LoginOptions::new().data(data.clone()).scopes(scopes.clone());
        let client = client(&Server::new(500, ""));
        let attempt = block_on(client.start_login("https://app.example/callback", options)).unwrap().attempt;
        let sealed = sealer(1, aead).seal(&attempt).unwrap();
        let opened = sealer(1, aead).open(&sealed, "oauth2", "https://app.example/callback").unwrap();
        prop_assert_eq!(opened.data(), &data);
        prop_assert_eq!(opened.state(), attempt.state());
        let (before, after) = (serde_json::to_value(&attempt).unwrap(), serde_json::to_value(&opened).unwrap());
        prop_assert_eq!(before, after);

        let at = sealed.len() / 2;
        let other = if sealed.as_bytes()[at] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
        prop_assert!(sealer(1, aead).open_any(&changed).is_err());
        prop_assert!(sealer(2, aead).open_any(&sealed).is_err());
    }
}
