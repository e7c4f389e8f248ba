//! The player for a television; everything is in [`player::cli::tv`].

fn main() -> std::process::ExitCode {
    player::cli::tv::main()
}
