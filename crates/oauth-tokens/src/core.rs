//! What all of a manager's clones and tasks share.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use oauth_core::{Clock, OffsetDateTime};
use tokio::sync::Semaphore;

use crate::{
    cache::Cache,
    ending::AllUnsaved,
    event::Observers,
    source::TokenSource,
    tasks::Tasks,
    timing::{Moment, Timing},
    vault::Vault,
};

pub(crate) struct Core {
    pub(crate) vault: Vault,
    pub(crate) sources: HashMap<String, Source>,
    pub(crate) timing: Timing,
    pub(crate) clock: Time,
    pub(crate) cache: Arc<Cache>,
    pub(crate) observers: Observers,
    /// Who this is, in leases.
    pub(crate) holder: String,
    pub(crate) tasks: Tasks,
    pub(crate) unsaved: Mutex<AllUnsaved>,
    pub(crate) store_health: StoreHealth,
}

/// Whether it is of use to wait for the store, as all keys of this process have found it.
#[derive(Default)]
pub(crate) struct StoreHealth {
    answers: AtomicU64,
    is_in_trouble: AtomicBool,
}

impl StoreHealth {
    /// It was asked, and gave an answer.
    pub(crate) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.is_in_trouble.store(false, Ordering::Relaxed);
    }

    /// How often it has answered.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// It failed, or somebody has waited for it in vain.
    pub(crate) fn note_trouble(&self) {
        self.is_in_trouble.store(true, Ordering::Relaxed);
    }

    /// Until it answers again.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.is_in_trouble.load(Ordering::Relaxed)
    }
}

/// A source, and how many more requests may be made to it at the same time.
pub(crate) struct Source {
    pub(crate) tokens: Arc<dyn TokenSource>,
    pub(crate) permits: Semaphore,
}

/// The operating system's time unless the application has a clock of its own; asking the former costs no indirection.
pub(crate) enum Time {
    System,
    Own(Arc<dyn Clock>),
}

impl Time {
    pub(crate) fn now(&self) -> OffsetDateTime {
        match self {
            Self::System => OffsetDateTime::now_utc(),
            Self::Own(clock) => clock.now(),
        }
    }

    /// The same in the form that is compared with each call.
    pub(crate) fn moment(&self) -> Moment {
        match self {
            Self::System => Moment::now(),
            Self::Own(clock) => clock.now().into(),
        }
    }
}

impl Core {
    /// Never held across an await.
    pub(crate) fn unsaved(&self) -> MutexGuard<'_, AllUnsaved> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenManager")
            .field("store", &self.vault.store)
            .field("providers", &self.sources.keys())
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}
