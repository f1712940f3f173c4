//! Commands within sentences.

use std::{collections::BTreeSet, process::Stdio};

use anyhow::ensure;
use countersign_harness::page::Page;
use countersign_protocol::purpose::NewKeyType;

use super::newcomer::Newcomer;

/// Exit code of a command line that is not complete: the sentence only names a subcommand.
const INCOMPLETE: i32 = 2;
/// Number of complete commands in all pages.
const AT_LEAST: usize = 6;

#[test]
fn complete_commands_in_sentences_succeed() -> anyhow::Result<()> {
    let mut newcomer = Newcomer::with_key(NewKeyType::EcSecp256r1)?.configured()?;
    newcomer.shell.set("COUNTERSIGN_REASON", "Firmware 4.2.1");
    let mut commands = BTreeSet::new();
    for page in Page::all()? {
        let spans = page.code_spans().into_iter();
        commands.extend(spans.filter(|span| span.starts_with("countersign ")));
    }
    let mut complete = 0;
    for command in commands {
        let (status, printed) = newcomer.shell.try_run(&command, Stdio::null())?;
        match status {
            Some(0) => complete += 1,
            Some(INCOMPLETE) => {}
            status => anyhow::bail!("`{command}` ended with {status:?}: {printed:?}"),
        }
    }
    ensure!(complete >= AT_LEAST, "only {complete} commands succeeded");
    Ok(())
}

/// Sentences show no command of the helper that a code block does not show, and name only what code blocks begin with.
#[test]
fn commands_of_the_helper_in_sentences_are_those_of_the_code_blocks() -> anyhow::Result<()> {
    let pages = Page::all()?;
    let blocks = pages.iter().flat_map(Page::all_blocks);
    let blocks: String = blocks.map(|block| block.text).collect();
    let spans = pages.iter().flat_map(Page::code_spans);
    for span in spans.filter(|span| span.starts_with("countersign-helper ")) {
        // The rest is a synopsis.
        let command = span.split(" URL").next().unwrap_or(&span);
        ensure!(
            blocks.lines().any(|line| line.contains(command)),
            "no code block shows `{command}`"
        );
    }
    Ok(())
}
