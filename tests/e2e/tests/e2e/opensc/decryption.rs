//! RSA decryption and ECDH key agreement.

use super::readers::{Bench, must_be_equal};

#[test]
fn a_card_decrypts_what_openssl_encrypts() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "rsa:2048", "20", "key")?;
    let key = ["-pubin", "-inkey", "key.pub"];
    let files = ["-in", "message", "-out", "encrypted"];
    let oaep = [
        "-pkeyopt",
        "rsa_padding_mode:oaep",
        "-pkeyopt",
        "rsa_oaep_md:sha256",
    ];
    let with_hash = ["--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA256"];
    for (padding, mechanism, hash) in [
        (&[][..], "RSA-PKCS", &[][..]),
        (&oaep, "RSA-PKCS-OAEP", &with_hash),
    ] {
        bench.openssl(&[&["pkeyutl", "-encrypt"], &key[..], &files, padding].concat())?;
        let decrypt = ["--decrypt", "--id", "20", "--mechanism", mechanism];
        let files = ["--input-file", "encrypted", "--output-file", "decrypted"];
        bench.logged_in(0, &[&decrypt[..], &files, hash].concat())?;
        must_be_equal(&bench.path("decrypted"), &bench.path("message"))?;
    }
    Ok(())
}

#[test]
fn a_card_and_openssl_derive_the_same_secret() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:prime256v1", "10", "key")?;
    let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    bench.openssl(&[&["genpkey"], &curve[..], &["-out", "peer.pem"]].concat())?;
    let public = ["pkey", "-in", "peer.pem", "-pubout", "-outform", "DER"];
    bench.openssl(&[&public[..], &["-out", "peer.pub"]].concat())?;

    let derive = ["--derive", "--id", "10", "--mechanism", "ECDH1-DERIVE"];
    let files = ["--input-file", "peer.pub", "--output-file", "secret"];
    bench.logged_in(0, &[&derive[..], &files].concat())?;
    let derive = ["pkeyutl", "-derive", "-inkey", "peer.pem"];
    let files = ["-peerkey", "key.pub", "-out", "expected"];
    bench.openssl(&[derive, files].concat())?;
    must_be_equal(&bench.path("secret"), &bench.path("expected"))
}
