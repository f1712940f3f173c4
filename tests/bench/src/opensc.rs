//! OpenSC's PKCS#11 module with a simulated card in a virtual reader: what other modules are compared with.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use countersign_harness::{
    cards::SO_PIN,
    pcsc::{Reach, Readers, Speed},
    program::built,
};
use countersign_simulator::{NewCard, Profile, Simulator};

use crate::{Algorithm, Figures};

/// Where Debian has it.
pub const OPENSC_MODULE: &str = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
/// User PIN of the card.
const PIN: &str = "648219";
/// Label of the card, and of its keys.
const LABEL: &str = "bench";
/// OpenSC names the PIN too.
const TOKEN: &str = "bench (UserPIN)";

/// A card with an EC key (P-256, identifier 10) and an RSA key (2048 bits, identifier 11) that OpenSC has made.
pub struct OpenScCard {
    folder: PathBuf,
    cards: [PathBuf; 2],
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// How the card signs.
    pub algorithm: Algorithm,
    /// How fast the card is.
    pub speed: Speed,
    /// Numbers of threads.
    pub threads: Vec<usize>,
    /// How long each is measured.
    pub seconds: u64,
}

impl OpenScCard {
    /// Makes the card in an empty folder.
    ///
    /// # Errors
    /// Debian's packages are missing, or OpenSC does not get on with the card.
    pub fn make(folder: &Path) -> anyhow::Result<Self> {
        let card = |serial: &str| {
            let path = folder.join(format!("{serial}.card.json"));
            let new = NewCard {
                serial: serial.into(),
                label: serial.into(),
                profile: Profile::VENDOR,
                user_pin: None,
            };
            Simulator::create(&path, &new)?;
            anyhow::Ok(path)
        };
        // The virtual reader always has two slots; the second card is never used.
        let this = Self {
            folder: folder.to_owned(),
            cards: [card("BENCH1")?, card("BENCH2")?],
        };
        this.inserted(Speed::Computer, |readers| {
            let mut initialize = Command::new("sc-hsm-tool");
            initialize.args(["--reader", &readers.name(0), "--initialize"]);
            initialize.args(["--so-pin", SO_PIN, "--pin", PIN, "--label", LABEL]);
            run(readers, initialize)?;
            for (kind, id) in [("EC:secp256r1", "10"), ("rsa:2048", "11")] {
                let mut generate = pkcs11_tool();
                generate.args(["--keypairgen", "--key-type", kind]);
                generate.args(["--label", LABEL, "--id", id]);
                run(readers, generate)?;
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Runs `pkcs11-tool` on the card, logged in, and gives what it prints.
    ///
    /// # Errors
    /// It failed.
    pub fn pkcs11_tool(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.inserted(Speed::Computer, |readers| {
            let mut tool = pkcs11_tool();
            tool.args(arguments).current_dir(&self.folder);
            run(readers, tool)
        })
    }

    /// Runs the load program on OpenSC's module.
    ///
    /// # Errors
    /// Something does not work; the message has what the program said.
    pub fn measure(&self, measurement: &Measurement) -> anyhow::Result<Vec<Figures>> {
        let mut load = load(measurement)?;
        load.args(["--module", OPENSC_MODULE, "--token-label", TOKEN]);
        load.args(["--pin", PIN, "--key-label", LABEL]);
        self.inserted(measurement.speed, |readers| {
            readers.show_to(&mut load);
            figures(load)
        })
    }

    fn inserted<T>(
        &self,
        speed: Speed,
        work: impl FnOnce(&Readers) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let [card, other] = &self.cards;
        let readers = Readers::start_with(&self.folder, [card, other], Reach::Private, speed)?;
        let done = work(&readers);
        readers.stop()?;
        done
    }
}

/// The load program, without the module.
pub(crate) fn load(measurement: &Measurement) -> anyhow::Result<Command> {
    let mechanism = match measurement.algorithm {
        Algorithm::Ecdsa => "ecdsa",
        Algorithm::RsaPkcs => "rsa-pkcs",
        Algorithm::RsaPss => "rsa-pss",
    };
    let threads: Vec<_> = measurement.threads.iter().map(usize::to_string).collect();
    let mut load = Command::new(built("countersign-pkcs11-load")?);
    load.args(["--mechanism", mechanism, "--threads", &threads.join(",")]);
    load.args(["--seconds", &measurement.seconds.to_string()]);
    Ok(load)
}

/// What the load program measures.
pub(crate) fn figures(load: Command) -> anyhow::Result<Vec<Figures>> {
    let output = finish(load)?;
    let figures = output.lines().map(|line| {
        serde_json::from_str(line).with_context(|| format!("not a line of figures: {line}"))
    });
    figures.collect()
}

fn pkcs11_tool() -> Command {
    let mut command = Command::new("pkcs11-tool");
    command.args(["--module", OPENSC_MODULE, "--token-label", TOKEN]);
    command.args(["--login", "--pin", PIN]);
    command
}

fn run(readers: &Readers, mut command: Command) -> anyhow::Result<String> {
    readers.show_to(&mut command);
    finish(command)
}

fn finish(mut command: Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "{name} failed: {}{}",
        said(&output.stderr),
        said(&output.stdout)
    );
    Ok(said(&output.stdout))
}
