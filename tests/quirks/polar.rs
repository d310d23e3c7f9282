//! What Polar does differently.

use oauth_clients::{Callback, LoginOptions, Provider, polar::PolarOAuth2};

#[tokio::test]
async fn polar_names_its_issuer_in_the_callback() {
    let polar = PolarOAuth2::new("id", "secret");
    let started = polar.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert_eq!(started.attempt.issuer(), Some("https://polar.sh"));
    let callback = Callback::from_query(&format!(
        "code=C&state={}&iss=https%3A%2F%2Fapi.polar.sh",
        started.attempt.state()
    ));
    let error = polar.finish_login(started.attempt, callback).await.unwrap_err();
    assert!(error.to_string().contains("iss"), "{error}");
}
