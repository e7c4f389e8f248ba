//! Why each quality was chosen, in words.

use crate::presentation::{ContentType, Presentation, RepresentationKey};
use crate::protocol::{Decision, Event, Reason};
use crate::time::Timestamp;
use serde_json::json;
use std::fmt;

/// Values that are listed per choice.
const LISTED: usize = 4;

/// A line of the log: a choice with its reason, or something that a viewer noticed.
#[derive(Clone, Debug)]
pub(super) enum Explained {
    Choice { t_s: f64, decision: Box<Decision>, kbps: u64, values: Vec<(u64, f64)> },
    Other { t_s: f64, what: String },
}

/// The line for an event; `None` for what says nothing to people.
pub(super) fn explained(presentation: &Presentation, now: Timestamp, event: &Event) -> Option<Explained> {
    let t_s = now.as_millis() as f64 / 1e3;
    let kbps =
        |key: RepresentationKey| presentation.representation(key).map_or(0, |r| r.bandwidth_bps) / 1000;
    let seconds = |span: std::time::Duration| format!("{:.2} s", span.as_secs_f64());
    let what = match event {
        Event::Decided(decision) => {
            let mut values: Vec<(u64, f64)> =
                decision.candidates.iter().map(|(key, value)| (kbps(*key), *value)).collect();
            values.sort_by(|a, b| b.1.total_cmp(&a.1));
            let (decision, kbps) = (Box::new(decision.clone()), kbps(decision.chosen));
            return Some(Explained::Choice { t_s, decision, kbps, values });
        }
        Event::Manifest { .. } | Event::Switched { .. } => return None,
        Event::Playing { .. } => "playback begins".to_owned(),
        Event::StallStart { position } => {
            format!("STALL at {:.2} s: nothing left to play", position.as_secs_f64())
        }
        Event::StallEnd { stalled, .. } => format!("playback goes on after {}", seconds(*stalled)),
        Event::Abandoned { from, to, wasted_bytes, .. } => format!(
            "download of {} kbit/s given up for {} kbit/s, {wasted_bytes} bytes in vain: it would have come too late",
            kbps(*from),
            kbps(*to)
        ),
        Event::Replaced { from, wasted_bytes, .. } => format!(
            "queued segments from {:.2} s on are fetched again in better quality, {wasted_bytes} bytes in vain",
            from.as_secs_f64()
        ),
        Event::Gap { from, to, .. } => {
            format!("{:.2} to {:.2} s could not be had and is skipped", from.as_secs_f64(), to.as_secs_f64())
        }
        Event::SeekStart { to, .. } => format!("seek to {:.2} s", to.as_secs_f64()),
        Event::SeekEnd { took, .. } => format!("picture after {}", seconds(*took)),
        Event::Paused { .. } => "paused".to_owned(),
        Event::Resumed { .. } => "resumed".to_owned(),
        Event::Error(error) => error.to_string(),
        Event::Ended { .. } => "everything has been played".to_owned(),
        #[allow(unreachable_patterns, reason = "the log may learn new words")]
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    Some(Explained::Other { t_s, what })
}

fn why(decision: &Decision) -> &'static str {
    match decision.reason {
        Reason::Start if decision.throughput_bps.is_none() => "nothing is known of the network yet",
        Reason::Start => "the first segment must come soon",
        Reason::Controller => "best by the controller's values",
        Reason::Safety => "the buffer is too short for anything better",
        Reason::User => "as the user's lock or limits ask",
        Reason::Viewport => "the picture is not shown larger",
        Reason::Abandon => "the download before would have come too late",
        Reason::Failure => "the representation before failed",
        Reason::Period => "another period begins",
        Reason::Keys => "no key for anything better",
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { t_s, what } => write!(f, "{t_s:>9.3} s  {what}"),
            Self::Choice { t_s, decision, kbps, values } => {
                let track = if decision.track == ContentType::Video {
                    String::new()
                } else {
                    format!("{:?} ", decision.track).to_lowercase()
                };
                let segment = decision.segment.start.as_secs_f64();
                let queued = decision.buffer_ms as f64 / 1e3;
                write!(
                    f,
                    "{t_s:>9.3} s  {track}segment at {segment:>7.2} s: {kbps:>6} kbit/s, {}",
                    why(decision)
                )?;
                write!(f, " (queued {queued:.2} s, network ")?;
                match decision.throughput_bps {
                    Some(bps) => write!(f, "{} kbit/s)", bps / 1000)?,
                    None => write!(f, "unknown)")?,
                }
                if decision.reason == Reason::Controller && !values.is_empty() {
                    let listed =
                        values.iter().take(LISTED).map(|(kbps, value)| format!("{kbps}: {value:.2}"));
                    write!(f, "; {}", listed.collect::<Vec<_>>().join(", "))?;
                }
                Ok(())
            }
        }
    }
}

impl Explained {
    /// The same for machines.
    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Self::Other { t_s, what } => json!({ "t_s": t_s, "event": what }),
            Self::Choice { t_s, decision, kbps, values } => json!({
                "t_s": t_s,
                "track": decision.track,
                "segment_s": decision.segment.start.as_secs_f64(),
                "chosen_kbps": kbps,
                "reason": decision.reason,
                "why": why(decision),
                "controller": decision.controller,
                "buffer_s": decision.buffer_ms as f64 / 1e3,
                "throughput_bps": decision.throughput_bps,
                "values": values.iter().map(|(kbps, value)| json!({ "kbps": kbps, "value": value })).collect::<Vec<_>>(),
            }),
        }
    }
}
