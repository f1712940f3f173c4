//! OpenSC's PKCS#11 module with a simulated card in a virtual reader, for comparison.

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

/// Path of the module in Debian's package.
pub const OPENSC_MODULE: &str = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
/// User PIN of the card.
const PIN: &str = "648219";
/// Label of the card, and of its keys.
const LABEL: &str = "bench";
/// Label of the token, to which OpenSC adds the name of the PIN.
const TOKEN: &str = "bench (UserPIN)";

/// A card with an EC key (P-256, identifier 10) and an RSA key (2048 bits, identifier 11) that OpenSC has generated.
pub struct OpenScCard {
    folder: PathBuf,
    cards: [PathBuf; 2],
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Measurement {
    pub algorithm: Algorithm,
    pub speed: Speed,
    /// Numbers of threads to measure one after the other.
    pub threads: Vec<usize>,
    /// Seconds for each number of threads.
    pub seconds: u64,
}

impl OpenScCard {
    /// Creates and initialises the card in an empty folder.
    ///
    /// # Errors
    /// Debian's packages are missing, or OpenSC reported an error.
    pub fn set_up(folder: &Path) -> anyhow::Result<Self> {
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
        // The virtual reader always has two slots. The second card is not used.
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

    /// Runs `pkcs11-tool` on the card with log-in and returns its output.
    pub fn pkcs11_tool(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.inserted(Speed::Computer, |readers| {
            let mut tool = pkcs11_tool();
            tool.args(arguments).current_dir(&self.folder);
            run(readers, tool)
        })
    }

    /// Runs the load program with OpenSC's module.
    ///
    /// # Errors
    /// The load program failed; the message quotes its output.
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

/// The load program without the options that choose a module.
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

/// Runs the load program and parses its output.
pub(crate) fn figures(load: Command) -> anyhow::Result<Vec<Figures>> {
    let output = finish(load)?;
    let figures = output.lines().map(|line| {
        serde_json::from_str(line)
            .with_context(|| format!("unexpected output of the load program: {line}"))
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
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "{name} failed: {}{}",
        text(&output.stderr),
        text(&output.stdout)
    );
    Ok(text(&output.stdout))
}
