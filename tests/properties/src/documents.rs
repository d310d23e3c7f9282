//! The documents of a provider: metadata and keys.

use std::time::{Duration, Instant};

use oauth_core::{
    Provider,
    serde_json::{self, Value},
};
use oauth_mcp::{ResourceMetadata, ServerMetadata};
use oauth_openid::{JwkSet, OpenID, OpenIDConnect, ProviderMetadata};

use crate::{
    server::{CLIENT_SECRET, Server, block_on},
    shown::shows_none,
};

/// A document is read or refused; what is accepted names the issuer that was asked, and nothing of a client is in an error.
pub(crate) fn discovery(input: &[u8]) {
    let server = Server::new(200, input.to_vec());
    let client = OpenID::lazy("client-1", CLIENT_SECRET, "https://op.example").unwrap();
    let client = client.with_http_client(server);
    match block_on(OpenIDConnect::of(&client).unwrap().metadata()) {
        Ok(metadata) => {
            let metadata = metadata.unwrap();
            assert_eq!(metadata.issuer(), "https://op.example");
            let document: Value = serde_json::from_slice(strip_mark(input)).unwrap();
            assert_eq!(document["issuer"], "https://op.example");
            let again = ProviderMetadata::new(Value::Object(metadata.members())).unwrap();
            assert_eq!(again.members(), metadata.members());
        }
        Err(error) => shows_none(&format!("{error} {error:?}"), [CLIENT_SECRET]),
    }
    let Ok(Value::Object(document)) = serde_json::from_slice(input) else { return };
    if let Some(resource) = ResourceMetadata::new(document.clone()) {
        assert_eq!(document["resource"].as_str(), Some(resource.resource()));
    }
    if let Some(metadata) = ServerMetadata::new(document.clone()) {
        assert_eq!(document["issuer"].as_str(), Some(metadata.issuer()));
    }
}

fn strip_mark(input: &[u8]) -> &[u8] {
    input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input)
}

/// Keys are read or refused, in a time that grows with their text alone. A private key among them is shown to nobody.
pub(crate) fn jwks(input: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Value>(input) else { return };
    let begun = Instant::now();
    let keys = JwkSet::new(&document);
    let limit = Duration::from_millis(500) + Duration::from_micros(200) * u32::try_from(input.len()).unwrap();
    assert!(begun.elapsed() < limit, "{:?} for {} bytes", begun.elapsed(), input.len());
    let shown = match &keys {
        Ok(keys) => format!("{keys:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    shows_none(&shown, private_members(&document));
    let Ok(keys) = keys else { return };
    assert!(document["keys"].as_array().is_some_and(|keys| !keys.is_empty()));
    assert!(keys.verify("e30.e30.", &[]).is_err());
}

/// What only its owner knows of a key (RFC 7518 section 6), if nothing else in the document is the same text.
fn private_members(document: &Value) -> impl Iterator<Item = &str> {
    const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];
    let keys = || document["keys"].as_array().into_iter().flatten();
    let public: Vec<_> = keys()
        .filter_map(Value::as_object)
        .flatten()
        .filter(|(name, _)| !PRIVATE.contains(&name.as_str()))
        .map(|(_, value)| value.to_string())
        .collect();
    let private = keys().flat_map(|key| PRIVATE.iter().filter_map(move |name| key.get(name)?.as_str()));
    private.filter(move |secret| !public.iter().any(|text| text.contains(secret)))
}
