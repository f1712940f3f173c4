//! docs/pkcs11.md.

use anyhow::ensure;
use countersign_harness::page::Page;
use countersign_protocol::purpose::NewKeyType;

use super::newcomer::Newcomer;

/// Writes the build that pages call `./build.sh`.
pub fn write_build(newcomer: &Newcomer) -> anyhow::Result<()> {
    let shell = &newcomer.shell;
    shell.write("input", "something to sign")?;
    shell.write(
        "build.sh",
        "#!/bin/sh\npkcs11-tool --module \"$(countersign pkcs11 module)\" --login --sign -m SHA256-RSA-PKCS \
         --id 01 -i input -o signature\n",
    )?;
    shell.run("chmod +x build.sh")?;
    Ok(())
}

/// Verifies the signature that the build wrote.
pub fn must_be_signed(newcomer: &Newcomer) -> anyhow::Result<()> {
    let verify = "countersign keys --pem firmware > key.pem\n\
                  openssl dgst -sha256 -verify key.pem -signature signature input";
    newcomer.shell.run(verify)?.must_have("Verified OK")
}

#[test]
fn the_page_records_a_build_and_ends_its_activation() -> anyhow::Result<()> {
    let mut newcomer = Newcomer::with_key(NewKeyType::Rsa2048)?;
    let page = Page::read("docs/pkcs11.md")?;
    newcomer.configure(&page, "## Settings")?;
    write_build(&newcomer)?;
    newcomer.shell.run_section(&page, "## Recordings")?;
    must_be_signed(&newcomer)?;

    let id = newcomer.open("Firmware 4.2.1")?;
    newcomer.shell.set("COUNTERSIGN_REASON", "Firmware 4.2.1");
    newcomer
        .shell
        .run_section(&page, "## One build, one quorum")?
        .must_have(&id.to_string())?;
    newcomer.must_have_ended(&id)
}

/// The module reads the page's configuration, and the variable overrides the reason in it.
#[test]
fn the_settings_of_the_page_reach_the_custodians() -> anyhow::Result<()> {
    let newcomer = Newcomer::with_key(NewKeyType::Rsa2048)?;
    let page = Page::read("docs/pkcs11.md")?;
    newcomer.configure(&page, "## Settings")?;
    write_build(&newcomer)?;
    let variable = page.code_span("COUNTERSIGN_REASON=")?;
    for (script, reason) in [
        ("./build.sh".to_owned(), "Nightly build"),
        (format!("{variable} ./build.sh"), "Firmware 4.2.1"),
    ] {
        newcomer.shell.run(&script)?;
        let all = newcomer
            .deployment
            .requester
            .activations(countersign_client::ActivationFilter::Active)?;
        let reasons: Vec<_> = all.iter().map(|view| view.terms.reason.as_str()).collect();
        ensure!(reasons == [reason], "{reasons:?}");
        newcomer.shell.run("countersign activation lock --all")?;
    }
    Ok(())
}
