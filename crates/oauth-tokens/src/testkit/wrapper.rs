//! Stores that wrap another one.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use oauth_core::bytes::Bytes;

use super::{
    check::{Checked, ensure, some_key},
    hooked::{HookedStore, StoreHook},
};
use crate::{
    inventory::{Filter, Status, Summary},
    memory::MemoryStore,
    store::{Expected, TokenStore},
};

/// The methods of [`TokenStore`] that have a default, which knows nothing of the store that is wrapped.
const DEFAULTED: [&str; 6] = ["save_described", "can_find", "find", "count", "delete_version", "now"];

/// Checks that a store which wraps another one (to count, to cache, to encrypt) forwards the methods of [`TokenStore`] that have defaults.
/// One that is forgotten compiles, and takes away what the wrapped store can do: searching, its clock, deleting in one step.
///
/// `wrap` makes the wrapper around the store that it is given. `not_forwarded` names the methods that are not forwarded on purpose.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use oauth_tokens::{TokenStore, testkit};
/// # fn counting(inner: Arc<dyn TokenStore>) -> Arc<dyn TokenStore> { inner }
/// # async fn f() -> Result<(), testkit::CheckFailed> {
/// testkit::check_wrapper(|inner| counting(inner), &[]).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The methods that were neither forwarded nor named.
pub async fn check_wrapper(
    wrap: impl FnOnce(Arc<dyn TokenStore>) -> Arc<dyn TokenStore>,
    not_forwarded: &[&str],
) -> Checked {
    forwards(wrap, not_forwarded).await.map_err(|failed| failed.of("a_wrapper_forwards_what_has_a_default"))
}

async fn forwards(
    wrap: impl FnOnce(Arc<dyn TokenStore>) -> Arc<dyn TokenStore>,
    not_forwarded: &[&str],
) -> Checked {
    for name in not_forwarded {
        ensure!(DEFAULTED.contains(name), "{name:?} is not a method with a default; those are {DEFAULTED:?}");
    }
    let inner = HookedStore::new(MemoryStore::new(), CalledMethods::default());
    let wrapper = wrap(Arc::new(inner.clone()));
    let key = some_key()?;
    let (sealed, summary) = (Bytes::from_static(b"sealed"), Summary::new(Status::Alive));
    wrapper.save_described(&key, sealed, &summary, Expected::Any, None).await?;
    wrapper.delete_version(&key, 1).await?;
    let _: bool = wrapper.can_find();
    // What a method returns is for `check_store`; here it counts whether the inner store was asked.
    let _ = wrapper.find(&Filter::all(), None, 10).await;
    let _ = wrapper.count(&Filter::all()).await;
    let _ = wrapper.now().await;
    let asked = inner.hook().0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let forgotten: Vec<&str> =
        DEFAULTED.into_iter().filter(|name| !asked.contains(name) && !not_forwarded.contains(name)).collect();
    ensure!(
        forgotten.is_empty(),
        "these methods are not forwarded to the store that is wrapped: {forgotten:?}"
    );
    Ok(())
}

/// Remembers which methods of a store were called.
#[derive(Default)]
struct CalledMethods(Mutex<BTreeSet<&'static str>>);

impl StoreHook for CalledMethods {
    fn called(&self, method: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(method);
    }
}
