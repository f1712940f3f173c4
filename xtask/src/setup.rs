//! Debian packages, the WebAssembly target and a Python program that the tasks need: checks which are missing, and
//! installs them.

use std::{path::Path, process::Command};

use anyhow::bail;

use crate::{
    build,
    run::{run, succeeds},
};

struct Requirement {
    package: &'static str,
    /// Checks whether the package, or an equivalent from elsewhere, is installed.
    present: fn() -> bool,
}

/// Packages to compile and run the programs.
const PROGRAMS: &[Requirement] = &[
    Requirement {
        package: "pkg-config",
        present: || on_path("pkg-config"),
    },
    Requirement {
        package: "libpcsclite-dev",
        present: || succeeds("pkg-config", &["--exists", "libpcsclite"]),
    },
    Requirement {
        package: "openssl",
        present: || on_path("openssl"),
    },
];

/// Packages for the tests of single programs.
const QUICK_TESTS: &[Requirement] = &[
    // A client of the REST interfaces, with a certificate and without.
    Requirement {
        package: "curl",
        present: || on_path("curl"),
    },
];

/// Packages for the tests of several programs: a browser, a PC/SC service with virtual readers, and other clients.
const TESTS: &[Requirement] = &[
    Requirement {
        package: "chromium",
        present: || on_path("chromium"),
    },
    Requirement {
        package: "chromium-driver",
        present: || on_path("chromedriver"),
    },
    Requirement {
        package: "pcscd",
        present: || on_path("pcscd") || Path::new("/usr/sbin/pcscd").exists(),
    },
    Requirement {
        package: "vsmartcard-vpcd",
        present: || Path::new("/usr/lib/pcsc/drivers/serial/libifdvpcd.so").exists(),
    },
    Requirement {
        package: "opensc",
        present: || on_path("sc-hsm-tool"),
    },
    // Copies a database as docs/operations.md shows it.
    Requirement {
        package: "sqlite3",
        present: || on_path("sqlite3"),
    },
    // Clients of the PKCS#11 module.
    Requirement {
        package: "libengine-pkcs11-openssl",
        present: || engine("pkcs11.so"),
    },
    Requirement {
        package: "u-boot-tools",
        present: || on_path("mkimage"),
    },
    Requirement {
        package: "device-tree-compiler",
        present: || on_path("dtc"),
    },
    Requirement {
        package: "default-jdk-headless",
        present: || on_path("jarsigner"),
    },
    Requirement {
        package: "gnutls-bin",
        present: || on_path("p11tool"),
    },
    Requirement {
        package: "osslsigncode",
        present: || on_path("osslsigncode"),
    },
    Requirement {
        package: "sbsigntool",
        present: || on_path("sbsign"),
    },
    // Judges the sandbox of the server's unit.
    Requirement {
        package: "systemd",
        present: || on_path("systemd-analyze"),
    },
    Requirement {
        package: "openssh-client",
        present: || on_path("ssh-agent"),
    },
    // An EFI program that the tests sign.
    Requirement {
        package: "systemd-boot-efi",
        present: || Path::new("/usr/lib/systemd/boot/efi/systemd-bootx64.efi").exists(),
    },
    // Compiler and memory checker for a C program that uses the module.
    Requirement {
        package: "gcc",
        present: || on_path("gcc"),
    },
    Requirement {
        package: "valgrind",
        present: || on_path("valgrind"),
    },
    // Installs Schemathesis, which Debian does not ship.
    Requirement {
        package: "python3-venv",
        present: || succeeds("python3", &["-c", "import ensurepip, venv"]),
    },
];

/// The version of Schemathesis, which tests the REST interface.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Packages to build `fit_check_sign`, which Debian does not ship.
const UBOOT: &[Requirement] = &[
    Requirement {
        package: "pkg-config",
        present: || on_path("pkg-config"),
    },
    Requirement {
        package: "gcc",
        present: || on_path("gcc"),
    },
    Requirement {
        package: "dpkg-dev",
        present: || on_path("dpkg-source"),
    },
    Requirement {
        package: "make",
        present: || on_path("make"),
    },
    Requirement {
        package: "bison",
        present: || on_path("bison"),
    },
    Requirement {
        package: "flex",
        present: || on_path("flex"),
    },
    Requirement {
        package: "libssl-dev",
        present: || succeeds("pkg-config", &["--exists", "libcrypto"]),
    },
    Requirement {
        package: "libgnutls28-dev",
        present: || succeeds("pkg-config", &["--exists", "gnutls"]),
    },
];

/// Whether this engine of OpenSSL is installed.
fn engine(file: &str) -> bool {
    [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
    ]
    .iter()
    .any(|folder| Path::new(folder).join("engines-3").join(file).exists())
}

/// Installs what `cargo xtask demo` and `cargo xtask build` need.
///
/// # Errors
/// A package is missing and cannot be installed; the message names it.
pub fn for_programs() -> anyhow::Result<()> {
    packages(PROGRAMS.iter())?;
    wasm_target()
}

/// Installs what `cargo xtask test --quick` needs.
pub fn for_quick_tests() -> anyhow::Result<()> {
    packages(PROGRAMS.iter().chain(QUICK_TESTS))?;
    wasm_target()
}

/// Installs what `cargo xtask test` needs.
pub fn for_tests() -> anyhow::Result<()> {
    packages(PROGRAMS.iter().chain(QUICK_TESTS).chain(TESTS).chain(UBOOT))?;
    schemathesis()?;
    wasm_target()
}

/// Installs what `cargo xtask fit-check-sign` needs.
pub fn for_uboot() -> anyhow::Result<()> {
    packages(UBOOT.iter())
}

fn packages<'a>(wanted: impl Iterator<Item = &'a Requirement>) -> anyhow::Result<()> {
    let wanted: Vec<_> = wanted.collect();
    let missing = || -> Vec<&str> {
        wanted
            .iter()
            .filter(|needed| !(needed.present)())
            .map(|needed| needed.package)
            .collect()
    };
    let list = missing();
    if list.is_empty() {
        return Ok(());
    }
    if !on_path("apt-get") {
        bail!(
            "these Debian packages or their equivalents are missing: {}. Install them, then try again",
            list.join(", ")
        );
    }
    eprintln!("Installing Debian packages: {}", list.join(", "));
    let root = succeeds("sh", &["-c", "test \"$(id -u)\" = 0"]);
    let apt = |arguments: &[&str]| {
        let mut command = if root {
            Command::new("apt-get")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.arg("apt-get");
            sudo
        };
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Standard output is for the result of the task.
            .stdout(std::io::stderr())
            .args(arguments);
        command
    };
    run(&mut apt(&["update", "-q"]))?;
    run(apt(&["install", "-q", "-y", "--no-install-recommends"]).args(&list))?;
    let list = missing();
    if !list.is_empty() {
        bail!(
            "these packages are still missing after the installation: {}",
            list.join(", ")
        );
    }
    Ok(())
}

/// Installs Schemathesis in a folder of its own, unless this version is there.
fn schemathesis() -> anyhow::Result<()> {
    let folder = build::target()?.join("tools/schemathesis");
    let installed = folder.join("version");
    if std::fs::read_to_string(&installed).is_ok_and(|version| version == SCHEMATHESIS) {
        return Ok(());
    }
    eprintln!("Installing {SCHEMATHESIS} in {}", folder.display());
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder)
        .stdout(std::io::stderr()))?;
    run(Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .arg(SCHEMATHESIS)
        .stdout(std::io::stderr()))?;
    // Written last, so that an interrupted installation begins anew.
    std::fs::write(installed, SCHEMATHESIS)?;
    Ok(())
}

fn wasm_target() -> anyhow::Result<()> {
    let present = Command::new("rustc")
        .args([
            "--print",
            "target-libdir",
            "--target",
            "wasm32-unknown-unknown",
        ])
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).exists());
    if present {
        return Ok(());
    }
    run(Command::new("rustup").args(["target", "add", "wasm32-unknown-unknown"]))
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}
