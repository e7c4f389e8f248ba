//! A licence server for W3C ClearKey on loopback, that behaves or does not.
//!
//! Thread: one of its own for each connection, which carries one request; they end with their clients.

use crate::protected::{Key, bytes};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// With the keys that it has of those asked for.
    Well,
    /// Well, after so long.
    Slowly(Duration),
    /// With this status, the first so many times, then well.
    Refusing(u16, usize),
    /// Never.
    Silent,
    /// With this text.
    Nonsense(&'static str),
    /// With keys that do not fit.
    Wrongly,
    /// With a redirect to another host.
    Elsewhere,
}

/// One question as it came.
#[derive(Clone, Debug)]
pub struct Question {
    /// Method, path and headers.
    pub head: String,
    /// Key identifiers asked for, in base64url.
    pub kids: Vec<String>,
    /// Since the server started.
    pub at: Duration,
}

/// A running server.
#[derive(Debug)]
pub struct LicenceServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    keys: Vec<Key>,
    manner: Manner,
    started: Instant,
    asked: Mutex<Vec<Question>>,
    over: AtomicBool,
}

impl LicenceServer {
    /// Starts on a free port of loopback.
    ///
    /// # Panics
    ///
    /// When the machine gives no port or no thread: nothing can be tested then.
    pub fn start(keys: Vec<Key>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            keys,
            manner,
            started: Instant::now(),
            asked: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let state = Arc::clone(&shared);
        let accept = move || {
            for stream in listener.incoming().flatten() {
                if state.over.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&state);
                thread::spawn(move || answer(stream, &state));
            }
        };
        thread::Builder::new().name("licences".to_owned()).spawn(accept).expect("a thread can be started");
        Self { address, shared }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}/licence?session=private", self.address)
    }

    /// Every question so far, in order of arrival.
    pub fn asked(&self) -> Vec<Question> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for LicenceServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

fn answer(mut stream: TcpStream, shared: &Shared) {
    let Some((head, body)) = read(&mut stream) else { return };
    let document: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let kids: Vec<String> = document["kids"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|kid| kid.as_str().map(str::to_owned))
        .collect();
    let number = {
        let mut asked = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(Question { head, kids: kids.clone(), at: shared.started.elapsed() });
        asked.len()
    };
    let licence = |wrong: bool| {
        let known = shared.keys.iter().filter(|key| kids.contains(&base64url(&key.kid)));
        let keys: Vec<Value> = known
            .map(|key| {
                let value = if wrong { &key.kid } else { &key.key };
                json!({ "kty": "oct", "kid": base64url(&key.kid), "k": base64url(value) })
            })
            .collect();
        json!({ "keys": keys, "type": "temporary" }).to_string()
    };
    let (status, extra, text) = match &shared.manner {
        Manner::Well => ("200 OK", String::new(), licence(false)),
        Manner::Slowly(span) => {
            thread::sleep(*span);
            ("200 OK", String::new(), licence(false))
        }
        Manner::Refusing(code, times) if number <= *times => {
            return send(&mut stream, &format!("{code} Refused"), "", "no");
        }
        Manner::Refusing(..) => ("200 OK", String::new(), licence(false)),
        Manner::Silent => {
            // Until the client loses patience.
            let _ = stream.read(&mut [0; 1]);
            return;
        }
        Manner::Nonsense(text) => ("200 OK", String::new(), (*text).to_owned()),
        Manner::Wrongly => ("200 OK", String::new(), licence(true)),
        Manner::Elsewhere => {
            ("307 Temporary Redirect", "Location: http://127.0.0.1:9/\r\n".to_owned(), String::new())
        }
    };
    send(&mut stream, status, &extra, &text);
}

fn send(stream: &mut TcpStream, status: &str, extra: &str, text: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    // A client that left needs no answer.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes()));
}

/// Head and body of a request.
fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0).min(1 << 20)];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// Base64url without padding of hexadecimal digits.
pub fn base64url(digits: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for group in bytes(digits).chunks(3) {
        let value =
            group.iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            out.push(DIGITS[(value >> (18 - 6 * place) & 63) as usize] as char);
        }
    }
    out
}
