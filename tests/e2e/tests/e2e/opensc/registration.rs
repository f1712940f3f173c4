//! Our programs and OpenSC's exchange `.pka` files in both directions.

use std::path::Path;

use anyhow::{Context, ensure};
use countersign_card::{
    InitializeOptions, Pin, PkaOptions, SignAlgorithm, SmartCardHsm, SoPin,
    pka::{ChallengeBehaviour, PkaResponse, RespondOutcome, Round},
};
use countersign_cvc::{Curve, EcSignature, PkaFile, TrustAnchors, VerifiedDevice, attestation};
use countersign_harness::{
    cards::SO_PIN,
    helper::PIN,
    pinentry::{SCRIPT, ScriptedPrompt},
    program::built,
};
use countersign_simulator::{NewCard, Profile, Simulator, simulated_anchor};
use zeroize::Zeroizing;

use super::readers::{Bench, must_be_equal, must_fail, ok};

const CURVE: Curve = Curve::BrainpoolP256r1;

fn anchors() -> anyhow::Result<TrustAnchors> {
    Ok(TrustAnchors::default().with_simulated(simulated_anchor()?)?)
}

fn open(simulator: &Simulator) -> anyhow::Result<(SmartCardHsm, VerifiedDevice)> {
    let mut card = SmartCardHsm::open(simulator.connect())?;
    let device = card.device_chain()?.verify(&anchors()?)?;
    card.open_secure_channel(&device)?;
    Ok((card, device))
}

/// Checks that the HSM is locked until the file's key signs its challenge.
fn must_open(
    hsm: &mut SmartCardHsm,
    device: &VerifiedDevice,
    file: &PkaFile,
    sign: impl FnOnce(&[u8; 32]) -> anyhow::Result<EcSignature>,
) -> anyhow::Result<()> {
    ensure!(
        hsm.prove_locked(&[])?.is_locked(),
        "the HSM was open before the approval"
    );
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    let challenge = round.challenge(hsm)?;
    let signature = sign(&challenge.digest(device.id()))?;
    let response = PkaResponse {
        name: file.request.chr(),
        key: file.request.public_key(),
        challenge: &challenge,
        signature: &signature,
    };
    let outcome = round.respond(hsm, &response)?;
    ensure!(matches!(outcome, RespondOutcome::Counted(_)), "{outcome:?}");
    ensure!(
        !hsm.prove_locked(&[])?.is_locked(),
        "the HSM is still locked after the approval"
    );
    Ok(())
}

/// `countersign-helper export-key` with a scripted person who consents and enters the PIN.
fn export(bench: &Bench, options: &[&str]) -> anyhow::Result<std::process::Command> {
    let script = ScriptedPrompt {
        consent: true,
        pin: Some(PIN.to_owned()),
        shown: bench.path("shown.jsonl"),
    };
    script.write(&bench.path("script.json"))?;
    let mut helper = bench.program(built("countersign-helper")?);
    helper
        .args(["export-key", "--demo"])
        .args(options)
        .arg("--config-dir")
        .arg(bench.path("helper"))
        .arg("--pinentry")
        .arg(built("countersign-scripted-pinentry")?)
        .env(SCRIPT, bench.path("script.json"));
    Ok(helper)
}

fn read(path: &Path) -> anyhow::Result<PkaFile> {
    Ok(PkaFile::parse(&std::fs::read(path)?)?)
}

#[test]
fn opensc_registers_what_the_helper_exports() -> anyhow::Result<()> {
    let bench = Bench::from_factory()?;
    bench.initialise(0, &[])?;
    bench.initialise(1, &["--public-key-auth", "1", "--required-pub-keys", "1"])?;
    let new = [
        "--generate",
        "DEANNA00001",
        "--key",
        "Anna",
        "--out",
        "anna.pka",
    ];
    ok(&mut export(&bench, &new)?)?.must_have(&["DEANNA00001", "\"Anna\""])?;
    bench
        .pkcs15_tool(0, &["--dump"])?
        .must_have(&["Private EC Key [Anna]"])?;
    let register = ["--register-public-key", "anna.pka"];
    bench
        .sc_hsm_tool(1, &register)?
        .must_have(&["Missing public keys:       0"])?;
    bench.sc_hsm_tool_fails(1, &register)?;
    // A second export finds the key by its label.
    ok(&mut export(
        &bench,
        &["--key", "Anna", "--out", "again.pka"],
    )?)?;
    must_be_equal(&bench.path("anna.pka"), &bench.path("again.pka"))?;
    let unknown = export(&bench, &["--key", "Ben", "--out", "ben.pka"])?;
    must_fail(&mut { unknown })?.must_have(&["Anna"])?;
    ensure!(!bench.path("ben.pka").exists());
    let exists = export(&bench, &["--key", "Anna", "--out", "anna.pka"])?;
    must_fail(&mut { exists })?.must_have(&["exists already"])?;

    let file = read(&bench.path("anna.pka"))?;
    let ([anna, hsm], _folder) = bench.take_cards()?;
    let (mut anna, _) = open(&Simulator::open(&anna)?)?;
    anna.verify_pin(&Pin::new(Zeroizing::new(PIN.to_owned()))?)?;
    let (mut hsm, device) = open(&Simulator::open(&hsm)?)?;
    let reference = anna.list_keys()?[0].reference;
    must_open(&mut hsm, &device, &file, |digest| {
        let der = anna.sign(reference, SignAlgorithm::Ecdsa, digest)?;
        Ok(EcSignature::from_der(&der, CURVE)?)
    })
}

#[test]
fn helper_and_opensc_export_the_same_file() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:brainpoolP256r1", "10", "Anna")?;
    bench.generate_key(0, "EC:brainpoolP256r1", "11", "Anna's spare")?;
    let opensc = ["--export-for-pub-key-auth", "opensc.pka"];
    bench.sc_hsm_tool(0, &[&opensc[..], &["--key-reference", "2"]].concat())?;
    ok(&mut export(
        &bench,
        &["--key", "Anna's spare", "--out", "ours.pka"],
    )?)?;
    must_be_equal(&bench.path("opensc.pka"), &bench.path("ours.pka"))
}

#[test]
fn a_card_that_requires_a_log_in_refuses_registration_by_opensc() -> anyhow::Result<()> {
    // OpenSC registers without log-in.
    let bench = Bench::of(Profile::PICO_MEASURED)?;
    bench.initialise(0, &[])?;
    bench.generate_key(0, "EC:brainpoolP256r1", "10", "Anna")?;
    bench.sign(0, "10", "ECDSA-SHA256")?;
    bench.openssl_verifies("Anna", &[])?;
    let export = ["--export-for-pub-key-auth", "anna.pka"];
    bench.sc_hsm_tool(0, &[&export[..], &["--key-reference", "1"]].concat())?;
    bench.initialise(1, &["--public-key-auth", "1", "--required-pub-keys", "1"])?;
    bench
        .sc_hsm_tool_fails(1, &["--register-public-key", "anna.pka"])?
        .must_have(&["Security status not satisfied"])
}

#[test]
fn the_card_driver_registers_what_opensc_exports() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:brainpoolP256r1", "10", "Anna")?;
    let export = ["--export-for-pub-key-auth", "anna.pka"];
    bench.sc_hsm_tool(0, &[&export[..], &["--key-reference", "1"]].concat())?;
    let file = read(&bench.path("anna.pka"))?;
    attestation::verify(&file, &anchors()?)?;

    let simulator = Simulator::in_memory(&NewCard {
        serial: "TARGET".into(),
        label: String::new(),
        profile: Profile::VENDOR,
        user_pin: None,
    })?;
    let (mut hsm, device) = open(&simulator)?;
    let quorum = InitializeOptions::Quorum(PkaOptions::new(1, 1, false)?);
    hsm.initialize(&quorum, &SoPin::from_hex(SO_PIN)?)?;
    let status = hsm.register_custodian(&file)?;
    ensure!(status.missing == 0);

    let (mut hsm, _) = open(&simulator)?;
    must_open(&mut hsm, &device, &file, |digest| {
        std::fs::write(bench.path("digest"), digest)?;
        let sign = ["--sign", "--id", "10", "--mechanism", "ECDSA"];
        let files = ["--input-file", "digest", "--output-file", "response"];
        bench.logged_in(0, &[&sign[..], &files].concat())?;
        let plain = std::fs::read(bench.path("response"))?;
        EcSignature::from_plain(&plain, CURVE).context("the response is not a plain signature")
    })
}
