//! Prints the `SPEC` of every provider as one JSON array: what `cargo xtask generate` makes the tables from.

mod providers;

use oauth_clients::{
    Endpoint, Pkce, Spec,
    provider_kit::ProfileSource,
    serde_json::{Value, json},
};

fn main() {
    let specs: Vec<Value> = providers::SPECS.iter().map(|(name, spec)| fields(name, spec)).collect();
    println!("{}", Value::from(specs));
}

/// The fields that `xtask/src/provider.rs` reads, and the name of the folder that the `SPEC` comes from.
fn fields(folder: &str, spec: &Spec) -> Value {
    json!({
        "folder": folder,
        "name": spec.name,
        "display_name": spec.display_name,
        "docs": spec.docs,
        "authorize": spec.endpoint(Endpoint::Authorization).unwrap_or_default(),
        "refresh": spec.endpoint(Endpoint::Refresh),
        "revoke": spec.endpoint(Endpoint::Revocation),
        "scopes": spec.scopes,
        "client_auth": spec.token.client_auth.as_str(),
        "id_at": spec.profile.id_at,
        "email_at": spec.profile.email_at,
        "profile": spec.endpoint(Endpoint::Profile),
        "is_in_token_reply": spec.profile.source == ProfileSource::TokenReply,
        "issuer": spec.issuer,
        "code_challenge_method": match spec.authorization.pkce {
            Pkce::Challenge(method) => Some(method.as_str()),
            _ => None,
        },
    })
}
