//! Microsoft's tenants for customers.

use oauth_clients::{
    ErrorClass,
    microsoft::{azure_ad_b2c, external_id},
};
use serde_json::{Value, json};

use crate::support::Script;

const TENANT: &str = "B5FC8717-4a5d-4bf6-8c1c-3a3a9e6f0a11";

fn document(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": "https://login.example/authorize",
        "token_endpoint": "https://login.example/token",
        "jwks_uri": "https://login.example/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

#[tokio::test]
async fn external_id_has_the_tenant_in_the_host_of_its_issuer() {
    let issuer = "https://b5fc8717-4a5d-4bf6-8c1c-3a3a9e6f0a11.ciamlogin.com/b5fc8717-4a5d-4bf6-8c1c-3a3a9e6f0a11/v2.0";
    let http = Script::json(200, &document(issuer));
    external_id(TENANT).unwrap().with_http_client(http.clone()).fetch().await.unwrap();
    assert_eq!(http.request().url, format!("{issuer}/.well-known/openid-configuration"));

    let other = document("https://login.microsoftonline.com/b5fc8717-4a5d-4bf6-8c1c-3a3a9e6f0a11/v2.0");
    let refused = external_id(TENANT).unwrap().with_http_client(Script::json(200, &other)).fetch().await;
    assert!(refused.is_err());
    for wrong in ["", "contoso", "common", "evil.example/#", "b5fc8717-4a5d-4bf6-8c1c-3a3a9e6f0a1/"] {
        assert_eq!(external_id(wrong).unwrap_err().class(), ErrorClass::Configuration, "{wrong}");
    }
}

#[tokio::test]
async fn azure_ad_b2c_has_one_issuer_for_all_user_flows() {
    let issuer = "https://contoso.b2clogin.com/b5fc8717-4a5d-4bf6-8c1c-3a3a9e6f0a11/v2.0/";
    for flow in ["B2C_1_SignUpSignIn", "B2C_1A_signup"] {
        let http = Script::json(200, &document(issuer));
        let found = azure_ad_b2c("contoso", TENANT, flow).unwrap().with_http_client(http.clone());
        found.fetch().await.unwrap();
        let expected = format!(
            "https://contoso.b2clogin.com/contoso.onmicrosoft.com/{flow}/v2.0/.well-known/openid-configuration"
        );
        assert_eq!(http.request().url, expected);
    }
    for (name, tenant, flow) in [
        ("evil.example/#", TENANT, "B2C_1_x"),
        ("contoso", "contoso", "B2C_1_x"),
        ("contoso", TENANT, "../x"),
        ("contoso", TENANT, ""),
    ] {
        let error = azure_ad_b2c(name, tenant, flow).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{name} {tenant} {flow}");
    }
}
