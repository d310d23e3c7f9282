//! Client-initiated backchannel authentication: polled, pinged, and as FAPI-CIBA has it.

use std::sync::Arc;

use oauth_core::{ErrorClass, MemoryCache};
use oauth_fapi::{Ciba, CibaDelivery, CibaEndpoint, CibaNotification, CibaRequest, Dpop, DpopProvider};
use tokio::sync::Mutex;

use crate::server::{World, next};

/// The user has one other device, which answers one test at a time.
static DEVICE: Mutex<()> = Mutex::const_new(());

fn request() -> CibaRequest {
    CibaRequest::for_login_hint("ada").with_binding_message("W4SCT")
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn a_user_agrees_on_another_device_and_the_client_polls() {
    let world = World::get();
    let _device = DEVICE.lock().await;
    let client = world.by_key("ciba");
    let ciba = Ciba::new(&client);
    let attempt = ciba.start(&request()).await.unwrap();
    let login = ciba.finish(&attempt).await.unwrap();
    assert_eq!(login.id_token.issuer(), world.issuer);

    *world.calls.decision.lock().unwrap() = "UNAUTHORIZED";
    let attempt = ciba.start(&request()).await.unwrap();
    let error = ciba.finish(&attempt).await.unwrap_err();
    *world.calls.decision.lock().unwrap() = "SUCCEED";
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
    assert_eq!(error.oauth_error().unwrap().code, "access_denied");
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn a_ping_tells_the_client_to_ask() {
    let world = World::get();
    let _device = DEVICE.lock().await;
    let client = world.by_key("ciba-ping");
    let ciba = Ciba::new(&client).with_delivery(CibaDelivery::Ping);
    let endpoint = CibaEndpoint::new(Arc::new(MemoryCache::new()));
    let attempt = ciba.start(&request()).await.unwrap();
    endpoint.expect(&attempt).await.unwrap();
    let (headers, body) = next(&world.calls.pings).await;
    let Some(CibaNotification::Ping(pinged)) = endpoint.receive(&headers, &body).await.notification else {
        panic!("{headers:?}")
    };
    ciba.redeem(&pinged).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Keycloak: cargo xtask nightly"]
async fn ci_14_fapi_ciba_has_signed_requests_and_bound_tokens() {
    let world = World::get();
    let _device = DEVICE.lock().await;
    let client = world.by_key("fapi-ciba").with_dpop(Dpop::generate().unwrap());
    let ciba = Ciba::new(&client).signed_by(Arc::new(world.key()));
    let attempt = ciba.start(&request()).await.unwrap();
    let login = ciba.finish(&attempt).await.unwrap();
    assert_eq!(login.token.token_type(), Some("DPoP"));
    // The policy is in force: an unsigned request is refused.
    assert!(Ciba::new(&client).start(&request()).await.is_err());
}
