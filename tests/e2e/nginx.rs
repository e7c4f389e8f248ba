//! The acceptance test: nginx serves over a link that `tc tbf` holds at 6, then 1, then 6 Mbit/s.
//!
//! As root on a machine with network namespaces the link is a veth pair; elsewhere nginx cannot be slowed
//! down from outside, the test says so, and the same check on the shaped origin (`switching`) stands for it.

use crate::switching::{check_fall_and_rise, long_film};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::content::{Packaging, Title};
use tests::nginx;
use tests::sluice::{Sluice, program};

/// A network namespace at the far end of a shaped link, with nginx in it; gone when dropped.
struct Site {
    namespace: String,
    link: String,
    address: String,
    nginx: Option<Child>,
    _folder: tempfile::TempDir,
}

impl Site {
    /// `None`, said aloud, when this machine does not allow it.
    fn start(title: &Title, number: u8) -> Option<Self> {
        let program = nginx::program()?;
        // Names of links have at most 15 characters.
        let name = format!("sl{}{number}", std::process::id() % 100_000);
        let (near, far) = (format!("{name}a"), format!("{name}b"));
        let net = format!("10.{}.{}", 200 + number, std::process::id() % 250);
        let steps = [
            format!("ip netns add {name}"),
            format!("ip link add {near} type veth peer name {far} netns {name}"),
            format!("ip addr add {net}.1/30 dev {near}"),
            format!("ip link set {near} up"),
            format!("ip netns exec {name} ip addr add {net}.2/30 dev {far}"),
            format!("ip netns exec {name} ip link set {far} up"),
            format!("ip netns exec {name} tc qdisc replace dev {far} root {}", tbf(6)),
        ];
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let mut site =
            Self { namespace: name, link: far, address: format!("{net}.2"), nginx: None, _folder: folder };
        for step in &steps {
            if let Err(why) = run(step) {
                println!("skipped: no shaped link on this machine ({step}: {why})");
                return None;
            }
        }
        let content = title.folder.display();
        let server = format!("server {{ listen {}:80; root {content}; }}\n", site.address);
        let config = nginx::configure(site._folder.path(), &server);
        let child = Command::new("ip")
            .args(["netns", "exec", &site.namespace])
            .args(nginx::command(program, &config))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx can be started");
        site.nginx = Some(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        let address = format!("{}:80", site.address).parse().expect("an address");
        while std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(site)
    }

    fn rate(&self, mbps: u32) {
        let step =
            format!("ip netns exec {} tc qdisc replace dev {} root {}", self.namespace, self.link, tbf(mbps));
        run(&step).unwrap_or_else(|why| panic!("{step}: {why}"));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut nginx) = self.nginx.take() {
            drop(nginx.kill());
            drop(nginx.wait());
        }
        drop(run(&format!("ip netns del {}", self.namespace)));
    }
}

fn tbf(mbps: u32) -> String {
    format!("tbf rate {mbps}mbit burst 16kb latency 100ms")
}

fn run(step: &str) -> Result<(), String> {
    let mut words = step.split(' ');
    let output = Command::new(words.next().unwrap_or_default()).args(words).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn plays_from_nginx(packaging: Packaging, number: u8) {
    let title = long_film().package(packaging);
    let Some(site) = Site::start(&title, number) else { return };
    let url = format!("http://{}/{}", site.address, title.entry);
    println!("{} plays {url} over a shaped veth pair", program("sluice").display());
    let outcome = std::thread::scope(|scope| {
        let player = scope.spawn(|| Sluice::paced(&url).run());
        for (after, mbps) in [(8, 1), (12, 6)] {
            std::thread::sleep(Duration::from_secs(after));
            site.rate(mbps);
        }
        player.join().expect("the run does not panic")
    });
    check_fall_and_rise(&outcome.expect_success(), &title);
}

#[test]
fn dash_from_nginx() {
    plays_from_nginx(Packaging::DashNumber, 1);
}

#[test]
fn hls_ts_from_nginx() {
    plays_from_nginx(Packaging::HlsTs, 2);
}

#[test]
fn hls_fmp4_from_nginx() {
    plays_from_nginx(Packaging::HlsFmp4, 3);
}
