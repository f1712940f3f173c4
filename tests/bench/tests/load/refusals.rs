//! Error messages of the load program.

use std::process::Command;

fn error_of(module: &str, more: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign-pkcs11-load"))
        .args(["--module", module, "--token-label", "t", "--key-label", "k"])
        .args(["--mechanism", "ecdsa", "--seconds", "1"])
        .args(more)
        .output()?;
    assert!(!output.status.success(), "the load program must fail");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_missing_module_is_reported_with_its_path() -> anyhow::Result<()> {
    let message = error_of("/nowhere/module.so", &[])?;
    assert!(
        message.contains("cannot load the PKCS#11 module /nowhere/module.so"),
        "{message}"
    );
    Ok(())
}

#[test]
fn a_library_that_is_not_a_module_is_reported() -> anyhow::Result<()> {
    let message = error_of("libc.so.6", &[])?;
    assert!(message.contains("C_GetFunctionList"), "{message}");
    Ok(())
}

#[test]
fn zero_threads_are_rejected() -> anyhow::Result<()> {
    let message = error_of("libc.so.6", &["--threads", "1,0"])?;
    assert!(message.contains("--threads"), "{message}");
    Ok(())
}
