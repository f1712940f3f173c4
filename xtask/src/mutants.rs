//! `cargo xtask mutants`: changes the code that decides what is allowed, and runs the tests that should notice.

use std::fs;

use anyhow::{Context, ensure};
use clap::Args;

use crate::{
    build::target,
    run::{cargo, run, succeeds},
};

#[derive(Args)]
pub struct Mutants {
    /// File whose code is changed; without it, the files are listed with the package that has their tests
    file: Option<String>,
}

/// Files that decide, with the tests that belong to them.
struct Part {
    package: &'static str,
    features: &'static [&'static str],
    /// Arguments of `cargo test` that select the tests.
    tests: &'static [&'static str],
    files: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part {
        package: "countersign-cvc",
        features: &[],
        tests: &["--lib", "--test", "it"],
        files: &[
            "shared/cvc/src/anchor.rs",
            "shared/cvc/src/attestation.rs",
            "shared/cvc/src/certificate/mod.rs",
            "shared/cvc/src/certificate/key_object.rs",
            "shared/cvc/src/chain.rs",
            "shared/cvc/src/chr.rs",
            "shared/cvc/src/ec/signature.rs",
            "shared/cvc/src/pka_file.rs",
            "shared/cvc/src/request.rs",
            "shared/cvc/src/tlv/mod.rs",
        ],
    },
    Part {
        package: "countersign-protocol",
        features: &[],
        tests: &["--lib", "--test", "wire"],
        files: &[
            "shared/protocol/src/activation.rs",
            "shared/protocol/src/dsse.rs",
            "shared/protocol/src/lease.rs",
            "shared/protocol/src/manifest.rs",
            "shared/protocol/src/purpose.rs",
            "shared/protocol/src/statement/approval.rs",
            "shared/protocol/src/statement/enrolment.rs",
            "shared/protocol/src/statement/login.rs",
            "shared/protocol/src/task.rs",
        ],
    },
    Part {
        package: "countersign-card",
        features: &[],
        tests: &["--lib", "--tests"],
        files: &[
            "shared/card/src/apdu.rs",
            "shared/card/src/pka.rs",
            "shared/card/src/secure_messaging.rs",
        ],
    },
    Part {
        package: "countersign-helper",
        features: &["simulator"],
        tests: &["--lib", "--test", "it"],
        files: &[
            "helper/src/answered_tasks.rs",
            "helper/src/consent/approval.rs",
            "helper/src/conversation/approve.rs",
            "helper/src/conversation/enrol.rs",
            "helper/src/conversation/log_in.rs",
            "helper/src/conversation/mod.rs",
            "helper/src/conversation/unlock.rs",
            "helper/src/loopback/admission.rs",
            "helper/src/origin/store.rs",
            "helper/src/remote/filter/command.rs",
            "helper/src/remote/filter/mod.rs",
            "helper/src/task.rs",
            "helper/src/task_limits.rs",
            "helper/src/trigger/request.rs",
        ],
    },
    // The rules of the server are tested through its services.
    Part {
        package: "countersign-server",
        features: &["countersign-server/simulator"],
        tests: &["--test", "it"],
        files: &[
            "backend/domain/src/activation/approval.rs",
            "backend/domain/src/activation/attendance.rs",
            "backend/domain/src/activation/eligible.rs",
            "backend/domain/src/activation/lease.rs",
            "backend/domain/src/activation/lease_pool.rs",
            "backend/domain/src/signing/coverage.rs",
            "backend/domain/src/signing/input.rs",
            "backend/domain/src/signing/mod.rs",
            "backend/src/http/extract.rs",
        ],
    },
];

impl Mutants {
    pub fn run(self) -> anyhow::Result<()> {
        let Some(file) = &self.file else {
            list();
            return Ok(());
        };
        let part = part_of(file)
            .with_context(|| format!("no tests are known for {file}: `cargo xtask mutants` lists the files, and xtask/src/mutants.rs maps them to tests"))?;
        install()?;
        let folder = target()?.join("mutants");
        fs::create_dir_all(&folder)?;
        // The code is changed in a copy of the tree. Only what the dependencies compile to is kept between two runs.
        run(cargo(["mutants", "--jobs", "1", "--file", file])
            .args(["--test-package", part.package])
            .args(part.features.iter().flat_map(|name| ["--features", name]))
            .args(
                part.tests
                    .iter()
                    .map(|test| format!("--cargo-test-arg={test}")),
            )
            .arg("--output")
            .arg(&folder)
            .env("CARGO_TARGET_DIR", folder.join("build")))
        .with_context(|| {
            format!(
                "a change was not noticed by a test, or the tests failed without one: see {}",
                folder.join("mutants.out").display()
            )
        })
    }
}

fn part_of(file: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.files.contains(&file))
}

fn list() {
    for part in PARTS {
        for file in part.files {
            println!("{file} ({})", part.package);
        }
    }
}

fn install() -> anyhow::Result<()> {
    if !succeeds("cargo", &["mutants", "--version"]) {
        run(&mut cargo(["install", "--locked", "cargo-mutants"]))?;
    }
    ensure!(
        succeeds("cargo", &["mutants", "--version"]),
        "cargo-mutants is installed, but cargo does not find it: add cargo's folder of programs to PATH"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_there_and_listed_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let files: Vec<_> = PARTS.iter().flat_map(|part| part.files).collect();
        for file in &files {
            assert!(root.join(file).is_file(), "{file} does not exist");
            let count = files.iter().filter(|other| other == &file).count();
            assert_eq!(count, 1, "{file} is listed {count} times");
        }
    }
}
