//! The managers of tokens that are at work.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use oauth_tokens::TokenManager;

use crate::exit::CommandResult;

/// The managers of this run: what they have begun is carried to its end, also after Ctrl-C.
static OPEN: Mutex<Vec<TokenManager>> = Mutex::new(Vec::new());

/// Has a manager waited for at the end of the program, however it ends.
pub(crate) fn watched(manager: TokenManager) -> TokenManager {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).push(manager.clone());
    manager
}

/// Waits until everything is saved, in all managers.
pub(crate) async fn finish_all() -> CommandResult {
    for manager in open() {
        if let Some(error) = manager.close().await.into_iter().next() {
            return Err(error.into());
        }
    }
    Ok(())
}

/// Waits until everything is saved, but not for longer than this.
pub(crate) async fn close_all(limit: Duration) {
    for manager in open() {
        manager.close_within(limit).await;
    }
}

fn open() -> Vec<TokenManager> {
    std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner))
}
