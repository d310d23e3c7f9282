//! The memory store passes the checks that every store must pass.

use std::sync::Arc;

use oauth_tokens::{MemoryStore, testkit};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_store_passes_the_test_kit() {
    let store = MemoryStore::new();
    testkit::check_shared_cache(&store).await.unwrap();
    testkit::check_store(Arc::new(store)).await.unwrap();
}
