//! Commands and options.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use countersign_client::ActivationFilter;
use countersign_protocol::{
    id::{ActivationId, HsmId},
    mechanism::Mechanism,
};

use crate::exit;

/// Sign with hardware keys that work only after several custodians approve
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
    /// Address of the server, for example https://sign.example.org
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// File with the API token, which only its owner may access
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file with certificate authorities to trust in addition to the system's
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
    /// Sign files: request approvals, wait, sign, verify, write FILE.sig
    #[command(after_help = exit::HELP)]
    Sign(Sign),
    /// Verify the signatures of files
    Verify(Verify),
    /// List the keys, or print a public key as PEM
    Keys(Keys),
    /// Create a self-signed certificate for a key, which Java and some other programs need, and store it on the server
    Certificate(Certificate),
    /// Run a build twice: record what it would sign, get approval for those digests, then sign
    Record(Record),
    /// Use the keys in other programs through PKCS#11
    Pkcs11 {
        #[command(subcommand)]
        command: Pkcs11,
    },
    /// List, show, cancel or lock activations
    Activation {
        #[command(subcommand)]
        command: Activation,
    },
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("key or activation").required(true).multiple(true).args(["key", "activation"]))]
pub struct Sign {
    /// Label or fingerprint of the key
    #[arg(long)]
    pub key: Option<String>,
    /// HSM to use, if several hold the key
    #[arg(long)]
    pub hsm: Option<HsmId>,
    /// Reason, which custodians read [default: the names of the files]
    #[arg(long)]
    pub reason: Option<String>,
    /// Signature mechanism [default: ecdsa-sha256 or rsa-pkcs1-sha256, depending on the key]
    #[arg(long, value_name = "MECHANISM")]
    pub mechanism: Option<Mechanism>,
    /// Maximum duration of the lease, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub lease_seconds: Option<u32>,
    /// Time limit for approvals, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub approval_seconds: Option<u32>,
    /// First cancel your own requests for the same HSM that still wait for approvals, such as one of a job that was killed
    #[arg(long)]
    pub replace: bool,
    /// Directory for the signatures [default: next to each file]
    #[arg(long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Replace existing signature files
    #[arg(long)]
    pub force: bool,
    /// Request a lease for any content instead of a list of FILES; custodians are warned about it
    #[arg(long)]
    pub any_content: bool,
    /// Maximum number of signatures with --any-content [default: the number of files]
    #[arg(long, value_name = "N", requires = "any_content", value_parser = clap::value_parser!(u32).range(1..))]
    pub signatures: Option<u32>,
    /// Use an open activation instead of requesting one
    #[arg(
        long,
        value_name = "ID",
        conflicts_with_all = ["hsm", "reason", "lease_seconds", "approval_seconds", "any_content", "signatures", "replace"]
    )]
    pub activation: Option<ActivationId>,
    /// Files to sign
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("key or file").required(true).args(["key", "pem"]))]
pub struct Verify {
    /// Label or fingerprint of the key, which is fetched from the server
    #[arg(long)]
    pub key: Option<String>,
    /// HSM to use, if several have a key with this label
    #[arg(long, requires = "key")]
    pub hsm: Option<HsmId>,
    /// PEM file with the public key, to verify without a server
    #[arg(long, value_name = "FILE")]
    pub pem: Option<PathBuf>,
    /// Signature mechanism [default: ecdsa-sha256 or rsa-pkcs1-sha256, depending on the key]
    #[arg(long, value_name = "MECHANISM")]
    pub mechanism: Option<Mechanism>,
    /// Signature file, if a single file is verified [default: FILE.sig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Files to verify
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Keys {
    /// Print this public key as SubjectPublicKeyInfo in PEM
    #[arg(long, value_name = "KEY")]
    pub pem: Option<String>,
    /// Limit to the keys of this HSM
    #[arg(long)]
    pub hsm: Option<HsmId>,
}

#[derive(Debug, clap::Args)]
pub struct Certificate {
    /// Label or fingerprint of the key
    #[arg(long)]
    pub key: String,
    /// HSM to use, if several have a key with this label
    #[arg(long)]
    pub hsm: Option<HsmId>,
    /// Subject of the certificate, for example "CN=Firmware signing,O=Example"
    #[arg(long, value_name = "NAME")]
    pub subject: String,
    /// Validity of the certificate, in days
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub days: u32,
    /// Reason, which custodians read [default: the purpose of the certificate]
    #[arg(long)]
    pub reason: Option<String>,
    /// Time limit for approvals, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub approval_seconds: Option<u32>,
    /// Also write the certificate to this file, as PEM
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The command runs twice. In the first run nothing is signed: the PKCS#11 module records each digest and returns placeholder
bytes instead of signatures. Custodians then approve the list of recorded digests. In the second run the module signs
only the digests on that list. The output of the first run is unusable, so the command must write all of it again.

The build must produce the same digests in both runs. SOURCE_DATE_EPOCH is set for both runs, unless it is already set.")]
pub struct Record {
    /// Reason, which custodians read [default: from COUNTERSIGN_REASON, the configuration or the program's name]
    #[arg(long)]
    pub reason: Option<String>,
    /// Maximum duration of the lease, in seconds [default: from the configuration, or 3600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub lease_seconds: Option<u32>,
    /// Time limit for approvals, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub approval_seconds: Option<u32>,
    /// Record and request approval without waiting, and print the command line that signs later
    #[arg(long)]
    pub request_only: bool,
    /// Command to run, with its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Subcommand)]
pub enum Pkcs11 {
    /// Print the path of the PKCS#11 module
    Module,
    /// Print settings for OpenSSL, Java, mkimage, p11-kit and other programs
    Env,
    /// Check the configuration, the server, the HSMs and the keys
    Doctor,
}

#[derive(Debug, Subcommand)]
pub enum Activation {
    /// List activations, newest first
    List {
        /// Filter by state
        #[arg(long, value_enum, default_value_t)]
        state: State,
    },
    /// Show one activation
    Show {
        /// ID of the activation
        id: ActivationId,
        /// Print every change until the activation ends
        #[arg(long)]
        watch: bool,
    },
    /// Cancel an activation that is not open yet, or lock an open one and verify that its HSM is locked
    #[command(group = ArgGroup::new("selection").required(true).args(["id", "reason", "all"]))]
    Lock {
        /// ID of the activation
        id: Option<ActivationId>,
        /// End all your activations with exactly this reason, for example at the end of a build
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        reason: Option<String>,
        /// End all your activations, including those of other builds
        #[arg(long)]
        all: bool,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum State {
    /// Activations that have not ended
    #[default]
    Active,
    /// Activations that have ended
    Ended,
    /// All activations
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
    fn the_command_line_definition_is_consistent() {
        super::Args::command().debug_assert();
    }
}
