//! The real pinentry protocol, with a shell script as the pinentry program.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use countersign_helper::{
    origin::AttachRequest,
    prompt::{
        AttachQuestion, ConsentText, Deadline, OriginAnswer, PinPurpose, PinRequest,
        PinentryPrompt, Prompt, PromptError,
    },
};

/// A pinentry that logs every line it receives, and answers CONFIRM and GETPIN with these shell commands.
fn script(directory: &Path, on_confirm: &str, on_getpin: &str) -> PathBuf {
    let path = directory.join("pinentry.sh");
    let log = directory.join("log");
    let text = format!(
        "#!/bin/sh\n\
         echo 'OK Pleased to meet you'\n\
         while IFS= read -r line; do\n\
           printf '%s\\n' \"$line\" >> '{}'\n\
           case \"$line\" in\n\
             CONFIRM*) {on_confirm} ;;\n\
             GETPIN*) {on_getpin} ;;\n\
             OPTION*) echo 'ERR 83886254 Unknown option' ;;\n\
             BYE*) echo OK; exit 0 ;;\n\
             *) echo '# a comment'; echo 'S STATUS x'; echo OK ;;\n\
           esac\n\
         done\n",
        log.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

struct ScriptedPinentry {
    directory: tempfile::TempDir,
    prompt: PinentryPrompt,
}

fn pinentry(on_confirm: &str, on_getpin: &str) -> ScriptedPinentry {
    let directory = tempfile::tempdir().unwrap();
    let program = script(directory.path(), on_confirm, on_getpin);
    let prompt = PinentryPrompt::new(program, &directory.path().join("lists"));
    ScriptedPinentry { directory, prompt }
}

impl ScriptedPinentry {
    fn sent(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }

    fn sent_with(&self, verb: &str) -> Vec<String> {
        self.sent()
            .into_iter()
            .filter(|line| line.split(' ').next() == Some(verb))
            .collect()
    }
}

const CANCEL: &str = "echo 'ERR 83886179 Operation cancelled <Pinentry>'";

fn text() -> ConsentText {
    ConsentText::new("Countersign: approve request", "Approve").fact("Reason", "100 %\nsure")
}

fn pin_request() -> PinRequest {
    PinRequest {
        purpose: PinPurpose {
            action: "Approve",
            text: "Approve 8K3F".into(),
        },
        card_label: "Anna".into(),
        card_serial: "ZZ1".into(),
        tries: Some(3),
    }
}

#[test]
fn consent_is_shown_escaped_and_answered() {
    let pinentry = pinentry("echo OK", CANCEL);
    assert_eq!(
        pinentry.prompt.consent(&text(), &Deadline::minutes(1)),
        Ok(true)
    );
    assert_eq!(
        pinentry.sent_with("SETDESC"),
        ["SETDESC Reason  100 %25%5Cu{a}sure"]
    );
    assert_eq!(
        pinentry.sent_with("SETTITLE"),
        ["SETTITLE Countersign: approve request"]
    );
    assert_eq!(pinentry.sent_with("SETOK"), ["SETOK Approve"]);
    assert_eq!(pinentry.sent_with("SETCANCEL"), ["SETCANCEL Cancel"]);
}

#[test]
fn only_the_typed_word_gives_a_consent_that_must_be_typed() {
    for (on_getpin, consents) in [
        ("echo 'D yes'; echo OK", true),
        ("echo 'D YES '; echo OK", true),
        ("echo 'D 648219'; echo OK", false),
        ("echo OK", false),
        (CANCEL, false),
    ] {
        let pinentry = pinentry("echo OK", on_getpin);
        let answer = pinentry
            .prompt
            .consent(&text().must_be_typed(), &Deadline::minutes(1));
        assert_eq!(answer, Ok(consents), "{on_getpin}");
        assert!(pinentry.sent_with("CONFIRM").is_empty());
    }
}

#[test]
fn no_value_begins_a_line_like_a_fact() {
    let pinentry = pinentry("echo OK", CANCEL);
    let fake = "Limits  up to 1 signature";
    // Among these are the lengths at which a line of the window, or the window itself, is full.
    for filler in [20, 58, 60, 61, 62, 300].into_iter().chain(886..=896) {
        let reason = format!("{}{fake}", " ".repeat(filler));
        let text = ConsentText::new("Countersign: approve request", "Approve")
            .fact("Reason", &reason)
            .fact("Limits", "up to 9 signatures")
            .list("Files", "files.txt", [(reason.as_str(), "00".repeat(32))]);
        assert_eq!(
            pinentry.prompt.consent(&text, &Deadline::minutes(1)),
            Ok(true)
        );
    }
    for page in pinentry.sent_with("SETDESC") {
        let page = page.strip_prefix("SETDESC ").unwrap();
        for line in page.split("%0A") {
            assert!(
                !line.trim_start().starts_with(fake),
                "the line could be taken for one of the helper's: {line}"
            );
        }
    }
}

#[test]
fn cancelling_means_no() {
    let pinentry = pinentry(CANCEL, CANCEL);
    assert_eq!(
        pinentry.prompt.consent(&text(), &Deadline::minutes(1)),
        Ok(false)
    );
    assert!(matches!(
        pinentry.prompt.pin(&pin_request(), &Deadline::minutes(1)),
        Ok(None)
    ));
    let origin = "https://a.example".parse().unwrap();
    assert_eq!(
        pinentry.prompt.allow_origin(&origin, &Deadline::minutes(1)),
        OriginAnswer::No
    );
}

#[test]
fn a_valid_pin_is_returned_and_a_short_one_is_not() {
    let good = pinentry(CANCEL, "echo 'D 6482%319'; echo OK");
    assert!(
        good.prompt
            .pin(&pin_request(), &Deadline::minutes(1))
            .is_ok_and(|pin| pin.is_some())
    );
    let description = good.sent_with("SETDESC").concat();
    assert!(
        description.contains("Approve 8K3F") && description.contains("3 tries left"),
        "{description}"
    );
    assert_eq!(
        good.sent_with("SETTITLE"),
        ["SETTITLE Countersign: PIN for card Anna"]
    );
    assert_eq!(good.sent_with("SETOK"), ["SETOK Approve"]);
    assert!(!good.sent().concat().contains("648219"));
    for short in ["echo 'D 1234'; echo OK", "echo OK"] {
        assert!(matches!(
            pinentry(CANCEL, short)
                .prompt
                .pin(&pin_request(), &Deadline::minutes(1)),
            Ok(None)
        ));
    }
}

#[test]
fn a_new_page_is_asked_about_in_two_steps() {
    let origin = "https://a.example".parse().unwrap();
    let always = pinentry("echo OK", CANCEL);
    assert_eq!(
        always.prompt.allow_origin(&origin, &Deadline::minutes(1)),
        OriginAnswer::Always
    );
    assert!(
        always
            .sent_with("SETDESC")
            .iter()
            .all(|line| line.contains("https://a.example"))
    );
    // Confirms the first question only.
    let once = pinentry(
        "if [ -e \"$0.asked\" ]; then echo 'ERR 83886194 Not confirmed'; else : > \"$0.asked\"; echo OK; fi",
        CANCEL,
    );
    assert_eq!(
        once.prompt.allow_origin(&origin, &Deadline::minutes(1)),
        OriginAnswer::ThisTime
    );
}

#[test]
fn attaching_is_asked_with_page_and_server_and_stored_for_a_known_page_only() {
    let question = |page: Option<&str>| AttachQuestion {
        request: AttachRequest {
            page: page.map(|page| page.parse().unwrap()),
            server: "https://b.example".parse().unwrap(),
        },
        reader: None,
    };
    let ask = |pinentry: &ScriptedPinentry, page| {
        pinentry
            .prompt
            .allow_attaching(&question(page), &Deadline::minutes(1))
    };
    let confirms = pinentry("echo OK", CANCEL);
    assert_eq!(
        ask(&confirms, Some("https://a.example")),
        OriginAnswer::Always
    );
    for line in confirms.sent_with("SETDESC") {
        assert!(line.contains("https://a.example") && line.contains("https://b.example"));
    }
    let confirms = pinentry("echo OK", CANCEL);
    assert_eq!(ask(&confirms, None), OriginAnswer::ThisTime);
    let cancels = pinentry(CANCEL, CANCEL);
    assert_eq!(ask(&cancels, Some("https://a.example")), OriginAnswer::No);
    assert_eq!(cancels.sent_with("CONFIRM").len(), 1);
}

#[test]
fn a_notice_is_one_window_even_for_a_long_text() {
    let pinentry = pinentry(CANCEL, CANCEL);
    let text = format!("The server said: {}", "a\nb\u{202E}".repeat(2000));
    pinentry.prompt.notice(&text, &Deadline::minutes(1));
    assert_eq!(pinentry.sent_with("MESSAGE").len(), 1);
    assert!(pinentry.sent().iter().all(|line| line.len() <= 1000));
    assert!(!pinentry.sent().concat().contains('\u{202E}'));
}

#[test]
fn a_program_that_hangs_exits_or_breaks_the_protocol_is_neither_yes_nor_no() {
    let started = Instant::now();
    for (reaction, seconds, unanswered) in [
        ("sleep 60", 1, true),
        // The program's own timeout.
        ("echo 'ERR 83886142 Timeout <Pinentry>'", 60, true),
        ("exit 1", 60, false),
        ("echo 'what?'", 60, false),
        ("echo 'INQUIRE X'", 60, false),
        ("echo 'ERR 1'", 60, false),
        // No display and no terminal.
        (
            "echo 'ERR 83918950 Inappropriate ioctl for device'",
            60,
            false,
        ),
    ] {
        let pinentry = pinentry(reaction, reaction);
        let deadline = || Deadline::after(Duration::from_secs(seconds));
        let consent = pinentry.prompt.consent(&text(), &deadline());
        let pin = pinentry.prompt.pin(&pin_request(), &deadline());
        for error in [consent.err(), pin.err()] {
            assert_eq!(
                error.map(|error| error == PromptError::Unanswered),
                Some(unanswered),
                "{reaction}"
            );
        }
    }
    assert!(started.elapsed() < Duration::from_secs(20));
    let missing = PinentryPrompt::new("/nowhere/pinentry".into(), Path::new("/tmp"));
    assert!(matches!(
        missing.consent(&text(), &Deadline::minutes(1)),
        Err(PromptError::Failed(_))
    ));
}

#[test]
fn cancelling_the_deadline_closes_the_window() {
    let pinentry = pinentry("sleep 60", CANCEL);
    let deadline = Deadline::minutes(1);
    let other = deadline.clone();
    let caller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        other.cancel();
    });
    let started = Instant::now();
    assert_eq!(
        pinentry.prompt.consent(&text(), &deadline),
        Err(PromptError::Unanswered)
    );
    assert!(started.elapsed() < Duration::from_secs(10));
    caller.join().unwrap();
}

#[test]
fn long_texts_are_shown_in_pages_without_gaps() {
    let pinentry = pinentry("echo OK", CANCEL);
    let long = ConsentText::new("Title", "Approve").fact("Reason", &"x".repeat(2000));
    assert_eq!(
        pinentry.prompt.consent(&long, &Deadline::minutes(1)),
        Ok(true)
    );
    let pages = pinentry.sent_with("SETDESC");
    assert_eq!(pages.len(), 3);
    assert!(pages.iter().all(|page| page.len() <= 1000));
    assert_eq!(pages.concat().matches('x').count(), 2000);
    let buttons = pinentry.sent_with("SETOK");
    assert_eq!(
        buttons,
        ["SETOK Next page", "SETOK Next page", "SETOK Approve"]
    );
}

#[test]
fn short_lists_are_shown_in_pages_and_long_lists_in_a_file() {
    let files = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("file-{n}.bin")).collect();
        ConsentText::new("T", "A").fact("HSM", "x").list(
            "Files",
            "files-0011.txt",
            names.iter().map(|name| (name.as_str(), "ab".repeat(32))),
        )
    };
    let short = pinentry("echo OK", CANCEL);
    assert_eq!(
        short.prompt.consent(&files(5), &Deadline::minutes(1)),
        Ok(true)
    );
    assert!(short.sent_with("SETDESC").concat().contains("file-4.bin"));
    // The script copies the list while the window is open.
    let long = pinentry(
        "cp \"$(dirname \"$0\")/lists/files-0011.txt\" \"$0.copy\"; echo OK",
        CANCEL,
    );
    assert_eq!(
        long.prompt.consent(&files(500), &Deadline::minutes(1)),
        Ok(true)
    );
    assert!(
        long.sent_with("SETDESC")
            .concat()
            .contains("lists/files-0011.txt")
    );
    let copy = std::fs::read_to_string(long.directory.path().join("pinentry.sh.copy")).unwrap();
    assert_eq!(copy.lines().count(), 501);
    assert!(copy.contains("file-499.bin"));
    assert!(!long.directory.path().join("lists/files-0011.txt").exists());
}
