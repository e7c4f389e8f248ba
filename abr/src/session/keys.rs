//! What can be decrypted: licences are asked for as soon as content asks for them, and a representation whose
//! keys are not usable is not chosen.

use super::Session;
use super::requests::{Job, Owner};
use crate::error::{Code, Error, Severity};
use crate::presentation::{ContentType, RepresentationKey};
use crate::protocol::{Event, KeyStatus, LicenceId, Reason, Resource};
use crate::time::Timestamp;

impl Session {
    pub(super) fn on_licence_wanted(&mut self, id: LicenceId) {
        if self.over.is_some() {
            return;
        }
        let (resource, now) = (Resource::Licence(id), self.now);
        self.jobs.insert_new(Owner::Licence(id), || Job::new(resource, 0, now));
    }

    pub(super) fn on_key_status(&mut self, key: RepresentationKey, status: KeyStatus) {
        if self.over.is_some() || self.keys.get(&key) == Some(&status) {
            return;
        }
        match &status {
            KeyStatus::Unusable { code, detail } => {
                // Many representations may miss one key: that is said once.
                let known = self.keys.values().any(|other| *other == status);
                let usable = self.keys.iter().any(|(other, s)| *other != key && *s == KeyStatus::Usable);
                if !known {
                    let rest = if usable { "; playing what can be decrypted" } else { "" };
                    let error = Error::new(Severity::Recoverable, *code, format!("{detail}{rest}"));
                    self.report(Event::Error(error));
                }
            }
            KeyStatus::Usable if self.lacks_key(key) => {
                // It was given up for its key alone, which has come.
                self.excluded.remove(&key);
            }
            KeyStatus::Usable | KeyStatus::Pending => {}
        }
        let locked = matches!(status, KeyStatus::Unusable { .. });
        self.keys.insert(key, status);
        self.ladders.forget();
        if locked {
            self.stop_fetching(key);
        }
    }

    /// Gives up the download of a segment that could not be decrypted.
    fn stop_fetching(&mut self, key: RepresentationKey) {
        for place in 0..self.tracks.len() {
            let fetching = self.tracks[place].fetching.filter(|fetching| fetching.key == key);
            if let Some(fetching) = fetching {
                self.rewind(place, fetching.before);
                self.tracks[place].because = Some(Reason::Keys);
            }
        }
    }

    /// Whether a representation is known not to be decryptable.
    pub(super) fn lacks_key(&self, key: RepresentationKey) -> bool {
        matches!(self.keys.get(&key), Some(KeyStatus::Unusable { .. }))
    }

    /// Those whose keys are here, or all while no key is: their segments can be fetched meanwhile.
    pub(super) fn unlocked(&self, keys: Vec<RepresentationKey>) -> Vec<RepresentationKey> {
        let here = |key: &&RepresentationKey| self.keys.get(key) != Some(&KeyStatus::Pending);
        let usable: Vec<RepresentationKey> = keys.iter().filter(here).copied().collect();
        if usable.is_empty() { keys } else { usable }
    }

    /// Whether keys alone keep representations of a set out that are better than `best`.
    pub(super) fn is_locked_above(&self, best: RepresentationKey) -> bool {
        let Some(set) = self.presentation.as_ref().and_then(|p| p.adaptation_set(best)) else { return false };
        let Some(bandwidth) = set.representations.get(best.representation as usize).map(|r| r.bandwidth_bps)
        else {
            return false;
        };
        (0u32..).zip(&set.representations).any(|(representation, r)| {
            let status = self.keys.get(&RepresentationKey { representation, ..best });
            r.bandwidth_bps > bandwidth && status.is_some_and(|status| *status != KeyStatus::Usable)
        })
    }

    /// Gives a representation up because its samples were found not to be decryptable; of its set also those
    /// of whose keys nothing is known, as they are most likely the same.
    pub(super) fn exclude_locked(&mut self, key: RepresentationKey) {
        let set = self.presentation.as_ref().and_then(|p| p.adaptation_set(key));
        let count = set.map_or(0, |set| u32::try_from(set.representations.len()).unwrap_or(u32::MAX));
        let others = (0..count).map(|representation| RepresentationKey { representation, ..key });
        let unknown: Vec<RepresentationKey> =
            others.filter(|other| !self.keys.contains_key(other)).chain([key]).collect();
        self.excluded.extend(unknown.into_iter().map(|key| (key, Timestamp::MAX)));
    }

    /// Ends at once with the error that is to end the session when nothing was ever queued to be played before.
    pub(super) fn end_unbegun(&mut self) {
        let begun = self.tracks.iter().any(|track| !track.dropped && track.appended_any);
        let coming = self.tracks.iter().any(|track| track.appending.is_some() || !track.loaded.is_empty());
        if !begun
            && !coming
            && let Some(error) = self.ending.take()
        {
            self.fail(error);
        }
    }

    /// Why nothing of a kind can be decrypted, when that is what keeps all of it out.
    pub(super) fn lacks_keys_of(&self, kind: ContentType) -> Option<(Code, String)> {
        let presentation = self.presentation.as_ref()?;
        let of_kind = |key: &RepresentationKey| {
            presentation.adaptation_set(*key).is_some_and(|set| set.content_type == kind)
        };
        let mut keys = presentation.representations().map(|(key, _)| key).filter(of_kind).peekable();
        keys.peek()?;
        let mut why = None;
        for key in keys {
            let KeyStatus::Unusable { code, detail } = self.keys.get(&key)? else { return None };
            why = Some((*code, detail.clone()));
        }
        why
    }

    /// Why the representations of a track's set cannot be decrypted, when that is what keeps them all out.
    pub(super) fn key_failure(&self, place: usize) -> Option<(Code, String)> {
        let track = &self.tracks[place];
        let period = track.cursor.period;
        let adaptation_set = track.set(period)?;
        self.keys.iter().find_map(|(key, status)| match status {
            KeyStatus::Unusable { code, detail }
                if (key.period, key.adaptation_set) == (period, adaptation_set) =>
            {
                Some((*code, detail.clone()))
            }
            _ => None,
        })
    }
}
