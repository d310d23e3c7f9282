//! What Battle.net does differently.

use oauth_clients::{
    Configure, LoginOptions, OAuth2Token, Provider, ProviderConfig, battlenet::BattleNetOAuth2,
};
use serde_json::json;

use super::json_replies;

#[tokio::test]
async fn battlenet_has_a_battletag_and_no_address() {
    let user = json!({"sub": "12", "id": 12, "battletag": "Ada#1815"});
    let battlenet = BattleNetOAuth2::new("id", "secret").with_http_client(json_replies([user]));
    let identity = battlenet.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!(identity.key(), ("https://oauth.battle.net", "12"));
    assert_eq!((identity.name.as_deref(), identity.email), (Some("Ada#1815"), None));
}

#[tokio::test]
async fn battlenet_has_users_of_its_own_in_china() {
    let config: ProviderConfig =
        serde_json::from_value(json!({"client_id": "id", "client_secret": "secret", "region": "china"}))
            .unwrap();
    for china in [
        BattleNetOAuth2::new("id", "secret").with_china().unwrap(),
        BattleNetOAuth2::from_config(&config).unwrap(),
    ] {
        let started = china.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
        assert!(started.url.starts_with("https://oauth.battlenet.com.cn/authorize?"), "{}", started.url);
        assert_eq!(started.attempt.issuer(), Some("https://oauth.battlenet.com.cn"));
        let jwks = china.oauth2().endpoints().get(oauth_clients::Endpoint::Jwks);
        assert_eq!(jwks, Some("https://oauth.battlenet.com.cn/jwks/certs"));
    }
    assert!(BattleNetOAuth2::new("id", "secret").with_china().unwrap().with_china().is_err());
}
