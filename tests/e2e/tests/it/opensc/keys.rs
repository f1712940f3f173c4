//! Keys: made, listed, used, deleted.

use anyhow::ensure;

use super::readers::{Bench, same};

#[test]
fn openssl_verifies_what_ec_keys_sign() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    for (kind, id) in [
        ("EC:prime256v1", "10"),
        ("EC:secp384r1", "11"),
        ("EC:brainpoolP256r1", "13"),
        ("EC:secp256k1", "14"),
    ] {
        bench.make_key(0, kind, id, "key")?;
        bench.sign(0, id, "ECDSA-SHA256")?;
        bench.openssl_verifies("key", &[])?;
    }
    Ok(())
}

/// OpenSC takes the field's size from the signature's length, and so one signature in sixteen of this curve for one of
/// a curve of 512 bits, which it then refuses to decode.
#[test]
fn openssl_verifies_what_keys_of_the_longest_curve_sign() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.make_key(0, "EC:secp521r1", "12", "key")?;
    // The simulated card signs the same message with the same signature (RFC 6979).
    let signed = ["1", "2", "3", "4", "5", "6", "7", "8"].iter().any(|text| {
        std::fs::write(bench.path("message"), text).is_ok()
            && bench.sign(0, "12", "ECDSA-SHA256").is_ok()
    });
    ensure!(signed, "not even one signature in eight could be decoded");
    bench.openssl_verifies("key", &[])
}

#[test]
fn openssl_verifies_what_rsa_keys_sign() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.make_key(0, "rsa:2048", "20", "key")?;
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
fn pkcs11_tool_finds_nothing_wrong() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.make_key(0, "rsa:2048", "20", "rsa")?;
    bench.make_key(0, "EC:prime256v1", "10", "ec")?;
    bench.logged_in(0, &["--test"])?.must_have(&["No errors"])?;
    let kind = ["--key-type", "EC:prime256v1", "--id", "30"];
    let test = ["--test-ec", "--session-rw", "--label", "test"];
    bench
        .logged_in(0, &[test, kind].concat())?
        .must_have(&["==> OK"])
}

#[test]
fn other_tools_see_the_same_keys() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.make_key(0, "EC:prime256v1", "10", "first key")?;
    bench.make_key(0, "rsa:2048", "20", "second key")?;
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
    same(&bench.path("one.der"), &bench.path("other.der"))
}

#[test]
fn a_deleted_key_is_gone() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.make_key(0, "EC:prime256v1", "10", "doomed")?;
    bench.make_key(0, "EC:prime256v1", "11", "kept")?;
    let privately = ["--delete-object", "--type", "privkey", "--id", "10"];
    bench.pkcs11_tool_refuses(0, &privately)?;
    bench.logged_in(0, &privately)?;
    let left = bench.logged_in(0, &["--list-objects"])?;
    ensure!(left.has("kept") && !left.has("doomed"), "{}", left.0);
    bench.sign(0, "11", "ECDSA-SHA256")?;
    ensure!(bench.sign(0, "10", "ECDSA-SHA256").is_err());
    // Its place is free for another.
    bench.make_key(0, "EC:prime256v1", "12", "next")?;
    bench.sign(0, "12", "ECDSA-SHA256")?;
    bench.openssl_verifies("next", &[])
}

#[test]
fn nothing_is_made_or_used_without_the_pin() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    let generate = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "10"];
    bench.pkcs11_tool_refuses(0, &generate)?;
    bench.make_key(0, "EC:prime256v1", "10", "key")?;
    let sign = ["--sign", "--id", "10", "--mechanism", "ECDSA-SHA256"];
    let files = ["--input-file", "message", "--output-file", "signature"];
    bench.pkcs11_tool_refuses(0, &[&sign[..], &files].concat())?;
    Ok(())
}
