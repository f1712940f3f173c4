//! OpenSC's programs and PKCS#11 module with a simulated card in a virtual reader.

use std::{path::Path, process::Command};

use anyhow::ensure;
use countersign_bench::{Algorithm, Measurement, OpenScCard};
use countersign_harness::pcsc::Speed;

/// Verifies a signature over the file `data` with OpenSSL.
fn must_verify(folder: &Path, id: &str, signature: &str, options: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("openssl")
        .args(["dgst", "-sha256", "-keyform", "DER"])
        .args(["-verify", &format!("{id}.der"), "-signature", signature])
        .args(options)
        .arg("data")
        .current_dir(folder)
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(printed.contains("Verified OK"), "{signature}: {printed}");
    Ok(())
}

#[test]
fn opensc_generates_keys_on_the_card_and_signs_with_them() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let card = OpenScCard::set_up(folder.path())?;

    let objects = card.pkcs11_tool(&["--list-objects"])?;
    for kind in [
        "Private Key Object; EC",
        "Public Key Object; EC",
        "Private Key Object; RSA",
        "Public Key Object; RSA 2048 bits",
    ] {
        assert!(
            objects.contains(kind),
            "the list does not contain {kind}:\n{objects}"
        );
    }
    for id in ["10", "11"] {
        let file = format!("{id}.der");
        card.pkcs11_tool(&["--read-object", "--type", "pubkey", "--id", id, "-o", &file])?;
    }
    std::fs::write(folder.path().join("data"), "data to sign")?;

    let ecdsa = ["--sign", "-m", "ECDSA-SHA256", "--id", "10"];
    let der = ["--signature-format", "openssl"];
    let files = ["-i", "data", "-o", "ecdsa.sig"];
    card.pkcs11_tool(&[&ecdsa[..], &der, &files].concat())?;
    must_verify(folder.path(), "10", "ecdsa.sig", &[])?;

    let rsa = ["--sign", "-m", "SHA256-RSA-PKCS", "--id", "11"];
    card.pkcs11_tool(&[&rsa[..], &["-i", "data", "-o", "rsa.sig"]].concat())?;
    must_verify(folder.path(), "11", "rsa.sig", &[])
}

#[test]
fn the_load_signs_with_every_mechanism_on_a_fast_and_a_slow_card() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let card = OpenScCard::set_up(folder.path())?;
    let measure = |algorithm, speed, threads: &[usize], seconds| {
        card.measure(&Measurement {
            algorithm,
            speed,
            threads: threads.to_vec(),
            seconds,
        })
    };
    for algorithm in [Algorithm::Ecdsa, Algorithm::RsaPkcs, Algorithm::RsaPss] {
        let figures = measure(algorithm, Speed::Computer, &[1, 3], 1)?;
        let threads: Vec<_> = figures.iter().map(|one| one.threads).collect();
        assert_eq!(threads, [1, 3], "{algorithm:?}");
    }
    // The card signs one digest at a time and takes 170 ms for each, so at most 12 are finished within 2 s.
    for figures in measure(Algorithm::Ecdsa, Speed::Device, &[1, 3], 2)? {
        assert!(figures.signatures <= 12, "{figures:?}");
        assert!(figures.p50_ms > 170.0, "{figures:?}");
    }
    Ok(())
}
