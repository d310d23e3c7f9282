//! Work that is carried to its end, whoever hangs up.

use tokio::runtime::Handle;

/// Runs a future in a task of its own, so that it ends although the caller is dropped, and a panic is an error.
///
/// Without Tokio, as in a worker on WebAssembly, it runs in the caller: there the platform decides when a request's work ends.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    match Handle::try_current() {
        Ok(runtime) => runtime.spawn(work).await.unwrap_or_else(|panic| Err(panic.to_string())),
        Err(_) => work.await,
    }
}
