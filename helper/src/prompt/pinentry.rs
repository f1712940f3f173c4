//! Prompts in the windows of a pinentry program.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use countersign_card::Pin;

use super::{
    AttachQuestion, ConsentText, Deadline, OriginAnswer, PinRequest, Prompt, PromptError,
    assuan::{Assuan, AssuanError},
    consent::ConsentList,
    origin_question, pages, pin_from,
    text::printable,
};
use crate::{origin::Origin, private_file};

/// Programs that show windows.
const GRAPHICAL: [&str; 4] = [
    "pinentry-gnome3",
    "pinentry-qt",
    "pinentry-gtk-2",
    "pinentry-mac",
];
/// The terminal program, and the system's default.
const PLAIN: [&str; 2] = ["pinentry-curses", "pinentry"];
/// Bytes of text in one window: a line of the protocol minus the command, with some reserve.
const PAGE_BYTES: usize = 900;
/// Lines of text that pinentry-curses can show on a terminal of 24 lines.
const TERMINAL_ROWS: usize = 14;
/// A list that needs more windows than this is written to a file.
const MAX_LIST_PAGES: usize = 4;

/// Prompts with a pinentry program, which is started for each prompt.
pub struct PinentryPrompt {
    program: PathBuf,
    /// The directory for lists that are too long for windows.
    lists: PathBuf,
    page: pages::Size,
}

/// Finds the first pinentry on the search path. If there is a display, graphical programs come first.
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
    let directories: Vec<_> = std::env::split_paths(&path).collect();
    names
        .flat_map(|name| {
            directories
                .iter()
                .map(move |directory| directory.join(name))
        })
        .find(|candidate| candidate.is_file())
}

impl PinentryPrompt {
    /// Prompts with `program`. Long lists are written to files in the directory `lists`.
    pub fn new(program: PathBuf, lists: &Path) -> Self {
        // `pinentry` is often a link to the system's default.
        let real = std::fs::canonicalize(&program).unwrap_or_else(|_| program.clone());
        let curses = real
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("curses"));
        let rows = if curses { TERMINAL_ROWS } else { usize::MAX };
        Self {
            program,
            lists: lists.to_owned(),
            page: pages::Size {
                bytes: PAGE_BYTES,
                rows,
            },
        }
    }

    fn start(&self, deadline: &Deadline) -> Result<Assuan, AssuanError> {
        let mut assuan = Assuan::start(Command::new(&self.program), deadline)?;
        for option in terminal_options() {
            // Graphical programs may not know these options.
            match assuan.command("OPTION", Some(&option), deadline) {
                Ok(_) | Err(AssuanError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(assuan)
    }

    fn confirm(&self, window: &Window, deadline: &Deadline) -> Result<(), AssuanError> {
        let mut assuan = self.start(deadline)?;
        window.set_up(&mut assuan, deadline)?;
        assuan.command("CONFIRM", None, deadline).map(|_| ())
    }

    fn ask_pin(
        &self,
        request: &PinRequest,
        deadline: &Deadline,
    ) -> Result<Option<Pin>, AssuanError> {
        let mut assuan = self.start(deadline)?;
        let window = Window {
            title: &request.title(),
            text: &request.text(),
            ok: request.purpose.action,
            cancel: "Cancel",
        };
        window.set_up(&mut assuan, deadline)?;
        assuan.command("SETPROMPT", Some("PIN:"), deadline)?;
        let typed = assuan.command("GETPIN", None, deadline)?;
        Ok(pin_from(&typed))
    }

    /// Asks in a second window whether to store the permission, because not every pinentry has a third button.
    fn ask_always(&self, title: &str, question: &str, deadline: &Deadline) -> OriginAnswer {
        let window = Window {
            title,
            text: question,
            ok: "Always",
            cancel: "Only this time",
        };
        match self.confirm(&window, &deadline.with_timeout(Duration::from_secs(60))) {
            Ok(()) => OriginAnswer::Always,
            Err(_) => OriginAnswer::ThisTime,
        }
    }

    fn show_notice(&self, text: &str, deadline: &Deadline) -> Result<(), AssuanError> {
        // Only a server's text can be longer than a page, and the log has all of it.
        let mut pages = pages::split(&[printable(text)], self.page);
        pages.truncate(1);
        let mut assuan = self.start(deadline)?;
        let window = Window {
            title: "Countersign",
            text: &pages.concat(),
            ok: "Close",
            cancel: "Close",
        };
        window.set_up(&mut assuan, deadline)?;
        assuan.command("MESSAGE", None, deadline).map(|_| ())
    }

    /// The list as further windows, or as a file if it is too long.
    fn list_pages(&self, list: &ConsentList) -> std::io::Result<(Vec<String>, Option<ListFile>)> {
        let mut lines = vec![list.heading.clone()];
        lines.extend(list.wrapped());
        let pages = pages::split(&lines, self.page);
        if pages.len() <= MAX_LIST_PAGES {
            return Ok((pages, None));
        }
        let file = ListFile::write(&self.lists, list)?;
        Ok((Vec::new(), Some(file)))
    }

    fn show_consent(&self, text: &ConsentText, deadline: &Deadline) -> Result<(), AssuanError> {
        let mut lines = text.lines();
        let (further, file) = match text.files() {
            Some(list) => self.list_pages(list)?,
            None => (Vec::new(), None),
        };
        if let (Some(file), Some(list)) = (&file, text.files()) {
            lines.push(format!("{}: see {}", list.heading, file.0.display()));
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
                ok: if last { &text.confirm } else { "Next page" },
                cancel: "Cancel",
            };
            if last && text.needs_typing() {
                return self.confirm_by_typing(&window, deadline);
            }
            self.confirm(&window, deadline)?;
        }
        Ok(())
    }

    /// Confirms only if the user types the word. pinentry's default button confirms, so a window with buttons alone would not do.
    fn confirm_by_typing(&self, window: &Window, deadline: &Deadline) -> Result<(), AssuanError> {
        let mut assuan = self.start(deadline)?;
        window.set_up(&mut assuan, deadline)?;
        assuan.command("SETPROMPT", Some("Type \"yes\":"), deadline)?;
        let typed = assuan.command("GETPIN", None, deadline)?;
        if typed.trim_ascii().eq_ignore_ascii_case(b"yes") {
            Ok(())
        } else {
            Err(AssuanError::Cancelled)
        }
    }
}

impl Prompt for PinentryPrompt {
    fn allow_origin(&self, origin: &Origin, deadline: &Deadline) -> OriginAnswer {
        let title = "Countersign: allow site";
        let window = Window {
            title,
            text: &origin_question(origin),
            ok: "Allow",
            cancel: "Deny",
        };
        if !confirmed(self.confirm(&window, deadline)).unwrap_or(false) {
            return OriginAnswer::No;
        }
        self.ask_always(title, &format!("Always allow {origin}?"), deadline)
    }

    fn allow_attaching(&self, question: &AttachQuestion, deadline: &Deadline) -> OriginAnswer {
        let text = question.text();
        if !confirmed(self.show_consent(&text, deadline)).unwrap_or(false) {
            return OriginAnswer::No;
        }
        let Some(page) = &question.request.page else {
            return OriginAnswer::ThisTime;
        };
        let server = &question.request.server;
        self.ask_always(
            &text.title,
            &format!("Always attach a card to {server} when {page} requests it?"),
            deadline,
        )
    }

    fn notice(&self, text: &str, deadline: &Deadline) {
        // A notice is optional, and the log has the failure.
        let _ = answered(self.show_notice(text, deadline));
    }

    fn consent(&self, text: &ConsentText, deadline: &Deadline) -> Result<bool, PromptError> {
        confirmed(self.show_consent(text, deadline))
    }

    fn pin(&self, request: &PinRequest, deadline: &Deadline) -> Result<Option<Pin>, PromptError> {
        answered(self.ask_pin(request, deadline)).map(Option::flatten)
    }
}

/// Returns `None` if the user cancelled. A window that did not open is an error, so that neither the user nor the log
/// takes it for a cancellation.
fn answered<T>(result: Result<T, AssuanError>) -> Result<Option<T>, PromptError> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(AssuanError::Cancelled) => Ok(None),
        Err(AssuanError::TimedOut) => {
            tracing::info!("prompt expired without an answer");
            Err(PromptError::Unanswered)
        }
        Err(error) => {
            tracing::error!("prompt failed: {error}");
            Err(PromptError::Failed(error.to_string()))
        }
    }
}

fn confirmed(result: Result<(), AssuanError>) -> Result<bool, PromptError> {
    answered(result).map(|answer| answer.is_some())
}

struct Window<'a> {
    title: &'a str,
    text: &'a str,
    ok: &'a str,
    cancel: &'a str,
}

impl Window<'_> {
    fn set_up(&self, assuan: &mut Assuan, deadline: &Deadline) -> Result<(), AssuanError> {
        for (verb, value) in [
            ("SETTITLE", self.title),
            ("SETDESC", self.text),
            ("SETOK", self.ok),
            ("SETCANCEL", self.cancel),
        ] {
            assuan.command(verb, Some(value), deadline)?;
        }
        Ok(())
    }
}

/// The options with which pinentry-curses finds this terminal.
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

/// A list in a file, which is removed when the prompt closes.
struct ListFile(PathBuf);

impl ListFile {
    fn write(directory: &Path, list: &ConsentList) -> std::io::Result<Self> {
        use std::io::Write;
        let path = directory.join(&list.file_name);
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
