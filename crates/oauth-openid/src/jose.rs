//! The decrypter of the feature `encryption`: josekit for the algorithms of JWE, and in front of it all that it leaves open.
//!
//! josekit 0.10.3 panics where a token has no initialization vector or a wrapped key of a few bytes, takes GCM tags of any
//! length, and removes the padding of CBC before it has verified the tag. So the form of each part is checked here, and the tag
//! of a CBC text is verified here, before josekit sees them.

use std::fmt;

use aws_lc_rs::{constant_time, hmac, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwe::{
        self, JweContentEncryption, JweDecrypter, JweHeader,
        alg::{ecdh_es::EcdhEsJweAlgorithm, rsaes::RsaesJweAlgorithm},
    },
    jwk::Jwk,
};
use oauth_core::{
    Error, Result, async_trait, parse_json,
    serde_json::{Map, Value, json},
};

use crate::encryption::{DecryptError, Decrypter};

/// The most characters of a token. Real ones have a few thousand.
const MOST_CHARACTERS: usize = 256 * 1024;
/// The most keys that a token without a `kid` is tried with: the one in use, and the one before it. Each try with an RSA key costs
/// as much as a signature does, and anybody can send tokens.
const MOST_TRIED: usize = 2;

/// Decrypts ID tokens and UserInfo with private keys of the client's own (RFC 7516), by
/// [josekit](https://docs.rs/josekit) on the system's OpenSSL.
///
/// | key | `alg` | `enc` |
/// | --- | --- | --- |
/// | RSA of 2048 bits or more | `RSA-OAEP-256`, `RSA-OAEP` | `A128GCM`, `A256GCM`, `A128CBC-HS256`, `A256CBC-HS512` |
/// | EC on P-256, P-384 or P-521 | `ECDH-ES`, `ECDH-ES+A128KW`, `ECDH-ES+A256KW` | the same |
///
/// There is neither `RSA1_5`, whose padding tells attackers about keys, nor anything with a password or another shared secret
/// (`PBES2`, `dir`), nor compression. All failures of the cryptography are one error, and take the same way.
///
/// ```no_run
/// use oauth_openid::{ClientMetadata, Discovery, JoseDecrypter, OpenID, OpenIDProvider, oauth_core::serde_json::Value};
///
/// # async fn f(private_keys: &Value) -> Result<(), oauth_openid::oauth_core::Error> {
/// // A JWK set, kept like a password.
/// let decrypter = JoseDecrypter::new(private_keys)?;
/// let discovery = Discovery::new("https://login.example.com");
/// let wanted = ClientMetadata::new(["https://app.example/callback"])
///     .set("jwks", decrypter.public_keys())
///     .set("id_token_encrypted_response_alg", "ECDH-ES+A256KW")
///     .set("id_token_encrypted_response_enc", "A256GCM");
/// let registered = OpenID::register(&discovery, &wanted, None).await?;
/// let client = registered.client(&discovery)?.with_policy(|policy| policy.decrypter(decrypter));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct JoseDecrypter {
    keys: Vec<DecryptionKey>,
}

#[derive(Clone)]
struct DecryptionKey {
    id: Option<String>,
    /// One for each algorithm of the key.
    decrypters: Vec<Box<dyn JweDecrypter>>,
    kind: KeySize,
    public: Map<String, Value>,
}

#[derive(Clone, Copy)]
enum KeySize {
    /// How many bytes its texts have.
    Rsa(usize),
    /// How many bytes a coordinate has.
    Ec(usize),
}

/// An encrypted token, taken apart. The form of each part is right.
struct Jwe<'t> {
    header: Map<String, Value>,
    /// What the tag covers besides the text.
    protected: &'t str,
    algorithm: String,
    encryption: ContentEncryption,
    key: Vec<u8>,
    iv: Vec<u8>,
    text: Vec<u8>,
    tag: Vec<u8>,
}

#[derive(Clone, Copy)]
enum ContentEncryption {
    A128Gcm,
    A256Gcm,
    A128CbcHs256,
    A256CbcHs512,
}

impl JoseDecrypter {
    /// A decrypter with these private keys: a JWK set, or one JWK (RFC 7517). A key with an `alg` is for that alone.
    ///
    /// # Errors
    ///
    /// A configuration error that says which key cannot be used, and why.
    pub fn new(private_keys: &Value) -> Result<Self> {
        let wrong = |problem: String| Error::configuration("openid", problem);
        let jwks = match private_keys.get("keys") {
            Some(keys) => keys.as_array().map_or(&[][..], Vec::as_slice),
            None => std::slice::from_ref(private_keys),
        };
        if jwks.is_empty() {
            return Err(wrong("there are no keys to decrypt with; a JWK set has a list `keys`".to_owned()));
        }
        let mut keys: Vec<DecryptionKey> = Vec::new();
        for (index, jwk) in jwks.iter().enumerate() {
            let key = DecryptionKey::read(jwk)
                .map_err(|problem| wrong(format!("key {index} cannot decrypt: {problem}")))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(wrong(format!("key {index} needs a `kid` of its own, by which tokens name it")));
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// The public halves as a JWK set, to be registered as `jwks` or published at `jwks_uri`.
    #[must_use]
    pub fn public_keys(&self) -> Value {
        json!({ "keys": self.keys.iter().map(|key| &key.public).collect::<Vec<_>>() })
    }
}

impl fmt::Debug for JoseDecrypter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| key.id.as_deref()).collect();
        f.debug_struct("JoseDecrypter").field("keys", &ids).finish_non_exhaustive()
    }
}

#[async_trait]
impl Decrypter for JoseDecrypter {
    async fn decrypt(&self, token: &str) -> Result<String, DecryptError> {
        let jwe = Jwe::parse(token)?;
        let id = jwe.header.get("kid");
        let named = self.keys.iter().filter(|key| match id {
            None => true,
            Some(id) => key.id.as_deref().is_some_and(|own| id == own),
        });
        let fitting = named
            .filter_map(|key| Some((key, key.decrypter(&jwe.algorithm)?)))
            .filter(|(key, _)| jwe.has_form_for(key));
        for (_, decrypter) in fitting.take(MOST_TRIED) {
            if let Some(text) = jwe.opened(decrypter) {
                return String::from_utf8(text).map_err(|_| DecryptError::Failed);
            }
        }
        // An algorithm that no key has is refused as such; a key that is not there is one failure among others.
        match self.keys.iter().any(|key| key.decrypter(&jwe.algorithm).is_some()) {
            true => Err(DecryptError::Failed),
            false => Err(DecryptError::Algorithm),
        }
    }
}

impl DecryptionKey {
    fn read(jwk: &Value) -> Result<Self, &'static str> {
        let jwk = jwk.as_object().ok_or("it is not an object")?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|usage| usage != "enc") {
            return Err("its `use` is not `enc`");
        }
        let is_operation =
            |one: &Value| ["decrypt", "unwrapKey", "deriveKey", "deriveBits"].iter().any(|own| one == own);
        if let Some(operations) = jwk.get("key_ops")
            && !operations.as_array().is_some_and(|all| all.iter().any(is_operation))
        {
            return Err("its `key_ops` are not those of decryption");
        }
        // The rest of it was checked above, and josekit is stricter about names than RFC 7517.
        let mut material = jwk.clone();
        for member in ["use", "key_ops", "alg", "kid"] {
            material.remove(member);
        }
        let material = Jwk::from_map(material).map_err(|_| "it is not a JWK")?;
        let own = |name: &str| text("alg").is_none_or(|alg| alg == name);
        let broken = "its numbers are not those of a private key";
        let mut decrypters: Vec<Box<dyn JweDecrypter>> = Vec::new();
        let (kind, members): (_, &[&str]) = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => {
                let modulus = text("n").and_then(|n| URL_SAFE_NO_PAD.decode(n).ok()).ok_or(broken)?;
                let length = modulus.iter().skip_while(|byte| **byte == 0).count();
                if length < 256 {
                    return Err("an RSA key must have 2048 bits or more");
                }
                for algorithm in [RsaesJweAlgorithm::RsaOaep256, RsaesJweAlgorithm::RsaOaep] {
                    if own(algorithm.name()) {
                        decrypters
                            .push(Box::new(algorithm.decrypter_from_jwk(&material).map_err(|_| broken)?));
                    }
                }
                (KeySize::Rsa(length), &["kty", "n", "e"])
            }
            (Some("EC"), Some(curve @ ("P-256" | "P-384" | "P-521"))) => {
                let length = match curve {
                    "P-256" => 32,
                    "P-384" => 48,
                    _ => 66,
                };
                for algorithm in [
                    EcdhEsJweAlgorithm::EcdhEs,
                    EcdhEsJweAlgorithm::EcdhEsA128kw,
                    EcdhEsJweAlgorithm::EcdhEsA256kw,
                ] {
                    if own(algorithm.name()) {
                        decrypters
                            .push(Box::new(algorithm.decrypter_from_jwk(&material).map_err(|_| broken)?));
                    }
                }
                (KeySize::Ec(length), &["kty", "crv", "x", "y"])
            }
            _ => return Err("it is neither an RSA key nor an EC key on P-256, P-384 or P-521"),
        };
        if decrypters.is_empty() {
            return Err("its `alg` is not one that is accepted here");
        }
        let mut public: Map<String, Value> = members
            .iter()
            .chain(&["kid", "alg"])
            .filter_map(|&name| Some((name.to_owned(), jwk.get(name)?.clone())))
            .collect();
        public.insert("use".to_owned(), json!("enc"));
        Ok(Self { id: text("kid").map(str::to_owned), decrypters, kind, public })
    }

    fn decrypter(&self, algorithm: &str) -> Option<&dyn JweDecrypter> {
        self.decrypters.iter().map(|own| &**own).find(|own| own.algorithm().name() == algorithm)
    }
}

impl<'t> Jwe<'t> {
    fn parse(token: &'t str) -> Result<Self, DecryptError> {
        if token.len() > MOST_CHARACTERS {
            return Err(DecryptError::Failed);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [protected, key, iv, text, tag] = parts[..] else { return Err(DecryptError::Failed) };
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| DecryptError::Failed);
        let Ok(Value::Object(header)) = parse_json(&bytes(protected)?) else {
            return Err(DecryptError::Failed);
        };
        let named = |name: &str| header.get(name).and_then(Value::as_str).ok_or(DecryptError::Algorithm);
        let algorithm = named("alg")?.to_owned();
        let encryption = ContentEncryption::of(named("enc")?).ok_or(DecryptError::Algorithm)?;
        // Compressed texts can grow without bound, and say by their length what is in them (RFC 8725 section 3.6).
        if header.contains_key("zip") || header.contains_key("crit") {
            return Err(DecryptError::Algorithm);
        }
        let jwe = Self {
            protected,
            algorithm,
            encryption,
            key: bytes(key)?,
            iv: bytes(iv)?,
            text: bytes(text)?,
            tag: bytes(tag)?,
            header,
        };
        match jwe.iv.len() == encryption.iv_length() && jwe.tag.len() == encryption.tag_length() {
            true => Ok(jwe),
            false => Err(DecryptError::Failed),
        }
    }

    /// The text, if the key opens the token, which has the form for it.
    fn opened(&self, decrypter: &dyn JweDecrypter) -> Option<Vec<u8>> {
        let josekit = self.encryption.josekit();
        // A content key that cannot be decrypted is replaced by one that opens nothing, so that both take the same way (RFC 7516
        // section 11.5).
        let mut other = vec![0; josekit.key_len()];
        rand::fill(&mut other).ok()?;
        let content_key = match self.content_key(decrypter) {
            Some(content_key) if content_key.len() == other.len() => content_key,
            _ => other,
        };
        let (aad, iv) = (self.protected.as_bytes(), &self.iv);
        let authentic = self.encryption.authenticates(&content_key, &[aad, iv, &self.text], &self.tag);
        if !authentic {
            return None;
        }
        josekit.decrypt(&content_key, Some(iv), &self.text, aad, Some(&self.tag)).ok()
    }

    fn content_key(&self, decrypter: &dyn JweDecrypter) -> Option<Vec<u8>> {
        let josekit = self.encryption.josekit();
        let header = JweHeader::from_map(self.header.clone()).ok()?;
        let encrypted = Some(&*self.key).filter(|encrypted| !encrypted.is_empty());
        decrypter.decrypt(encrypted, &*josekit, &header).ok().map(|content_key| content_key.into_owned())
    }

    /// Whether the token may be for this key, by what can be seen without any cryptography. josekit relies on it.
    fn has_form_for(&self, key: &DecryptionKey) -> bool {
        let right_length = match (key.kind, &*self.algorithm) {
            (KeySize::Rsa(length), _) => length,
            (KeySize::Ec(_), "ECDH-ES") => 0,
            // RFC 3394 adds eight bytes to what it wraps.
            (KeySize::Ec(_), _) => self.encryption.josekit().key_len() + 8,
        };
        self.key.len() == right_length && self.has_point(key)
    }

    /// Whether the sender's ephemeral key has the form of a point of the key's curve. Whether it lies on it is for OpenSSL to
    /// check.
    fn has_point(&self, key: &DecryptionKey) -> bool {
        let KeySize::Ec(length) = key.kind else { return true };
        let own = [("kty", Some("EC")), ("crv", key.public.get("crv").and_then(Value::as_str))];
        let of_token = |name: &str| self.header.get("epk").and_then(|epk| epk.get(name)?.as_str());
        if own.iter().any(|(name, own)| of_token(name) != *own) {
            return false;
        }
        let is_coordinate = |name: &str| {
            let text = self.header.get("epk").and_then(|epk| epk.get(name)?.as_str());
            text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).is_some_and(|bytes| bytes.len() == length)
        };
        is_coordinate("x") && is_coordinate("y")
    }
}

impl ContentEncryption {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "A128GCM" => Self::A128Gcm,
            "A256GCM" => Self::A256Gcm,
            "A128CBC-HS256" => Self::A128CbcHs256,
            "A256CBC-HS512" => Self::A256CbcHs512,
            _ => return None,
        })
    }

    fn josekit(self) -> Box<dyn JweContentEncryption> {
        match self {
            Self::A128Gcm => Box::new(jwe::enc::A128GCM),
            Self::A256Gcm => Box::new(jwe::enc::A256GCM),
            Self::A128CbcHs256 => Box::new(jwe::enc::A128CBC_HS256),
            Self::A256CbcHs512 => Box::new(jwe::enc::A256CBC_HS512),
        }
    }

    fn iv_length(self) -> usize {
        match self {
            Self::A128Gcm | Self::A256Gcm => 12,
            Self::A128CbcHs256 | Self::A256CbcHs512 => 16,
        }
    }

    fn tag_length(self) -> usize {
        match self {
            Self::A128Gcm | Self::A256Gcm | Self::A128CbcHs256 => 16,
            Self::A256CbcHs512 => 32,
        }
    }

    /// Whether the tag is that of a CBC text, by RFC 7518 section 5.2.2.1. That of GCM is part of its decryption.
    fn authenticates(self, content_key: &[u8], parts: &[&[u8]; 3], tag: &[u8]) -> bool {
        let algorithm = match self {
            Self::A128Gcm | Self::A256Gcm => return true,
            Self::A128CbcHs256 => hmac::HMAC_SHA256,
            Self::A256CbcHs512 => hmac::HMAC_SHA512,
        };
        // The first half of the key is for the tag, the other one for the text.
        let (mac_key, _) = content_key.split_at(content_key.len() / 2);
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, mac_key));
        for part in parts {
            context.update(part);
        }
        context.update(&(parts[0].len() as u64 * 8).to_be_bytes());
        let whole = context.sign();
        let right = whole.as_ref().get(..self.tag_length()).unwrap_or_default();
        constant_time::verify_slices_are_equal(right, tag).is_ok()
    }
}

#[cfg(test)]
mod tests;
