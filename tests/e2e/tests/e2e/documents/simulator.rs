//! docs/simulator.md: a simulated card in a virtual reader.

use std::process::Stdio;

use anyhow::Context;
use countersign_harness::{
    page::Page,
    pcsc::{DRIVER, SOCKET, private_service},
    ports::{consecutive_free_ports, free_port},
    shell::Shell,
    wait::wait_for,
};

const HEADING: &str = "# Simulated cards";
/// Debian's port of the first virtual reader. Tests that run at the same time need ports of their own.
const PORT: &str = "35963";

#[test]
fn a_simulated_card_is_inserted_into_a_virtual_reader() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut shell = Shell::new(scratch.path())?;
    let page = Page::read("docs/simulator.md")?;
    let commands = page.commands(HEADING)?;
    let [create, show, insert] = commands.as_slice() else {
        anyhow::bail!("unexpected commands: {commands:?}");
    };
    shell.run(create)?;
    shell.run(show)?.must_have("ZZSIM000001")?;

    // The driver has two readers on consecutive ports.
    let port = consecutive_free_ports(2)?;
    shell.replace(PORT, port.to_string());
    shell.write(
        "readers/vpcd",
        &format!(
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x{port:04X}\nLIBPATH {DRIVER}\nCHANNELID 0x{port:04X}\n"
        ),
    )?;
    let socket = shell.path("pcscd.comm");
    let _pcscd = private_service(&shell.path("readers"), &shell.path("pcscd.log"), &socket)?;
    shell.set(SOCKET, socket);
    let readers = || -> anyhow::Result<String> {
        let (_, printed) = shell.try_run("opensc-tool --list-readers", Stdio::null())?;
        Ok(printed.stdout)
    };
    wait_for(|| Ok(readers()?.contains("Virtual PCD 00 00").then_some(())))
        .context("the reader did not appear")?;
    let card = shell.start(insert)?;
    wait_for(|| Ok(readers()?.contains("Yes").then_some(())))
        .with_context(|| format!("the card did not appear: {}", card.log()))?;
    shell
        .run("opensc-tool --reader 0 --name")?
        .must_have("SmartCard-HSM")?;
    card.terminate()?;
    wait_for(|| Ok((!readers()?.contains("Yes")).then_some(())))
        .context("the card did not disappear")
}

#[test]
fn a_simulated_card_waits_for_a_reader() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut shell = Shell::new(scratch.path())?;
    let page = Page::read("docs/simulator.md")?;
    let commands = page.commands(HEADING)?;
    shell.run(&commands[0])?;
    let port = free_port()?;
    shell.replace(PORT, port.to_string());
    let listen = page.code_span("countersign-simulator run")?;
    let mut card = shell.start(&listen)?;
    card.wait_for(|line| line.contains("waits at").then_some(()))?;
    std::net::TcpStream::connect(("127.0.0.1", port))?;
    Ok(())
}
