//! Commands given in advance on the command line, each at its time.

use super::UserCommand;
use abr::protocol::Command;
use abr::time::MediaTime;
use std::collections::VecDeque;
use std::time::Duration;

/// Commands in order of time. The time base is that of
/// the reporter's `script_time`: since playback began, or media played when
/// nothing is paced.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: VecDeque<(Duration, UserCommand)>,
    /// Whether times count media played rather than time passed.
    pub unpaced: bool,
}

impl Script {
    /// Puts seeks, pauses (with their ends), quality locks and the stop in order.
    pub fn new(
        seeks: &[(Duration, Duration)],
        pauses: &[(Duration, Duration)],
        locks: &[(Duration, Option<u32>)],
        stop: Option<Duration>,
        unpaced: bool,
    ) -> Self {
        let session = UserCommand::Session;
        let mut steps = Vec::new();
        for &(at, to) in seeks {
            steps.push((at, session(Command::Seek(MediaTime::ZERO + to))));
        }
        for &(at, span) in pauses {
            steps.push((at, session(Command::Pause)));
            steps.push((at.saturating_add(span), session(Command::Play)));
        }
        for &(at, height) in locks {
            steps.push((at, session(Command::LockHeight(height))));
        }
        if let Some(at) = stop {
            steps.push((at, UserCommand::Quit));
        }
        steps.sort_by_key(|(at, _)| *at);
        Self { steps: steps.into(), unpaced }
    }

    /// Takes the next command if its time has come.
    pub(super) fn due(&mut self, now: Duration) -> Option<UserCommand> {
        let (at, _) = self.steps.front()?;
        if now < *at {
            return None;
        }
        self.steps.pop_front().map(|(_, command)| command)
    }

    /// When the next command is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.steps.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_in_order_and_not_early() {
        let s = Duration::from_secs;
        let mut script = Script::new(&[(s(5), s(60))], &[(s(2), s(4))], &[], Some(s(9)), false);
        assert!(script.due(Duration::ZERO).is_none());
        assert!(script.due(s(1)).is_none());
        assert_eq!(script.next(), Some(s(2)));
        let taken: Vec<_> = std::iter::from_fn(|| script.due(s(9))).collect();
        assert!(matches!(
            taken[..],
            [
                UserCommand::Session(Command::Pause),
                UserCommand::Session(Command::Seek(_)),
                UserCommand::Session(Command::Play),
                UserCommand::Quit
            ]
        ));
    }
}
