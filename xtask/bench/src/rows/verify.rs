//! An ID token's signature and claims, with keys that are there.

use std::str::FromStr;

use anyhow::Result;
use oauth_by_hand::{Claims, Fixed, read_id_token};
use oauth_core::{Provider, Secret};
use oauth_openid::{Expectations, OpenID, OpenIDProvider, ProviderMetadata};

use crate::{
    jwt::{CLIENT_ID, JwtSigner, claims},
    measure::{MeasuredTime, Contender, interleave},
    report::{Cast, Row, times},
    world::{World, nobody, runtime},
};

const ISSUER: &str = "https://accounts.example.com";
const NONCE: &str = "n-0S6_WzA2MjqK9wL4tN8vY3sD6hJ5gZb1fR7mX2q";
const FLOOR: &str = "bare aws-lc-rs + serde";
const OURS: &str = "oauth-clients";
const JSONWEBTOKEN: &str = "jsonwebtoken";
const OPENIDCONNECT: &str = "openidconnect";

pub fn row(world: &mut World) -> Result<Row> {
    let mut tables = Vec::new();
    for signer in [JwtSigner::rs256()?, JwtSigner::es256()?, JwtSigner::eddsa()?] {
        tables.push(table(world, &signer)?);
    }
    Ok(Row {
        id: "verify",
        title: "ID token verification",
        method: format!(
            "{} verifications in each round, of one token with 15 claims, with keys that were read before. The floor decodes \
             base64, reads header and claims into flat structs, and verifies with a key that aws-lc-rs parsed once; it checks no \
             claim. `openidconnect` verifies with the crates of RustCrypto.",
            world.plan(1_000).iterations
        ),
        tables,
    })
}

fn table(world: &World, signer: &JwtSigner) -> Result<crate::report::Table> {
    let runtime = runtime()?;
    let token = signer.token(&claims(ISSUER, NONCE));

    let floor_key = signer.parsed()?;
    let client = verifying_client(signer)?;
    let expected = Expectations::new().nonce(Secret::new(NONCE));

    let (validation, decoding_key) = {
        use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
        let mut validation = Validation::new(Algorithm::from_str(signer.algorithm())?);
        validation.set_audience(&[CLIENT_ID]);
        validation.set_issuer(&[ISSUER]);
        let jwk: Jwk = serde_json::from_value(signer.jwk())?;
        (validation, DecodingKey::from_jwk(&jwk)?)
    };
    let verifier = {
        use openidconnect::{
            ClientId, IssuerUrl,
            core::{CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
        };
        let keys: CoreJsonWebKeySet = serde_json::from_value(signer.jwks())?;
        let algorithm: CoreJwsSigningAlgorithm = serde_json::from_value(signer.algorithm().into())?;
        CoreIdTokenVerifier::new_public_client(
            ClientId::new(CLIENT_ID.to_owned()),
            IssuerUrl::new(ISSUER.to_owned())?,
            keys,
        )
        .set_allowed_algs([algorithm])
    };

    let contenders = vec![
        Contender::new(FLOOR, |count| {
            for _ in 0..count {
                let parts = read_id_token(&token);
                floor_key.verify_sig(parts.signed, &parts.signature).expect("it is right");
                std::hint::black_box(parts);
            }
        }),
        Contender::new(OURS, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    let id_token = client.verify_id_token(&token, &expected).await;
                    std::hint::black_box(id_token.expect("it is right"));
                }
            });
        }),
        Contender::new(JSONWEBTOKEN, |count| {
            for _ in 0..count {
                let data = jsonwebtoken::decode::<Claims>(&token, &decoding_key, &validation);
                std::hint::black_box(data.expect("it is right"));
            }
        }),
        Contender::new(OPENIDCONNECT, |count| {
            use openidconnect::{Nonce, core::CoreIdToken};
            let nonce = Nonce::new(NONCE.to_owned());
            for _ in 0..count {
                let id_token = CoreIdToken::from_str(&token).expect("it is a token");
                let claims = id_token.claims(&verifier, &nonce).expect("it is right");
                std::hint::black_box(claims);
            }
        }),
    ];
    let measured = interleave(contenders, world.plan(1_000), &mut nobody);
    let cast = Cast { ours: &[OURS], floors: &[FLOOR], base: FLOOR };
    Ok(times(signer.algorithm(), &measured, &cast, MeasuredTime::Cpu).with_goal(
        "CPU ≤ jsonwebtoken's",
        &measured,
        (OURS, JSONWEBTOKEN),
        MeasuredTime::Cpu,
        1.0,
    ))
}

/// A client whose keys are there.
fn verifying_client(signer: &JwtSigner) -> Result<OpenID> {
    let metadata = ProviderMetadata::new(serde_json::json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": format!("{ISSUER}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [signer.algorithm()],
    }))?;
    let keys = Fixed::json(signer.jwks().to_string());
    Ok(OpenID::new(CLIENT_ID, "secret", metadata)?.with_http_client(keys))
}
