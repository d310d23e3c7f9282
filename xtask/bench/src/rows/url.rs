//! The URL of an authorization request, with a fresh state and a fresh code challenge.

use anyhow::Result;
use oauth_by_hand::{AUTHORIZE, REDIRECT_URI, SCOPES};
use oauth_core::{
    AuthorizationRequest, CodeVerifier, LoginOptions, OAuth2, Provider, random_token, random_tokens,
};

use crate::{
    measure::{MeasuredTime, Contender, interleave},
    report::{Cast, Row, times},
    world::{World, nobody, runtime},
};

const FLOOR: &str = "form_urlencoded";
const OURS: &str = "oauth-clients: get_authorization_url";
const TOGETHER: &str = "oauth-clients: get_authorization_url, random_tokens";
const LOGIN: &str = "oauth-clients: start_login";
const OAUTH2: &str = "oauth2";
const OAUTH2_OF_SYSTEM: &str = "oauth2, random bytes from the operating system";

pub fn row(world: &mut World) -> Result<Row> {
    let runtime = runtime()?;
    let client =
        OAuth2::new(crate::jwt::CLIENT_ID, "secret", AUTHORIZE, "https://accounts.example.com/token")
            .with_scopes(SCOPES);
    // Without `openid`, so that it makes no nonce, as the others make none.
    let plain = client.clone().with_scopes(["email", "profile", "calendar"]);

    let oauth2 = {
        use oauth2::{AuthUrl, ClientId, RedirectUrl, basic::BasicClient};
        BasicClient::new(ClientId::new(crate::jwt::CLIENT_ID.to_owned()))
            .set_auth_uri(AuthUrl::new(AUTHORIZE.to_owned())?)
            .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned())?)
    };
    let openidconnect = {
        use openidconnect::{
            AuthUrl, ClientId, IssuerUrl, RedirectUrl,
            core::{CoreClient, CoreJsonWebKeySet},
        };
        let issuer = IssuerUrl::new("https://accounts.example.com".to_owned())?;
        CoreClient::new(
            ClientId::new(crate::jwt::CLIENT_ID.to_owned()),
            issuer,
            CoreJsonWebKeySet::new(Vec::new()),
        )
        .set_auth_uri(AuthUrl::new(AUTHORIZE.to_owned())?)
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned())?)
    };

    let contenders = vec![
        Contender::new(FLOOR, |count| {
            for _ in 0..count {
                std::hint::black_box(oauth_by_hand::authorization_url());
            }
        }),
        Contender::new(OURS, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    let state = random_token().expect("there are random bytes");
                    let verifier = CodeVerifier::random().expect("there are random bytes");
                    let request = AuthorizationRequest::new(REDIRECT_URI).state(&state).pkce(&verifier);
                    let url = client.get_authorization_url(request).await.expect("the request is valid");
                    std::hint::black_box((url, state, verifier));
                }
            });
        }),
        Contender::new(TOGETHER, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    let [state, verifier] = random_tokens().expect("there are random bytes");
                    let verifier = CodeVerifier::new(verifier).expect("it is a verifier");
                    let request = AuthorizationRequest::new(REDIRECT_URI).state(&state).pkce(&verifier);
                    let url = client.get_authorization_url(request).await.expect("the request is valid");
                    std::hint::black_box((url, state, verifier));
                }
            });
        }),
        Contender::new(LOGIN, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    let started = plain.start_login(REDIRECT_URI, LoginOptions::new()).await;
                    std::hint::black_box(started.expect("the login is valid"));
                }
            });
        }),
        Contender::new(OAUTH2, |count| {
            use oauth2::{CsrfToken, PkceCodeChallenge, Scope};
            for _ in 0..count {
                let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
                let (url, state) = oauth2
                    .authorize_url(CsrfToken::new_random)
                    .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
                    .set_pkce_challenge(challenge)
                    .url();
                let _ = std::hint::black_box((String::from(url), state, verifier));
            }
        }),
        Contender::new(OAUTH2_OF_SYSTEM, |count| {
            use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
            for _ in 0..count {
                let [state, verifier] = random_tokens().expect("there are random bytes");
                let verifier = PkceCodeVerifier::new(verifier);
                let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
                let (url, state) = oauth2
                    .authorize_url(|| CsrfToken::new(state))
                    .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
                    .set_pkce_challenge(challenge)
                    .url();
                let _ = std::hint::black_box((String::from(url), state, verifier));
            }
        }),
        Contender::new("openidconnect (with a nonce)", |count| {
            use openidconnect::{
                AuthenticationFlow, CsrfToken, Nonce, PkceCodeChallenge, Scope, core::CoreResponseType,
            };
            for _ in 0..count {
                let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
                let (url, state, nonce) = openidconnect
                    .authorize_url(
                        AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                        CsrfToken::new_random,
                        Nonce::new_random,
                    )
                    .add_scopes(["email", "profile"].map(|scope| Scope::new(scope.to_owned())))
                    .set_pkce_challenge(challenge)
                    .url();
                let _ = std::hint::black_box((String::from(url), state, nonce, verifier));
            }
        }),
    ];
    let measured = interleave(contenders, world.plan(20_000), &mut nobody);
    let cast = Cast { ours: &[OURS, TOGETHER, LOGIN], floors: &[FLOOR], base: OAUTH2 };
    let table = times("", &measured, &cast, MeasuredTime::Cpu).with_goal(
        "CPU ≤ oauth2's",
        &measured,
        (OURS, OAUTH2),
        MeasuredTime::Cpu,
        1.0,
    );
    Ok(Row {
        id: "url",
        title: "Authorization URL",
        method: format!(
            "{} URLs in each round, from a client that was made once, with three scopes, a fresh state and a fresh S256 \
             challenge. The random bytes are 2 × 32 from the operating system in this library and in `form_urlencoded`; `oauth2` \
             takes 16 + 32 from a generator in the process, and in a line of its own 2 × 32 from the operating system. `get_authorization_url` gets them by `random_token` and \
             `CodeVerifier::random`, which are two calls to the operating system, or by `random_tokens`, which is one, as in \
             `start_login`. That makes the `LoginAttempt` too, which holds all that the callback is checked against.",
            world.plan(20_000).iterations
        ),
        tables: vec![table],
    })
}
