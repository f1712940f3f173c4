//! The `countersign-server` program.

fn main() -> std::process::ExitCode {
    countersign_server::cli::run()
}
