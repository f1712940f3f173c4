//! `countersign-simulator` creates simulated cards and inserts them into virtual PC/SC readers.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use countersign_simulator::{
    Latency, NewCard, Profile, Simulator, VpcdError, VpcdListener, run_vpcd,
};

#[derive(Parser)]
#[command(
    version,
    about = "A SmartCard-HSM in software, for demos and tests only: its keys protect nothing"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a new card.
    Create {
        /// Card file to create.
        file: PathBuf,
        /// Serial number: six capital letters or digits.
        #[arg(long)]
        serial: String,
        /// Label of the card.
        #[arg(long, default_value = "Simulated card")]
        label: String,
        /// Behaviour of the card.
        #[arg(long, value_enum, default_value_t = ProfileName::Vendor)]
        profile: ProfileName,
        /// File with the user PIN. The PIN can also be in the environment variable COUNTERSIGN_SIMULATOR_PIN. Without a PIN
        /// the card is as from the factory and must be initialised.
        #[arg(long)]
        user_pin_file: Option<PathBuf>,
    },
    /// Insert a card into a virtual PC/SC reader until this program is stopped.
    Run {
        /// Card file.
        file: PathBuf,
        /// Address of vpcd: port 35963 is its first reader, port 35964 its second.
        #[arg(long, default_value = "127.0.0.1:35963")]
        vpcd: String,
        /// Wait for the reader's connection at this address instead of connecting to the reader.
        #[arg(long, value_name = "ADDRESS", conflicts_with = "vpcd")]
        listen: Option<String>,
        /// Latency of the card.
        #[arg(long, value_enum, default_value_t = LatencyName::None)]
        latency: LatencyName,
        /// Insert the card again after the reader has disconnected.
        #[arg(long)]
        reconnect: bool,
    },
    /// Show the state of a card.
    Show {
        /// Card file.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileName {
    /// A challenge accepts one response; a new challenge keeps the authentications.
    Vendor,
    /// A challenge accepts several responses; a new challenge keeps the authentications.
    VendorKept,
    /// A challenge accepts several responses; a new challenge discards the authentications.
    Pico,
    /// As measured on an independent implementation: keys require PIN and quorum, no secure messaging.
    PicoMeasured,
}

#[derive(Clone, Copy, ValueEnum)]
enum LatencyName {
    /// As fast as the computer allows.
    None,
    /// As slow as a real device.
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
                LatencyName::None => Latency::NONE,
                LatencyName::Realistic => Latency::REALISTIC,
            });
            if let Some(address) = listen {
                let listener = VpcdListener::bind(&address)?;
                eprintln!(
                    "card {} waits at {address} for a reader",
                    simulator.device()
                );
                match listener.run(&simulator)? {}
            }
            eprintln!(
                "inserting card {} into the reader at {vpcd}",
                simulator.device()
            );
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

/// Reads the user PIN from a file or the environment. It is not an argument, because all users of the machine can read the
/// arguments of a program.
fn user_pin(file: Option<PathBuf>) -> anyhow::Result<Option<String>> {
    let Some(path) = file else {
        return Ok(std::env::var("COUNTERSIGN_SIMULATOR_PIN").ok());
    };
    let pin = std::fs::read_to_string(&path);
    let pin = pin.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(pin.trim().to_owned()))
}
