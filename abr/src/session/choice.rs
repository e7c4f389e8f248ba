//! Which representation the next segment comes from: filters first, then the controller.

use super::Session;
use super::ladder::Ladder;
use crate::controller::{self, Choice, Situation, Upcoming, Values};
use crate::presentation::{ContentType, Presentation, Representation, RepresentationKey};
use crate::protocol::Reason;
use crate::segments::Segment;
use crate::time::Timestamp;
use crate::track::{Lookup, Track, lookup};
use std::time::Duration;

/// Segments that a controller may look ahead.
const UPCOMING: u64 = controller::HORIZON as u64;

/// A growing timeline has at least so many segments left.
const ENDLESS: u64 = 1000;
/// Length of segments of which nothing is known.
pub(super) const USUAL_LENGTH: Duration = Duration::from_secs(4);

/// So many segments must fit into the byte budget for a representation to be chosen.
const FEWEST_QUEUED: u128 = 3;

/// Memory that choices use again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    eligible: Eligible,
    rungs: Vec<u64>,
    outlook: Outlook,
}

/// The segments to come.
#[derive(Debug, Default)]
struct Outlook {
    firsts: Vec<Option<Segment>>,
    upcoming: Vec<Upcoming>,
    bits: Vec<u64>,
}

/// What to do about the next segment of a track.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Chosen {
    /// No representation may be used.
    Nothing,
    /// The controller wants to wait.
    Later(Timestamp),
    /// This one.
    Take { key: RepresentationKey, reason: Reason, values: Vec<(RepresentationKey, f64)> },
}

/// The representations that may be chosen, ascending in bandwidth, and what kept better ones out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Eligible {
    pub(super) keys: Vec<RepresentationKey>,
    pub(super) capped: Option<Reason>,
}

impl Session {
    /// The representations of a track's set in a period that are not excluded, ascending in bandwidth.
    pub(super) fn usable(&self, track: &Track, period: u32) -> Vec<RepresentationKey> {
        let mut keys = self.untried(track, period);
        keys.retain(|key| self.is_trusted(*key));
        keys
    }

    fn is_trusted(&self, key: RepresentationKey) -> bool {
        self.excluded.get(&key).is_none_or(|until| *until <= self.now)
    }

    /// The representations of a track's set in a period that have not failed with the next segment and are
    /// not excluded for good, ascending in bandwidth.
    fn untried(&self, track: &Track, period: u32) -> Vec<RepresentationKey> {
        let Some(adaptation_set) = track.set(period) else { return Vec::new() };
        let Some(presentation) = self.presentation.as_ref() else { return Vec::new() };
        let key = |representation| RepresentationKey { period, adaptation_set, representation };
        let Some(set) = presentation.adaptation_set(key(0)) else { return Vec::new() };
        let all = (0u32..).zip(&set.representations);
        let mut keys: Vec<(u64, RepresentationKey)> = all
            .map(|(place, representation)| (representation.bandwidth_bps, key(place)))
            .filter(|(_, key)| !track.trouble().is_some_and(|trouble| trouble.failed.contains(key)))
            .filter(|(_, key)| self.excluded.get(key).is_none_or(|until| *until < Timestamp::MAX))
            .filter(|(_, key)| !self.lacks_key(*key))
            .collect();
        keys.sort();
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// The usable representations that the user's wishes and the size of the picture allow. Where none of
    /// those that the wishes allow is usable, what failed with other segments is tried again: wishes hold
    /// for as long as anything can fulfil them.
    pub(super) fn eligible(&self, track: &Track, period: u32) -> Eligible {
        let untried = self.untried(track, period);
        let trusted = |keys: Vec<RepresentationKey>| {
            let usable: Vec<RepresentationKey> =
                keys.iter().copied().filter(|key| self.is_trusted(*key)).collect();
            self.unlocked(if usable.is_empty() { keys } else { usable })
        };
        let Some(presentation) = self.presentation.as_ref() else { return Eligible::default() };
        if track.kind != ContentType::Video || untried.len() < 2 {
            return Eligible { keys: trusted(untried), capped: None };
        }
        let height = |key: &RepresentationKey| presentation.representation(*key).map_or(0, |r| r.height);
        if let Some(lock) = self.config.lock_height {
            let below = untried.iter().map(height).filter(|h| *h <= lock).max();
            let wanted = below.or_else(|| untried.iter().map(height).min());
            let keys = untried.into_iter().filter(|key| Some(height(key)) == wanted).collect();
            return Eligible { keys: trusted(keys), capped: Some(Reason::User) };
        }
        let (min, max) = (self.config.min_height, self.config.max_height);
        let within = |key: &&RepresentationKey| height(key) == 0 || (min..=max).contains(&height(key));
        let mut keys: Vec<RepresentationKey> = untried.iter().filter(within).copied().collect();
        if keys.is_empty() {
            // Nothing lies between the limits: the nearest below, else the nearest above.
            let below = untried.iter().map(height).filter(|h| *h <= max).max();
            let wanted = below.or_else(|| untried.iter().map(height).min());
            keys = untried.iter().filter(|key| Some(height(key)) == wanted).copied().collect();
        }
        let mut capped = (keys.last() != untried.last()).then_some(Reason::User);
        keys = trusted(keys);
        if keys.last().is_some_and(|best| self.is_locked_above(*best)) {
            capped = capped.or(Some(Reason::Keys));
        }
        // A few segments must fit into the byte budget, or every one would be a stall.
        let length = self.usual_length(presentation, track);
        let budget = self.config.buffer_bytes;
        let fits = |key: &RepresentationKey| fits(bandwidth(presentation, *key), length.as_millis(), budget);
        let fitting = keys.iter().take_while(|key| fits(key)).count().max(1);
        keys.truncate(fitting);
        if let Some(surface) = self.surface {
            let seen = keys.iter().filter(|key| covers(presentation, **key, surface)).map(height).min();
            if let Some(enough) = seen {
                let before = keys.len();
                keys.retain(|key| height(key) <= enough);
                if keys.len() < before {
                    capped = Some(Reason::Viewport);
                }
            }
        }
        Eligible { keys, capped }
    }

    /// Chooses the representation of the next segment of a track.
    pub(super) fn choose(&mut self, place: usize) -> Chosen {
        self.keep_ladder(place);
        let ladder = self.take_ladder(place);
        let mut scratch = std::mem::take(&mut self.scratch);
        let chosen = self.choose_from(place, ladder.as_deref(), &mut scratch);
        self.scratch = scratch;
        self.put_ladder(place, ladder);
        chosen
    }

    fn choose_from(&mut self, place: usize, ladder: Option<&Ladder>, scratch: &mut Scratch) -> Chosen {
        let Scratch { eligible, rungs, outlook } = scratch;
        let track = &self.tracks[place];
        let Some(presentation) = self.presentation.as_ref() else { return Chosen::Nothing };
        if ladder.is_none() {
            *eligible = self.eligible(track, track.cursor.period);
            rungs.clear();
            rungs.extend(eligible.keys.iter().map(|key| bandwidth(presentation, *key)));
        }
        let (eligible, rungs) = match ladder {
            Some(ladder) => (&ladder.eligible, ladder.rungs.as_slice()),
            None => (&*eligible, rungs.as_slice()),
        };
        let keys = &eligible.keys;
        if keys.is_empty() {
            return Chosen::Nothing;
        }
        if let Some(key) = track.forced.filter(|key| keys.contains(key)) {
            let again = track.trouble().is_some_and(|trouble| trouble.malformed.contains(&key));
            let reason = if again { Reason::Failure } else { Reason::Abandon };
            return Chosen::Take { key, reason, values: Vec::new() };
        }
        let previous = track.last.and_then(|last| nearest(presentation, keys, rungs, last));
        if track.kind != ContentType::Video {
            let rung = controller::audio_rung(rungs, previous, self.network.bps());
            let reason = track.because.unwrap_or(Reason::Controller);
            return Chosen::Take { key: keys[rung], reason, values: Vec::new() };
        }
        let (upcoming, bits, remaining) = self.outlook(presentation, track, keys, ladder, outlook);
        let situation = Situation {
            buffer: Duration::from_millis(self.ahead(track).as_millis() as u64),
            buffer_max: self.most_ahead(),
            rungs,
            previous,
            upcoming,
            bits,
            remaining,
            since_start: track.since_start,
            network: &self.network,
            live: self.live_situation(),
        };
        let first =
            previous.is_none().then(|| controller::first_rung(&situation, self.config.startup_target));
        let because = track.because;
        let choice = match first {
            Some(rung) => Choice { rung, reason: Reason::Start, values: Values::NONE, wait: None },
            None => self.controller.choose(&situation),
        };
        // However much lies ahead: what playback cannot go on without is not waited with.
        if let Some(wait) = choice.wait.filter(|_| !self.starves(track, self.position(self.now))) {
            return Chosen::Later(self.now + wait.max(Duration::from_millis(1)));
        }
        let rung = choice.rung.min(keys.len() - 1);
        let at_cap = rung == keys.len() - 1 && choice.reason == Reason::Controller;
        let reason = because.or(eligible.capped.filter(|_| at_cap)).unwrap_or(choice.reason);
        let explained = usize::from(self.explains) * keys.len();
        let values = keys.iter().copied().zip(choice.values).take(explained).collect();
        Chosen::Take { key: keys[rung], reason, values }
    }

    /// Length of the segment at a track's cursor, or a usual one.
    fn usual_length(&self, presentation: &Presentation, track: &Track) -> Duration {
        let usual = USUAL_LENGTH;
        let Some(last) = track.last.or_else(|| self.usable(track, track.cursor.period).first().copied())
        else {
            return usual;
        };
        match lookup(presentation, last, &track.cursor) {
            Lookup::Segment(segment) => segment.duration(),
            Lookup::Pending | Lookup::End => usual,
        }
    }

    /// How much of a track lies ahead of the position, what is on its way to the queue included.
    pub(super) fn ahead(&self, track: &Track) -> Duration {
        track.loaded_end().since(self.position(self.now))
    }

    /// Lengths and expected sizes of the segments to come, and how many are left; written to `scratch` where
    /// they are not known in this form already.
    fn outlook<'a>(
        &self,
        presentation: &Presentation,
        track: &Track,
        keys: &[RepresentationKey],
        ladder: Option<&'a Ladder>,
        scratch: &'a mut Outlook,
    ) -> (&'a [Upcoming], &'a [u64], u64) {
        let overhead = self.others_bps(track.kind);
        let share = |length: Duration| clamp(u128::from(overhead) * length.as_millis() / 1000);
        let Outlook { firsts, upcoming, bits } = scratch;
        if let Some(ladder) = ladder
            && let Some(table) = &ladder.table
            && let Some(place) = ladder.place_of(&track.cursor, track.last)
        {
            let end = table.upcoming.len().min(place + controller::HORIZON);
            let rows = &table.bits[place * keys.len()..end * keys.len()];
            let lengths = &table.upcoming[place..end];
            let remaining = (table.upcoming.len() - place) as u64;
            if overhead == 0 {
                return (lengths, rows, remaining);
            }
            bits.clear();
            for (row, length) in rows.chunks(keys.len()).zip(lengths) {
                let share = share(length.duration);
                bits.extend(row.iter().map(|own| own.saturating_add(share)));
            }
            return (lengths, bits, remaining);
        }
        firsts.clear();
        firsts.extend(keys.iter().map(|key| match lookup(presentation, *key, &track.cursor) {
            Lookup::Segment(segment) => Some(segment),
            Lookup::Pending | Lookup::End => None,
        }));
        upcoming.clear();
        bits.clear();
        let runs = |key: RepresentationKey| presentation.representation(key).and_then(|r| r.index.known());
        let guide = keys.iter().zip(&*firsts).find_map(|(key, first)| Some((runs(*key)?, (*first)?)));
        let nominal = |key: &RepresentationKey, length: Duration| {
            let bits = u128::from(bandwidth(presentation, *key)) * length.as_millis() / 1000;
            clamp(bits * u128::from(track.size_ratio) / 1000)
        };
        let Some((guide, first)) = guide else {
            // No index yet: segments of a usual length.
            bits.extend(keys.iter().map(|key| nominal(key, USUAL_LENGTH) + share(USUAL_LENGTH)));
            upcoming.push(Upcoming { duration: USUAL_LENGTH });
            return (upcoming, bits, 1);
        };
        let remaining = guide.len().saturating_sub(first.position).max(1);
        // What is not listed yet will be like what is.
        let grows = self.is_live();
        let remaining = if grows { remaining.max(ENDLESS) } else { remaining };
        let steps = remaining.min(UPCOMING);
        let mut length = first.duration();
        for step in 0..steps {
            match guide.get(first.position + step) {
                Some(segment) => length = segment.duration(),
                None if grows => {}
                None => break,
            }
            upcoming.push(Upcoming { duration: length });
            for (key, first) in keys.iter().zip(&*firsts) {
                let own = first.and_then(|first| {
                    let position = usize::try_from(first.position.saturating_add(step)).ok()?;
                    runs(*key)?.sizes.get(position).map(|bytes| bytes.saturating_mul(8))
                });
                let own = own.unwrap_or_else(|| nominal(key, length));
                bits.push(own.saturating_add(share(length)).max(1));
            }
        }
        (upcoming, bits, remaining)
    }

    /// What the other tracks need, in bit/s.
    fn others_bps(&self, kind: ContentType) -> u64 {
        let Some(presentation) = self.presentation.as_ref() else { return 0 };
        let others =
            self.tracks.iter().filter(|other| other.kind != kind && !other.dropped && !other.complete);
        others.filter_map(|other| other.last).map(|key| bandwidth(presentation, key)).sum()
    }

    /// Expected size of a segment in bytes.
    pub(super) fn expected_bytes(&self, track: &Track, key: RepresentationKey, segment: &Segment) -> u64 {
        let bandwidth = self.presentation.as_ref().map_or(1, |p| bandwidth(p, key));
        let bits = u128::from(bandwidth) * segment.duration().as_millis() / 1000;
        segment.size.unwrap_or_else(|| clamp(bits * u128::from(track.size_ratio) / 8000))
    }
}

pub(super) fn bandwidth(presentation: &Presentation, key: RepresentationKey) -> u64 {
    // More than 1 Tbit/s is nonsense and would overflow sums.
    presentation.representation(key).map_or(1, |r| r.bandwidth_bps.clamp(1, 1_000_000_000_000))
}

/// Whether the byte budget holds a few segments of this bandwidth (bit/s) and length (ms).
pub(super) fn fits(bps: u64, length_ms: u128, budget_bytes: u64) -> bool {
    let bits = u128::from(bps) * length_ms / 1000;
    bits * FEWEST_QUEUED / 8 <= u128::from(budget_bytes)
}

fn clamp(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX >> 8).min(u64::MAX >> 8)
}

/// Whether a representation has at least the pixels that the surface can show.
fn covers(presentation: &Presentation, key: RepresentationKey, (width, height): (u32, u32)) -> bool {
    presentation.representation(key).is_some_and(|r: &Representation| {
        r.height > 0 && (r.height >= height || (r.width > 0 && r.width >= width))
    })
}

/// The rung of `last`, or in another set or after a filter the one nearest in bandwidth.
fn nearest(
    presentation: &Presentation,
    keys: &[RepresentationKey],
    rungs: &[u64],
    last: RepresentationKey,
) -> Option<usize> {
    if let Some(place) = keys.iter().position(|key| *key == last) {
        return Some(place);
    }
    let bps = bandwidth(presentation, last);
    (0..rungs.len()).min_by_key(|rung| rungs[*rung].abs_diff(bps))
}
