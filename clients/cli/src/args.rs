//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use countersign_client::ActivationFilter;
use countersign_protocol::{
    id::{ActivationId, HsmId},
    mechanism::Mechanism,
};

use crate::exit;

/// Sign with keys that open only when several people agree
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = exit::HELP, arg_required_else_help = true)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server and output")]
pub struct Global {
    /// Address of the server, such as https://sign.example.org
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// File with the API token; only its owner may be able to read it
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file with certificate authorities to trust besides the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Configuration file [default: ~/.config/countersign/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write exactly one JSON document to standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Have files signed: asks the custodians, waits, signs, verifies, writes FILE.sig
    #[command(after_help = exit::HELP)]
    Sign(Sign),
    /// Verify signatures
    Verify(Verify),
    /// List the keys, or write a public key as PEM
    Keys(Keys),
    /// Have a key sign a certificate for itself, which the server keeps: Java and others want one
    Certificate(Certificate),
    /// Run a build whose digests nobody can list beforehand: record them, have them approved, sign for real
    Record(Record),
    /// Use the keys in other programs, through PKCS#11
    Pkcs11 {
        #[command(subcommand)]
        command: Pkcs11,
    },
    /// Look at activations, or end one
    Activation {
        #[command(subcommand)]
        command: Activation,
    },
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("under").required(true).multiple(true).args(["key", "activation"]))]
pub struct Sign {
    /// Label or fingerprint of the key
    #[arg(long)]
    pub key: Option<String>,
    /// HSM, where several have the key
    #[arg(long)]
    pub hsm: Option<HsmId>,
    /// Why; custodians read it
    #[arg(long)]
    pub reason: Option<String>,
    /// Mechanism [default: ecdsa-sha256 or rsa-pkcs1-sha256, by the key's type]
    #[arg(long, value_name = "MECHANISM")]
    pub mechanism: Option<Mechanism>,
    /// How long the lease lasts at most, in seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub lease_seconds: Option<u32>,
    /// How long custodians may take, in seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub collect_seconds: Option<u32>,
    /// Write the signatures to this directory [default: beside each file]
    #[arg(long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Replace existing signature files
    #[arg(long)]
    pub force: bool,
    /// Ask for any digest, not only those of FILES; custodians see that flagged
    #[arg(long)]
    pub open_scope: bool,
    /// Signatures of an open scope [default: as many as files]
    #[arg(long, value_name = "N", requires = "open_scope", value_parser = clap::value_parser!(u32).range(1..))]
    pub signatures: Option<u32>,
    /// Sign under this open activation instead of asking for one
    #[arg(
        long,
        value_name = "ID",
        conflicts_with_all = ["hsm", "reason", "lease_seconds", "collect_seconds", "open_scope", "signatures"]
    )]
    pub activation: Option<ActivationId>,
    /// Files to sign
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("by").required(true).args(["key", "pem"]))]
pub struct Verify {
    /// Label or fingerprint of the key; the server is asked for it
    #[arg(long)]
    pub key: Option<String>,
    /// HSM, where several have a key of this label
    #[arg(long, requires = "key")]
    pub hsm: Option<HsmId>,
    /// PEM file with the public key; no server is needed
    #[arg(long, value_name = "FILE")]
    pub pem: Option<PathBuf>,
    /// Mechanism [default: ecdsa-sha256 or rsa-pkcs1-sha256, by the key's type]
    #[arg(long, value_name = "MECHANISM")]
    pub mechanism: Option<Mechanism>,
    /// Signature of the one file [default: FILE.sig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Files whose signatures are verified
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Keys {
    /// Write this key as SubjectPublicKeyInfo in PEM
    #[arg(long, value_name = "KEY")]
    pub pem: Option<String>,
    /// HSM, where several have a key of this label
    #[arg(long)]
    pub hsm: Option<HsmId>,
}

#[derive(Debug, clap::Args)]
pub struct Certificate {
    /// Label or fingerprint of the key
    #[arg(long)]
    pub key: String,
    /// HSM, where several have a key of this label
    #[arg(long)]
    pub hsm: Option<HsmId>,
    /// Whom the certificate names, such as "CN=Firmware signing,O=Example"
    #[arg(long, value_name = "NAME")]
    pub subject: String,
    /// How long it is valid
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub days: u32,
    /// Why; custodians read it [default: what the certificate is for]
    #[arg(long)]
    pub reason: Option<String>,
    /// How long custodians may take, in seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub collect_seconds: Option<u32>,
    /// Write the certificate to this file, too, as PEM
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The command runs twice. The first time nothing is signed: the PKCS#11 module writes down what would be, and answers with
bytes that are no signatures. The digests become the list that custodians approve. The second time the module signs what
is on the list, and nothing else. Whatever the first run wrote is worthless: let the command write it anew.

A build is only signed as approved if it makes the same digests twice. SOURCE_DATE_EPOCH is set for both runs, unless it
is set already.")]
pub struct Record {
    /// Why; custodians read it [default: COUNTERSIGN_REASON, the configuration's, or the program's name]
    #[arg(long)]
    pub reason: Option<String>,
    /// How long the lease lasts at most, in seconds [default: the configuration's, or an hour]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub lease_seconds: Option<u32>,
    /// How long custodians may take, in seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub collect_seconds: Option<u32>,
    /// Only record and ask; print how to run the command for real, and do not wait
    #[arg(long)]
    pub ask_only: bool,
    /// The command
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Subcommand)]
pub enum Pkcs11 {
    /// Print where the module is
    Module,
    /// Print what to write into the settings of openssl, Java, mkimage, p11-kit and others
    Env,
    /// Check everything from the configuration to the keys
    Doctor,
}

#[derive(Debug, Subcommand)]
pub enum Activation {
    /// List activations, newest first
    List {
        /// Which
        #[arg(long, value_enum, default_value_t)]
        state: State,
    },
    /// Show one activation
    Show {
        /// The activation
        id: ActivationId,
        /// Tell every change until it is over
        #[arg(long)]
        watch: bool,
    },
    /// End an activation; returns when the HSM is proven locked
    #[command(group = ArgGroup::new("which").required(true).args(["id", "reason", "all"]))]
    Lock {
        /// The activation
        id: Option<ActivationId>,
        /// Those that you asked for with this very reason, such as at the end of a build
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        reason: Option<String>,
        /// Every activation that you asked for, those of other builds included
        #[arg(long)]
        all: bool,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum State {
    /// Not ended
    #[default]
    Active,
    /// Ended
    Ended,
    /// All
    All,
}

impl From<State> for ActivationFilter {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Ended => Self::Ended,
            State::All => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}
