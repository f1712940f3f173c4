//! `countersign-server`.

fn main() -> std::process::ExitCode {
    countersign_server::cli::run()
}
