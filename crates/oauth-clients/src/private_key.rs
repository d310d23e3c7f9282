//! A client's private key, named by a table of the [`Registry`](crate::Registry).

use std::borrow::Cow;

use oauth_core::{Credentials, Error, ProviderConfig, Result};

/// The settings, and the providers that have settings of these names for something else.
const FILE: &str = "private_key_file";
const ALGORITHM: &str = "private_key_alg";
const ID: &str = "private_key_id";
const WITH_THEIR_OWN: &[&str] = &["apple"];

/// The settings without those of a private key, which no provider knows, and what authenticates by that key.
pub(crate) fn taken_out<'c>(
    provider: &str,
    config: &'c ProviderConfig,
) -> Result<(Cow<'c, ProviderConfig>, Option<Credentials>)> {
    let is_set = |name: &&str| config.parameters.contains_key(*name);
    if WITH_THEIR_OWN.contains(&provider) || ![FILE, ALGORITHM, ID].iter().any(is_set) {
        return Ok((Cow::Borrowed(config), None));
    }
    let Some(file) = config.parameter(FILE) else {
        return Err(wrong(format!(
            "the setting {FILE} is missing, which {ALGORITHM} and {ID} say something of"
        )));
    };
    let secrets = [
        config.client_secret.is_some(),
        config.client_secret_env.is_some(),
        config.client_secret_file.is_some(),
        config.client_auth.is_some(),
    ];
    if secrets.contains(&true) {
        return Err(wrong(format!("set {FILE} or a client secret with its client_auth, not both")));
    }
    let credentials = read(&file, config.parameter(ALGORITHM).as_deref(), config.parameter(ID))?;
    let mut others = config.clone();
    others.parameters.retain(|name, _| ![FILE, ALGORITHM, ID].contains(&&**name));
    Ok((Cow::Owned(others), Some(credentials)))
}

#[cfg(feature = "fapi")]
fn read(file: &str, algorithm: Option<&str>, id: Option<String>) -> Result<Credentials> {
    use oauth_core::serde_json::Value;
    use oauth_fapi::{PrivateKeyJwt, SigningKey, oauth_openid::Algorithm};

    let text = std::fs::read_to_string(file)
        .map_err(|cause| wrong(format!("the private key file {file}: {cause}")))?;
    // What it says may be a secret, so no error quotes it.
    let jwk = match text.trim_start().starts_with('{') {
        true => oauth_core::parse_json(text.as_bytes())
            .map_err(|_| wrong(format!("the private key file {file} is not a JWK")))?,
        false => Value::Null,
    };
    let named = algorithm.or_else(|| jwk.get("alg").and_then(Value::as_str));
    let named = named.ok_or_else(|| {
        wrong(format!("the setting {ALGORITHM} is missing: it names the algorithm, such as ES256 or PS256"))
    })?;
    let algorithm = Algorithm::of(named).ok_or_else(|| {
        wrong(format!("{ALGORITHM}: the algorithm {named:?} is not known, only such as ES256 or PS256"))
    })?;
    let key = match jwk {
        Value::Null => SigningKey::from_pem(&text, algorithm),
        _ => SigningKey::from_jwk(&text, algorithm),
    };
    let key = key.map_err(|cause| wrong(format!("the private key file {file}: {cause}")))?;
    let key = match id {
        Some(id) => key.with_key_id(id),
        None => key,
    };
    Ok(Credentials::authentication(PrivateKeyJwt::new(key)))
}

#[cfg(not(feature = "fapi"))]
fn read(_file: &str, _algorithm: Option<&str>, _id: Option<String>) -> Result<Credentials> {
    Err(wrong(format!("{FILE}: switch on the feature \"fapi\" of oauth-clients, which signs with it")))
}

fn wrong(problem: String) -> Error {
    Error::configuration("oauth2", problem)
}
