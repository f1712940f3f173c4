//! The demo: the whole product on simulated cards. `cargo xtask demo` builds and starts it.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use anyhow::Context;
use clap::Parser;
use countersign_harness::{
    custodians::{Custodians, Reaction},
    deployment::{Deployment, DeploymentSetup, EC_KEY, HSM, RSA_KEY},
    files,
    helper::PIN,
    main_job,
    pool::Pool,
    program::{built, terminate},
};
use countersign_simulator::Profile;

/// How often the demo checks whether the helper still runs.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask demo",
    about = "Run Countersign on simulated cards: a server, a helper, three custodians, a requester and an HSM that needs 2 of 3 approvals",
    after_help = "Without --auto or --approve you approve the requests yourself: in the portal and at this terminal."
)]
struct Options {
    /// Simulate the custodians, sign with an EC and an RSA key, verify with OpenSSL, show every refusal, then exit
    #[arg(long)]
    auto: bool,
    /// Sign this file with --auto instead of three generated ones; can be given several times
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Simulate custodians who approve every request, so that you can try other programs without using the portal
    #[arg(long, conflicts_with = "auto")]
    approve: bool,
    /// Directory for all files of the demo, which must not exist yet [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Port of the portal [default: a free port]
    #[arg(long)]
    port: Option<u16>,
    /// Kind of simulated signing HSM
    #[arg(long, default_value = "vendor", value_parser = ["vendor", "vendor-kept", "pico"])]
    profile: String,
    /// Use a pool of this many remote HSMs with the same EC key, as slow as real devices
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(2..=16),
          conflicts_with_all = ["auto", "port", "profile"])]
    hsms: Option<u8>,
}

fn say(text: &str) {
    println!("  {text}");
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let files = options
        .file
        .iter()
        .map(|file| {
            file.canonicalize()
                .with_context(|| format!("cannot read {}", file.display()))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let profile = Profile::by_name(&options.profile)
        .with_context(|| format!("unknown profile `{}`", options.profile))?;
    let scratch = tempfile::tempdir()?;
    let folder = match options.folder {
        Some(folder) => {
            std::fs::create_dir(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            folder.canonicalize()?
        }
        None => scratch.path().to_owned(),
    };
    println!("Setting up the demo in {}", folder.display());
    // The programs that attach the other HSMs of a pool run until the end.
    let (deployment, _others) = if let Some(count) = options.hsms {
        let pool = Pool::build(&folder, count.into())?;
        (pool.deployment, pool.others)
    } else {
        let mut setup = DeploymentSetup::simulated(&folder, profile)?;
        if let Some(port) = options.port {
            setup.server.port = port;
        }
        (Deployment::build(setup, &mut say)?, Vec::new())
    };
    if options.auto {
        auto(&deployment, files)?;
        if folder == scratch.path() {
            println!(
                "The signatures, keys and logs were temporary. To keep them, use `--folder DIR`."
            );
        } else {
            println!(
                "The signatures are in {}.",
                folder.join("signatures").display()
            );
        }
        Ok(())
    } else if options.approve {
        let keys = match options.hsms {
            Some(count) => format!("{EC_KEY}, on each of {count} HSMs"),
            None => format!("{EC_KEY} and {RSA_KEY}, on HSM {HSM}"),
        };
        approving(&deployment, &keys)
    } else {
        interactive(deployment)
    }
}

fn auto(deployment: &Deployment, own: Vec<PathBuf>) -> anyhow::Result<()> {
    let folder = &deployment.setup.folder;
    let files = if own.is_empty() {
        files::make(&folder.join("files"), 3)?
    } else {
        own
    };
    println!("\nDoug signs files with each key; Anna and Carla, 2 of 3 custodians, approve");
    main_job::run(deployment, &files, &folder.join("signatures"), &mut say)?;
    println!("\nThe server must refuse all of the following, and does");
    main_job::refusals(deployment, &mut say)?;
    println!("\nThe demo succeeded: every signature is valid, and everything else was refused.");
    Ok(())
}

/// Receives a message at Ctrl-C, SIGTERM and SIGHUP.
fn stop_signal() -> anyhow::Result<Receiver<()>> {
    let (sender, stop) = channel();
    ctrlc::set_handler(move || {
        // At the second signal the receiver may have ended already.
        let _ = sender.send(());
    })?;
    Ok(stop)
}

fn approving(deployment: &Deployment, keys: &str) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let custodians = Custodians::start(deployment, Reaction::Approve(Duration::from_secs(2)));
    println!(
        "
The demo is ready. The cards are simulated and protect nothing.
Anna and Carla approve every request after 2 s.

  Portal   {origin}
  Keys     {keys}

To use the keys in another terminal, run there:

     export COUNTERSIGN_CONFIG={config}
     export PATH={programs}:$PATH

Then sign a file, or print the settings for other programs such as mkimage:

     countersign sign --key {EC_KEY} --reason \"My first file\" YOUR-FILE
     countersign pkcs11 env

Press Ctrl-C to stop the demo.
",
        origin = deployment.origin(),
        config = deployment.cli_config.display(),
        programs = built("countersign")?
            .parent()
            .context("the program is in a folder")?
            .display(),
    );
    stop.recv()?;
    drop(custodians);
    Ok(())
}

fn interactive(deployment: Deployment) -> anyhow::Result<()> {
    let Deployment {
        setup,
        server,
        helper,
        cli_config,
        ..
    } = deployment;
    let stop = stop_signal()?;
    // From here on a person answers the prompts, so the helper with scripted prompts ends.
    helper.program.terminate()?;
    let mut helper = setup
        .helper
        .command()?
        .args(["--prompt", "terminal"])
        .env("COUNTERSIGN_LOG", "error")
        .stdout(Stdio::null())
        .spawn()?;
    println!(
        "
The demo is ready. The cards are simulated and protect nothing.

  Portal   {origin}
  People   Anna (admin and custodian), Ben and Carla (custodians), Doug (requester)
  Cards    A card helper runs in this terminal and holds the cards of all four. Every card has the PIN {PIN}.

Sign a file with the approval of two custodians:

  1. Open the portal and log in as Anna. The card helper asks for consent and PIN in this terminal.
  2. Request the signature of a file, as Doug, in another terminal:

     {cli} --config {config} \\
         sign --key {EC_KEY} --reason \"My first file\" YOUR-FILE

  3. Open the request on the portal's Home page and approve it. Log out, log in as Ben, and approve it again.
     The command then signs the file and writes YOUR-FILE.sig.

Press Ctrl-C to stop the demo.
",
        origin = setup.server.origin(),
        cli = built("countersign")?.display(),
        config = cli_config.display(),
    );
    // Ctrl-C reaches the helper too, because both share the terminal; `kill` reaches this program only.
    while helper.try_wait()?.is_none() {
        if stop.recv_timeout(POLL_INTERVAL).is_ok() {
            terminate(&mut helper)?.context("the helper ignored SIGTERM")?;
        }
    }
    drop(server);
    Ok(())
}
