//! The demo: the whole product on simulated cards. Started by `cargo xtask demo`.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use anyhow::Context;
use clap::Parser;
use countersign_harness::{
    checks,
    custodians::{Custodians, Custom},
    files,
    helper::PIN,
    pool::Pool,
    program::{built, terminate},
    stage::{EC_KEY, HSM, RSA_KEY, Stage, StageSetup},
};
use countersign_simulator::Profile;

/// How often a helper that ends by itself is looked for.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Parser)]
#[command(
    about = "Countersign on simulated cards: server, helper, custodians, a signing HSM for 2 of 3"
)]
struct Options {
    /// Play the custodians too: sign with an EC and an RSA key, verify with openssl, show every refusal, end.
    #[arg(long)]
    auto: bool,
    /// File to sign with --auto; may be given more than once.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Anna and Carla agree to whatever is asked, so that other programs can be tried without the portal.
    #[arg(long, conflicts_with = "auto")]
    agree: bool,
    /// Where everything lives; must not exist yet. Default: a folder that is removed at the end.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Port of the portal.
    #[arg(long)]
    port: Option<u16>,
    /// How the signing HSM behaves.
    #[arg(long, default_value = "vendor", value_parser = ["vendor", "vendor-kept", "pico"])]
    profile: String,
    /// So many HSMs with the same EC key, each attached from afar and as slow as a real one.
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
        .with_context(|| format!("there is no profile `{}`", options.profile))?;
    let scratch = tempfile::tempdir()?;
    let folder = match options.folder {
        Some(folder) => {
            std::fs::create_dir(&folder).with_context(|| {
                format!("cannot make {}: it must not exist yet", folder.display())
            })?;
            folder.canonicalize()?
        }
        None => scratch.path().to_owned(),
    };
    println!("Setting the stage in {}", folder.display());
    // What attaches further HSMs runs until the end.
    let (stage, _others) = if let Some(count) = options.hsms {
        let pool = Pool::build(&folder, count.into())?;
        (pool.stage, pool.others)
    } else {
        let mut setup = StageSetup::simulated(&folder, profile)?;
        if let Some(port) = options.port {
            setup.server.port = port;
        }
        (Stage::build(setup, &mut say)?, Vec::new())
    };
    if options.auto {
        auto(&stage, files)?;
        if folder == scratch.path() {
            println!(
                "Signatures, keys and logs are gone with the scratch folder; `--folder DIR` keeps them."
            );
        }
        Ok(())
    } else if options.agree {
        let keys = match options.hsms {
            Some(count) => format!("{EC_KEY}, the same on {count} HSMs"),
            None => format!("{EC_KEY} and {RSA_KEY}, on the HSM {HSM}"),
        };
        agreeing(&stage, &keys)
    } else {
        interactive(stage)
    }
}

fn auto(stage: &Stage, own: Vec<PathBuf>) -> anyhow::Result<()> {
    let folder = &stage.setup.folder;
    let files = if own.is_empty() {
        files::make(&folder.join("files"), 3)?
    } else {
        own
    };
    println!("\nThe main job: 2 of 3 custodians open the HSM, and files are signed");
    checks::main_job(stage, &files, &folder.join("signatures"), &mut say)?;
    println!("\nWhat must be refused");
    checks::refusals(stage, &mut say)?;
    println!("\nEverything as it should be.");
    Ok(())
}

/// Told of Ctrl-C, SIGTERM and SIGHUP.
fn stopped() -> anyhow::Result<Receiver<()>> {
    let (sender, stopped) = channel();
    ctrlc::set_handler(move || {
        // Whoever waited is at the end already.
        let _ = sender.send(());
    })?;
    Ok(stopped)
}

fn agreeing(stage: &Stage, keys: &str) -> anyhow::Result<()> {
    let stopped = stopped()?;
    let custodians = Custodians::at_work(stage, Custom::Agree(Duration::from_secs(2)));
    println!(
        "
Ready. Everything is simulated and protects nothing. Anna and Carla agree to every request after two seconds.

  Portal   {origin}
  Keys     {keys}

  In another terminal:

     export COUNTERSIGN_CONFIG={config}
     export PATH={programs}:$PATH
     countersign pkcs11 env

Ctrl-C ends everything.
",
        origin = stage.origin(),
        config = stage.cli_config.display(),
        programs = built("countersign")?
            .parent()
            .context("a program lies in a folder")?
            .display(),
    );
    stopped.recv()?;
    drop(custodians);
    Ok(())
}

fn interactive(stage: Stage) -> anyhow::Result<()> {
    let Stage {
        setup,
        server,
        helper,
        cli_config,
        ..
    } = stage;
    let stopped = stopped()?;
    // From here on a person answers, not the played one.
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
Ready. Everything is simulated and protects nothing.

  Portal   {origin}
  People   Anna (admin, custodian), Ben and Carla (custodians), Doug (requester).
           All their cards are in the helper that runs here; the PIN of each is {PIN}.

  1. Open the portal and log in as Anna. The helper asks on this terminal.
  2. In another terminal, ask for a signature of a file of your own:

     {cli} --config {config} \\
         sign --key {EC_KEY} --reason \"My first file\" YOUR-FILE

  3. In the portal, open the request under Home and press Authenticate. Then log in as Ben and do the same.
     The command goes on by itself, and leaves YOUR-FILE.sig.

Ctrl-C ends everything.
",
        origin = setup.server.origin(),
        cli = built("countersign")?.display(),
        config = cli_config.display(),
    );
    // Ctrl-C on the terminal reaches the helper by itself; `kill` reaches this program alone.
    while helper.try_wait()?.is_none() {
        if stopped.recv_timeout(LOOK).is_ok() {
            terminate(&mut helper)?.context("the helper did not end")?;
        }
    }
    drop(server);
    Ok(())
}
