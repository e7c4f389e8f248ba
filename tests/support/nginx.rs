//! nginx as a child process: a real server beside the scripted origin.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time until it listens.
const PATIENCE: Duration = Duration::from_secs(10);

/// The program; `None`, said aloud, when it is not installed.
pub fn program() -> Option<&'static Path> {
    let found = ["/usr/sbin/nginx", "/usr/bin/nginx"].map(Path::new).into_iter().find(|path| path.exists());
    if found.is_none() {
        println!("skipped: nginx is not installed");
    }
    found
}

/// Writes a configuration with these `server` blocks into `folder`, which also takes its log: protocol,
/// connection, status and address of every request, a line each.
///
/// # Panics
///
/// When the folder cannot be written.
pub fn configure(folder: &Path, servers: &str) -> PathBuf {
    let config = folder.join("nginx.conf");
    let own = folder.display();
    let text = format!(
        "user root;\npid {own}/pid;\nerror_log {own}/error.log;\nevents {{}}\nhttp {{\n  \
         log_format plain '$server_protocol $connection $status $request_uri';\n  \
         access_log {own}/access.log plain;\n  \
         types {{ application/dash+xml mpd; application/vnd.apple.mpegurl m3u8; video/mp2t ts; \
         video/mp4 mp4 m4s; }}\n  \
         client_body_temp_path {own}/a; proxy_temp_path {own}/b; fastcgi_temp_path {own}/c;\n  \
         uwsgi_temp_path {own}/d; scgi_temp_path {own}/e;\n{servers}}}\n"
    );
    fs::write(&config, text).expect("the folder can be written");
    config
}

/// The command that runs it in the foreground.
pub fn command(program: &Path, config: &Path) -> Vec<String> {
    let words = ["-g", "daemon off; master_process off;", "-c"].map(str::to_owned);
    [vec![program.display().to_string()], words.into(), vec![config.display().to_string()]].concat()
}

/// Ports of loopback that nobody uses now.
///
/// # Panics
///
/// When the machine has none.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"));
    listeners.map(|listener| listener.local_addr().expect("a listener has an address").port())
}

/// nginx on loopback; gone when dropped.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts it with these `server` blocks and waits until it listens on `port`. `None`, said aloud, when it
    /// is not installed.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(servers: &str, port: u16) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let words = command(program, &configure(folder.path(), servers));
        let (first, rest) = words.split_first().expect("a command has a program");
        let child = Command::new(first)
            .args(rest)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx can be started");
        let site = Self { child, folder };
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen: {}", site.read("error.log"));
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(site)
    }

    /// Every request so far: protocol, connection, status and address.
    pub fn log(&self) -> Vec<[String; 4]> {
        let line = |line: &str| {
            let mut words = line.splitn(4, ' ').map(str::to_owned);
            [(); 4].map(|()| words.next().unwrap_or_default())
        };
        self.read("access.log").lines().map(line).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
