//! What the load program says when it cannot measure.

use std::process::Command;

fn said(module: &str, more: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign-pkcs11-load"))
        .args(["--module", module, "--token-label", "t", "--key-label", "k"])
        .args(["--mechanism", "ecdsa", "--seconds", "1"])
        .args(more)
        .output()?;
    assert!(!output.status.success(), "it must fail");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_module_that_is_not_there() -> anyhow::Result<()> {
    let message = said("/nowhere/module.so", &[])?;
    assert!(
        message.contains("cannot load the PKCS#11 module /nowhere/module.so"),
        "{message}"
    );
    Ok(())
}

#[test]
fn a_library_that_is_no_module() -> anyhow::Result<()> {
    let message = said("libc.so.6", &[])?;
    assert!(message.contains("C_GetFunctionList"), "{message}");
    Ok(())
}

#[test]
fn no_threads() -> anyhow::Result<()> {
    let message = said("libc.so.6", &["--threads", "1,0"])?;
    assert!(message.contains("--threads"), "{message}");
    Ok(())
}
