//! What one library signs, both verify, and nothing else.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};

use super::{Hash, Signature, on_aws_lc_rs, on_rust_crypto};

const MESSAGE: &[u8] = b"eyJhbGciOiJSUzI1NiJ9.e30";

/// What both libraries say of a signature; they must agree.
fn verified(by: Signature, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let one = on_aws_lc_rs::PublicKey::curve(by, key).is_some_and(|key| key.verifies(message, signature));
    let other = on_rust_crypto::PublicKey::curve(by, key).is_some_and(|key| key.verifies(message, signature));
    assert_eq!(one, other, "{by:?}");
    one
}

fn verified_by_rsa(by: Signature, [n, e]: [&[u8]; 2], message: &[u8], signature: &[u8]) -> bool {
    let one = on_aws_lc_rs::PublicKey::rsa(by, n, e).is_some_and(|key| key.verifies(message, signature));
    let other = on_rust_crypto::PublicKey::rsa(by, n, e).is_some_and(|key| key.verifies(message, signature));
    assert_eq!(one, other, "{by:?}");
    one
}

/// Signatures that differ from a good one in a bit, in their length, or altogether.
fn forged(signature: &[u8]) -> Vec<Vec<u8>> {
    let flipped = [0, signature.len() / 2, signature.len() - 1].map(|at| {
        let mut forged = signature.to_vec();
        forged[at] ^= 1;
        forged
    });
    let mut all = flipped.to_vec();
    all.push(signature[1..].to_vec());
    all.push(signature[..signature.len() - 1].to_vec());
    all.push([signature, &[0]].concat());
    all.push([&[0], signature].concat());
    all.push(vec![0; signature.len()]);
    all.push(vec![0xff; signature.len()]);
    all.push(Vec::new());
    all
}

#[test]
fn jk_rust_crypto_verifies_rsa_as_aws_lc_rs_does() {
    // The smallest and an odd size that servers have; larger ones take long to make.
    for size in [KeySize::Rsa2048, KeySize::Rsa3072] {
        let pair = RsaKeyPair::generate(size).unwrap();
        // In PKCS #1: nine bytes, the modulus, two bytes, and the exponent 65537.
        let public = pair.public_key().as_ref();
        let key = [&public[9..9 + pair.public_modulus_len()], &public[public.len() - 3..]];
        let all: [(Signature, &dyn RsaEncoding); 6] = [
            (Signature::RsaPkcs1(Hash::Sha256), &RSA_PKCS1_SHA256),
            (Signature::RsaPkcs1(Hash::Sha384), &RSA_PKCS1_SHA384),
            (Signature::RsaPkcs1(Hash::Sha512), &RSA_PKCS1_SHA512),
            (Signature::RsaPss(Hash::Sha256), &RSA_PSS_SHA256),
            (Signature::RsaPss(Hash::Sha384), &RSA_PSS_SHA384),
            (Signature::RsaPss(Hash::Sha512), &RSA_PSS_SHA512),
        ];
        for (by, encoding) in all {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
            assert!(verified_by_rsa(by, key, MESSAGE, &signature), "{by:?}");
            assert!(!verified_by_rsa(by, key, b"another", &signature), "{by:?}");
            for (other, _) in all.into_iter().filter(|(other, _)| *other != by) {
                assert!(!verified_by_rsa(other, key, MESSAGE, &signature), "{by:?} as {other:?}");
            }
            for forged in forged(&signature) {
                assert!(!verified_by_rsa(by, key, MESSAGE, &forged), "{by:?}");
            }
        }
    }
}

#[test]
fn jk_rust_crypto_verifies_ecdsa_as_aws_lc_rs_does() {
    let all: [(Signature, &'static EcdsaSigningAlgorithm); 3] = [
        (Signature::EcdsaP256, &ECDSA_P256_SHA256_FIXED_SIGNING),
        (Signature::EcdsaP384, &ECDSA_P384_SHA384_FIXED_SIGNING),
        (Signature::EcdsaP521, &ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (by, algorithm) in all {
        // Half of the signatures have the large one of the two values that fit, which some libraries refuse.
        for _ in 0..8 {
            let pair = EcdsaKeyPair::generate(algorithm).unwrap();
            let key = pair.public_key().as_ref();
            let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
            assert!(verified(by, key, MESSAGE, signature.as_ref()), "{by:?}");
            assert!(!verified(by, key, b"another", signature.as_ref()), "{by:?}");
            for forged in forged(signature.as_ref()) {
                assert!(!verified(by, key, MESSAGE, &forged), "{by:?}");
            }
            // A point that is not on the curve.
            let mut off = key.to_vec();
            *off.last_mut().unwrap() ^= 1;
            assert!(on_rust_crypto::PublicKey::curve(by, &off).is_none(), "{by:?}");
            assert!(!verified(by, &off, MESSAGE, signature.as_ref()), "{by:?}");
        }
    }
}

#[test]
fn jk_rust_crypto_verifies_ed25519_as_aws_lc_rs_does() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let key = pair.public_key().as_ref();
    let signature = pair.sign(MESSAGE);
    assert!(verified(Signature::Ed25519, key, MESSAGE, signature.as_ref()));
    assert!(!verified(Signature::Ed25519, key, b"another", signature.as_ref()));
    for forged in forged(signature.as_ref()) {
        assert!(!verified(Signature::Ed25519, key, MESSAGE, &forged));
    }
    // A key of small order, with a signature that fits every message.
    let mut small = [0; 32];
    small[0] = 1;
    let mut fits_all = [0; 64];
    fits_all[0] = 1;
    let small = on_rust_crypto::PublicKey::curve(Signature::Ed25519, &small);
    assert!(small.is_none_or(|key| !key.verifies(MESSAGE, &fits_all)));
}

#[test]
fn id_rust_crypto_hashes_and_authenticates_as_aws_lc_rs_does() {
    for (hash, by) in [
        (Hash::Sha256, hmac::HMAC_SHA256),
        (Hash::Sha384, hmac::HMAC_SHA384),
        (Hash::Sha512, hmac::HMAC_SHA512),
    ] {
        assert_eq!(on_rust_crypto::digest(hash, MESSAGE), on_aws_lc_rs::digest(hash, MESSAGE));
        assert_eq!(on_rust_crypto::digest(hash, MESSAGE).len(), hash.length());
        // Shorter than a block, as long as one, and longer.
        for length in [1, 32, 64, 128, 200] {
            let key = vec![7; length];
            let tag = hmac::sign(&hmac::Key::new(by, &key), MESSAGE);
            let tag = tag.as_ref();
            let verified = |message: &[u8], tag: &[u8]| {
                let one = on_aws_lc_rs::verify_hmac(hash, &key, message, tag);
                assert_eq!(one, on_rust_crypto::verify_hmac(hash, &key, message, tag), "{hash:?}");
                one
            };
            assert!(verified(MESSAGE, tag));
            assert!(!verified(b"another", tag));
            assert!(!verified(MESSAGE, &tag[1..]));
            assert!(!verified(MESSAGE, &tag[..16]));
            assert!(!verified(MESSAGE, &[]));
        }
    }
}

#[test]
fn jk_rust_crypto_takes_the_key_sizes_that_aws_lc_rs_takes() {
    let modulus = |bits: usize| {
        let mut n = vec![0xff; bits / 8];
        n[bits / 8 - 1] = 0xf1;
        n
    };
    for bits in [2048, 4096, 8192] {
        let (n, e) = (modulus(bits), [1, 0, 1]);
        for by in [Signature::RsaPkcs1(Hash::Sha256), Signature::RsaPss(Hash::Sha256)] {
            assert!(on_aws_lc_rs::PublicKey::rsa(by, &n, &e).is_some(), "{bits}");
            assert!(on_rust_crypto::PublicKey::rsa(by, &n, &e).is_some(), "{bits}");
        }
    }
    // The longest exponent that is accepted (33 bits), and the shortest.
    for e in [&[1, 0xff, 0xff, 0xff, 0xff][..], &[3]] {
        assert!(
            on_rust_crypto::PublicKey::rsa(Signature::RsaPkcs1(Hash::Sha256), &modulus(2048), e).is_some()
        );
    }
}
