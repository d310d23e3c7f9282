use oauth_clients::{OAuth2Token, Provider, openstreetmap::OpenStreetMapOAuth2};
use serde_json::json;

use super::{json_replies, url_of};

#[tokio::test]
async fn openstreetmap_has_its_api_elsewhere_and_other_servers_do_not() {
    let profile = json!({"user": {"id": 7, "display_name": "ada"}});
    let http = json_replies([profile.clone(), profile]);
    let osm = OpenStreetMapOAuth2::new("id", "secret");
    let dev = osm.clone().with_base_url("https://master.apis.dev.openstreetmap.org/").unwrap();
    assert!(url_of(&dev).await.starts_with("https://master.apis.dev.openstreetmap.org/oauth2/authorize?"));
    let mut issuers = Vec::new();
    for client in [osm, dev] {
        let client = client.with_http_client(http.clone());
        let identity = client.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!((&*identity.subject, identity.picture), ("7", None));
        issuers.push(identity.issuer);
    }
    assert_eq!(issuers, ["https://www.openstreetmap.org", "https://master.apis.dev.openstreetmap.org"]);
    let urls: Vec<_> = http.requests().into_iter().map(|sent| sent.url).collect();
    assert_eq!(
        urls,
        [
            "https://api.openstreetmap.org/api/0.6/user/details.json",
            "https://master.apis.dev.openstreetmap.org/api/0.6/user/details.json"
        ]
    );
}
