//! Finding records by what the store knows of them, page by page.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{
    error::TokenError,
    inventory::{Filter, Found},
    key::TokenKey,
    manager::TokenManager,
};

/// How many records are asked for at a time.
const PAGE: usize = 500;

impl TokenManager {
    /// Finds grants by tenant, user, provider, status, due time or sealing key, page by page: those after the key `after`, at most
    /// so many. A page that is not full is the last one. No record is opened, so that it takes no sealing key.
    ///
    /// ```
    /// use oauth_tokens::{TokenError, Filter, Status, TokenManager};
    ///
    /// # async fn f(tokens: TokenManager) -> Result<(), TokenError> {
    /// let dead = Filter::all().with_tenant("acme").with_status(Status::Dead);
    /// let mut after = None;
    /// loop {
    ///     let page = tokens.find(&dead, after.as_ref(), 100).await?;
    ///     for found in &page {
    ///         println!("{} must sign in again", found.key);
    ///     }
    ///     match page.last() {
    ///         Some(last) => after = Some(last.key.clone()),
    ///         None => return Ok(()),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched.
    pub async fn find(
        &self,
        filter: &Filter,
        after: Option<&TokenKey>,
        limit: usize,
    ) -> Result<Vec<Found>, TokenError> {
        self.0.store.inner.find(filter, after, limit).await.map_err(|cause| TokenError::Search { cause })
    }

    /// Counts the grants that [`find`](Self::find) would find.
    ///
    /// # Errors
    ///
    /// [`TokenError::Search`] when the store does not answer or refuses, or cannot be searched.
    pub async fn count(&self, filter: &Filter) -> Result<u64, TokenError> {
        self.0.store.inner.count(filter).await.map_err(|cause| TokenError::Search { cause })
    }

    /// Does some work for each record that is found, for so many at a time, and says how many were found. The work runs in tasks
    /// of its own; if the caller is dropped, no more of it begins.
    pub(crate) async fn for_each<W>(
        &self,
        filter: &Filter,
        at_once: usize,
        work: impl Fn(Self, Found) -> W,
    ) -> Result<u64, TokenError>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(at_once));
        let (mut found, mut after) = (0, None);
        loop {
            let page = self.find(filter, after.as_ref(), PAGE).await?;
            found += page.len() as u64;
            let last = page.get(PAGE - 1).map(|last| last.key.clone());
            for record in page {
                // It is never closed.
                let permit = Arc::clone(&permits).acquire_owned().await;
                let task = work(self.clone(), record);
                self.0.runtime.spawn(Box::pin(async move {
                    task.await;
                    drop(permit);
                }))?;
            }
            if last.is_none() {
                break;
            }
            after = last;
        }
        // Once all permits are back, all tasks have ended.
        let all = u32::try_from(at_once).unwrap_or(u32::MAX);
        let _ = permits.acquire_many(all).await;
        Ok(found)
    }
}
