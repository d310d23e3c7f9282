//! Private keys in PEM (RFC 7468).

use oauth_openid::Algorithm;

use crate::{
    key_error::{KeyError, NO_PASSPHRASE},
    keys::{
        der::{form, read_pkcs1, read_pkcs8, read_sec1},
        private_key::PrivateKey,
    },
    pem::{Block, blocks},
};

const OLD_ENCRYPTION: &str =
    "it is in a form that is not read here; convert it by `openssl pkcs8 -topk8 -v2 aes-256-cbc`";

/// The private key in a text.
pub(crate) fn read(
    pem: &str,
    passphrase: Option<&str>,
    algorithm: Algorithm,
) -> Result<PrivateKey, KeyError> {
    let blocks = blocks(pem);
    let mut keys = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
    let Some(block) = keys.next() else { return Err(no_key(&blocks)) };
    if keys.next().is_some() {
        return Err(form("the PEM has more than one private key; keep each in a text of its own"));
    }
    match block.label {
        "ENCRYPTED PRIVATE KEY" => decrypted(&block.bytes()?, passphrase, algorithm),
        _ if block.is_encrypted_the_old_way() => Err(KeyError::Encrypted(OLD_ENCRYPTION)),
        "PRIVATE KEY" => read_pkcs8(&block.bytes()?, algorithm),
        "RSA PRIVATE KEY" => read_pkcs1(&block.bytes()?, algorithm),
        "EC PRIVATE KEY" => read_sec1(&block.bytes()?, algorithm),
        "OPENSSH PRIVATE KEY" => {
            Err(form("it is a key in OpenSSH's form; convert a copy by `ssh-keygen -p -m PKCS8`"))
        }
        label => Err(KeyError::Form(format!("the PEM label {label:?} is not known here"))),
    }
}

/// What a text without a private key is.
fn no_key(blocks: &[Block<'_>]) -> KeyError {
    if blocks.iter().any(|block| block.label.ends_with("PUBLIC KEY")) {
        return KeyError::Public("a public key");
    }
    if blocks.iter().any(|block| block.label.ends_with("CERTIFICATE")) {
        return KeyError::Public("a certificate");
    }
    match blocks.first() {
        Some(block) => {
            KeyError::Form(format!("the PEM label {:?} is not that of a private key", block.label))
        }
        None => form(
            "it is not PEM: it has no line -----BEGIN PRIVATE KEY----- with an end; are its line breaks kept?",
        ),
    }
}

#[cfg(feature = "encrypted-keys")]
fn decrypted(der: &[u8], passphrase: Option<&str>, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    let passphrase = passphrase.ok_or(KeyError::Encrypted(NO_PASSPHRASE))?;
    let encrypted = pkcs8::EncryptedPrivateKeyInfoRef::try_from(der);
    let encrypted = encrypted.map_err(|_| KeyError::Encrypted(OLD_ENCRYPTION))?;
    let key = encrypted.decrypt(passphrase);
    let key =
        key.map_err(|_| KeyError::Passphrase("the passphrase is wrong, or the key is damaged".to_owned()))?;
    read_pkcs8(key.as_bytes(), algorithm)
}

#[cfg(not(feature = "encrypted-keys"))]
fn decrypted(_: &[u8], _: Option<&str>, _: Algorithm) -> Result<PrivateKey, KeyError> {
    Err(KeyError::Encrypted(NO_PASSPHRASE))
}
