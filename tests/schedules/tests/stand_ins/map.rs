//! `DashMap` with one shard, whose lock is shuttle's: each access is a place where another thread may go on.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
    ops::{Deref, DerefMut},
};

use shuttle::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) struct DashMap<K, V, S>(RwLock<HashMap<K, V, S>>);

impl<K, V, S: Default> Default for DashMap<K, V, S> {
    fn default() -> Self {
        Self(RwLock::new(HashMap::default()))
    }
}

impl<K: Clone + Eq + Hash, V, S: BuildHasher> DashMap<K, V, S> {
    pub(crate) fn get(&self, key: &K) -> Option<Ref<'_, K, V, S>> {
        let map = self.0.read().unwrap();
        map.contains_key(key).then(|| Ref { map, key: key.clone() })
    }

    pub(crate) fn get_mut(&self, key: &K) -> Option<RefMut<'_, K, V, S>> {
        let map = self.0.write().unwrap();
        map.contains_key(key).then(|| RefMut { map, key: key.clone() })
    }

    pub(crate) fn entry(&self, key: K) -> Entry<'_, K, V, S> {
        Entry { map: self.0.write().unwrap(), key }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().unwrap().len()
    }

    pub(crate) fn retain(&self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.write().unwrap().retain(keep);
    }

    pub(crate) fn remove_if(&self, key: &K, is_to_go: impl FnOnce(&K, &V) -> bool) {
        let mut map = self.0.write().unwrap();
        if map.get(key).is_some_and(|value| is_to_go(key, value)) {
            map.remove(key);
        }
    }
}

pub(crate) struct Ref<'m, K, V, S> {
    map: RwLockReadGuard<'m, HashMap<K, V, S>>,
    key: K,
}

impl<K: Eq + Hash, V, S: BuildHasher> Deref for Ref<'_, K, V, S> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.map[&self.key]
    }
}

pub(crate) struct RefMut<'m, K, V, S> {
    map: RwLockWriteGuard<'m, HashMap<K, V, S>>,
    key: K,
}

impl<K: Eq + Hash, V, S: BuildHasher> Deref for RefMut<'_, K, V, S> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.map[&self.key]
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> DerefMut for RefMut<'_, K, V, S> {
    fn deref_mut(&mut self) -> &mut V {
        self.map.get_mut(&self.key).unwrap()
    }
}

pub(crate) struct Entry<'m, K, V, S> {
    map: RwLockWriteGuard<'m, HashMap<K, V, S>>,
    key: K,
}

impl<'m, K: Clone + Eq + Hash, V: Default, S: BuildHasher> Entry<'m, K, V, S> {
    pub(crate) fn or_default(self) -> RefMut<'m, K, V, S> {
        let Self { mut map, key } = self;
        map.entry(key.clone()).or_default();
        RefMut { map, key }
    }
}
