//! A small ordered map for a handful of entries: a sorted vector, which keeps its memory when it empties.
//!
//! A session has one to five requests and jobs at a time and makes hundreds of them; a tree would allocate a
//! node each time the first of them begins.

/// Entries in ascending order of their keys.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord + Copy, V> Table<K, V> {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        // Few entries: looking at each is quicker than halving.
        for (place, (other, _)) in self.entries.iter().enumerate() {
            match other.cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(place),
                std::cmp::Ordering::Greater => return Err(place),
            }
        }
        Err(self.entries.len())
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.place(key).ok().map(|place| &self.entries[place].1)
    }

    /// The value of a key.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.place(key).ok().map(|place| &mut self.entries[place].1)
    }

    /// Whether there is such a key.
    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    /// Sets the value of a key; returns the one before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => Some(std::mem::replace(&mut self.entries[place].1, value)),
            Err(place) => {
                self.entries.insert(place, (key, value));
                None
            }
        }
    }

    /// Sets the value of a key that has none.
    pub(crate) fn insert_new(&mut self, key: K, value: impl FnOnce() -> V) {
        if let Err(place) = self.place(&key) {
            self.entries.insert(place, (key, value()));
        }
    }

    /// The value of a key, made if there is none.
    #[cfg(feature = "sim")]
    pub(crate) fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.entries.insert(place, (key, V::default()));
            place
        });
        &mut self.entries[place].1
    }

    /// The values in ascending order of their keys.
    #[cfg(feature = "sim")]
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// Takes out the value of a key.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.place(key).ok().map(|place| self.entries.remove(place).1)
    }

    /// Keeps the entries that `keep` says yes to.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.entries.retain(|(key, value)| keep(key, value));
    }

    /// The keys, ascending.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The entries, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u8..6, 0u8..3, any::<u16>()), 0..60)) {
            let (mut table, mut map) = (Table::new(), BTreeMap::new());
            for (key, what, value) in steps {
                match what {
                    0 => prop_assert_eq!(table.insert(key, value), map.insert(key, value)),
                    1 => prop_assert_eq!(table.remove(&key), map.remove(&key)),
                    _ => {
                        table.insert_new(key, || value);
                        map.entry(key).or_insert(value);
                    }
                }
                prop_assert_eq!(table.get(&key), map.get(&key));
                prop_assert_eq!((table.len(), table.is_empty()), (map.len(), map.is_empty()));
                prop_assert!(table.iter().eq(map.iter()) && table.keys().eq(map.keys()));
            }
        }
    }
}
