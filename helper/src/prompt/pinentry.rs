//! Prompts in the windows of a pinentry program.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use countersign_card::Pin;

use super::{
    AttachQuestion, ConsentText, OriginAnswer, Patience, PinRequest, Prompt, PromptError,
    assuan::{Assuan, AssuanError},
    consent::ConsentList,
    origin_question, pages, pin_from,
    text::printable,
};
use crate::{origin::Origin, private_file};

/// With windows.
const GRAPHICAL: [&str; 4] = [
    "pinentry-gnome3",
    "pinentry-qt",
    "pinentry-gtk-2",
    "pinentry-mac",
];
/// On terminals, and whatever the system has chosen.
const PLAIN: [&str; 2] = ["pinentry-curses", "pinentry"];
/// Bytes of text in one window: the protocol's line minus the command, with room to spare.
const PAGE: usize = 900;
/// Lines that pinentry-curses can show on the smallest usual terminal, beside its frame and buttons.
const TERMINAL_ROWS: usize = 14;
/// A list that needs more windows than this goes to a file.
const MOST_LIST_PAGES: usize = 4;

/// Asks with a pinentry program, started anew for each prompt.
pub struct PinentryPrompt {
    program: PathBuf,
    /// Where long lists are put for the user to read.
    lists: PathBuf,
    page: pages::Size,
}

/// The first pinentry on the search path; those with windows first where there is a display.
pub fn find_pinentry() -> Option<PathBuf> {
    let display = cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
    let names = if display {
        GRAPHICAL.iter().chain(&PLAIN)
    } else {
        PLAIN.iter().chain(&GRAPHICAL)
    };
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

impl PinentryPrompt {
    /// Prompts with `program`; long lists are written to files in `lists`.
    pub fn new(program: PathBuf, lists: &Path) -> Self {
        // `pinentry` is often a link to the one that the system has chosen.
        let real = std::fs::canonicalize(&program).unwrap_or_else(|_| program.clone());
        let curses = real
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("curses"));
        let rows = if curses { TERMINAL_ROWS } else { usize::MAX };
        Self {
            program,
            lists: lists.to_owned(),
            page: pages::Size { bytes: PAGE, rows },
        }
    }

    fn start(&self, patience: &Patience) -> Result<Assuan, AssuanError> {
        let mut assuan = Assuan::start(Command::new(&self.program), patience)?;
        for option in terminal_options() {
            // Programs with windows may not know these.
            match assuan.command("OPTION", Some(&option), patience) {
                Ok(_) | Err(AssuanError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(assuan)
    }

    fn confirm(&self, window: &Window, patience: &Patience) -> Result<(), AssuanError> {
        let mut assuan = self.start(patience)?;
        window.set_up(&mut assuan, patience)?;
        assuan.command("CONFIRM", None, patience).map(|_| ())
    }

    fn ask_pin(
        &self,
        request: &PinRequest,
        patience: &Patience,
    ) -> Result<Option<Pin>, AssuanError> {
        let mut assuan = self.start(patience)?;
        let window = Window {
            title: "Countersign: card PIN",
            text: &request.text(),
            ok: "Sign",
            cancel: "Cancel",
        };
        window.set_up(&mut assuan, patience)?;
        assuan.command("SETPROMPT", Some("PIN:"), patience)?;
        let typed = assuan.command("GETPIN", None, patience)?;
        Ok(pin_from(&typed))
    }

    /// A second window, because not every pinentry has a third button.
    fn keep(&self, title: &str, question: &str, patience: &Patience) -> OriginAnswer {
        let keep = Window {
            title,
            text: question,
            ok: "Always",
            cancel: "Only this time",
        };
        match self.confirm(&keep, &patience.renewed(Duration::from_secs(60))) {
            Ok(()) => OriginAnswer::Always,
            Err(_) => OriginAnswer::ThisTime,
        }
    }

    fn show_notice(&self, text: &str, patience: &Patience) -> Result<(), AssuanError> {
        // What does not fit was some server's, and is in the log.
        let mut pages = pages::split(&[printable(text)], self.page);
        pages.truncate(1);
        let mut assuan = self.start(patience)?;
        let window = Window {
            title: "Countersign",
            text: &pages.concat(),
            ok: "Close",
            cancel: "Close",
        };
        window.set_up(&mut assuan, patience)?;
        assuan.command("MESSAGE", None, patience).map(|_| ())
    }

    /// The list as further windows, or as a file that the consent names.
    fn list_pages(&self, list: &ConsentList) -> std::io::Result<(Vec<String>, Option<ListFile>)> {
        let mut lines = vec![list.heading.clone()];
        lines.extend(list.lines.iter().cloned());
        let pages = pages::split(&lines, self.page);
        if pages.len() <= MOST_LIST_PAGES {
            return Ok((pages, None));
        }
        let file = ListFile::write(&self.lists, list)?;
        Ok((Vec::new(), Some(file)))
    }

    fn show_consent(&self, text: &ConsentText, patience: &Patience) -> Result<(), AssuanError> {
        let mut lines = text.lines();
        let (further, file) = match text.files() {
            Some(list) => self.list_pages(list)?,
            None => (Vec::new(), None),
        };
        if let (Some(file), Some(list)) = (&file, text.files()) {
            lines.push(format!(
                "{} are listed in {}",
                list.heading,
                file.0.display()
            ));
        }
        let mut all = pages::split(&lines, self.page);
        all.extend(further);
        let count = all.len();
        for (number, page) in all.iter().enumerate() {
            let last = number + 1 == count;
            let title = match count {
                1 => text.title.clone(),
                _ => format!("{} (page {} of {count})", text.title, number + 1),
            };
            let window = Window {
                title: &title,
                text: page,
                ok: if last { &text.agree } else { "Next page" },
                cancel: "Decline",
            };
            self.confirm(&window, patience)?;
        }
        Ok(())
    }
}

impl Prompt for PinentryPrompt {
    fn allow_origin(&self, origin: &Origin, patience: &Patience) -> OriginAnswer {
        let allow = Window {
            title: "Countersign: a new page",
            text: &origin_question(origin),
            ok: "Allow",
            cancel: "No",
        };
        if !agreed(self.confirm(&allow, patience)).unwrap_or(false) {
            return OriginAnswer::No;
        }
        self.keep(
            "Countersign: a new page",
            &format!("Allow {origin} always?"),
            patience,
        )
    }

    fn allow_attaching(&self, question: &AttachQuestion, patience: &Patience) -> OriginAnswer {
        let text = question.text();
        if !agreed(self.show_consent(&text, patience)).unwrap_or(false) {
            return OriginAnswer::No;
        }
        let Some(page) = &question.wish.page else {
            return OriginAnswer::ThisTime;
        };
        let server = &question.wish.server;
        self.keep(
            &text.title,
            &format!("Attach a card without asking whenever {page} wants it for {server}?"),
            patience,
        )
    }

    fn notice(&self, text: &str, patience: &Patience) {
        // Nothing depends on it; the log has what went wrong.
        let _ = answered(self.show_notice(text, patience));
    }

    fn consent(&self, text: &ConsentText, patience: &Patience) -> Result<bool, PromptError> {
        agreed(self.show_consent(text, patience))
    }

    fn pin(&self, request: &PinRequest, patience: &Patience) -> Result<Option<Pin>, PromptError> {
        answered(self.ask_pin(request, patience)).map(Option::flatten)
    }
}

/// `None`: the user said no. A window that did not open must not look like that, neither to the user nor in the log.
fn answered<T>(result: Result<T, AssuanError>) -> Result<Option<T>, PromptError> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(AssuanError::Cancelled) => Ok(None),
        Err(AssuanError::TimedOut) => {
            tracing::info!("a prompt was closed: no answer in time");
            Err(PromptError::Unanswered)
        }
        Err(error) => {
            tracing::error!("a prompt could not be shown: {error}");
            Err(PromptError::Failed(error.to_string()))
        }
    }
}

fn agreed(result: Result<(), AssuanError>) -> Result<bool, PromptError> {
    answered(result).map(|yes| yes.is_some())
}

struct Window<'a> {
    title: &'a str,
    text: &'a str,
    ok: &'a str,
    cancel: &'a str,
}

impl Window<'_> {
    fn set_up(&self, assuan: &mut Assuan, patience: &Patience) -> Result<(), AssuanError> {
        for (verb, value) in [
            ("SETTITLE", self.title),
            ("SETDESC", self.text),
            ("SETOK", self.ok),
            ("SETCANCEL", self.cancel),
        ] {
            assuan.command(verb, Some(value), patience)?;
        }
        Ok(())
    }
}

/// What pinentry-curses needs to find this terminal.
fn terminal_options() -> Vec<String> {
    let tty = std::env::var("GPG_TTY").ok().or_else(|| {
        let link = std::fs::read_link("/proc/self/fd/0").ok()?;
        link.to_str()
            .filter(|name| name.starts_with("/dev/"))
            .map(str::to_owned)
    });
    let pairs = [
        ("ttyname", tty.filter(|name| name != "/dev/null")),
        ("ttytype", std::env::var("TERM").ok()),
    ];
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
        .collect()
}

/// A list in a file, removed when the question was answered.
struct ListFile(PathBuf);

impl ListFile {
    fn write(folder: &Path, list: &ConsentList) -> std::io::Result<Self> {
        use std::io::Write;
        let path = folder.join(&list.file_name);
        private_file::replace(&path, |file| {
            writeln!(file, "{}", list.heading)?;
            list.lines
                .iter()
                .try_for_each(|line| writeln!(file, "{line}"))
        })?;
        Ok(Self(path))
    }
}

impl Drop for ListFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
