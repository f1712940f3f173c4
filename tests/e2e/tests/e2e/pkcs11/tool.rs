//! A running deployment, and third-party programs in an environment that makes them use the module.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use countersign_client::{ActivationFilter, pkcs11::slot_number};
use countersign_harness::{
    custodians::{Custodians, Reaction},
    deployment::{Deployment, DeploymentSetup, EC_KEY, HSM, RSA_KEY},
    program::built,
};
use countersign_protocol::{
    activation::{ActivationState, ActivationView, EndReason},
    audit::AuditEvent,
    hsm::SigningKeyView,
    id::HsmId,
};
use countersign_simulator::Profile;

/// Time limit for a program, in seconds; `timeout` then kills it.
const TIME_LIMIT: &str = "120";

/// A deployment, custodians, and a working directory.
pub struct Bench {
    pub deployment: Deployment,
    pub custodians: Option<Custodians>,
    pub folder: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Bench {
    /// Starts a deployment in which Anna and Carla approve every request.
    pub fn with_approving_custodians() -> anyhow::Result<Self> {
        let mut bench = Self::new()?;
        bench.custodians = Some(Custodians::start(
            &bench.deployment,
            Reaction::Approve(Duration::ZERO),
        ));
        Ok(bench)
    }

    /// Starts a deployment in which no custodian decides automatically.
    pub fn new() -> anyhow::Result<Self> {
        Self::prepared(|_| Ok(()))
    }

    /// [`Self::new`] with a changed setup.
    pub fn prepared(
        prepare: impl FnOnce(&mut DeploymentSetup) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let mut setup =
            DeploymentSetup::simulated(&scratch.path().join("deployment"), Profile::VENDOR)?;
        prepare(&mut setup)?;
        let deployment = Deployment::build(setup, &mut |_| ())?;
        let folder = scratch.path().join("work");
        std::fs::create_dir(&folder)?;
        let bench = Self {
            deployment,
            custodians: None,
            folder,
            _scratch: scratch,
        };
        std::fs::write(bench.path("openssl.cnf"), bench.openssl_cnf()?)?;
        std::fs::write(bench.path("data"), "something to sign\n".repeat(300))?;
        Ok(bench)
    }

    /// Creates self-signed certificates of both keys and stores them on the server.
    pub fn make_certificates(&self) -> anyhow::Result<()> {
        for key in [EC_KEY, RSA_KEY] {
            self.ok(self.program("countersign")?.args([
                "certificate",
                "--key",
                key,
                "--subject",
                &format!("CN={key},O=Test"),
                "--out",
                &format!("{key}.crt"),
            ]))?;
        }
        Ok(())
    }

    /// Writes every public key to `<label>.pem`.
    pub fn write_public_keys(&self) -> anyhow::Result<()> {
        for key in self.deployment.requester.keys()? {
            std::fs::write(
                self.path(&format!("{}.pem", key.label)),
                key.public_key.to_spki_pem(),
            )?;
        }
        Ok(())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn module(&self) -> anyhow::Result<PathBuf> {
        built("libcountersign_pkcs11.so")
    }

    pub fn module_text(&self) -> anyhow::Result<String> {
        Ok(self.module()?.display().to_string())
    }

    /// A program with the module in its environment. `timeout` kills it if it hangs.
    pub fn tool(&self, program: impl AsRef<std::ffi::OsStr>) -> anyhow::Result<Command> {
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", TIME_LIMIT])
            .arg(program)
            .current_dir(&self.folder)
            .stdin(std::process::Stdio::null())
            .env("COUNTERSIGN_CONFIG", &self.deployment.cli_config)
            .env("COUNTERSIGN_REASON", "PKCS#11 test")
            .env("PKCS11_MODULE_PATH", self.module()?)
            .env("OPENSSL_CONF", self.path("openssl.cnf"))
            .env("SOURCE_DATE_EPOCH", "1700000000");
        Ok(command)
    }

    /// [`Self::tool`] for one of our own programs.
    pub fn program(&self, name: &str) -> anyhow::Result<Command> {
        self.tool(built(name)?)
    }

    /// Runs a command, which must succeed, and returns its output.
    pub fn ok(&self, command: &mut Command) -> anyhow::Result<String> {
        let (status, text) = run(command)?;
        ensure!(
            status == Some(0),
            "{command:?} ended with {status:?}:\n{text}"
        );
        Ok(text)
    }

    /// Runs a command, which must fail, but not by a signal or a timeout, and returns its output.
    pub fn fails(&self, command: &mut Command) -> anyhow::Result<String> {
        let (status, text) = run(command)?;
        ensure!(
            status.is_some_and(|status| status != 0 && status < 124),
            "{command:?} ended with {status:?}:\n{text}"
        );
        Ok(text)
    }

    pub fn key(&self, label: &str) -> anyhow::Result<SigningKeyView> {
        let keys = self.deployment.requester.keys()?;
        keys.into_iter()
            .find(|key| key.label == label)
            .with_context(|| format!("the server has no key {label}"))
    }

    pub fn slot(&self) -> u32 {
        slot_number(&HsmId::new(HSM))
    }

    /// Locks every activation, so that the next program requests a new one.
    pub fn lock(&self) -> anyhow::Result<()> {
        for view in self
            .deployment
            .requester
            .activations(ActivationFilter::Active)?
        {
            self.deployment.requester.lock(&view.id())?;
        }
        Ok(())
    }

    /// The newest activation, with all of its files.
    pub fn activation(&self) -> anyhow::Result<ActivationView> {
        let requester = &self.deployment.requester;
        let all = requester.activations(ActivationFilter::All)?;
        let newest = all.first().context("no activation was requested")?;
        Ok(requester.activation(&newest.id())?)
    }

    /// Waits for the end of the newest activation and returns its reason.
    pub fn end(&self) -> anyhow::Result<EndReason> {
        let id = self.activation()?.id();
        let view = self
            .deployment
            .wait_for_activation(&id, |view| view.state.is_ended())?;
        match view.state {
            ActivationState::Ended { reason, .. } => Ok(reason),
            state => bail!("the activation has not ended: it is {}", state.as_str()),
        }
    }

    /// The signed digests of the audit log, in hex.
    pub fn signed_digests(&self) -> anyhow::Result<Vec<String>> {
        let entries = self.deployment.anna().browser.audit(None, 1000)?.entries;
        let digests = entries.into_iter().filter_map(|entry| match entry.event {
            AuditEvent::Signed { digest, .. } => Some(digest),
            _ => None,
        });
        Ok(digests.collect())
    }

    fn openssl_cnf(&self) -> anyhow::Result<String> {
        let engine = [
            "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so",
            "/usr/lib/aarch64-linux-gnu/engines-3/pkcs11.so",
        ];
        let engine = engine.iter().find(|file| Path::new(file).exists());
        Ok(format!(
            "openssl_conf = openssl_init\n[openssl_init]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\n\
             engine_id = pkcs11\ndynamic_path = {}\nMODULE_PATH = {}\n[req]\ndistinguished_name = dn\n[dn]\n",
            engine.context("libengine-pkcs11-openssl is not installed")?,
            self.module()?.display()
        ))
    }
}

/// Runs a command and returns its exit code, which is `None` after a signal, and its output.
pub fn run(command: &mut Command) -> anyhow::Result<(Option<i32>, String)> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((output.status.code(), text))
}

/// A key's PKCS#11 URI for OpenSSL's engine.
pub fn uri(label: &str) -> String {
    format!("pkcs11:token={HSM};object={label};type=private")
}
