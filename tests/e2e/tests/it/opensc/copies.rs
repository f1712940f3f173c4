//! A key that is wrapped on one card, and unwrapped on another with the same DKEK.

use anyhow::ensure;
use countersign_harness::helper::PIN;

use super::readers::Bench;

const PASSWORD: [&str; 2] = ["--password", "a password for the share"];

#[test]
fn a_copy_signs_for_the_original() -> anyhow::Result<()> {
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

    bench.make_key(0, "EC:prime256v1", "10", "ec")?;
    bench.make_key(0, "rsa:2048", "20", "rsa")?;
    for (reference, at) in [("1", "5"), ("2", "6")] {
        let wrap = ["--wrap-key", "wrapped", "--key-reference", reference];
        bench.sc_hsm_tool_refuses(0, &[&wrap[..], &["--pin", "000000"]].concat())?;
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
fn a_card_of_another_domain_takes_no_copy() -> anyhow::Result<()> {
    let bench = Bench::from_factory()?;
    // Each draws its own.
    for card in 0..2 {
        bench.initialise(card, &["--dkek-shares", "0"])?;
    }
    bench.make_key(0, "EC:prime256v1", "10", "ec")?;
    let wrap = ["--wrap-key", "wrapped", "--key-reference", "1"];
    bench.sc_hsm_tool(0, &[&wrap[..], &["--pin", PIN]].concat())?;
    let unwrap = ["--unwrap-key", "wrapped", "--key-reference", "5"];
    bench
        .sc_hsm_tool_refuses(1, &[&unwrap[..], &["--pin", PIN]].concat())?
        .must_have(&["does not match DKEK"])?;
    let objects = bench.logged_in(1, &["--list-objects"])?;
    ensure!(!objects.has("Private Key"), "{}", objects.0);
    // The card that drew it takes it back.
    bench.sc_hsm_tool(0, &[&unwrap[..], &["--pin", PIN]].concat())?;
    Ok(())
}

#[test]
fn a_card_without_a_dkek_keeps_its_keys() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.make_key(0, "EC:prime256v1", "10", "ec")?;
    let wrap = ["--wrap-key", "wrapped", "--key-reference", "1"];
    bench
        .sc_hsm_tool_refuses(0, &[&wrap[..], &["--pin", PIN]].concat())?
        .must_have(&["not initialized for key wrap"])
}
