//! A proxy for TLS connections (`CONNECT`, RFC 9110, 9.3.6) that leads every one of them to one place.
//!
//! Threads: one that accepts, two for each connection; all end with the sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one on a free port of loopback that leads to `port` there.
    ///
    /// # Panics
    ///
    /// When the machine gives no port: nothing can be tested then.
    pub fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || lead(near, port, &seen));
            }
        });
        Self { address, asked }
    }

    /// As the environment names it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Host and port of every connection asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves one connection to its end; a peer that hangs up ends it.
fn lead(mut near: TcpStream, port: u16, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        near.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let host = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(host.to_owned());
    let mut far = TcpStream::connect(("127.0.0.1", port)).ok()?;
    near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (mut from_near, mut to_far) = (near.try_clone().ok()?, far.try_clone().ok()?);
    let up = std::thread::spawn(move || {
        let _hung_up = std::io::copy(&mut from_near, &mut to_far);
        drop(to_far.shutdown(Shutdown::Write));
    });
    let _hung_up = std::io::copy(&mut far, &mut near);
    drop(near.shutdown(Shutdown::Write));
    up.join().ok()
}
