//! docs/helper.md: the helper's commands, with a simulated card.

use anyhow::ensure;
use countersign_harness::{
    cards, helper::HelperConnection, page::Page, program::built, shell::Shell,
};

use super::newcomer::SERVER;

/// The helper's own port, on which the page says that it listens.
const PORT: u16 = 27183;

#[test]
fn the_page_serves_lists_exports_and_forgets() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut shell = Shell::new(scratch.path())?;
    let card = cards::personal(scratch.path(), "Anna")?;
    let options = format!("--simulated-card {}", card.display());
    let prompt = shell.helper_with_simulated_cards(&options)?;
    // The test's pinentry has the place of the one that the page selects.
    let pinentry = built("countersign-scripted-pinentry")?;
    shell.replace("/usr/bin/pinentry-qt", pinentry.display().to_string());
    let page = Page::read("docs/helper.md")?;
    let commands = page.commands("# Card helper")?;
    let [
        serve,
        on_terminal,
        with_pinentry,
        readers,
        export,
        origins,
        forget,
    ] = commands.as_slice()
    else {
        anyhow::bail!("unexpected commands: {commands:?}");
    };
    for serve in [serve, on_terminal, with_pinentry] {
        let mut helper = shell.start(serve)?;
        helper.wait_for(|line| {
            line.contains(&format!("listening on 127.0.0.1:{PORT}"))
                .then_some(())
        })?;
        if serve != on_terminal {
            HelperConnection::open(PORT, SERVER)?;
            ensure!(!prompt.prompts().is_empty(), "the helper has not asked");
        }
        helper.terminate()?;
    }
    shell.run(readers)?.must_have("Anna")?;
    let generate = export.replace("--key", "--generate DEANNA00001 --key");
    shell.run(&generate)?;
    shell.run(&format!(
        "mv anna.pka before.pka\n{export}\ncmp anna.pka before.pka"
    ))?;
    shell.run(origins)?.must_have(SERVER)?;
    shell.run(forget)?;
    let left = shell.run(origins)?;
    ensure!(!left.stdout.contains(SERVER), "{left:?}");
    ensure!(page.script("## Servers that change")?.trim() == forget);
    Ok(())
}
