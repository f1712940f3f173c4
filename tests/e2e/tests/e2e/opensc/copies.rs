//! Keys that are wrapped on one card and unwrapped on another with the same DKEK.

use anyhow::ensure;
use countersign_harness::helper::PIN;

use super::readers::Bench;

const PASSWORD: [&str; 2] = ["--password", "a password for the share"];

#[test]
fn a_copied_key_signs_like_the_original() -> anyhow::Result<()> {
    let bench = Bench::from_factory()?;
    for card in 0..2 {
        bench.initialise(card, &["--dkek-shares", "1"])?;
    }
    let create = ["--create-dkek-share", "share.pbe"];
    bench.sc_hsm_tool(0, &[create, PASSWORD].concat())?;
    bench
        .sc_hsm_tool(0, &[])?
        .must_have(&["1 share(s) still missing"])?;
    let import = [["--import-dkek-share", "share.pbe"], PASSWORD].concat();
    let domains: Vec<_> = (0..2)
        .map(|card| bench.sc_hsm_tool(card, &import))
        .collect::<Result<_, _>>()?;
    let kcv = |text: &str| {
        text.lines()
            .find(|line| line.contains("key check value"))
            .map(str::to_owned)
    };
    ensure!(kcv(&domains[0].0).is_some() && kcv(&domains[0].0) == kcv(&domains[1].0));

    bench.generate_key(0, "EC:prime256v1", "10", "ec")?;
    bench.generate_key(0, "rsa:2048", "20", "rsa")?;
    for (reference, at) in [("1", "5"), ("2", "6")] {
        let wrap = ["--wrap-key", "wrapped", "--key-reference", reference];
        bench.sc_hsm_tool_fails(0, &[&wrap[..], &["--pin", "000000"]].concat())?;
        bench.sc_hsm_tool(0, &[&wrap[..], &["--pin", PIN]].concat())?;
        let unwrap = ["--unwrap-key", "wrapped", "--key-reference", at];
        bench
            .sc_hsm_tool(1, &[&unwrap[..], &["--pin", PIN]].concat())?
            .must_have(&["Key successfully imported"])?;
        std::fs::remove_file(bench.path("wrapped"))?;
    }
    bench.sign(1, "10", "ECDSA-SHA256")?;
    bench.openssl_verifies("ec", &[])?;
    bench.sign(1, "20", "SHA256-RSA-PKCS")?;
    bench.openssl_verifies("rsa", &[])
}

#[test]
fn a_card_with_another_dkek_refuses_a_copy() -> anyhow::Result<()> {
    let bench = Bench::from_factory()?;
    // Without shares each card generates a DKEK of its own.
    for card in 0..2 {
        bench.initialise(card, &["--dkek-shares", "0"])?;
    }
    bench.generate_key(0, "EC:prime256v1", "10", "ec")?;
    let wrap = ["--wrap-key", "wrapped", "--key-reference", "1"];
    bench.sc_hsm_tool(0, &[&wrap[..], &["--pin", PIN]].concat())?;
    let unwrap = ["--unwrap-key", "wrapped", "--key-reference", "5"];
    bench
        .sc_hsm_tool_fails(1, &[&unwrap[..], &["--pin", PIN]].concat())?
        .must_have(&["does not match DKEK"])?;
    let objects = bench.logged_in(1, &["--list-objects"])?;
    ensure!(!objects.has("Private Key"), "{}", objects.0);
    // The card that wrapped the key accepts it.
    bench.sc_hsm_tool(0, &[&unwrap[..], &["--pin", PIN]].concat())?;
    Ok(())
}

#[test]
fn a_card_without_a_dkek_refuses_to_wrap_a_key() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:prime256v1", "10", "ec")?;
    let wrap = ["--wrap-key", "wrapped", "--key-reference", "1"];
    bench
        .sc_hsm_tool_fails(0, &[&wrap[..], &["--pin", PIN]].concat())?
        .must_have(&["not initialized for key wrap"])
}
