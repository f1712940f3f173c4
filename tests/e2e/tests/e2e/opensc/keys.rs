//! Keys are generated, listed, used and deleted.

use anyhow::ensure;

use super::readers::{Bench, must_be_equal};

#[test]
fn openssl_verifies_signatures_of_ec_keys() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    for (kind, id) in [
        ("EC:prime256v1", "10"),
        ("EC:secp384r1", "11"),
        ("EC:brainpoolP256r1", "13"),
        ("EC:secp256k1", "14"),
    ] {
        bench.generate_key(0, kind, id, "key")?;
        bench.sign(0, id, "ECDSA-SHA256")?;
        bench.openssl_verifies("key", &[])?;
    }
    Ok(())
}

/// OpenSC derives the size of the field from the length of the signature. It mistakes one signature in sixteen of this curve
/// for one of a 512-bit curve and cannot decode it, so the test tries several messages.
#[test]
fn openssl_verifies_signatures_of_secp521r1_keys() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:secp521r1", "12", "key")?;
    // The messages differ, because the simulated card signs deterministically (RFC 6979).
    let signed = ["1", "2", "3", "4", "5", "6", "7", "8"].iter().any(|text| {
        std::fs::write(bench.path("message"), text).is_ok()
            && bench.sign(0, "12", "ECDSA-SHA256").is_ok()
    });
    ensure!(signed, "OpenSC could not decode any of eight signatures");
    bench.openssl_verifies("key", &[])
}

#[test]
fn openssl_verifies_signatures_of_rsa_keys() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "rsa:2048", "20", "key")?;
    bench.sign(0, "20", "SHA256-RSA-PKCS")?;
    bench.openssl_verifies("key", &[])?;

    bench.openssl(&["dgst", "-sha256", "-binary", "-out", "digest", "message"])?;
    let sign = ["--sign", "--id", "20", "--mechanism", "RSA-PKCS-PSS"];
    let hash = ["--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA256"];
    let files = ["--input-file", "digest", "--output-file", "signature"];
    bench.logged_in(0, &[&sign[..], &hash, &files].concat())?;
    bench.openssl_verifies("key", &["-sigopt", "rsa_padding_mode:pss"])
}

#[test]
fn pkcs11_tool_reports_no_errors_in_its_own_tests() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "rsa:2048", "20", "rsa")?;
    bench.generate_key(0, "EC:prime256v1", "10", "ec")?;
    bench.logged_in(0, &["--test"])?.must_have(&["No errors"])?;
    let kind = ["--key-type", "EC:prime256v1", "--id", "30"];
    let test = ["--test-ec", "--session-rw", "--label", "test"];
    bench
        .logged_in(0, &[test, kind].concat())?
        .must_have(&["==> OK"])
}

#[test]
fn pkcs15_tool_lists_the_keys_that_pkcs11_tool_generated() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:prime256v1", "10", "first key")?;
    bench.generate_key(0, "rsa:2048", "20", "second key")?;
    bench.pkcs15_tool(0, &["--dump"])?.must_have(&[
        "Private EC Key [first key]",
        "FieldLength    : 256",
        "Private RSA Key [second key]",
        "ModLength      : 2048",
        "Public EC Key [first key]",
        "Public RSA Key [second key]",
    ])?;
    let public = ["pkey", "-pubin", "-in", "first key.pub", "-outform", "DER"];
    bench.openssl(&[&public[..], &["-out", "one.der"]].concat())?;
    let read = ["--read-object", "--type", "pubkey", "--id", "10"];
    bench.pkcs11_tool(0, &[&read[..], &["--output-file", "other.der"]].concat())?;
    must_be_equal(&bench.path("one.der"), &bench.path("other.der"))
}

#[test]
fn a_deleted_key_is_neither_listed_nor_usable() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:prime256v1", "10", "doomed")?;
    bench.generate_key(0, "EC:prime256v1", "11", "other")?;
    let delete = ["--delete-object", "--type", "privkey", "--id", "10"];
    bench.pkcs11_tool_fails(0, &delete)?;
    bench.logged_in(0, &delete)?;
    let left = bench.logged_in(0, &["--list-objects"])?;
    ensure!(left.has("other") && !left.has("doomed"), "{}", left.0);
    bench.sign(0, "11", "ECDSA-SHA256")?;
    ensure!(bench.sign(0, "10", "ECDSA-SHA256").is_err());
    // A new key can use the free place.
    bench.generate_key(0, "EC:prime256v1", "12", "next")?;
    bench.sign(0, "12", "ECDSA-SHA256")?;
    bench.openssl_verifies("next", &[])
}

#[test]
fn keys_are_neither_generated_nor_used_without_the_pin() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    let generate = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "10"];
    bench.pkcs11_tool_fails(0, &generate)?;
    bench.generate_key(0, "EC:prime256v1", "10", "key")?;
    let sign = ["--sign", "--id", "10", "--mechanism", "ECDSA-SHA256"];
    let files = ["--input-file", "message", "--output-file", "signature"];
    bench.pkcs11_tool_fails(0, &[&sign[..], &files].concat())?;
    Ok(())
}
