//! The simulator command line.

fn main() -> std::process::ExitCode {
    abr::cli::main()
}
