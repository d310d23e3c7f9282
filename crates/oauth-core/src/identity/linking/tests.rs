use serde_json::{Value, json};

use super::*;
use crate::identity::{Email, EmailVerification::*};

const GOOGLE_ISSUER: &str = "https://accounts.google.com";
const CORP: &str = "https://sso.corp.example";

fn identity(issuer: &str, address: &str, verification: EmailVerification, profile: Value) -> Identity {
    let mut identity = Identity::new(issuer, "subject", profile);
    identity.email = Some(Email::new(address, verification));
    identity
}

fn stored(address: &str) -> Option<StoredAddress<char>> {
    Some(StoredAddress { account: 'C', address: address.to_owned(), verified: true })
}

/// What a sign-in comes to where an account has the same address, verified.
fn decided(policy: &LinkPolicy, identity: &Identity) -> LinkDecision<char> {
    let address = &identity.email.as_ref().unwrap().address;
    policy.decide(identity, None, LinkIntent::SignIn, stored(address))
}

#[test]
fn every_row_of_the_table() {
    use LinkDecision::{Create, Link, Refuse, SignIn};
    use LinkIntent::LinkTo;
    let to_sign_in = || LinkIntent::SignIn;
    let same = |verified| Some(StoredAddress { account: 'C', address: "c@gmail.com".to_owned(), verified });
    let other = || Some(StoredAddress { account: 'C', address: "d@gmail.com".to_owned(), verified: true });
    for (with_identity, intent, with_address, at_provider, decision) in [
        (Some('A'), to_sign_in(), None, Verified, SignIn('A')),
        (Some('A'), to_sign_in(), same(true), Verified, SignIn('A')),
        (Some('A'), to_sign_in(), same(false), Unverified, SignIn('A')),
        (Some('A'), LinkTo('A'), None, Unknown, SignIn('A')),
        (Some('A'), LinkTo('B'), None, Verified, Refuse(LinkRefusal::BelongsToAnotherAccount)),
        (Some('A'), LinkTo('B'), same(true), Verified, Refuse(LinkRefusal::BelongsToAnotherAccount)),
        (None, LinkTo('B'), None, Unverified, Link('B')),
        (None, LinkTo('B'), same(true), Verified, Link('B')),
        (None, to_sign_in(), None, Verified, Create),
        (None, to_sign_in(), None, Unverified, Create),
        (None, to_sign_in(), same(true), Verified, Link('C')),
        (None, to_sign_in(), other(), Verified, Refuse(LinkRefusal::OtherAddress)),
        (None, to_sign_in(), same(true), Unverified, Refuse(LinkRefusal::AddressUnverifiedAtProvider)),
        (None, to_sign_in(), same(true), Unknown, Refuse(LinkRefusal::AddressUnverifiedAtProvider)),
        (None, to_sign_in(), same(false), Verified, Refuse(LinkRefusal::AddressUnverifiedInApplication)),
        (None, to_sign_in(), same(false), Unverified, Refuse(LinkRefusal::AddressUnverifiedAtProvider)),
    ] {
        let shown = format!("{with_identity:?} {intent:?} {with_address:?} {at_provider:?}");
        let identity = identity(GOOGLE_ISSUER, "c@gmail.com", at_provider, Value::Null);
        assert_eq!(link(&identity, with_identity, intent, with_address), decision, "{shown}");
    }
}

#[test]
fn a_verified_address_counts_only_where_the_issuer_is_authoritative() {
    let refused = LinkDecision::Refuse(LinkRefusal::NotAuthoritative);
    let policy = LinkPolicy::new();
    for (issuer, address) in [
        // A Google account may have any address, and a customer's own server says what its administrator wants.
        (GOOGLE_ISSUER, "ceo@bank.example"),
        (GOOGLE_ISSUER, "ceo@mail.gmail.com"),
        (GOOGLE_ISSUER, "ceo@googlemail.com"),
        (CORP, "ceo@bank.example"),
        (CORP, "ceo@corp.example"),
        (CORP, "ceo@gmail.com"),
        ("https://accounts.google.com/", "ceo@gmail.com"),
        ("https://accounts.google.com.evil.example", "ceo@gmail.com"),
        ("google", "ceo@gmail.com"),
        ("github", "ceo@gmail.com"),
    ] {
        assert_eq!(
            decided(&policy, &identity(issuer, address, Verified, json!({"hd": "bank.example"}))),
            refused
        );
    }
    let gmail = identity(GOOGLE_ISSUER, "Ada@GMail.com", Verified, Value::Null);
    assert_eq!(decided(&policy, &gmail), LinkDecision::Link('C'));
    assert!(policy.vouches_for(&gmail));
    let never = LinkPolicy::without_addresses();
    assert_eq!(decided(&never, &gmail), refused);
}

#[test]
fn an_assigned_domain_counts_for_its_issuer_alone_and_exactly() {
    let policy = LinkPolicy::new().assign(CORP, ["Corp.Example", "b\u{e4}nk.example"]).unwrap();
    for good in ["ada@corp.example", "ada@CORP.example", "ada@xn--bnk-qla.example"] {
        assert_eq!(
            decided(&policy, &identity(CORP, good, Verified, Value::Null)),
            LinkDecision::Link('C'),
            "{good}"
        );
    }
    for (issuer, bad) in [
        (CORP, "ada@eu.corp.example"),
        (CORP, "ada@evilcorp.example"),
        (CORP, "ada@bank.example"),
        ("https://sso.corp.example/", "ada@corp.example"),
        ("https://sso.corp.example/realms/other", "ada@corp.example"),
        (GOOGLE_ISSUER, "ada@corp.example"),
    ] {
        let decision = decided(&policy, &identity(issuer, bad, Verified, Value::Null));
        assert_eq!(decision, LinkDecision::Refuse(LinkRefusal::NotAuthoritative), "{issuer} {bad}");
    }
    for bad in ["", "*.corp.example", "corp.example.", "@corp.example", "a@corp.example", "corp example", "."]
    {
        let error = LinkPolicy::new().assign(CORP, [bad]).unwrap_err().to_string();
        assert!(error.contains(bad), "{error}");
    }
}

#[test]
fn a_claim_can_name_the_domain_and_the_conditions() {
    let with = |profile: Value| identity(GOOGLE_ISSUER, "ada@corp.example", Verified, profile);
    let workspace = EmailAuthority::for_domain_in(GOOGLE_ISSUER, "/hd");
    assert!(workspace.covers(&with(json!({"hd": "Corp.example"}))));
    for profile in [
        json!({}),
        json!({"hd": null}),
        json!({"hd": ""}),
        json!({"hd": "example"}),
        json!({"hd": "evil.example"}),
        json!({"hd": ["corp.example"]}),
        json!({"hd": true}),
    ] {
        assert!(!workspace.covers(&with(profile.clone())), "{profile}");
    }

    let of_org = EmailAuthority::for_domains(GOOGLE_ISSUER, ["corp.example"]).unwrap().when("/org", "org_A");
    assert!(of_org.covers(&with(json!({"org": "org_A"}))));
    for org in [json!("org_B"), json!("org_a"), json!(null), json!(["org_A"])] {
        assert!(!of_org.covers(&with(json!({"org": org}))), "{org}");
    }

    let owner_verified = EmailAuthority::where_yes(GOOGLE_ISSUER, "/edov").unless_yes("/guest");
    for yes in [json!(true), json!("true"), json!(1)] {
        assert!(owner_verified.covers(&with(json!({"edov": yes}))));
        assert!(!owner_verified.covers(&with(json!({"edov": true, "guest": yes}))));
    }
    for odd in [json!(false), json!(null), json!("no"), json!(0), json!({})] {
        assert!(!owner_verified.covers(&with(json!({"edov": odd}))), "{odd}");
    }
    for odd in [json!("yes"), json!(2), json!({})] {
        assert!(!owner_verified.covers(&with(json!({"edov": true, "guest": odd}))), "{odd}");
    }
}

#[test]
fn an_unknown_verification_counts_only_where_that_was_said_and_a_no_never() {
    let believed = EmailAuthority::for_domains(CORP, ["corp.example"]).unwrap();
    let at = |verification| identity(CORP, "ada@corp.example", verification, Value::Null);
    assert!(!believed.covers(&at(Unknown)) && !believed.covers(&at(Unverified)));
    let believed = believed.even_if_unknown();
    assert!(believed.covers(&at(Unknown)) && believed.covers(&at(Verified)));
    assert!(!believed.covers(&at(Unverified)));
    let policy = LinkPolicy::new().believing(believed);
    let refused = LinkDecision::Refuse(LinkRefusal::AddressUnverifiedAtProvider);
    assert_eq!(decided(&policy, &at(Unverified)), refused);
}

#[test]
fn an_account_that_the_database_only_takes_for_the_same_is_refused() {
    let policy = LinkPolicy::new().assign(CORP, ["bank.example"]).unwrap();
    let identity = identity(CORP, "ceo@bank.example", Verified, Value::Null);
    let refused = LinkDecision::Refuse(LinkRefusal::OtherAddress);
    for address in [
        "ceo@b\u{e4}nk.example",
        "c\u{e9}o@bank.example",
        "ceo@bank.example ",
        "ceo@bank.example.",
        "",
        "ceo",
    ] {
        assert_eq!(
            policy.decide(&identity, None, LinkIntent::SignIn, stored(address)),
            refused,
            "{address:?}"
        );
    }
    let found = policy.decide(&identity, None, LinkIntent::SignIn, stored("CEO@Bank.Example"));
    assert_eq!(found, LinkDecision::Link('C'));
}

#[test]
fn an_identity_without_an_address_is_linked_to_nobody() {
    let refused = LinkDecision::Refuse(LinkRefusal::OtherAddress);
    for address in [None, Some(""), Some("@"), Some("@gmail.com")] {
        let mut identity = Identity::new(GOOGLE_ISSUER, "subject", Value::Null);
        identity.email = address.map(|address| Email::new(address, Verified));
        for account in ["c@gmail.com", "", "@", "@gmail.com"] {
            assert_eq!(link(&identity, None, LinkIntent::SignIn, stored(account)), refused);
        }
        assert!(!LinkPolicy::new().vouches_for(&identity));
    }
}
