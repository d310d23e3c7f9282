//! The guides of the frameworks, compiled.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/edge-workers.md")]
struct EdgeWorkers;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/sign-in-with-actix-web.md")]
struct SignInWithActixWeb;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/sign-in-with-poem.md")]
struct SignInWithPoem;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/sign-in-with-rocket.md")]
struct SignInWithRocket;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/sign-in-with-salvo.md")]
struct SignInWithSalvo;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/sign-in-with-tower.md")]
struct SignInWithTower;
