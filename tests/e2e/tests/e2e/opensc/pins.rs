//! PINs are entered wrongly, changed, blocked and reset.

use countersign_harness::{cards::SO_PIN, helper::PIN};

use super::readers::Bench;

const OTHER_PIN: &str = "123456";

fn log_in(pin: &str) -> [&str; 4] {
    ["--login", "--pin", pin, "--list-objects"]
}

fn set_pin<'a>(so_pin: &'a str, new: &'a str) -> [&'a str; 8] {
    let officer = ["--login", "--login-type", "so", "--so-pin", so_pin];
    let [a, b, c, d, e] = officer;
    [a, b, c, d, e, "--init-pin", "--new-pin", new]
}

#[test]
fn a_wrong_pin_uses_up_a_try() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench
        .pkcs11_tool_fails(0, &log_in(OTHER_PIN))?
        .must_have(&["CKR_PIN_INCORRECT"])?;
    bench
        .sc_hsm_tool(0, &[])?
        .must_have(&["User PIN tries left  : 2"])?;
    bench.pkcs11_tool(0, &log_in(PIN))?;
    bench
        .sc_hsm_tool(0, &[])?
        .must_have(&["User PIN tries left  : 3"])
}

#[test]
fn a_pin_is_changed_with_the_old_pin() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    let change = |old| {
        [
            "--login",
            "--pin",
            old,
            "--change-pin",
            "--new-pin",
            OTHER_PIN,
        ]
    };
    bench
        .pkcs11_tool_fails(0, &change("999999"))?
        .must_have(&["CKR_PIN_INCORRECT"])?;
    bench.pkcs11_tool(0, &change(PIN))?;
    bench.pkcs11_tool_fails(0, &log_in(PIN))?;
    bench.pkcs11_tool(0, &log_in(OTHER_PIN))?;
    Ok(())
}

#[test]
fn a_blocked_pin_is_reset_with_the_so_pin() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:prime256v1", "10", "key")?;
    for _ in 0..3 {
        bench.pkcs11_tool_fails(0, &log_in(OTHER_PIN))?;
    }
    bench
        .pkcs11_tool_fails(0, &log_in(PIN))?
        .must_have(&["CKR_PIN_LOCKED"])?;
    bench.sc_hsm_tool(0, &[])?.must_have(&["User PIN locked"])?;

    bench
        .pkcs11_tool_fails(0, &set_pin("1111111111111111", OTHER_PIN))?
        .must_have(&["CKR_PIN_INCORRECT"])?;
    bench
        .sc_hsm_tool(0, &[])?
        .must_have(&["SO-PIN tries left    : 14"])?;
    bench.pkcs11_tool(0, &set_pin(SO_PIN, PIN))?;
    bench
        .sc_hsm_tool(0, &[])?
        .must_have(&["SO-PIN tries left    : 15", "User PIN tries left  : 3"])?;
    // The keys survive.
    bench.sign(0, "10", "ECDSA-SHA256")?;
    bench.openssl_verifies("key", &[])
}

#[test]
fn the_so_pin_is_changed_with_the_old_so_pin() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    let new_so_pin = "3131313131313131";
    let officer = ["--login", "--login-type", "so", "--so-pin", SO_PIN];
    let change = ["--change-pin", "--new-pin", new_so_pin];
    bench.pkcs11_tool(0, &[&officer[..], &change].concat())?;
    bench.pkcs11_tool_fails(0, &set_pin(SO_PIN, OTHER_PIN))?;
    bench.pkcs11_tool(0, &set_pin(new_so_pin, OTHER_PIN))?;
    bench.pkcs11_tool(0, &log_in(OTHER_PIN))?;
    Ok(())
}

#[test]
fn an_initialised_token_loses_its_keys_and_gets_a_new_label() -> anyhow::Result<()> {
    let bench = Bench::initialised()?;
    bench.generate_key(0, "EC:prime256v1", "10", "doomed")?;
    let new = ["--init-token", "--label", "Fresh", "--so-pin", SO_PIN];
    bench.pkcs11_tool(0, &new)?;
    bench.pkcs11_tool(0, &set_pin(SO_PIN, OTHER_PIN))?;
    let objects = bench.pkcs11_tool(0, &log_in(OTHER_PIN))?;
    anyhow::ensure!(!objects.has("doomed"), "{}", objects.0);
    bench
        .pkcs11_tool(0, &["--list-token-slots"])?
        .must_have(&["Fresh"])
}
