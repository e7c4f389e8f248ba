//! What there is to hear and to read, and which cues appear: for the status and the log.

use crate::events::Line;
use crate::status::{Choice, Tracks};
use crate::text::cue::Cue;
use crate::text::queue::CueQueue;
use abr::presentation::{ContentType, RepresentationKey};
use abr::session::Session;
use abr::time::MediaTime;
use std::sync::Arc;

/// Most cues remembered as shown.
const SHOWN: usize = 64;

/// See the module.
pub(super) struct Words {
    cues: CueQueue,
    /// Cues that are in the log and not over.
    shown: Vec<Arc<Cue>>,
    /// Period that the lists are of.
    listed: Option<u32>,
    /// Subtitles as told last.
    told: Option<u32>,
}

impl Words {
    pub(super) fn new(cues: CueQueue) -> Self {
        Self { cues, shown: Vec::new(), listed: None, told: None }
    }

    /// Brings the lists up to date; the line to log when the subtitles changed.
    pub(super) fn update(&mut self, session: &Session, tracks: &mut Tracks) -> Option<Line> {
        session.presentation()?;
        let here = session.period_now();
        if self.listed != Some(here) {
            self.listed = Some(here);
            tracks.audios = choices(session, here, ContentType::Audio);
            tracks.texts = choices(session, here, ContentType::Text);
            tracks.text_preferred = session.preferred_text();
        }
        tracks.audio = session.selected_set(ContentType::Audio);
        let shown = session.selected_set(ContentType::Text);
        let forced = session.has_forced_text();
        tracks.text = shown.filter(|_| !forced);
        let changed = shown != self.told;
        self.told = shown;
        changed.then(|| {
            let key = shown.map(|adaptation_set| RepresentationKey {
                period: here,
                adaptation_set,
                representation: 0,
            });
            let set = key.and_then(|key| session.presentation()?.adaptation_set(key));
            Line::Text {
                on: shown.is_some(),
                language: set.and_then(|set| set.language.clone()),
                label: set.and_then(|set| set.label.clone()),
                forced,
            }
        })
    }

    /// The cues that have appeared since the position was `before`, once each.
    pub(super) fn appeared(&mut self, before: Option<MediaTime>, now: MediaTime) -> Vec<Line> {
        self.shown.retain(|cue| cue.end > now && cue.start <= now);
        let begun = before.filter(|before| *before <= now).map(|before| self.cues.begun(before, now));
        let mut lines = Vec::new();
        for cue in begun.unwrap_or_default().into_iter().chain(self.cues.active(now)) {
            let known = |other: &Arc<Cue>| other.start == cue.start && other.says_the_same(&cue);
            if self.shown.iter().any(known) {
                continue;
            }
            lines.push(Line::Cue {
                start_ms: cue.start.as_millis(),
                end_ms: cue.end.as_millis(),
                text: cue.text(),
            });
            self.shown.push(cue);
        }
        let excess = self.shown.len().saturating_sub(SHOWN);
        self.shown.drain(..excess);
        lines
    }
}

/// The sets of a kind in a period; of subtitles only those that are a matter of choice.
fn choices(session: &Session, period: u32, kind: ContentType) -> Vec<Choice> {
    let period = session.presentation().and_then(|p| p.periods.get(period as usize));
    let sets = period.into_iter().flat_map(|period| period.adaptation_sets.iter().zip(0u32..));
    let forced = |roles: &[String]| roles.iter().any(|role| role.replace('_', "-") == "forced-subtitle");
    sets.filter(|(set, _)| set.content_type == kind && !set.representations.is_empty())
        .filter(|(set, _)| kind != ContentType::Text || !forced(&set.roles))
        .map(|(set, place)| Choice {
            set: place,
            language: set.language.clone(),
            label: set.label.clone(),
            roles: set.roles.clone(),
            channels: set.representations.iter().map(|r| r.channels).max().unwrap_or(0),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::webvtt;

    #[test]
    fn every_cue_is_told_once() {
        let cues = CueQueue::default();
        let text = b"WEBVTT\n\n00:01.000 --> 00:03.000\n<b>one</b>\n\n00:01.500 --> 00:01.600\nshort\n";
        cues.insert(webvtt::parse(text).unwrap().cues);
        let mut words = Words::new(cues);
        let at = MediaTime::from_millis;
        let told = |lines: Vec<Line>| -> Vec<String> {
            lines
                .into_iter()
                .map(|line| match line {
                    Line::Cue { text, .. } => text,
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        assert_eq!(told(words.appeared(None, at(0))), Vec::<String>::new());
        assert_eq!(told(words.appeared(Some(at(0)), at(1_200))), ["one"]);
        assert_eq!(told(words.appeared(Some(at(1_200)), at(2_000))), ["short"], "although it is over");
        assert_eq!(told(words.appeared(Some(at(2_000)), at(2_500))), Vec::<String>::new());
        assert_eq!(told(words.appeared(None, at(500))), Vec::<String>::new());
        assert_eq!(told(words.appeared(None, at(1_100))), ["one"], "again after a seek");
    }
}
