//! Pages of the documentation, and the code blocks in them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// A Markdown file.
pub struct Page {
    name: String,
    text: String,
}

/// A code block and the heading above it.
pub struct Block {
    pub heading: String,
    /// The word after the fence, or nothing.
    pub language: String,
    pub text: String,
}

impl Block {
    /// Blocks with another language are files.
    pub fn is_script(&self) -> bool {
        ["", "sh"].contains(&self.language.as_str())
    }
}

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Page {
    /// Reads a page, such as `docs/recipes.md`.
    pub fn read(name: &str) -> anyhow::Result<Self> {
        let path = workspace().join(name);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            name: name.to_owned(),
            text,
        })
    }

    /// README, CONTRIBUTING, and every page of the book.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
        for entry in std::fs::read_dir(workspace().join("docs"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".md") {
                names.push(format!("docs/{name}"));
            }
        }
        names.sort();
        names.iter().map(|name| Self::read(name)).collect()
    }

    /// The path inside the workspace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every code block. Blocks inside a list lose their indentation.
    pub fn all_blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut heading = "";
        let mut open: Option<(usize, Block)> = None;
        for line in self.text.lines() {
            let indentation = line.len() - line.trim_start().len();
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (None, Some(language)) => {
                    let block = Block {
                        heading: heading.to_owned(),
                        language: language.to_owned(),
                        text: String::new(),
                    };
                    open = Some((indentation, block));
                }
                (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
                (Some((outer, block)), None) => {
                    block.text.push_str(&line[indentation.min(*outer)..]);
                    block.text.push('\n');
                }
                (None, None) if line.starts_with('#') => heading = line,
                (None, None) => {}
            }
        }
        blocks
    }

    /// The scripts below this heading, up to the next heading.
    ///
    /// # Errors
    /// The section has no script.
    pub fn scripts(&self, heading: &str) -> anyhow::Result<Vec<String>> {
        let blocks = self.all_blocks().into_iter();
        let scripts: Vec<_> = blocks
            .filter(|block| block.heading == heading && block.is_script())
            .map(|block| block.text)
            .collect();
        ensure!(
            !scripts.is_empty(),
            "{}: no script below `{heading}`",
            self.name
        );
        Ok(scripts)
    }

    /// The only script below this heading.
    ///
    /// # Errors
    /// The section has no script, or several.
    pub fn script(&self, heading: &str) -> anyhow::Result<String> {
        let mut scripts = self.scripts(heading)?;
        match (scripts.pop(), scripts.len()) {
            (Some(script), 0) => Ok(script),
            (_, more) => bail!(
                "{}: `{heading}` has {} scripts instead of one",
                self.name,
                more + 1
            ),
        }
    }

    /// The commands of the scripts below this heading, one for each line without its comment.
    pub fn commands(&self, heading: &str) -> anyhow::Result<Vec<String>> {
        let text = self.scripts(heading)?.concat().replace("\\\n", " ");
        let commands = text.lines().map(without_comment).map(str::to_owned);
        Ok(commands.filter(|command| !command.is_empty()).collect())
    }

    /// The code blocks in this language below this heading, which are files.
    ///
    /// # Errors
    /// The section has no such block.
    pub fn files(&self, heading: &str, language: &str) -> anyhow::Result<Vec<String>> {
        let blocks = self.all_blocks().into_iter();
        let files: Vec<_> = blocks
            .filter(|block| block.heading == heading && block.language == language)
            .map(|block| block.text)
            .collect();
        ensure!(
            !files.is_empty(),
            "{}: no file in {language} below `{heading}`",
            self.name
        );
        Ok(files)
    }

    /// The only file in this language below this heading.
    ///
    /// # Errors
    /// The section has no such block, or several.
    pub fn file(&self, heading: &str, language: &str) -> anyhow::Result<String> {
        let files = self.files(heading, language)?;
        ensure!(
            files.len() == 1,
            "{}: `{heading}` has {} files in {language} instead of one",
            self.name,
            files.len()
        );
        Ok(files.concat())
    }

    /// The text outside of code blocks with the heading above each line.
    fn prose_lines(&self) -> Vec<(&str, &str)> {
        let mut heading = "";
        let mut inside = false;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                if line.starts_with('#') {
                    heading = line;
                }
                lines.push((heading, line));
            }
        }
        lines
    }

    /// The text below this heading without code blocks, in one line.
    ///
    /// # Errors
    /// The page has no such heading.
    pub fn prose(&self, heading: &str) -> anyhow::Result<String> {
        let lines = self.prose_lines().into_iter();
        let words: Vec<_> = lines
            .filter(|(above, _)| *above == heading)
            .flat_map(|(_, line)| line.split_whitespace())
            .collect();
        ensure!(
            !words.is_empty(),
            "{} has no heading `{heading}`",
            self.name
        );
        Ok(words.join(" "))
    }

    /// The rows of the tables below this heading, without their first row.
    ///
    /// # Errors
    /// The section has no table.
    pub fn table(&self, heading: &str) -> anyhow::Result<Vec<Vec<String>>> {
        let lines = self.prose_lines().into_iter();
        let rows = lines
            .filter(|(above, line)| *above == heading && line.starts_with('|'))
            .map(|(_, line)| {
                let cells = line.trim_matches('|').split(" | ");
                cells.map(|cell| cell.trim().to_owned()).collect()
            });
        // The second line separates the first row from the others.
        let rows: Vec<_> = rows.skip(2).collect();
        ensure!(
            !rows.is_empty(),
            "{} has no table below `{heading}`",
            self.name
        );
        Ok(rows)
    }

    /// The texts between backticks outside of code blocks, each in one line.
    pub fn code_spans(&self) -> Vec<String> {
        let lines: Vec<_> = self
            .prose_lines()
            .into_iter()
            .map(|(_, line)| line)
            .collect();
        let prose = lines.join("\n");
        let spans = prose.split('`').skip(1).step_by(2);
        spans
            .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// The code span that begins like this, without the line breaks.
    ///
    /// # Errors
    /// The page has no such span.
    pub fn code_span(&self, beginning: &str) -> anyhow::Result<String> {
        let mut spans = self.code_spans().into_iter();
        spans
            .find(|span| span.starts_with(beginning))
            .with_context(|| format!("{} has no code that begins with `{beginning}`", self.name))
    }
}

/// Comments begin with `#` at the start of a word.
fn without_comment(line: &str) -> &str {
    let command = if line.starts_with('#') {
        ""
    } else {
        line.split(" #").next().unwrap_or(line)
    };
    command.trim()
}
