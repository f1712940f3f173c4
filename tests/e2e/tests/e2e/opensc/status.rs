//! What OpenSC's programs report about a card.

use anyhow::ensure;
use countersign_harness::cards::SO_PIN;

use super::readers::{Bench, LABELS};

#[test]
fn a_card_in_factory_state_is_recognised() -> anyhow::Result<()> {
    let bench = Bench::from_factory()?;
    bench
        .opensc_tool(0, &["--atr"])?
        .must_have(&["3b:fe:18:00:00:81:31:fe:45:80:31:81:54:48:53:4d:31:73:80:21:40:81:07:fa"])?;
    bench
        .opensc_tool(0, &["--name"])?
        .must_have(&["SmartCard-HSM"])?;
    bench
        .sc_hsm_tool(0, &[])?
        .must_have(&["never been initialized"])
}

#[test]
fn an_initialised_card_reports_its_pins_and_no_keys() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    let status = bench.sc_hsm_tool(0, &[])?;
    status.must_have(&[
        "User PIN reset with SO-PIN enabled",
        "SO-PIN tries left    : 15",
        "User PIN tries left  : 3",
    ])?;
    ensure!(!status.has("DKEK") && !status.has("Public key"));
    let dump = bench.pkcs15_tool(0, &["--dump"])?;
    dump.must_have(&[LABELS[0], "ZZSIMFIRST1", "UserPIN", "SOPIN"])?;
    ensure!(!dump.has("Private"), "{}", dump.0);
    let slots = bench.pkcs11_tool(0, &["--list-token-slots"])?;
    slots.must_have(&[LABELS[0], LABELS[1], "PIN initialized"])
}

#[test]
fn a_card_reports_its_quorum() -> anyhow::Result<()> {
    let bench = Bench::from_factory()?;
    let before = bench.sc_hsm_tool_fails(0, &["--public-key-auth-status"])?;
    before.must_have(&["not initialized"])?;
    bench.initialise(0, &["--public-key-auth", "3", "--required-pub-keys", "2"])?;
    bench
        .sc_hsm_tool(0, &["--public-key-auth-status"])?
        .must_have(&[
            "Number of public keys:     3",
            "Missing public keys:       3",
            "Required pubkeys for auth: 2",
            "Authenticated public keys: 0",
        ])?;
    bench
        .sc_hsm_tool(0, &[])?
        .must_have(&["Public key authentication active"])
}

#[test]
fn a_card_is_only_initialised_again_with_its_so_pin() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:prime256v1", "10", "existing")?;
    let wrong = "1111111111111111";
    assert_ne!(wrong, SO_PIN);
    // The tool reports the failure, but exits with 0.
    let options = ["--initialize", "--so-pin", wrong, "--pin", "111111"];
    bench
        .sc_hsm_tool(0, &options)?
        .must_have(&["PIN code or key incorrect"])?;
    bench
        .sc_hsm_tool(0, &[])?
        .must_have(&["SO-PIN tries left    : 14", "User PIN tries left  : 3"])?;
    bench
        .pkcs11_tool(0, &["--list-objects"])?
        .must_have(&["existing"])?;

    bench.initialise(0, &[])?;
    let objects = bench.pkcs11_tool(0, &["--list-objects"])?;
    ensure!(!objects.has("existing"), "{}", objects.0);
    Ok(())
}
