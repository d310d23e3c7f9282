//! Who may be joined to which account: what a profile says of somebody, and whom it is believed.

use oauth_clients::{
    Email, EmailAuthority, EmailVerification, ErrorKind, Identity, LinkDecision, LinkIntent, LinkPolicy,
    LinkRefusal, OAuth2, OAuth2Token, Provider, StoredAddress, apple, google, link, microsoft, yahoo,
};
use serde_json::{Value, json};

use crate::support::Script;

const GOOGLE: &str = "https://accounts.google.com";

/// The identity that the generic client reads from a profile.
async fn read(profile: &Value) -> Result<Identity, oauth_clients::Error> {
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_profile_endpoint("https://as.example/me")
        .with_http_client(Script::json(200, profile));
    client.get_identity(&OAuth2Token::new("AT")).await
}

fn identity(issuer: &str, address: &str, profile: Value) -> Identity {
    let mut identity = Identity::new(issuer, "1", profile);
    identity.email = Some(Email::new(address, EmailVerification::Verified));
    identity
}

fn account(address: &str) -> Option<StoredAddress<u32>> {
    Some(StoredAddress { account: 7, address: address.to_owned(), verified: true })
}

#[tokio::test]
async fn a_subject_that_a_database_could_take_for_another_is_refused() {
    for subject in [
        "1 ",
        " 1",
        "1\t",
        "1\n",
        "1\u{a0}",
        "\u{2000}1",
        "\u{3000}1",
        "1\u{200b}",
        "\u{feff}1",
        "a\0b",
        "a\u{202e}b",
        "a\u{2028}b",
        " ",
    ] {
        let error = read(&json!({ "id": subject })).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::MalformedReply { .. }), "{subject:?}: {error}");
        assert!(error.to_string().contains("identifier at /id"), "{error}");
    }
    assert!(read(&json!({"id": "x".repeat(256)})).await.is_err());
    for good in ["x".repeat(255), "\u{e4}".repeat(255), "a b".to_owned(), "auth0|1".to_owned()] {
        assert_eq!(read(&json!({ "id": good })).await.unwrap().subject, good);
    }
}

#[tokio::test]
async fn a_user_who_cannot_be_told_from_another_has_no_id_email_either() {
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_profile_endpoint("https://as.example/me")
        .with_http_client(Script::json(200, &json!({"id": "admin\u{2003}"})));
    assert!(client.get_id_email("AT").await.is_err());
}

#[tokio::test]
async fn an_address_with_a_line_break_is_no_address() {
    for address in [
        "a@b.example\nBcc: c@d.example",
        "a@b.example\r",
        "a\u{85}@b.example",
        "a@b.example\u{2028}",
        "a@b.example\0",
    ] {
        assert_eq!(read(&json!({"id": 1, "email": address})).await.unwrap().email, None, "{address:?}");
    }
    assert!(read(&json!({"id": 1, "email": "a@b.example"})).await.unwrap().email.is_some());
}

#[test]
fn a_provider_is_believed_only_about_addresses_of_its_own() {
    let refused = LinkDecision::Refuse(LinkRefusal::NotAuthoritative);
    for (issuer, address) in [
        (GOOGLE, "ceo@bank.example"),
        ("https://sso.bank.example/realms/x", "ceo@bank.example"),
        ("https://keycloak.evil.example/realms/x", "ada@gmail.com"),
        ("https://appleid.apple.com", "ada@icloud.com"),
        ("https://api.login.yahoo.com", "ada@yahoo.com"),
    ] {
        let decision =
            link(&identity(issuer, address, json!({})), None, LinkIntent::SignIn, account(address));
        assert_eq!(decision, refused, "{issuer}: {address}");
    }
    let gmail = identity(GOOGLE, "ada@gmail.com", json!({}));
    assert_eq!(link(&gmail, None, LinkIntent::SignIn, account("Ada@gmail.com")), LinkDecision::Link(7));
    let other = LinkDecision::Refuse(LinkRefusal::OtherAddress);
    for taken_for_it in ["\u{e1}da@gmail.com", "ada@gm\u{e1}il.com", "ada@gmail.com.", "a.da@gmail.com", ""] {
        assert_eq!(link(&gmail, None, LinkIntent::SignIn, account(taken_for_it)), other, "{taken_for_it:?}");
    }
}

/// Somebody who presses "sign in" has not asked to link, whoever else is signed in.
#[test]
fn only_who_asked_for_it_gets_an_identity_linked() {
    let stranger = identity("https://sso.evil.example", "ceo@bank.example", json!({}));
    assert_eq!(link::<u32>(&stranger, None, LinkIntent::default(), None), LinkDecision::Create);
    assert_eq!(link(&stranger, None, LinkIntent::LinkTo(7), None), LinkDecision::Link(7));
    let taken = link(&stranger, Some(8), LinkIntent::LinkTo(7), None);
    assert_eq!(taken, LinkDecision::Refuse(LinkRefusal::BelongsToAnotherAccount));
    let intent = LinkIntent::LinkTo("7".to_owned()).try_map(|id| id.parse::<u32>());
    assert_eq!(intent, Ok(LinkIntent::LinkTo(7)));
}

#[test]
fn what_provider_crates_say_of_their_own_addresses() {
    const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let of_tenant = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let (workspace, icloud, yahoo) = (
        google::workspace_addresses(),
        apple::icloud_addresses().unwrap(),
        yahoo::mailbox_addresses().unwrap(),
    );
    let (personal, tenant) = (microsoft::personal_addresses().unwrap(), microsoft::tenant_addresses(TENANT));
    let covers = |authority: &EmailAuthority, issuer: &str, address: &str, profile: Value| {
        let decision = LinkPolicy::without_addresses().believing(authority.clone()).decide(
            &identity(issuer, address, profile),
            None,
            LinkIntent::SignIn,
            account(address),
        );
        decision == LinkDecision::Link(7)
    };
    assert!(covers(&workspace, GOOGLE, "ada@corp.example", json!({"hd": "corp.example"})));
    assert!(!covers(&workspace, GOOGLE, "ada@corp.example", json!({})));
    assert!(!covers(&workspace, GOOGLE, "ceo@bank.example", json!({"hd": "corp.example"})));

    let apple = "https://appleid.apple.com";
    assert!(covers(&icloud, apple, "ada@icloud.com", json!({"is_private_email": "false"})));
    assert!(!covers(&icloud, apple, "x1@icloud.com", json!({"is_private_email": "true"})));
    assert!(!covers(&icloud, apple, "x1@privaterelay.appleid.com", json!({})));
    assert!(covers(&yahoo, "https://api.login.yahoo.com", "ada@ymail.com", json!({})));
    assert!(!covers(&yahoo, "https://api.login.yahoo.com", "ada@yahoo.co.jp", json!({})));

    for address in ["ada@outlook.com", "ada@hotmail.co.uk", "ada@live.nl", "ada@msn.com"] {
        assert!(covers(&personal, &of_tenant(PERSONAL), address, json!({ "tid": PERSONAL })), "{address}");
        assert!(!covers(&personal, &of_tenant(TENANT), address, json!({ "tid": TENANT })), "{address}");
        assert!(!covers(&personal, "microsoft", address, json!({})), "{address}");
    }
    let member = json!({"xms_edov": true, "acct": 0});
    assert!(covers(&tenant, &of_tenant(TENANT), "ada@corp.example", member.clone()));
    assert!(!covers(&tenant, &of_tenant(PERSONAL), "ada@corp.example", member));
    for profile in [
        json!({"xms_edov": true}),
        json!({"xms_edov": true, "acct": 1}),
        json!({"xms_edov": false, "acct": 0}),
        json!({"acct": 0}),
    ] {
        assert!(!covers(&tenant, &of_tenant(TENANT), "ceo@bank.example", profile.clone()), "{profile}");
    }
}
