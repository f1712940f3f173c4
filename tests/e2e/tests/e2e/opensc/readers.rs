//! Two cards in readers, and the programs that use them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use countersign_harness::{
    cards::SO_PIN,
    helper::PIN,
    pcsc::{Reach, Readers, Speed},
};
use countersign_simulator::{NewCard, Profile, Simulator};

/// Time limit for a program, in seconds; `timeout` then kills it. Deriving a key from the password of a DKEK share is slow on
/// purpose.
const TIME_LIMIT: &str = "180";
/// Labels of the cards, in the order of the readers.
pub const LABELS: [&str; 2] = ["First card", "Second card"];

/// Two readers with a card each, and a folder for files.
pub struct Bench {
    readers: Readers,
    cards: [PathBuf; 2],
    folder: tempfile::TempDir,
}

/// Standard output and error of a program.
pub struct Printed(pub String);

impl Bench {
    /// Cards in factory state.
    pub fn from_factory() -> anyhow::Result<Self> {
        Self::of(Profile::VENDOR)
    }

    /// Cards of this kind in factory state.
    pub fn of(profile: Profile) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let card = |serial: &str| {
            let path = folder.path().join(format!("{serial}.json"));
            let new = NewCard {
                serial: serial.into(),
                label: String::new(),
                profile,
                user_pin: None,
            };
            Simulator::create(&path, &new).map(|_| path)
        };
        let cards = [card("FIRST1")?, card("SECND2")?];
        let readers = Readers::start_with(
            &folder.path().join("readers"),
            [&cards[0], &cards[1]],
            Reach::Private,
            Speed::Computer,
        )?;
        let bench = Self {
            readers,
            cards,
            folder,
        };
        std::fs::write(bench.path("message"), "something to sign\n")?;
        Ok(bench)
    }

    /// Cards with a user PIN.
    pub fn initialised() -> anyhow::Result<Self> {
        let bench = Self::from_factory()?;
        for card in 0..2 {
            bench.initialise(card, &[])?;
        }
        Ok(bench)
    }

    /// Initialises a card with a user PIN and its label. `more` are further options.
    pub fn initialise(&self, card: usize, more: &[&str]) -> anyhow::Result<Printed> {
        let mut options = vec!["--initialize", "--so-pin", SO_PIN, "--pin", PIN];
        options.extend(["--label", LABELS[card]]);
        options.extend(more);
        self.sc_hsm_tool(card, &options)
    }

    /// A path in the programs' working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program that uses the readers and runs in the folder.
    pub fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("timeout");
        command.arg(TIME_LIMIT).arg(program);
        command.current_dir(self.folder.path());
        self.readers.show_to(&mut command);
        command
    }

    fn with_reader(&self, program: &str, card: usize, options: &[&str]) -> Command {
        let mut command = self.program(program);
        command.args(["--reader", &card.to_string()]).args(options);
        command
    }

    pub fn opensc_tool(&self, card: usize, options: &[&str]) -> anyhow::Result<Printed> {
        ok(&mut self.with_reader("opensc-tool", card, options))
    }

    pub fn sc_hsm_tool(&self, card: usize, options: &[&str]) -> anyhow::Result<Printed> {
        ok(&mut self.with_reader("sc-hsm-tool", card, options))
    }

    /// Runs `sc-hsm-tool`, which must fail.
    pub fn sc_hsm_tool_fails(&self, card: usize, options: &[&str]) -> anyhow::Result<Printed> {
        must_fail(&mut self.with_reader("sc-hsm-tool", card, options))
    }

    pub fn pkcs15_tool(&self, card: usize, options: &[&str]) -> anyhow::Result<Printed> {
        ok(&mut self.with_reader("pkcs15-tool", card, options))
    }

    fn on_token(&self, card: usize, options: &[&str]) -> Command {
        let mut command = self.program("pkcs11-tool");
        command
            .args(["--slot-index", &card.to_string()])
            .args(options);
        command
    }

    /// Runs `pkcs11-tool` without log-in.
    pub fn pkcs11_tool(&self, card: usize, options: &[&str]) -> anyhow::Result<Printed> {
        ok(&mut self.on_token(card, options))
    }

    /// Runs `pkcs11-tool` without log-in; it must fail.
    pub fn pkcs11_tool_fails(&self, card: usize, options: &[&str]) -> anyhow::Result<Printed> {
        must_fail(&mut self.on_token(card, options))
    }

    /// Runs `pkcs11-tool` with the user PIN.
    pub fn logged_in(&self, card: usize, options: &[&str]) -> anyhow::Result<Printed> {
        ok(self.on_token(card, options).args(["--login", "--pin", PIN]))
    }

    /// Generates a key and writes its public key to `<label>.pub`.
    pub fn generate_key(
        &self,
        card: usize,
        kind: &str,
        id: &str,
        label: &str,
    ) -> anyhow::Result<()> {
        let key = ["--key-type", kind, "--id", id, "--label", label];
        self.logged_in(card, &[&["--keypairgen"], key.as_slice()].concat())?;
        // pkcs11-tool 0.23 cannot write the public keys of some curves.
        let public = self.pkcs15_tool(card, &["--read-public-key", id])?;
        std::fs::write(self.path(&format!("{label}.pub")), public.0)?;
        Ok(())
    }

    /// Signs `message` into `signature`.
    pub fn sign(&self, card: usize, id: &str, mechanism: &str) -> anyhow::Result<()> {
        let files = ["--input-file", "message", "--output-file", "signature"];
        let key = ["--sign", "--id", id, "--mechanism", mechanism];
        let format = ["--signature-format", "openssl"];
        self.logged_in(card, &[&key[..], &files, &format].concat())?;
        Ok(())
    }

    /// Verifies `signature` over `message` with OpenSSL and the public key in `<label>.pub`.
    pub fn openssl_verifies(&self, label: &str, options: &[&str]) -> anyhow::Result<()> {
        let key = format!("{label}.pub");
        let mut openssl = self.program("openssl");
        openssl
            .args(["dgst", "-sha256", "-verify", &key])
            .args(options)
            .args(["-signature", "signature", "message"]);
        ensure!(ok(&mut openssl)?.has("Verified OK"));
        Ok(())
    }

    pub fn openssl(&self, options: &[&str]) -> anyhow::Result<Printed> {
        ok(self.program("openssl").args(options))
    }

    /// Takes the cards out of the readers and returns their files and the folder that contains them.
    pub fn take_cards(self) -> anyhow::Result<([PathBuf; 2], tempfile::TempDir)> {
        self.readers.stop()?;
        Ok((self.cards, self.folder))
    }
}

impl Printed {
    pub fn has(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    /// Fails, quoting the whole output, unless it contains all texts.
    pub fn must_have(&self, texts: &[&str]) -> anyhow::Result<()> {
        for text in texts {
            ensure!(
                self.has(text),
                "the output does not contain `{text}`:\n{}",
                self.0
            );
        }
        Ok(())
    }
}

fn run(command: &mut Command) -> anyhow::Result<(bool, Printed)> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), Printed(text)))
}

/// Runs a program that must succeed.
pub fn ok(command: &mut Command) -> anyhow::Result<Printed> {
    match run(command)? {
        (true, printed) => Ok(printed),
        (false, printed) => bail!("{command:?} failed:\n{}", printed.0),
    }
}

/// Runs a program that must fail.
pub fn must_fail(command: &mut Command) -> anyhow::Result<Printed> {
    match run(command)? {
        (false, printed) => Ok(printed),
        (true, printed) => bail!("{command:?} should have failed:\n{}", printed.0),
    }
}

/// Checks that two files have the same content.
pub fn must_be_equal(one: &Path, other: &Path) -> anyhow::Result<()> {
    ensure!(
        std::fs::read(one)? == std::fs::read(other)?,
        "{} differs from {}",
        one.display(),
        other.display()
    );
    Ok(())
}
