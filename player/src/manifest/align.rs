//! A manifest that was read again, put so that every position means what it meant before.
//!
//! Periods are the same when they start at the same time (identifiers are reused, and absent ones change when
//! older periods leave), sets and representations when they have the same identifier. What has left stays in
//! its place without segments; what is new comes after.

use super::Title;
use super::address::{Addresses, Source};
use abr::presentation::{AdaptationSet, Period, Presentation, Representation};
use abr::segments::{SegmentIndex, SegmentRuns};
use std::time::Duration;

/// Starts of the same period may differ by rounding.
const SAME_START: Duration = Duration::from_millis(500);

type Sources = Vec<Vec<Source>>;

/// `next` in the order of what was known before.
pub(super) fn align(known: &Presentation, addresses: &Addresses, next: Title) -> Title {
    let Title { mut presentation, addresses: mut moved, events, now } = next;
    let fresh = std::mem::take(&mut presentation.periods).into_iter().zip(std::mem::take(&mut moved.sources));
    let mut fresh: Vec<Option<(Period, Sources)>> = fresh.map(Some).collect();
    let (mut periods, mut sources) = (Vec::new(), Vec::new());
    for (period, period_sources) in known.periods.iter().zip(&addresses.sources) {
        let same = |other: &&mut Option<(Period, Sources)>| {
            other.as_ref().is_some_and(|(other, _)| {
                other.start.since(period.start).max(period.start.since(other.start)) <= SAME_START
            })
        };
        let (period, period_sources) = match fresh.iter_mut().find(same).and_then(Option::take) {
            Some(found) => align_period(period, period_sources, found),
            None => (emptied(period), period_sources.clone()),
        };
        periods.push(period);
        sources.push(period_sources);
    }
    let last = known.periods.last().map(|period| period.start);
    for (period, period_sources) in fresh.into_iter().flatten() {
        // A period that turns up before others that are known already would move their positions.
        if last.is_none_or(|last| period.start > last) {
            periods.push(period);
            sources.push(period_sources);
        } else {
            presentation.warnings.push(format!("Period {:?}: left out, it came too late", period.id));
        }
    }
    presentation.periods = periods;
    moved.sources = sources;
    Title { presentation, addresses: moved, events, now }
}

fn align_period(known: &Period, known_sources: &Sources, found: (Period, Sources)) -> (Period, Sources) {
    let (mut period, sources) = found;
    let fresh = std::mem::take(&mut period.adaptation_sets).into_iter().zip(sources);
    let mut fresh: Vec<Option<(AdaptationSet, Vec<Source>)>> = fresh.map(Some).collect();
    let (mut sets, mut sources) = (Vec::new(), Vec::new());
    for (set, set_sources) in known.adaptation_sets.iter().zip(known_sources) {
        let same = |other: &&mut Option<(AdaptationSet, Vec<Source>)>| {
            let same = |other: &AdaptationSet| other.id == set.id && other.content_type == set.content_type;
            other.as_ref().is_some_and(|(other, _)| same(other))
        };
        let (set, set_sources) = match fresh.iter_mut().find(same).and_then(Option::take) {
            Some(found) => align_set(set, set_sources, found),
            None => (empty_set(set), set_sources.clone()),
        };
        sets.push(set);
        sources.push(set_sources);
    }
    for (set, set_sources) in fresh.into_iter().flatten() {
        sets.push(set);
        sources.push(set_sources);
    }
    period.adaptation_sets = sets;
    (period, sources)
}

fn align_set(
    known: &AdaptationSet,
    known_sources: &[Source],
    found: (AdaptationSet, Vec<Source>),
) -> (AdaptationSet, Vec<Source>) {
    let (mut set, sources) = found;
    let fresh = std::mem::take(&mut set.representations).into_iter().zip(sources);
    let mut fresh: Vec<Option<(Representation, Source)>> = fresh.map(Some).collect();
    let (mut representations, mut sources) = (Vec::new(), Vec::new());
    for (representation, source) in known.representations.iter().zip(known_sources) {
        let same = |other: &&mut Option<(Representation, Source)>| {
            other.as_ref().is_some_and(|(other, _)| other.id == representation.id)
        };
        let (representation, source) = match fresh.iter_mut().find(same).and_then(Option::take) {
            Some(found) => found,
            None => (without_segments(representation), source.clone()),
        };
        representations.push(representation);
        sources.push(source);
    }
    for (representation, source) in fresh.into_iter().flatten() {
        representations.push(representation);
        sources.push(source);
    }
    set.representations = representations;
    (set, sources)
}

fn emptied(period: &Period) -> Period {
    Period { adaptation_sets: period.adaptation_sets.iter().map(empty_set).collect(), ..period.clone() }
}

fn empty_set(set: &AdaptationSet) -> AdaptationSet {
    AdaptationSet {
        representations: set.representations.iter().map(without_segments).collect(),
        ..set.clone()
    }
}

fn without_segments(representation: &Representation) -> Representation {
    let index = SegmentRuns { timescale: 1, complete: true, ..SegmentRuns::default() };
    Representation { index: SegmentIndex::Known(index), ..representation.clone() }
}
