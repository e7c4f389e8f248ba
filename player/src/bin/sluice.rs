//! The desktop player; everything is in [`player::cli`].

fn main() -> std::process::ExitCode {
    player::cli::main()
}
