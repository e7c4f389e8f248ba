//! A certificate authority of the test's own, made by openssl, and what it signs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Key type of all certificates.
const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// An authority that nobody trusts unless told to.
#[derive(Debug)]
pub struct Authority {
    folder: tempfile::TempDir,
}

/// A server's certificate and key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

impl Authority {
    /// A new one; `None`, said aloud, when openssl is not installed.
    pub fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            println!("skipped: openssl is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let authority = Self { folder };
        let request = ["req", "-x509", "-days", "2", "-subj", "/CN=An authority for tests"];
        let extensions =
            ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
        let files = ["-keyout", "ca.key", "-out", "ca.pem"];
        authority.openssl(&[&request[..], &KEY, &extensions, &files].concat());
        Some(authority)
    }

    /// The file with its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for `host` that is valid for so many days; −1: until yesterday.
    pub fn issue(&self, host: &str, days: i32) -> Identity {
        let name = format!("{host}{days}");
        let files = [".key", ".csr", ".ext", ".pem"].map(|ending| format!("{name}{ending}"));
        let [key, request, extensions, certificate] = files.each_ref().map(String::as_str);
        let subject = format!("/CN={host}");
        let make = ["req", "-subj", &subject, "-keyout", key, "-out", request];
        self.openssl(&[&make[..1], &KEY, &make[1..]].concat());
        std::fs::write(self.path(extensions), format!("subjectAltName=DNS:{host}\n")).expect("a folder");
        let days = days.to_string();
        let sign = ["x509", "-req", "-in", request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        self.openssl(&[&sign[..], &["-days", &days, "-extfile", extensions, "-out", certificate]].concat());
        Identity { certificate: self.path(certificate), key: self.path(key) }
    }

    /// A certificate for `host` that no authority has signed.
    pub fn unsigned(&self, host: &str) -> Identity {
        let (subject, name) = (format!("/CN={host}"), format!("subjectAltName=DNS:{host}"));
        let make = ["req", "-x509", "-days", "2", "-subj", &subject, "-addext", &name];
        let files = ["-keyout", "self.key", "-out", "self.pem"];
        self.openssl(&[&make[..], &KEY, &files].concat());
        Identity { certificate: self.path("self.pem"), key: self.path("self.key") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(Path::new(name))
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(self.folder.path()).output();
        let output = output.expect("openssl runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
