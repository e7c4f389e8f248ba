//! The command line of `sluice`: from arguments to an exit code.

pub mod args;
mod explain;
mod inspect;
mod play;
mod progress;
#[cfg(feature = "tv")]
pub mod tv;

use abr::error::{Category, Code, Error, Severity};
use args::{Cli, Sub};
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;
use url::Url;

/// What a program tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Ok = 0,
    Internal = 1,
    Usage = 2,
    NotOpened = 3,
    Interrupted = 4,
    Losses = 5,
    Keys = 6,
    Policy = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The code for an error that ended the program; `began` when something had been played.
    fn of(error: &Error, began: bool) -> Self {
        match (error.code, error.category) {
            (Code::Internal, _) => Self::Internal,
            (Code::Forbidden, _) => Self::Policy,
            (_, Category::Keys) => Self::Keys,
            _ if began => Self::Losses,
            _ => Self::NotOpened,
        }
    }
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    crate::process::ProcessClock::get();
    crate::allocator::set_up();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let exit = match cli.command {
        None => play::run(cli.play),
        Some(Sub::Inspect(inspect)) => inspect::run(inspect),
        Some(Sub::Explain { code }) => explain::run(code),
        Some(Sub::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut std::io::stdout());
            Exit::Ok
        }
        Some(Sub::Man) => match clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()) {
            Ok(()) => Exit::Ok,
            Err(error) => complain(&format!("The man page could not be written: {error}."), Exit::Internal),
        },
    };
    exit.into()
}

/// Says what is wrong and returns `exit`.
fn complain(message: &str, exit: Exit) -> Exit {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "sluice: {message}");
    exit
}

/// A fatal error of the program around a session.
fn fatal(code: Code, message: impl Into<String>) -> Error {
    Error::new(Severity::Fatal, code, message)
}

/// Reads what the user typed as an address: a URL, or the path of a file.
fn address(text: &str) -> Result<Url, Error> {
    let known = |scheme: &str| matches!(scheme, "http" | "https" | "file");
    let parsed = Url::parse(text);
    if let Ok(url) = &parsed
        && known(url.scheme())
    {
        return Ok(url.clone());
    }
    let path = std::path::absolute(text).ok().filter(|path| path.is_file());
    if let Some(url) = path.and_then(|path| Url::from_file_path(path).ok()) {
        return Ok(url);
    }
    let scheme = parsed.as_ref().map(Url::scheme).ok().or(text.split_once("://").map(|(scheme, _)| scheme));
    Err(match scheme.filter(|scheme| !known(scheme)) {
        Some(scheme) => {
            let text = format!("'{scheme}:' addresses are not played; give an http(s) URL or a file.");
            fatal(Code::Forbidden, text)
        }
        None => {
            fatal(Code::Unreachable, format!("'{text}' is neither a URL nor a file; check the spelling."))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls_or_files() {
        assert_eq!(address("http://h/a.mpd").expect("URL").as_str(), "http://h/a.mpd");
        assert_eq!(address("av://lavfi:x").expect_err("refused").code, Code::Forbidden);
        assert_eq!(address("no-such-file.mpd").expect_err("missing").code, Code::Unreachable);
        assert_eq!(address("Cargo.toml").expect("file").scheme(), "file");
    }

    #[test]
    fn exit_codes_follow_the_error() {
        let error = |code| Error::new(Severity::Fatal, code, "");
        assert_eq!(Exit::of(&error(Code::Status), false), Exit::NotOpened);
        assert_eq!(Exit::of(&error(Code::Status), true), Exit::Losses);
        assert_eq!(Exit::of(&error(Code::MissingKey), false), Exit::Keys);
        assert_eq!(Exit::of(&error(Code::Forbidden), true), Exit::Policy);
    }
}
