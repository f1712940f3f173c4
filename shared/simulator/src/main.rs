//! `countersign-simulator`: makes simulated cards, and inserts them into virtual PC/SC readers.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use countersign_simulator::{
    Latency, NewCard, Profile, Simulator, VpcdError, VpcdListener, run_vpcd,
};

#[derive(Parser)]
#[command(
    version,
    about = "A software SmartCard-HSM. Its keys are worth nothing: for demo and test only."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new card.
    Create {
        /// File in which the card lives.
        file: PathBuf,
        /// Serial number, six capital letters or digits.
        #[arg(long)]
        serial: String,
        /// Label.
        #[arg(long, default_value = "Simulated card")]
        label: String,
        /// Which card is played.
        #[arg(long, value_enum, default_value_t = ProfileName::Vendor)]
        profile: ProfileName,
        /// File with the user PIN. It can also be in the environment, in COUNTERSIGN_SIMULATOR_PIN. Without a PIN the card
        /// is as from the factory, to be initialised.
        #[arg(long)]
        user_pin_file: Option<PathBuf>,
    },
    /// Insert the card into a virtual PC/SC reader, until this program is stopped.
    Run {
        /// The card's file.
        file: PathBuf,
        /// Address of vpcd; port 35963 is its first reader, 35964 its second.
        #[arg(long, default_value = "127.0.0.1:35963")]
        vpcd: String,
        /// Wait here for a reader that connects to its card, instead of connecting to one.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "vpcd")]
        listen: Option<String>,
        /// How slow the card is.
        #[arg(long, value_enum, default_value_t = Slowness::None)]
        latency: Slowness,
        /// Insert again whenever the reader has gone away.
        #[arg(long)]
        reconnect: bool,
    },
    /// Tell what is on a card.
    Show {
        /// The card's file.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileName {
    /// A response consumes the challenge; who has authenticated stays counted.
    Vendor,
    /// A challenge serves until the next one; who has authenticated stays counted.
    VendorKept,
    /// One challenge for all; a new one forgets who has authenticated.
    Pico,
    /// An independent implementation as it was measured: keys need the PIN besides the quorum, no secure messaging.
    PicoMeasured,
}

#[derive(Clone, Copy, ValueEnum)]
enum Slowness {
    /// As fast as the computer.
    None,
    /// As a real device.
    Realistic,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Vendor => Self::VENDOR,
            ProfileName::VendorKept => Self::VENDOR_KEPT,
            ProfileName::Pico => Self::PICO,
            ProfileName::PicoMeasured => Self::PICO_MEASURED,
        }
    }
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Create {
            file,
            serial,
            label,
            profile,
            user_pin_file,
        } => {
            let new = NewCard {
                serial,
                label,
                profile: profile.into(),
                user_pin: user_pin(user_pin_file)?,
            };
            println!("{}", Simulator::create(&file, &new)?.describe());
        }
        Command::Show { file } => println!("{}", Simulator::open(&file)?.describe()),
        Command::Run {
            file,
            vpcd,
            listen,
            latency,
            reconnect,
        } => {
            let simulator = Simulator::open(&file)?;
            simulator.set_latency(match latency {
                Slowness::None => Latency::NONE,
                Slowness::Realistic => Latency::REALISTIC,
            });
            if let Some(address) = listen {
                let listener = VpcdListener::bind(&address)?;
                eprintln!("{} waits for its reader at {address}", simulator.device());
                match listener.run(&simulator)? {}
            }
            eprintln!("Inserting {} into {vpcd}", simulator.device());
            loop {
                match run_vpcd(&simulator, &vpcd) {
                    Err(VpcdError::Connect { .. } | VpcdError::Closed(_)) if reconnect => {
                        std::thread::sleep(Duration::from_secs(1));
                    }
                    Err(error) => return Err(error.into()),
                    Ok(never) => match never {},
                }
            }
        }
    }
    Ok(())
}

/// Never from the command line, which everybody on the machine can read.
fn user_pin(file: Option<PathBuf>) -> anyhow::Result<Option<String>> {
    let Some(path) = file else {
        return Ok(std::env::var("COUNTERSIGN_SIMULATOR_PIN").ok());
    };
    let pin = std::fs::read_to_string(&path);
    let pin = pin.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(pin.trim().to_owned()))
}
