//! How a client comes by its client id.

use std::sync::{Arc, Mutex};

use oauth_core::{Callback, Credentials, Provider, Secret};
use oauth_mcp::{
    ApplicationType, ClientIdUrl, KnownClient, McpError, MemoryRecords, RegistrationMethod, ServerMetadata,
    Step,
};
use serde_json::{Value, json};

use super::world::*;

const REGISTER: &str = "POST https://as.example/register";

fn server_metadata(members: Value) -> ServerMetadata {
    ServerMetadata::new(metadata(AS, members).as_object().unwrap().clone()).unwrap()
}

#[test]
fn mc_21_the_ways_to_a_client_id_have_an_order() {
    use RegistrationMethod::{Ask, Dynamic, MetadataDocument, PreRegistered};
    let both = server_metadata(json!({ "client_id_metadata_document_supported": true }));
    let text = server_metadata(json!({ "client_id_metadata_document_supported": "true" }));
    let none = server_metadata(json!({ "registration_endpoint": null }));
    assert_eq!(RegistrationMethod::choose(&both, true, true, true), PreRegistered);
    assert_eq!(RegistrationMethod::choose(&both, false, true, true), MetadataDocument);
    assert_eq!(RegistrationMethod::choose(&both, false, false, true), Dynamic);
    assert_eq!(RegistrationMethod::choose(&text, false, true, true), Dynamic);
    assert_eq!(RegistrationMethod::choose(&none, false, true, true), Ask);
    assert_eq!(RegistrationMethod::choose(&both, false, false, false), Ask);
}

#[tokio::test]
async fn mc_21_a_metadata_documents_url_is_the_client_id_byte_for_byte() {
    let world = World::default();
    world.authorization_server_with(AS, json!({ "client_id_metadata_document_supported": true }));
    world.mcp_server(AS);
    let url = ClientIdUrl::parse("https://App.example/client.json").unwrap();
    let pending = begun(&authorizer(&world).with_metadata_document(url, Credentials::NONE)).await.unwrap();
    assert_eq!(parameter(pending.url(), "client_id").as_deref(), Some("https://App.example/client.json"));
    assert!(world.all(REGISTER).is_empty());
}

#[tokio::test]
async fn mc_21_without_any_way_a_person_is_asked_and_the_answer_is_kept() {
    let world = World::default();
    world.authorization_server_with(AS, json!({ "registration_endpoint": null }));
    world.mcp_server(AS);
    let authorizer = authorizer(&world);
    let target = authorizer.discover(&server(), None).await.unwrap();
    let Step::AskForClientId(question) = authorizer.begin(&target, REDIRECT, &[]).await.unwrap() else {
        panic!()
    };
    assert_eq!((&*question.issuer, &*question.redirect_uri), (AS, REDIRECT));
    let secret = Secret::from("s3cret");
    let step = authorizer.answer(&question, "given", Some(&secret), &[]).await.unwrap();
    let Step::OpenUrl(pending) = step else { panic!() };
    let callback = Callback::from_query(&format!("code=c&state={}", pending.state()));
    authorizer.finish(*pending, callback).await.unwrap();
    let sent = world.last("POST https://as.example/token");
    assert!(sent.headers["authorization"].to_str().unwrap().starts_with("Basic "));
    // Nobody is asked twice.
    let pending = begun(&authorizer).await.unwrap();
    assert_eq!(parameter(pending.url(), "client_id").as_deref(), Some("given"));
}

#[tokio::test]
async fn mc_22_a_client_is_never_used_at_another_issuer() {
    let world = usual();
    let client = KnownClient::new("https://first.example", "first-id", "first-secret");
    let error = begun(&authorizer(&world).with_client(client.clone())).await.unwrap_err();
    assert!(matches!(error, McpError::ClientOfOtherIssuer { .. }), "{error}");
    assert!(world.all(REGISTER).is_empty());
    // Unless the application says that it may register elsewhere, and then as somebody else.
    let pending = begun(&authorizer(&world).with_client(client).registering(true)).await.unwrap();
    assert_eq!(parameter(pending.url(), "client_id").as_deref(), Some("client-of-https://as.example"));
    let seen: Vec<_> = world.all(REGISTER);
    assert!(!seen.iter().any(|asked| asked.body.contains("first-")));
}

#[tokio::test]
async fn mc_22_an_initial_access_token_is_sent_to_its_own_issuer_only() {
    let world = usual();
    world.authorization_server("https://evil.example");
    let authorizer = authorizer(&world).with_initial_access_token(AS, "initial");
    begun(&authorizer).await.unwrap();
    assert_eq!(world.last(REGISTER).bearer(), Some("initial"));
    // An MCP server may name whom it likes.
    world.mcp_server("https://evil.example");
    begun(&authorizer).await.unwrap();
    assert_eq!(world.last("POST https://evil.example/register").bearer(), None);
}

#[tokio::test]
async fn mc_23_a_registration_is_reused_until_it_expires() {
    let world = usual();
    let expires = Arc::new(Mutex::new(0));
    let expires_at = expires.clone();
    world.on(REGISTER, move |_| {
        let at = *expires_at.lock().unwrap();
        reply(
            201,
            "",
            json!({ "client_id": "c", "client_secret": "s", "client_secret_expires_at": at,
            "token_endpoint_auth_method": "client_secret_basic" }),
        )
    });
    let records = Arc::new(MemoryRecords::new());
    for _ in 0..3 {
        begun(&authorizer(&world).with_records(Kept(records.clone()))).await.unwrap();
    }
    assert_eq!(world.all(REGISTER).len(), 1);
    // Another redirect URI, and another program, are other clients.
    let other = authorizer(&world)
        .with_records(Kept(records.clone()))
        .with_redirect_uris(["http://[::1]:4173/callback"]);
    begun(&other).await.unwrap();
    assert_eq!(world.all(REGISTER).len(), 2);
    *expires.lock().unwrap() = 1_000_000_000;
    for expected in [1, 2] {
        let records = Arc::new(MemoryRecords::new());
        world.forget();
        for _ in 0..expected {
            begun(&authorizer(&world).with_records(Kept(records.clone()))).await.unwrap();
        }
        assert_eq!(world.all(REGISTER).len(), expected, "an expired client is not used");
    }
}

/// Records that several authorizers share, as those of one file would be.
#[derive(Debug)]
struct Kept(Arc<MemoryRecords>);

#[oauth_core::async_trait]
impl oauth_mcp::Records for Kept {
    async fn load(&self, key: &str) -> Result<Option<Secret>, oauth_mcp::RecordError> {
        self.0.load(key).await
    }

    async fn save(&self, key: &str, value: Secret) -> Result<(), oauth_mcp::RecordError> {
        self.0.save(key, value).await
    }

    async fn remove(&self, key: &str) -> Result<(), oauth_mcp::RecordError> {
        self.0.remove(key).await
    }
}

#[tokio::test]
async fn mc_23_a_server_that_forgot_the_client_gets_one_new_registration() {
    let world = usual();
    let registered = Arc::new(Mutex::new(0));
    let count = registered.clone();
    world.on(REGISTER, move |_| {
        *count.lock().unwrap() += 1;
        reply(201, "", json!({ "client_id": format!("c{}", count.lock().unwrap()) }))
    });
    world.on("POST https://as.example/token", |asked| match asked.field("client_id").as_deref() {
        Some("c1") => reply(401, "", json!({ "error": "invalid_client" })),
        _ => reply(200, "", json!({ "access_token": "as.example-t", "token_type": "Bearer" })),
    });
    let authorizer = authorizer(&world);
    let first = begun(&authorizer).await.unwrap();
    let callback = |state: &str| Callback::from_query(&format!("code=c&state={state}"));
    let (state, scopes) = (first.state().to_owned(), first.scopes().map(str::to_owned).collect::<Vec<_>>());
    let Step::OpenUrl(second) = authorizer.finish(*first, callback(&state)).await.unwrap() else { panic!() };
    assert_eq!(parameter(second.url(), "client_id").as_deref(), Some("c2"));
    assert_eq!(second.scopes().collect::<Vec<_>>(), scopes);
    let state = second.state().to_owned();
    assert!(matches!(authorizer.finish(*second, callback(&state)).await.unwrap(), Step::Done(_)));
    // A server that refuses that one as well is not asked a third time.
    world.on("POST https://as.example/token", |_| reply(401, "", json!({ "error": "invalid_client" })));
    *registered.lock().unwrap() = 0;
    let access = access(super::world::authorizer(&world));
    assert!(access.authorize(&Robot::default()).await.is_err());
    assert_eq!(*registered.lock().unwrap(), 2);
}

#[tokio::test]
async fn mc_24_the_registration_says_what_the_client_is() {
    let world = usual();
    begun(&authorizer(&world)).await.unwrap();
    let body = world.last(REGISTER).json();
    assert_eq!(
        body,
        json!({
            "client_name": "Tests", "redirect_uris": [REDIRECT], "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"], "token_endpoint_auth_method": "none", "application_type": "native", "scope": "read",
        })
    );
    for (uri, expected) in [
        ("http://127.0.0.1:1/cb", "native"),
        ("http://[::1]/cb", "native"),
        ("http://localhost/cb", "native"),
        ("com.example.app:/cb", "native"),
        ("https://app.example/cb", "web"),
    ] {
        assert_eq!(ApplicationType::of(uri).as_str(), expected, "{uri}");
    }
}

#[tokio::test]
async fn mc_24_the_method_is_one_that_the_server_lists_none_first() {
    for (offered, expected) in [
        (json!(["client_secret_post", "none"]), Some("none")),
        (json!(["client_secret_post", "client_secret_basic"]), Some("client_secret_basic")),
        (json!(["client_secret_post"]), Some("client_secret_post")),
        (json!(["private_key_jwt"]), None),
    ] {
        let world = World::default();
        world.authorization_server_with(AS, json!({ "token_endpoint_auth_methods_supported": offered }));
        world.mcp_server(AS);
        let asked = expected.unwrap_or_default().to_owned();
        world.on(REGISTER, move |_| {
            reply(
                201,
                "",
                json!({ "client_id": "c", "client_secret": "s",
            "client_secret_expires_at": 0, "token_endpoint_auth_method": asked }),
            )
        });
        match (begun(&authorizer(&world)).await, expected) {
            (Ok(_), Some(expected)) => {
                assert_eq!(world.last(REGISTER).json()["token_endpoint_auth_method"], expected);
            }
            (Err(McpError::NoClientAuthentication { .. }), None) => {}
            (other, _) => panic!("{offered}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn mc_25_what_the_server_registered_counts() {
    // What is registered, whether it can be used, and how the secret is then sent.
    for (registered, expected) in [
        (
            json!({ "client_id": "c", "client_secret": "s", "token_endpoint_auth_method": "client_secret_post" }),
            Some("post"),
        ),
        (
            json!({ "client_id": "c", "client_secret": "s", "token_endpoint_auth_method": "client_secret_basic" }),
            Some("basic"),
        ),
        (
            json!({ "client_id": "c", "client_secret": "s", "token_endpoint_auth_method": "none" }),
            Some("none"),
        ),
        (json!({ "client_id": "c", "client_secret": "s" }), Some("none")),
        (json!({ "client_id": "c", "client_secret": "" }), Some("none")),
        (json!({ "client_id": "c" }), Some("none")),
        (
            json!({ "client_id": "c", "client_secret": "", "token_endpoint_auth_method": "client_secret_post" }),
            None,
        ),
        (json!({ "client_id": "c", "token_endpoint_auth_method": "private_key_jwt" }), None),
        (json!({ "client_id": "" }), None),
        (json!({ "client_id": 7 }), None),
        (json!({ "client_id": "c", "redirect_uris": ["https://evil.example/cb"] }), None),
        (json!({ "client_id": "c", "redirect_uris": ["http://127.0.0.1/callback"] }), Some("none")),
        (json!([]), None),
    ] {
        let world = usual();
        let answer = registered.clone();
        world.on(REGISTER, move |_| reply(201, "", answer.clone()));
        let authorizer = authorizer(&world);
        let (pending, expected) = match (begun(&authorizer).await, expected) {
            (Ok(pending), Some(expected)) => (pending, expected),
            (Err(McpError::Registration { .. }), None) => continue,
            (other, _) => panic!("{registered}: {other:?}"),
        };
        let callback = Callback::from_query(&format!("code=c&state={}", pending.state()));
        authorizer.finish(*pending, callback).await.unwrap();
        let sent = world.last("POST https://as.example/token");
        let how = match (sent.headers.get("authorization"), sent.field("client_secret")) {
            (Some(_), None) => "basic",
            (None, Some(_)) => "post",
            (None, None) => "none",
            (Some(_), Some(_)) => "both",
        };
        assert_eq!(how, expected, "{registered}");
    }
}

#[tokio::test]
async fn mc_26_a_refused_redirect_uri_says_why_and_another_type_can_be_tried() {
    let world = usual();
    world.on(REGISTER, |asked| match asked.json()["application_type"].as_str() {
        Some("web") => reply(201, "", json!({ "client_id": "c" })),
        _ => reply(
            400,
            "",
            json!({ "error": "invalid_redirect_uri", "error_description": "no native clients" }),
        ),
    });
    let error = begun(&authorizer(&world)).await.unwrap_err();
    let McpError::Registration { redirect_uri, cause, .. } = &error else { panic!("{error}") };
    assert_eq!((&**redirect_uri, &*cause.oauth_error().unwrap().code), (REDIRECT, "invalid_redirect_uri"));
    assert!(begun(&authorizer(&world).with_application_type(ApplicationType::Web)).await.is_ok());
}

#[tokio::test]
async fn mc_30_a_key_is_used_only_where_the_server_takes_it() {
    #[derive(Debug)]
    struct Key;

    #[oauth_core::async_trait]
    impl oauth_core::ClientAuthentication for Key {
        fn method(&self) -> &str {
            "private_key_jwt"
        }

        async fn authenticate(
            &self,
            context: &oauth_core::RequestContext<'_>,
            request: &mut oauth_core::RequestDraft,
        ) -> Result<(), oauth_core::AuthenticationError> {
            // What it signs is for the issuer.
            request.add_field("client_assertion", context.issuer.unwrap_or_default())?;
            Ok(())
        }
    }

    let url = || ClientIdUrl::parse("https://app.example/client.json").unwrap();
    for (methods, is_taken) in [(json!(["private_key_jwt"]), true), (json!(["none"]), false)] {
        let world = World::default();
        let members = json!({ "client_id_metadata_document_supported": true, "token_endpoint_auth_methods_supported": methods });
        world.authorization_server_with(AS, members);
        world.mcp_server(AS);
        let authorizer = authorizer(&world).with_metadata_document(url(), Credentials::authentication(Key));
        match begun(&authorizer).await {
            Ok(pending) if is_taken => {
                let callback = Callback::from_query(&format!("code=c&state={}", pending.state()));
                let Step::Done(done) = authorizer.finish(*pending, callback).await.unwrap() else { panic!() };
                assert_eq!(done.client.oauth2().issuer(), Some(AS));
                assert_eq!(
                    world.last("POST https://as.example/token").field("client_assertion").as_deref(),
                    Some(AS)
                );
            }
            Err(McpError::NoClientAuthentication { .. }) if !is_taken => {}
            other => panic!("{other:?}"),
        }
    }
}
