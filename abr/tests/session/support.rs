//! Titles, worlds and checks for the scenarios.

pub(crate) use crate::titles::{index, representation, set};
use abr::presentation::{AdaptationSet, ContentType, Period, Presentation, RepresentationKey};
use abr::protocol::{Command, Event, Fetch, FetchId, Input, Output, Phase, Resource};
use abr::qoe::Summary;
use abr::session::{Config, Session};
use abr::sim::link::Link;
use abr::sim::origin::{Answer, Faultless, Origin};
use abr::sim::playback::{Seen, Setup, reasonable_end, run};
use abr::time::{MediaTime, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const LADDER: [(u64, u32); 6] =
    [(300_000, 240), (750_000, 360), (1_200_000, 480), (1_850_000, 540), (2_850_000, 720), (4_300_000, 1080)];

pub(crate) fn ms(ms: i64) -> MediaTime {
    MediaTime::from_millis(ms)
}

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(crate) fn video(start_s: u64, seconds: u64) -> AdaptationSet {
    let rungs =
        LADDER.iter().map(|(bps, height)| representation(*bps, *height, index(start_s, seconds, 4000)));
    set(ContentType::Video, rungs.collect())
}

pub(crate) fn audio(start_s: u64, seconds: u64) -> AdaptationSet {
    let rungs = [64_000, 128_000].map(|bps| representation(bps, 0, index(start_s, seconds, 4000)));
    set(ContentType::Audio, rungs.to_vec())
}

pub(crate) fn period(start_s: u64, seconds: u64, adaptation_sets: Vec<AdaptationSet>) -> Period {
    Period {
        id: format!("{start_s}"),
        start: ms(start_s as i64 * 1000),
        duration: Some(Duration::from_secs(seconds)),
        adaptation_sets,
    }
}

pub(crate) fn title(periods: Vec<Period>) -> Presentation {
    let duration = periods.iter().filter_map(|p| p.duration).sum();
    Presentation { duration: Some(duration), periods, ..Presentation::default() }
}

/// One minute, six video and two audio rungs, 4 s segments.
pub(crate) fn plain() -> Presentation {
    title(vec![period(0, 60, vec![video(0, 60), audio(0, 60)])])
}

pub(crate) fn steps(steps: &[(u64, u64)]) -> Link {
    let latency = Duration::from_millis(40);
    Link::new(
        steps.iter().map(|(seconds, kbps)| (Duration::from_secs(*seconds), kbps * 1000, latency)).collect(),
    )
}

pub(crate) fn constant(kbps: u64) -> Link {
    steps(&[(3600, kbps)])
}

/// Everything that happened in a scenario.
pub(crate) struct Play {
    pub(crate) session: Session,
    pub(crate) summary: Summary,
    pub(crate) now: Timestamp,
    pub(crate) inputs: Vec<(Timestamp, Input)>,
    pub(crate) outputs: Vec<(Timestamp, Output)>,
}

pub(crate) struct Scenario<'a> {
    pub(crate) presentation: Presentation,
    pub(crate) link: Link,
    pub(crate) config: Config,
    pub(crate) pending_indexes: bool,
    pub(crate) script: Vec<(u64, Command)>,
    pub(crate) facts: Vec<(u64, Input)>,
    pub(crate) origin: &'a mut dyn Origin,
    pub(crate) until: Option<Timestamp>,
}

pub(crate) fn scenario_of(presentation: Presentation, link: Link) -> Scenario<'static> {
    Scenario {
        presentation,
        link,
        config: Config::default(),
        pending_indexes: false,
        script: vec![],
        facts: vec![],
        origin: Box::leak(Box::new(Faultless)),
        until: None,
    }
}

pub(crate) fn play(presentation: Presentation, link: Link) -> Play {
    play_with(presentation, link, Config::default(), vec![])
}

pub(crate) fn play_with(
    presentation: Presentation,
    link: Link,
    config: Config,
    script: Vec<(u64, Command)>,
) -> Play {
    scenario(Scenario {
        presentation,
        link,
        config,
        pending_indexes: false,
        script,
        facts: vec![],
        origin: &mut Faultless,
        until: None,
    })
}

pub(crate) fn play_against(
    presentation: Presentation,
    link: Link,
    mut origin: impl FnMut(&Presentation, &Fetch) -> Answer,
) -> Play {
    scenario(Scenario {
        presentation,
        link,
        config: Config::default(),
        pending_indexes: false,
        script: vec![],
        facts: vec![],
        origin: &mut origin,
        until: None,
    })
}

/// Plays, and checks what must hold in every scenario.
pub(crate) fn scenario(scenario: Scenario<'_>) -> Play {
    let mut inputs = vec![];
    let mut outputs = vec![];
    let until = scenario.until.unwrap_or_else(|| reasonable_end(&scenario.presentation));
    let script = scenario.script.into_iter().map(|(t, command)| (at(t), Input::Command(command)));
    let setup = Setup {
        presentation: &scenario.presentation,
        pending_indexes: scenario.pending_indexes,
        link: scenario.link,
        config: scenario.config,
        origin: scenario.origin,
        script: script.chain(scenario.facts.into_iter().map(|(t, fact)| (at(t), fact))).collect(),
        until,
    };
    let outcome = run(setup, |now, seen| match seen {
        Seen::In(input) => inputs.push((now, input.clone())),
        Seen::Out(Output::Wait(_)) => {}
        Seen::Out(output) => outputs.push((now, output.clone())),
    });
    assert_eq!(outcome.violations, Vec::<String>::new());
    let play = Play { session: outcome.session, summary: outcome.summary, now: outcome.now, inputs, outputs };
    play.check_answers();
    play
}

impl Play {
    /// Every request was answered at most once, and at least once unless the scenario ended before.
    fn check_answers(&self) {
        let mut open: BTreeMap<FetchId, u32> = BTreeMap::new();
        for (_, output) in &self.outputs {
            if let Output::Fetch(fetch) = output {
                assert_eq!(open.insert(fetch.id, 0), None, "{:?} used twice", fetch.id);
            }
        }
        for (_, input) in &self.inputs {
            if let Input::Fetched { id, .. }
            | Input::FetchFailed { id, .. }
            | Input::FetchCancelled { id, .. } = input
            {
                *open.get_mut(id).expect("an answer to a request") += 1;
            }
        }
        assert!(open.values().all(|answers| *answers <= 1));
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = (Timestamp, &Event)> {
        self.outputs.iter().filter_map(|(t, output)| match output {
            Output::Report(event) => Some((*t, event)),
            _ => None,
        })
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events().filter(|(_, event)| wanted(event)).count()
    }

    pub(crate) fn fetches(&self) -> impl Iterator<Item = (Timestamp, Fetch)> {
        self.outputs.iter().filter_map(|(t, output)| match output {
            Output::Fetch(fetch) => Some((*t, *fetch)),
            _ => None,
        })
    }

    /// Representation and start of each appended segment of a track.
    pub(crate) fn appends(&self, kind: ContentType) -> Vec<(RepresentationKey, MediaTime)> {
        let appended = self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Append { track, representation, segment, .. } if *track == kind => {
                Some((*representation, segment.start))
            }
            _ => None,
        });
        appended.collect()
    }

    pub(crate) fn rungs(&self) -> Vec<u32> {
        self.appends(ContentType::Video).iter().map(|(key, _)| key.representation).collect()
    }

    pub(crate) fn segment_requests(&self, kind: ContentType) -> usize {
        let presentation = self.session.presentation().expect("a presentation");
        self.fetches()
            .filter(|(_, fetch)| match fetch.resource {
                Resource::Segment { representation, .. } => {
                    presentation.adaptation_set(representation).is_some_and(|set| set.content_type == kind)
                }
                _ => false,
            })
            .count()
    }

    pub(crate) fn assert_ended(&self) {
        assert_eq!(self.session.phase(), Phase::Ended, "{:#?}", self.events().last());
        assert_eq!(self.count(|event| matches!(event, Event::Ended { .. })), 1);
    }

    pub(crate) fn fatal(&self) -> u16 {
        assert_eq!(self.session.phase(), Phase::Failed, "{:#?}", self.events().last());
        let codes: Vec<u16> = self
            .events()
            .filter_map(|(_, event)| match event {
                Event::Error(error) if error.severity == abr::error::Severity::Fatal => {
                    Some(error.code.number())
                }
                _ => None,
            })
            .collect();
        assert_eq!(codes.len(), 1, "{codes:?}");
        codes[0]
    }
}
