//! Certificates and data objects.

use anyhow::ensure;

use super::readers::{Bench, must_be_equal};

fn write(bench: &Bench, file: &str, options: &[&str]) -> anyhow::Result<()> {
    let write = ["--write-object", file];
    bench.logged_in(0, &[&write[..], options].concat())?;
    Ok(())
}

fn read(bench: &Bench, options: &[&str], out: &str) -> anyhow::Result<()> {
    let read = ["--read-object", "--output-file", out];
    bench.logged_in(0, &[&read[..], options].concat())?;
    Ok(())
}

fn make_certificate(bench: &Bench, subject: &str, out: &str) -> anyhow::Result<()> {
    let key = [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.pem",
    ];
    let out = ["-subj", subject, "-outform", "DER", "-out", out];
    bench.openssl(&[&key[..], &out].concat())?;
    Ok(())
}

#[test]
fn a_certificate_is_stored_read_and_deleted() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    make_certificate(&bench, "/CN=Some authority", "authority.der")?;
    let authority = ["--type", "cert", "--id", "30"];
    let label = ["--label", "authority"];
    write(&bench, "authority.der", &[&authority[..], &label].concat())?;
    bench
        .pkcs11_tool(0, &["--list-objects"])?
        .must_have(&["authority", "CN=Some authority"])?;
    bench
        .pkcs15_tool(0, &["--dump"])?
        .must_have(&["X.509 Certificate [authority]"])?;
    read(&bench, &authority, "copy.der")?;
    must_be_equal(&bench.path("copy.der"), &bench.path("authority.der"))?;

    let delete = [&["--delete-object"], &authority[..]].concat();
    bench.pkcs11_tool_fails(0, &delete)?;
    bench.logged_in(0, &delete)?;
    let left = bench.pkcs11_tool(0, &["--list-objects"])?;
    ensure!(!left.has("authority"), "{}", left.0);
    Ok(())
}

#[test]
fn a_key_with_a_certificate_signs() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "rsa:2048", "20", "key")?;
    // A CA issues a certificate for the card's key.
    make_certificate(&bench, "/CN=Some authority", "authority.der")?;
    let authority = ["x509", "-inform", "DER", "-in", "authority.der"];
    bench.openssl(&[&authority[..], &["-out", "ca.crt"]].concat())?;
    let request = ["req", "-new", "-newkey", "rsa:2048", "-nodes"];
    let files = [
        "-keyout",
        "other.pem",
        "-subj",
        "/CN=The key",
        "-out",
        "request",
    ];
    bench.openssl(&[&request[..], &files].concat())?;
    let issue = ["x509", "-req", "-in", "request", "-CA", "ca.crt"];
    let key = ["-CAkey", "ca.pem", "-force_pubkey", "key.pub"];
    let out = ["-outform", "DER", "-out", "key.der"];
    bench.openssl(&[&issue[..], &key, &out].concat())?;

    let certificate = ["--type", "cert", "--id", "20"];
    write(
        &bench,
        "key.der",
        &[&certificate[..], &["--label", "key"]].concat(),
    )?;
    read(&bench, &certificate, "copy.der")?;
    must_be_equal(&bench.path("copy.der"), &bench.path("key.der"))?;
    bench.logged_in(0, &["--test"])?.must_have(&["No errors"])?;
    bench.sign(0, "20", "SHA256-RSA-PKCS")?;
    bench.openssl_verifies("key", &[])
}

#[test]
fn data_objects_are_stored_read_and_deleted() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    std::fs::write(bench.path("public"), "public data")?;
    // Longer than the data of one command.
    std::fs::write(bench.path("private"), "private data".repeat(60))?;
    let application = ["--type", "data", "--application-label", "test"];
    for name in ["public", "private"] {
        let label = ["--label", name];
        let mut options = [&application[..], &label].concat();
        if name == "private" {
            options.push("--private");
        }
        write(&bench, name, &options)?;
        read(&bench, &[&["--type", "data"], &label[..]].concat(), "copy")?;
        must_be_equal(&bench.path("copy"), &bench.path(name))?;
    }
    let seen = bench.pkcs11_tool(0, &["--list-objects", "--type", "data"])?;
    ensure!(seen.has("'public'") && !seen.has("'private'"), "{}", seen.0);
    // The card itself refuses to return private data before log-in.
    let command = ["--send-apdu", "00:A4:00:00:02:CD:01:00"];
    let read = ["--send-apdu", "00:B1:00:00:04:54:02:00:00:00"];
    let select = [
        "--send-apdu",
        "00:A4:04:00:0B:E8:2B:06:01:04:01:81:C3:1F:02:01:00",
    ];
    let answer = bench.opensc_tool(0, &[select, command, read].concat())?;
    ensure!(answer.has("SW1=0x69, SW2=0x82"), "{}", answer.0);

    for name in ["public", "private"] {
        let delete = ["--delete-object", "--type", "data", "--label", name];
        bench.logged_in(0, &delete)?;
    }
    let left = bench.logged_in(0, &["--list-objects", "--type", "data"])?;
    ensure!(!left.has("public") && !left.has("private"), "{}", left.0);
    Ok(())
}
