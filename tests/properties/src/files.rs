//! Files that people write: a registry of providers, and the emulator's facts.

use std::time::Duration;

use oauth_clients::{Registry, RegistryConfig};
use oauth_emulator::Emulator;

use crate::{server::block_on, shown::shows_none};

/// The tables of a registry make providers, or an error that shows no secret of them.
pub(crate) fn registry(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(table) = text.parse::<toml::Table>() else { return };
    // Files are for the one who configures; fuzzed ones must not name any of this machine.
    if text.contains("_file") || text.contains("_env") {
        return;
    }
    let secrets: Vec<_> = table.values().filter_map(|entry| entry.get("client_secret")?.as_str()).collect();
    // What is beside a secret may be the same text, and is shown.
    let mut open = table.clone();
    for entry in open.iter_mut().filter_map(|(_, entry)| entry.as_table_mut()) {
        entry.remove("client_secret");
    }
    let open = open.to_string();
    let secrets = || secrets.iter().copied().filter(|secret| !open.contains(secret));
    match toml::from_str::<RegistryConfig>(text) {
        // Its Display quotes the line of the file, which is the caller's choice; the message is ours.
        Err(error) => shows_none(error.message(), secrets()),
        Ok(config) => {
            shows_none(&format!("{config:?}"), secrets());
            match block_on(Registry::from_config(&config)) {
                Ok(registry) => {
                    assert_eq!(registry.iter().count(), config.len());
                    for (name, entry) in &config {
                        let client = registry.get(name).unwrap();
                        assert_eq!(client.oauth2().client_id(), entry.config.client_id);
                        assert_eq!(table[name]["client_id"].as_str(), Some(&*entry.config.client_id));
                    }
                }
                Err(error) => shows_none(&format!("{error} {error:?}"), secrets()),
            }
        }
    }
}

/// The facts of a provider start an emulator that plays it where they say, or are refused.
pub(crate) fn facts(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let text = text.replace('|', "\n");
    block_on(async {
        let started = Emulator::builder().provider("fuzzed", &*text).start();
        let started = tokio::time::timeout(Duration::from_secs(10), started).await.unwrap();
        if let Ok(emulator) = started {
            assert!(emulator.providers().contains(&"fuzzed"));
            let endpoints = emulator.endpoints("fuzzed").unwrap();
            let facts: toml::Table = text.parse().unwrap();
            for (fact, name) in ENDPOINTS {
                let url = facts.get(fact).map(|url| url.as_str().unwrap());
                // What is filled in would have to be filled in here too.
                if url.is_none_or(|url| !url.contains('{')) {
                    assert_eq!(endpoints.get(name).cloned(), url.map(|url| emulator.local(url)), "{fact}");
                }
            }
        }
    });
}

/// The facts that are endpoints, with the names of those.
const ENDPOINTS: [(&str, &str); 4] = [
    ("authorize_url", "authorization_endpoint"),
    ("token_url", "token_endpoint"),
    ("profile_url", "profile_endpoint"),
    ("jwks_url", "jwks_uri"),
];
