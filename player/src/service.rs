//! What the service manager is told (sd_notify(3)): that the program is ready, that it is alive, that it
//! ends. A program that was not started by one tells nobody.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// Signs of life within the time that the manager allows between two of them.
const BEATS: u32 = 3;

/// A line to the service manager. What cannot be sent is dropped: nobody waits for the manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    /// Between two signs of life; `None` when the manager does not watch.
    interval: Option<Duration>,
    ready: bool,
    beaten: Option<Instant>,
}

impl Notifier {
    /// To the manager that `NOTIFY_SOCKET` names, with the watchdog of `WATCHDOG_USEC`, unless `WATCHDOG_PID`
    /// says that it is meant for another process (sd_watchdog_enabled(3)).
    pub fn of_environment() -> Option<Self> {
        let address = std::env::var_os("NOTIFY_SOCKET")?;
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|span| *span > 0 && ours).map(Duration::from_micros);
        Self::new(&address, watchdog).ok()
    }

    /// To the manager that listens at `address`, a path or `@` and an abstract name, and that gives the
    /// program up without a sign of life for the time `watchdog`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn new(address: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match address.as_bytes().split_first() {
            Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address)?;
        Ok(Self { socket, interval: watchdog.map(|span| span / BEATS), ready: false, beaten: None })
    }

    /// The program does what it is there for; told once.
    pub fn ready(&mut self) {
        if !self.ready {
            self.ready = true;
            self.tell("READY=1");
        }
    }

    /// The program is alive; told when it is time to.
    pub fn beat(&mut self, now: Instant) {
        if self.interval.is_some() && self.next_beat().is_none_or(|at| at <= now) {
            self.beaten = Some(now);
            self.tell("WATCHDOG=1");
        }
    }

    /// When [`beat`](Self::beat) is to be called next; `None`: at once, or never where nobody watches.
    pub fn next_beat(&self) -> Option<Instant> {
        self.beaten?.checked_add(self.interval?)
    }

    /// The program is about to end.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        // A manager that does not listen cannot be helped.
        let _ = self.socket.send(state.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that was told so far.
    fn heard(manager: &UnixDatagram) -> Vec<String> {
        manager.set_nonblocking(true).unwrap();
        let mut buffer = [0; 64];
        let mut told = Vec::new();
        while let Ok(length) = manager.recv(&mut buffer) {
            told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        told
    }

    #[test]
    fn signs_of_life_come_in_time_and_not_more_often() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut notifier = Notifier::new(path.as_os_str(), Some(Duration::from_secs(3))).unwrap();
        notifier.ready();
        notifier.ready();
        let start = Instant::now();
        for tenth in 0..25 {
            notifier.beat(start + Duration::from_millis(100) * tenth);
        }
        assert_eq!(notifier.next_beat(), Some(start + Duration::from_secs(3)));
        notifier.stopping();
        assert_eq!(heard(&manager), ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]);
    }

    #[test]
    fn abstract_names_are_reached_and_nobody_is_no_harm() {
        let name = format!("sluice-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut notifier = Notifier::new(OsStr::new(&format!("@{name}")), None).unwrap();
        notifier.beat(Instant::now());
        assert_eq!(notifier.next_beat(), None);
        notifier.ready();
        assert_eq!(heard(&manager), ["READY=1"], "nobody watches");
        drop(manager);
        notifier.stopping();
        assert!(Notifier::new(OsStr::new("/nowhere/notify"), None).is_err());
    }
}
