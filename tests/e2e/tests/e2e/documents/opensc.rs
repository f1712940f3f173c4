//! docs/opensc.md: the helper and OpenSC's programs use the same cards.

use anyhow::ensure;
use countersign_harness::{
    cards::{self, SO_PIN},
    helper::PIN,
    page::Page,
    pcsc::{Reach, Readers, SOCKET, Speed},
    shell::{Printed, Shell},
};
use countersign_simulator::Profile;

const PAGE: &str = "docs/opensc.md";
const KEYS: &str = "## Custodian keys";
const COPIES: &str = "## The same key on several HSMs";
const PASSWORD: &str = "a password for the share";
/// Types a line again and again, because programs discard what was typed before they ask for it.
const TYPE: &str = "(trap '' PIPE; while sleep 0.2 && echo \"$ANSWER\"; do :; done) 2>/dev/null";

/// Two cards, which two computers have in their first reader one after the other.
struct Cards {
    shell: Shell,
    files: [std::path::PathBuf; 2],
    /// `None` while the cards change their places.
    readers: Option<Readers>,
    _scratch: tempfile::TempDir,
}

impl Cards {
    fn new() -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let mut shell = Shell::new(scratch.path())?;
        let files =
            ["CARD01", "CARD02"].map(|serial| cards::hsm(scratch.path(), serial, Profile::VENDOR));
        let [first, second] = files;
        shell.helper_with_simulated_cards("")?;
        let mut cards = Self {
            shell,
            files: [first?, second?],
            readers: None,
            _scratch: scratch,
        };
        cards.use_first(0)?;
        Ok(cards)
    }

    /// Goes to the computer that has this card in its first reader.
    fn use_first(&mut self, card: usize) -> anyhow::Result<()> {
        if let Some(readers) = self.readers.take() {
            readers.stop()?;
        }
        let folder = self.shell.home(&format!("readers-{card}"));
        let cards = [&self.files[card], &self.files[1 - card]];
        let readers = Readers::start_with(&folder, cards, Reach::Private, Speed::Computer)?;
        if let Some(socket) = readers.socket() {
            self.shell.set(SOCKET, socket);
        }
        self.readers = Some(readers);
        Ok(())
    }

    fn initialise(&self, options: &str) -> anyhow::Result<()> {
        let command = format!("sc-hsm-tool --initialize --so-pin {SO_PIN} --pin {PIN} {options}");
        self.shell.run(&command).map(drop)
    }

    /// Runs a command on a terminal, on which a person answers every question like this.
    fn run_on_terminal(&self, command: &str, answer: &str) -> anyhow::Result<Printed> {
        let command = command.replace('\'', "'\\''");
        self.shell.run(&format!(
            "ANSWER='{answer}'\n{TYPE} | script --quiet --return --command '{command}' /dev/null"
        ))
    }
}

#[test]
fn every_program_exports_a_key_that_the_hsm_registers() -> anyhow::Result<()> {
    let page = Page::read(PAGE)?;
    let commands = page.commands(KEYS)?;
    let [generate, export, export_with_opensc, register, status] = commands.as_slice() else {
        anyhow::bail!("unexpected commands: {commands:?}");
    };
    let mut cards = Cards::new()?;
    cards.use_first(1)?;
    cards.initialise("--public-key-auth 1 --required-pub-keys 1")?;
    cards.use_first(0)?;
    cards.initialise("")?;
    cards.shell.run(generate)?;
    for other in [export, export_with_opensc] {
        cards.shell.run(&format!(
            "mv anna.pka before.pka\n{other}\ncmp anna.pka before.pka"
        ))?;
    }
    cards.use_first(1)?;
    cards.shell.run(register)?;
    let printed = cards.shell.run(status)?;
    ensure!(
        printed.stdout.contains("Number of public keys:     1"),
        "{printed:?}"
    );
    Ok(())
}

#[test]
fn a_key_is_copied_to_another_device() -> anyhow::Result<()> {
    let page = Page::read(PAGE)?;
    let commands = page.commands(COPIES)?;
    let [create, import, wrap, unwrap] = commands.as_slice() else {
        anyhow::bail!("unexpected commands: {commands:?}");
    };
    let mut cards = Cards::new()?;
    cards.run_on_terminal(create, PASSWORD)?;
    for card in [1, 0] {
        cards.use_first(card)?;
        cards.initialise("--dkek-shares 1")?;
        cards.run_on_terminal(import, PASSWORD)?;
    }
    let generate = "pkcs11-tool --slot-index 0 --login --keypairgen --key-type EC:prime256v1 --id 10 --label copied";
    cards.shell.run(&format!("{generate} --pin {PIN}"))?;
    cards.run_on_terminal(wrap, PIN)?;
    cards.use_first(1)?;
    cards.run_on_terminal(unwrap, PIN)?;
    cards.shell.run("pkcs15-tool --dump")?.must_have("copied")
}
