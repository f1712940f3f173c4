//! Files to sign, and OpenSSL to verify their signatures.

use std::{path::Path, process::Command};

use anyhow::{Context, bail};

/// Writes `count` different files and returns their paths.
pub fn make(folder: &Path, count: usize) -> anyhow::Result<Vec<std::path::PathBuf>> {
    std::fs::create_dir_all(folder)?;
    (0..count)
        .map(|number| {
            let path = folder.join(format!("image-{number:03}.bin"));
            std::fs::write(
                &path,
                format!("firmware image {number}\n").repeat(100 + number),
            )?;
            Ok(path)
        })
        .collect()
}

/// Verifies a detached SHA-256 signature with the `openssl` program: ECDSA, or RSA PKCS#1 v1.5.
///
/// # Errors
/// The signature is wrong, or `openssl` cannot be run.
pub fn openssl_verify(public_key: &Path, file: &Path, signature: &Path) -> anyhow::Result<()> {
    let output = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify"])
        .arg(public_key)
        .arg("-signature")
        .arg(signature)
        .arg(file)
        .output()
        .context("cannot run openssl")?;
    if !output.status.success() {
        bail!(
            "openssl rejects {}: {}{}",
            signature.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
