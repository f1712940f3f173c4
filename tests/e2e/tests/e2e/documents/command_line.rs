//! docs/command-line.md, and README's section on a real installation.

use std::process::Stdio;

use anyhow::ensure;
use countersign_harness::page::Page;
use countersign_protocol::purpose::NewKeyType;

use super::newcomer::Newcomer;

/// The activation of all documents.
const ID: &str = "8K3F-92QD";

fn write_files(newcomer: &Newcomer) -> anyhow::Result<()> {
    for name in ["out/kernel.bin", "out/rootfs.img"] {
        newcomer.shell.write(name, name)?;
    }
    Ok(())
}

#[test]
fn readme_signs_and_verifies() -> anyhow::Result<()> {
    let newcomer = Newcomer::with_key(NewKeyType::EcSecp256r1)?;
    let page = Page::read("README.md")?;
    newcomer.configure(&page, "## Run it for real")?;
    write_files(&newcomer)?;
    newcomer.shell.run_section(&page, "## Run it for real")?;
    Ok(())
}

#[test]
fn the_page_signs_verifies_and_certifies() -> anyhow::Result<()> {
    let newcomer = Newcomer::with_key(NewKeyType::Rsa2048)?;
    let page = Page::read("docs/command-line.md")?;
    let shell = &newcomer.shell;
    newcomer.configure(&page, "## Configuration")?;
    write_files(&newcomer)?;
    shell.run_section(&page, "## Sign")?;
    let printed = shell.run_section(&page, "## Keys and certificates")?;
    printed.must_have("firmware")?;
    let (_, pem) = printed
        .stdout
        .split_once("-----BEGIN PUBLIC KEY-----")
        .ok_or_else(|| anyhow::anyhow!("no key: {}", printed.stdout))?;
    let (pem, _) = pem.split_once("-----END").unwrap_or((pem, ""));
    let pem = format!("-----BEGIN PUBLIC KEY-----{pem}-----END PUBLIC KEY-----\n");
    shell.write("firmware.pem", &pem)?;
    shell.run("openssl x509 -in firmware-cert.pem -noout -text")?;
    shell.run_section(&page, "## Verify")?;
    shell.write("out/kernel.bin", "changed")?;
    for command in page.commands("## Verify")? {
        let (status, _) = shell.try_run(&command, Stdio::null())?;
        ensure!(
            status == Some(1),
            "`{command}` of a changed file: {status:?}"
        );
    }
    Ok(())
}

#[test]
fn the_page_lists_watches_and_locks_activations() -> anyhow::Result<()> {
    let mut newcomer = Newcomer::with_key(NewKeyType::EcSecp256r1)?.configured()?;
    let page = Page::read("docs/command-line.md")?;
    let commands = page.commands("## Activations")?;
    let [list, watch, lock, lock_by_reason] = commands.as_slice() else {
        anyhow::bail!("unexpected commands: {commands:?}");
    };
    let id = newcomer.open("Firmware 4.2.1")?;
    newcomer.shell.replace(ID, id.to_string());
    newcomer.shell.run(list)?.must_have(&id.to_string())?;
    let mut watching = newcomer.shell.start(watch)?;
    watching.wait_for(|line| line.contains("Open until").then_some(()))?;
    newcomer.shell.run(lock)?.must_have(&id.to_string())?;
    newcomer.must_have_ended(&id)?;
    watching.wait_for(|line| line.contains("ocked").then_some(()))?;

    let id = newcomer.open("Firmware 4.2.1")?;
    let other = newcomer.request("Another build")?;
    newcomer
        .shell
        .run(lock_by_reason)?
        .must_have(&id.to_string())?;
    newcomer.must_have_ended(&id)?;
    let other = newcomer.deployment.requester.activation(&other)?;
    ensure!(!other.state.is_ended(), "another request ended too");
    Ok(())
}

#[test]
fn the_page_records_a_build_and_signs_in_a_pipeline() -> anyhow::Result<()> {
    let mut newcomer = Newcomer::with_key(NewKeyType::Rsa2048)?.configured()?;
    let page = Page::read("docs/command-line.md")?;
    write_files(&newcomer)?;
    super::pkcs11::write_build(&newcomer)?;
    newcomer
        .shell
        .run_section(&page, "## Builds that sign by themselves")?;
    super::pkcs11::must_be_signed(&newcomer)?;
    newcomer.shell.set("VERSION", "4.2.2");
    newcomer.shell.run_section(&page, "## In a pipeline")?;
    ensure!(newcomer.shell.path("out/kernel.bin.sig").exists());
    Ok(())
}
