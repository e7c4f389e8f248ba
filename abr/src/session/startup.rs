//! From the manifest to tracks: which adaptation sets are played.

use super::Session;
use crate::error::{Code, Error, Severity};
use crate::presentation::{AdaptationSet, ContentType, Period, Presentation, RepresentationKey};
use crate::protocol::{Event, Output, Reason};
use crate::segments::{SegmentIndex, SegmentRuns};
use crate::time::{MediaTime, Timestamp};
use crate::track::{Track, Wish, continues, first_set, forced_set, matching_set, period_at, readable_set};

/// Most manifest warnings that are reported one by one.
const WARNINGS: usize = 20;

impl Session {
    pub(super) fn on_presentation(&mut self, mut presentation: Presentation) {
        if self.over.is_some() {
            return;
        }
        if self.presentation.is_some() {
            return self.on_refreshed_presentation(presentation);
        }
        for period in &mut presentation.periods {
            let sets = period.adaptation_sets.iter_mut();
            for representation in sets.flat_map(|set| set.representations.iter_mut()) {
                if let SegmentIndex::Known(runs) = &mut representation.index {
                    repair(runs);
                }
            }
        }
        let representations = presentation.representations().count();
        let warnings: Vec<String> = presentation.warnings.iter().take(WARNINGS).cloned().collect();
        let (dynamic, duration) = (presentation.dynamic, presentation.duration);
        self.presentation = Some(presentation);
        let representations = u32::try_from(representations).unwrap_or(u32::MAX);
        self.report(Event::Manifest { dynamic, duration, representations });
        for warning in warnings {
            self.report(Event::Error(Error::new(Severity::Warning, Code::Manifest, warning)));
        }
        self.adopt_live();
        let start =
            if self.is_live() { MediaTime::ZERO } else { self.clamp_to_timeline(self.config.start_at) };
        if start != self.begins_at && !self.is_live() {
            // The pipeline was started for another place.
            self.order(Output::Seek { to: start, buffered: false });
        }
        self.clock.start_at(start);
        for kind in [ContentType::Video, ContentType::Audio] {
            self.add_track(kind, start, None);
        }
        self.add_text(start);
        if let Some((code, detail)) = self.lacks_keys_of(ContentType::Video) {
            // Sound alone would hide that the pictures are locked.
            self.fail(Error::new(Severity::Fatal, code, detail));
        } else if self.tracks.is_empty() {
            let message = format!("none of the {representations} representations on offer is video or audio");
            self.fail(Error::new(Severity::Fatal, Code::NothingPlayable, message));
        }
        self.manifest_grew();
        if self.is_live() {
            let keys = self.presentation.iter().flat_map(|p| p.representations().map(|(key, _)| key));
            for key in keys.collect::<Vec<_>>() {
                self.observe_edge(key);
            }
            self.join();
        }
    }

    pub(super) fn on_index(&mut self, key: RepresentationKey, index: SegmentIndex) {
        let SegmentIndex::Known(mut runs) = index else { return };
        repair(&mut runs);
        self.rebase(key, &runs);
        let Some(presentation) = self.presentation.as_mut() else { return };
        let Some(representation) = presentation.representation_mut(key) else { return };
        let changed = representation.index.known() != Some(&runs);
        representation.index = SegmentIndex::Known(runs);
        for track in &mut self.tracks {
            track.awaited = track.awaited.filter(|awaited| *awaited != key);
        }
        if changed && self.is_live() {
            self.index_grew(key);
            self.observe_edge(key);
            self.join();
            self.end_if_complete();
        }
    }

    /// A timeline whose indexes in use are all complete does not grow any more.
    fn end_if_complete(&mut self) {
        let mut active = self.tracks.iter().filter(|track| !track.dropped);
        let complete = |track: &Track| self.index_in_use(track).is_none_or(|(_, runs)| runs.complete);
        let by_index = self.live_facts().is_some_and(|live| live.refresh.is_none());
        if by_index && active.all(complete) {
            self.end_growth();
        }
    }

    /// Makes a track of `kind` that starts at `time`, if any period has one. `wanted` names the set to use
    /// in the current period.
    pub(super) fn add_track(&mut self, kind: ContentType, time: MediaTime, wanted: Option<u32>) {
        let Some((wish, sets)) = self.resolve_sets(kind, None, wanted) else { return };
        let period = self.presentation.as_ref().map_or(0, |p| period_at(p, time));
        if self.tracks.iter().any(|track| track.kind == kind && track.dropped) {
            // Its end was ordered.
            self.order(Output::Flush { track: kind, from: MediaTime::MIN });
        }
        self.tracks.retain(|track| track.kind != kind);
        self.tracks.push(Track::new(kind, wish, sets, period, time));
        self.tracks.sort_by_key(|track| track.kind);
    }

    /// Adds the subtitles that the settings wish, or those that every viewer must read.
    pub(super) fn add_text(&mut self, time: MediaTime) {
        if !self.tracks.is_empty() && self.place_of(ContentType::Text).is_none() {
            self.add_track(ContentType::Text, time, None);
        }
    }

    /// The set of subtitles to begin with in a period.
    fn first_text(&self, place: u32, period: &Period, usable: impl Fn(u32) -> bool) -> Option<u32> {
        if self.config.text {
            return readable_set(period, &self.config.text_languages, usable);
        }
        let audio = self.track(ContentType::Audio).and_then(|track| track.set(place));
        let heard = audio.and_then(|set| period.adaptation_sets.get(set as usize));
        forced_set(period, heard.and_then(|set| set.language.as_deref()), usable)
    }

    /// Finds the set of each period: like `wish` where one is given, else the best one and what matches it.
    pub(super) fn resolve_sets(
        &self,
        kind: ContentType,
        wish: Option<Wish>,
        wanted: Option<u32>,
    ) -> Option<(Wish, Vec<Option<u32>>)> {
        let presentation = self.presentation.as_ref()?;
        let here = self.period_now();
        let usable = |period: u32| {
            move |set: u32| {
                let carried = kind == ContentType::Audio && self.is_muxed(period);
                !carried && self.is_usable(period, set)
            }
        };
        let language = self.config.audio_language.as_deref().filter(|_| kind == ContentType::Audio);
        let wish = wish.or_else(|| {
            let count = u32::try_from(presentation.periods.len()).unwrap_or(u32::MAX);
            let order = std::iter::once(here).chain((0..count).filter(|p| *p != here));
            order
                .filter_map(|p| {
                    let period = presentation.periods.get(p as usize)?;
                    let wanted = wanted.filter(|_| p == here);
                    let set = wanted.or_else(|| match kind {
                        ContentType::Text => self.first_text(p, period, usable(p)),
                        _ => first_set(period, kind, language, usable(p)),
                    })?;
                    period.adaptation_sets.get(set as usize).map(Wish::of)
                })
                .next()
        })?;
        let sets: Vec<Option<u32>> = presentation
            .periods
            .iter()
            .zip(0u32..)
            .map(|(period, p)| match wanted {
                Some(set) if p == here => Some(set),
                // Subtitles in another language are worse than none.
                _ if kind == ContentType::Text => matching_set(period, kind, &wish, |set| {
                    let same = |set: &AdaptationSet| continues(&wish, set);
                    usable(p)(set) && period.adaptation_sets.get(set as usize).is_some_and(same)
                }),
                _ => matching_set(period, kind, &wish, usable(p)),
            })
            .collect();
        sets.iter().any(Option::is_some).then_some((wish, sets))
    }

    /// Whether the video of a period brings its sound along.
    pub(super) fn is_muxed(&self, period: u32) -> bool {
        let video = self.track(ContentType::Video).and_then(|track| track.set(period));
        video.is_some_and(|adaptation_set| {
            let key = RepresentationKey { period, adaptation_set, representation: 0 };
            let set = self.presentation.as_ref().and_then(|p| p.adaptation_set(key));
            set.is_some_and(|set| set.muxed_audio)
        })
    }

    /// Whether some representation of a set is not excluded for good.
    pub(super) fn is_usable(&self, period: u32, adaptation_set: u32) -> bool {
        let key = |representation| RepresentationKey { period, adaptation_set, representation };
        let set = self.presentation.as_ref().and_then(|p| p.adaptation_set(key(0)));
        set.is_some_and(|set| {
            (0u32..)
                .zip(&set.representations)
                .filter(|(r, _)| !self.lacks_key(key(*r)))
                .any(|(r, _)| self.excluded.get(&key(r)).is_none_or(|until| *until < Timestamp::MAX))
        })
    }

    pub(super) fn select_set(&mut self, kind: ContentType, adaptation_set: Option<u32>) {
        if self.presentation.is_none() || kind == ContentType::Image {
            return;
        }
        if kind == ContentType::Text {
            return self.select_text(adaptation_set);
        }
        let Some(set) = adaptation_set else {
            if let Some(place) = self.place_of(kind) {
                self.close_track(place);
            }
            return;
        };
        if !self.can_select(kind, set) {
            return;
        }
        let Some(place) = self.place_of(kind) else {
            self.add_track(kind, self.position(self.now), Some(set));
            return;
        };
        if let Some((wish, sets)) = self.resolve_sets(kind, None, Some(set)) {
            let track = &mut self.tracks[place];
            track.wish = wish;
            track.sets = sets;
            track.because = Some(Reason::User);
            self.replace_unwanted();
        }
    }

    /// Whether the current period has this set; says so if not.
    fn can_select(&mut self, kind: ContentType, set: u32) -> bool {
        let here = RepresentationKey { period: self.period_now(), adaptation_set: set, representation: 0 };
        let chosen = self.presentation.as_ref().and_then(|p| p.adaptation_set(here));
        let can =
            chosen.is_some_and(|chosen| chosen.content_type == kind && !chosen.representations.is_empty());
        if !can {
            let message = format!("there is no {kind:?} set {set} to select").to_lowercase();
            self.report(Event::Error(Error::new(Severity::Warning, Code::Unsupported, message)));
        }
        can
    }

    /// Shows other subtitles at once, or none but those that every viewer must read.
    fn select_text(&mut self, adaptation_set: Option<u32>) {
        if adaptation_set.is_some_and(|set| !self.can_select(ContentType::Text, set)) {
            return;
        }
        self.config.text = adaptation_set.is_some();
        if let Some(place) = self.place_of(ContentType::Text) {
            if adaptation_set.is_some() && self.tracks[place].set(self.period_now()) == adaptation_set {
                return;
            }
            self.close_track(place);
        }
        if self.over.is_some() || self.clock.has_ended() {
            return;
        }
        let position = self.position(self.now);
        match adaptation_set {
            Some(set) => self.add_track(ContentType::Text, position, Some(set)),
            None => self.add_text(position),
        }
    }

    pub(super) fn place_of(&self, kind: ContentType) -> Option<usize> {
        self.tracks.iter().position(|track| track.kind == kind && !track.dropped)
    }

    /// Takes a track out of playback.
    pub(super) fn close_track(&mut self, place: usize) {
        self.empty_track(place);
        let track = &mut self.tracks[place];
        track.dropped = true;
        let (kind, paces) = (track.kind, track.paces());
        track.ended = paces;
        self.order(Output::Flush { track: kind, from: MediaTime::MIN });
        // Nobody waits for the end of subtitles, and others may follow.
        if paces {
            self.order(Output::EndOfTrack(kind));
        }
    }
}

/// Drops what the model forbids, so that arithmetic on it stays defined.
pub(super) fn repair(runs: &mut SegmentRuns) {
    runs.timescale = runs.timescale.max(1);
    runs.runs.retain(|run| run.count > 0 && run.duration > 0);
    for size in &mut runs.sizes {
        *size = (*size).min(super::MOST_BYTES);
    }
}
