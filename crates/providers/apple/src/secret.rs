use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use oauth_core::{
    ClientSecret, Error, OffsetDateTime, Result, Secret, SecretSource, SecretSourceError, async_trait,
    serde_json::{Value, json},
};

use crate::signing_key::AppleSigningKey;

/// For whom a secret is made: Apple itself.
const AUDIENCE: &str = "https://appleid.apple.com";

/// How long a secret is good for, in seconds. Apple allows six months, but a request takes less than a minute; the rest is
/// for clocks that differ.
const LIFETIME: i64 = 5 * 60;

/// What signs the client secrets: a key of your team, registered for Sign in with Apple.
///
/// Apple issues no secret. Each request carries a
/// [JWT](https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret) in its place,
/// signed with this key (ES256) and good for five minutes.
#[derive(Clone)]
pub struct AppleSecret {
    team_id: String,
    key_id: String,
    key: AppleSigningKey,
}

impl AppleSecret {
    /// The key from the `.p8` file that Apple let you download, as the text of that file (PEM), with the identifiers of the
    /// team and of the key, both of ten characters.
    ///
    /// # Errors
    ///
    /// A configuration error when an identifier is empty or none, or the text is not an elliptic curve key of the kind that Apple issues (P-256 in PKCS #8).
    pub fn new(team_id: impl Into<String>, key_id: impl Into<String>, private_key: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let message = format!(
                "the private key {why}; it must be the text of Apple's .p8 file, from -----BEGIN PRIVATE KEY----- to the end"
            );
            Error::configuration("apple", message)
        };
        let (team_id, key_id) = (team_id.into(), key_id.into());
        for (name, id) in [("team_id", &team_id), ("key_id", &key_id)] {
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                let problem = format!("{name} is {id:?}, but it must be the identifier, such as ABC123DEFG");
                return Err(Error::configuration("apple", problem));
            }
        }
        let der = pkcs8(private_key).ok_or_else(|| wrong("is not PKCS #8 in PEM form"))?;
        let key = AppleSigningKey::new(&der).map_err(|_| wrong("is not an elliptic curve key on P-256"))?;
        Ok(Self { team_id, key_id, key })
    }

    pub(crate) fn of_client(self, client_id: &str) -> ClientSecret {
        ClientSecret::made_by(SecretSigner { secret: self, client_id: client_id.to_owned() })
    }

    fn sign(&self, client_id: &str) -> Result<String, SecretSourceError> {
        let header = json!({ "typ": "JWT", "alg": "ES256", "kid": self.key_id });
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let claims = json!({
            "iss": self.team_id,
            "iat": now,
            "exp": now + LIFETIME,
            "aud": AUDIENCE,
            "sub": client_id,
        });
        let encoded = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encoded(header), encoded(claims));
        Ok(format!("{message}.{}", self.key.sign(message.as_bytes())?))
    }
}

impl fmt::Debug for AppleSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppleSecret")
            .field("team_id", &self.team_id)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct SecretSigner {
    secret: AppleSecret,
    client_id: String,
}

#[async_trait]
impl SecretSource for SecretSigner {
    async fn client_secret(&self) -> Result<Secret, SecretSourceError> {
        self.secret.sign(&self.client_id).map(Into::into)
    }
}

/// The DER inside a PEM text (RFC 7468 section 10).
fn pkcs8(pem: &str) -> Option<Vec<u8>> {
    let inner = pem.trim().strip_prefix("-----BEGIN PRIVATE KEY-----")?;
    let inner = inner.strip_suffix("-----END PRIVATE KEY-----")?;
    STANDARD.decode(inner.split_ascii_whitespace().collect::<String>()).ok()
}
