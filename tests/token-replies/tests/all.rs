//! The same token replies before this library and two others that many programs use. What they read differently is named here, each with
//! the reason; all else is read alike.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod differences;
mod peers;
mod replies;

use std::collections::BTreeSet;

use differences::DIFFERENCES;
use peers::{Peer, Reading};
use replies::{REPLIES, Reply};

#[tokio::test]
async fn golang_oauth2_reads_replies_alike_or_differs_as_named() {
    compare(Peer::Golang).await;
}

#[tokio::test]
async fn openid_client_reads_replies_alike_or_differs_as_named() {
    compare(Peer::OpenIdClient).await;
}

async fn compare(peer: Peer) {
    let Some(theirs) = peer.read(REPLIES) else { return };
    assert_eq!(theirs.len(), REPLIES.len());
    let named = DIFFERENCES.iter().filter(|difference| difference.peer == peer);
    let named: BTreeSet<_> = named.flat_map(|difference| difference.replies).copied().collect();
    let (mut found, mut unnamed) = (BTreeSet::new(), Vec::new());
    for (reply, theirs) in REPLIES.iter().zip(theirs) {
        let ours = Reading::here(reply).await;
        if ours == theirs {
            continue;
        }
        found.insert(reply.name);
        if !named.contains(reply.name) {
            unnamed.push(format!("{}: here {ours:?}, {peer:?} {theirs:?}", reply.name));
        }
    }
    assert!(unnamed.is_empty(), "differences that have no reason:\n{}", unnamed.join("\n"));
    let alike: Vec<_> = named.difference(&found).collect();
    assert!(alike.is_empty(), "named as different, and read alike: {alike:?}");
}

#[test]
fn replies_have_names_of_their_own() {
    let names: BTreeSet<_> = REPLIES.iter().map(|Reply { name, .. }| name).collect();
    assert_eq!(names.len(), REPLIES.len());
}
