//! `countersign-simulator`: makes simulated cards, and inserts them into virtual PC/SC readers.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use countersign_simulator::{Latency, NewCard, Profile, Simulator, VpcdError, run_vpcd};

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
        /// File with the user PIN; without it the card is as from the factory, to be initialised.
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
        /// Be as slow as a real device.
        #[arg(long)]
        realistic: bool,
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
    /// One challenge for all; a new one forgets who has authenticated.
    Pico,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Vendor => Self::VENDOR,
            ProfileName::Pico => Self::PICO,
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
            let user_pin = user_pin_file
                .map(|path| {
                    std::fs::read_to_string(&path)
                        .map(|pin| pin.trim().to_owned())
                        .with_context(|| format!("cannot read {}", path.display()))
                })
                .transpose()?;
            let new = NewCard {
                serial,
                label,
                profile: profile.into(),
                user_pin,
            };
            println!("{}", Simulator::create(&file, &new)?.describe());
        }
        Command::Show { file } => println!("{}", Simulator::open(&file)?.describe()),
        Command::Run {
            file,
            vpcd,
            realistic,
            reconnect,
        } => {
            let simulator = Simulator::open(&file)?;
            if realistic {
                simulator.set_latency(Latency::REALISTIC);
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
