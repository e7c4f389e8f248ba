//! Where a person was in a title, kept so that even a killed program goes on within five seconds of it.
//!
//! One small file per title in `$XDG_STATE_HOME/sluice/positions`, named by a hash of the address without
//! what changes from one visit to the next, replaced as a whole. A thread of its own writes: a slow disk
//! holds up nothing.

use abr::protocol::Phase;
use abr::time::MediaTime;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use url::Url;

/// Playing on is written down this often.
const INTERVAL: Duration = Duration::from_secs(3);
/// Who is not further in than this begins anew.
const LEAST: Duration = Duration::from_secs(30);
/// Who is further than this many hundredths has seen the title.
const MOST_PERCENT: i64 = 95;
/// Titles remembered; those not seen for longest are forgotten.
const TITLES: usize = 500;
/// A record is never larger.
const RECORD_BYTES: u64 = 4096;
/// Names of query parameters that differ between visits to the same title (tokens, signatures, times).
const VOLATILE: &[&str] = &[
    "auth",
    "token",
    "access_token",
    "hdnts",
    "hdnea",
    "hdntl",
    "sig",
    "signature",
    "policy",
    "key-pair-id",
    "expires",
    "expire",
    "exp",
    "e",
    "st",
    "ts",
    "t",
    "time",
    "nonce",
    "session",
    "sessionid",
    "sid",
    "cmcd",
    "nva",
    "md5",
    "hash",
    "hmac",
    "ticket",
    "jwt",
    "_",
];

/// What a file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// Host and path, never a query string: tells apart what shares a hash.
    title: String,
    position_ms: i64,
    duration_ms: Option<u64>,
    /// Seconds since 1970.
    saved: u64,
}

/// All remembered titles.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store of the user: below `$XDG_STATE_HOME`, else `~/.local/state`. `None` without a home.
    pub fn of_user() -> Option<Self> {
        let variable =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = variable("XDG_STATE_HOME");
        let state = state.or_else(|| variable("HOME").map(|home| home.join(".local/state")));
        state.map(|state| Self::new(state.join("sluice/positions")))
    }

    /// A store in this folder, which is made when something is written.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where to go on in a title; `None` when it is not known, hardly begun, or as good as over.
    pub fn position(&self, title: &Key) -> Option<MediaTime> {
        let record = self.read(title)?;
        let position = MediaTime::from_millis(record.position_ms);
        let begun = position >= MediaTime::ZERO + LEAST;
        let over = record.duration_ms.is_some_and(|length| {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            record.position_ms >= length / 100 * MOST_PERCENT
        });
        (begun && !over).then_some(position)
    }

    /// How much of a title has been seen, 0.0 to 1.0; `None` when that is not known.
    pub fn progress(&self, title: &Key) -> Option<f64> {
        let record = self.read(title)?;
        let length = record.duration_ms.filter(|length| *length > 0)?;
        Some((record.position_ms as f64 / length as f64).clamp(0.0, 1.0))
    }

    fn read(&self, title: &Key) -> Option<Record> {
        let path = self.path(title);
        let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= RECORD_BYTES);
        let bytes = fs::read(&path).ok().filter(|_| small)?;
        serde_json::from_slice(&bytes).ok().filter(|record: &Record| record.title == title.name)
    }

    /// Writes down a position: the file is the old or the new one, whatever happens meanwhile.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, title: &Key, position: MediaTime, duration: Option<Duration>) -> io::Result<()> {
        let record = Record {
            title: title.name.clone(),
            position_ms: position.as_millis(),
            duration_ms: duration.map(|length| u64::try_from(length.as_millis()).unwrap_or(u64::MAX)),
            saved: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        };
        fs::create_dir_all(&self.folder)?;
        let path = self.path(title);
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(&record)?)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Forgets a title.
    ///
    /// # Errors
    /// Those of the file system; there being nothing to forget is none.
    pub fn forget(&self, title: &Key) -> io::Result<()> {
        match fs::remove_file(self.path(title)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Forgets the titles that were not seen for longest, and drafts of programs that were killed.
    pub fn tidy(&self) {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let modified = entry.metadata().and_then(|meta| meta.modified()).unwrap_or(UNIX_EPOCH);
            if path.extension().is_some_and(|ending| ending == "json") {
                records.push((modified, path));
            } else if modified.elapsed().is_ok_and(|age| age > Duration::from_secs(3600)) {
                // What cannot be removed now will be tried again next time.
                let _ = fs::remove_file(path);
            }
        }
        records.sort();
        let excess = records.len().saturating_sub(TITLES);
        for (_, path) in records.into_iter().take(excess) {
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, title: &Key) -> PathBuf {
        self.folder.join(format!("{:016x}.json", title.hash))
    }

    /// Where the files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Names a title however it was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    name: String,
    hash: u64,
}

impl Key {
    /// The title at an address: host, port, path and what of the query is not volatile.
    pub fn of_url(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let name = format!("{host}{port}{}", url.path());
        let is_volatile = |name: &str| {
            let name = name.to_ascii_lowercase();
            VOLATILE.contains(&name.as_str()) || name.starts_with("x-amz-") || name.starts_with("x-goog-")
        };
        let mut query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        query.retain(|(name, _)| !is_volatile(name));
        query.sort();
        let mut whole = name.clone();
        for (name, value) in query {
            whole.push_str(&format!("\n{name}={value}"));
        }
        Self { name, hash: fnv(whole.as_bytes()) }
    }

    /// A title with a name of its own, such as the built-in one.
    pub fn of_name(name: &str) -> Self {
        Self { name: name.to_owned(), hash: fnv(name.as_bytes()) }
    }
}

/// FNV-1a, 64 bit: stable between versions, and nobody gains by a collision.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

enum Note {
    At(MediaTime, Option<Duration>),
    Over,
}

/// Keeps the place in one title while it is played.
#[derive(Debug)]
pub struct Keeper {
    notes: Option<Sender<Note>>,
    writer: Option<JoinHandle<()>>,
    last: Option<(Instant, MediaTime, Phase)>,
}

impl Keeper {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(store: Store, title: Key) -> io::Result<Self> {
        let (notes, inbox) = channel();
        let writer = std::thread::Builder::new()
            .name("positions".into())
            .spawn(move || write(&store, &title, &inbox))?;
        Ok(Self { notes: Some(notes), writer: Some(writer), last: None })
    }

    /// Told where playback is, as often as anything happens; notes it now and then, and at once when it is
    /// held or goes on elsewhere.
    pub fn observe(&mut self, position: MediaTime, duration: Option<Duration>, phase: Phase, now: Instant) {
        if !matches!(phase, Phase::Playing | Phase::Paused | Phase::Stalled | Phase::Ended) {
            return;
        }
        let due = match self.last {
            None => true,
            Some((at, place, before)) => {
                let moved = position != place;
                before != phase || (moved && now.duration_since(at) >= INTERVAL)
            }
        };
        if !due {
            return;
        }
        self.last = Some((now, position, phase));
        self.note(if phase == Phase::Ended { Note::Over } else { Note::At(position, duration) });
    }

    /// Notes the last place and waits until it is written.
    pub fn finish(mut self, position: MediaTime, duration: Option<Duration>, ended: bool) {
        if self.last.is_some() {
            self.note(if ended { Note::Over } else { Note::At(position, duration) });
        }
        self.notes = None;
        if let Some(writer) = self.writer.take() {
            // A panic there has been reported by the thread itself.
            let _ = writer.join();
        }
    }

    fn note(&self, note: Note) {
        if let Some(notes) = &self.notes {
            // A writer that ended could not write; playback goes on without it.
            let _ = notes.send(note);
        }
    }
}

fn write(store: &Store, title: &Key, inbox: &Receiver<Note>) {
    store.tidy();
    while let Ok(note) = inbox.recv() {
        // Only the newest matters when writing is slow.
        let note = inbox.try_iter().last().unwrap_or(note);
        // A full or read-only disk costs the place, nothing else.
        let _ = match note {
            Note::At(position, duration) => store.save(title, position, duration),
            Note::Over => store.forget(title),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("positions"));
        (folder, store)
    }

    fn key(url: &str) -> Key {
        Key::of_url(&Url::parse(url).unwrap())
    }

    const LENGTH: Option<Duration> = Some(Duration::from_secs(100));

    fn at(seconds: i64) -> MediaTime {
        MediaTime::from_millis(seconds * 1000)
    }

    #[test]
    fn a_place_is_found_again_whatever_the_token() {
        let (_folder, store) = store();
        store.save(&key("https://a.example/t.mpd?id=7&token=x"), at(50), LENGTH).unwrap();
        assert_eq!(store.position(&key("https://a.example/t.mpd?Token=y&id=7&X-Amz-Date=1")), Some(at(50)));
        assert_eq!(store.position(&key("https://a.example/t.mpd?id=8")), None);
        assert_eq!(store.progress(&key("https://a.example/t.mpd?id=7")), Some(0.5));
        let text = fs::read_to_string(fs::read_dir(store.folder()).unwrap().next().unwrap().unwrap().path())
            .unwrap();
        assert!(!text.contains("token") && !text.contains("id=") && !text.contains('?'), "{text}");
    }

    #[test]
    fn beginnings_and_ends_are_not_gone_back_to() {
        let (_folder, store) = store();
        let title = key("https://a.example/t.mpd");
        for (seconds, expected) in [(29, None), (30, Some(at(30))), (94, Some(at(94))), (95, None)] {
            store.save(&title, at(seconds), LENGTH).unwrap();
            assert_eq!(store.position(&title), expected, "{seconds} s");
        }
        store.forget(&title).unwrap();
        store.forget(&title).unwrap();
        assert_eq!(store.position(&title), None);
    }

    #[test]
    fn broken_files_and_foreign_ones_are_nothing() {
        let (_folder, store) = store();
        let title = key("https://a.example/t.mpd");
        store.save(&title, at(50), LENGTH).unwrap();
        let path = store.path(&title);
        for broken in [
            &b""[..],
            b"{",
            b"{\"title\":\"other\",\"position_ms\":50000,\"duration_ms\":null,\"saved\":0}",
            &[b' '; 9000],
        ] {
            fs::write(&path, broken).unwrap();
            assert_eq!(store.position(&title), None);
        }
    }

    #[test]
    fn old_titles_are_forgotten() {
        let (_folder, store) = store();
        for number in 0..TITLES + 20 {
            store.save(&Key::of_name(&format!("t{number}")), at(50), LENGTH).unwrap();
        }
        store.tidy();
        assert_eq!(fs::read_dir(store.folder()).unwrap().count(), TITLES);
    }

    #[test]
    fn a_keeper_writes_now_and_then_and_at_the_end() {
        let (_folder, store) = store();
        let title = Key::of_name("demo");
        let mut keeper = Keeper::start(store.clone(), title.clone()).unwrap();
        let start = Instant::now();
        keeper.observe(at(40), LENGTH, Phase::Playing, start);
        keeper.observe(at(41), LENGTH, Phase::Playing, start + Duration::from_secs(1));
        assert_eq!(keeper.last.unwrap().1, at(40), "too soon");
        keeper.observe(at(43), LENGTH, Phase::Playing, start + INTERVAL);
        keeper.observe(at(43), LENGTH, Phase::Paused, start + INTERVAL);
        assert_eq!(keeper.last.unwrap().2, Phase::Paused);
        keeper.finish(at(44), LENGTH, false);
        assert_eq!(store.position(&title), Some(at(44)));
        let mut keeper = Keeper::start(store.clone(), title.clone()).unwrap();
        keeper.observe(at(99), LENGTH, Phase::Ended, start);
        keeper.finish(at(99), LENGTH, true);
        assert_eq!(store.progress(&title), None, "seen to the end");
    }
}
