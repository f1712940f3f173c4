//! The tables at the end of docs/testing.md name every section that shows commands.

use anyhow::{Context, ensure};
use countersign_harness::page::{Page, workspace};

const RUN: &str = "## Commands that tests run";
const CHECKED: &str = "## Commands that are only checked";

/// The end of a heading's address, as code hosts and mdBook make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let characters = text.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c => (c.is_alphanumeric() || "-_".contains(c)).then_some(c),
    });
    characters.collect()
}

/// Whether the cell of a table names this page.
fn names_page(cell: &str, page: &str) -> bool {
    match page.strip_prefix("docs/") {
        Some("testing.md") => cell.starts_with("This page"),
        Some(name) => cell.contains(&format!("]({name}")),
        // Pages of the book cannot link to files outside of it.
        None => cell.starts_with(page.trim_end_matches(".md")),
    }
}

/// Whether the cell of a table names this section.
fn names_section(cell: &str, page: &str, heading: &str) -> bool {
    let by_link = cell.contains(&format!("#{})", anchor(heading)));
    let by_title = cell.contains(&format!("*{}*", heading.trim_start_matches('#').trim()));
    names_page(cell, page) && (by_link || by_title)
}

fn spans(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Whether a test of the row reads this section.
fn is_run(row: &[String], page: &str, heading: &str) -> anyhow::Result<bool> {
    let [place, _, tests] = row else {
        anyhow::bail!("a row has {} cells instead of 3", row.len());
    };
    if !names_page(place, page) {
        return Ok(false);
    }
    for test in spans(tests).filter(|span| span.ends_with(".rs")) {
        let path = workspace().join(test);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if text.contains(page) && text.contains(&format!("\"{heading}\"")) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[test]
fn every_section_with_commands_is_in_a_table() -> anyhow::Result<()> {
    let testing = Page::read("docs/testing.md")?;
    let (run, checked) = (testing.table(RUN)?, testing.table(CHECKED)?);
    for page in Page::all()? {
        let blocks = page.all_blocks().into_iter();
        for block in blocks.filter(|block| block.is_script()) {
            let (page, heading) = (page.name(), block.heading.as_str());
            let mut is_known = checked
                .iter()
                .any(|row| names_section(&row[0], page, heading));
            for row in &run {
                is_known |= is_run(row, page, heading)?;
            }
            ensure!(
                is_known,
                "no test in the tables of docs/testing.md reads {page}, `{heading}`:\n{}",
                block.text
            );
        }
    }
    Ok(())
}

#[test]
fn commands_that_are_only_checked_are_in_the_documents() -> anyhow::Result<()> {
    let pages = Page::all()?;
    for row in Page::read("docs/testing.md")?.table(CHECKED)? {
        let [place, commands, _] = row.as_slice() else {
            anyhow::bail!("a row has {} cells instead of 3", row.len());
        };
        let mut named = pages.iter().filter(|page| names_page(place, page.name()));
        let page = named.next().with_context(|| format!("no page: {place}"))?;
        for command in spans(commands) {
            let shows = page.code_spans().iter().any(|span| span == command)
                || page
                    .all_blocks()
                    .iter()
                    .any(|block| block.text.contains(command));
            ensure!(shows, "{} does not show `{command}`", page.name());
        }
    }
    Ok(())
}
