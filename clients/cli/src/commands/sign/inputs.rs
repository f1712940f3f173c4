//! What is wrong with the files is told before anybody is asked.

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
};

use crate::{error::CliError, naming, write};

/// A file that can be read, and whose signature can be written.
pub struct Input {
    /// As given.
    pub path: PathBuf,
    /// As custodians read it.
    pub name: String,
    /// Where the signature goes.
    pub signature: PathBuf,
    /// Bytes.
    pub length: u64,
}

/// Checks every file and tells everything that is wrong at once.
pub fn check(
    files: &[PathBuf],
    out_dir: Option<&Path>,
    force: bool,
) -> Result<Vec<Input>, CliError> {
    let here = std::env::current_dir()
        .map_err(|error| CliError::Files(format!("the working directory is gone: {error}")))?;
    if let Some(directory) = out_dir {
        std::fs::create_dir_all(directory)
            .map_err(|error| CliError::Files(format!("{}: {error}", directory.display())))?;
    }
    let mut faults = Vec::new();
    let mut inputs = Vec::with_capacity(files.len());
    let mut seen = HashSet::new();
    for path in files {
        match check_one(path, &here, out_dir) {
            Ok((real, _)) if !seen.insert(real.clone()) => {
                faults.push(format!("{}: named twice", path.display()));
            }
            Ok((_, input)) => inputs.push(input),
            Err(fault) => faults.push(fault),
        }
    }
    check_outputs(&inputs, &seen, force, &mut faults);
    if faults.is_empty() {
        return Ok(inputs);
    }
    let mut message = "nothing was asked for or signed, because of".to_owned();
    for fault in faults {
        message.push_str("\n  ");
        message.push_str(&fault);
    }
    Err(CliError::Files(message))
}

fn check_one(path: &Path, here: &Path, out_dir: Option<&Path>) -> Result<(PathBuf, Input), String> {
    let fault = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(fault)?;
    let metadata = file.metadata().map_err(fault)?;
    if !metadata.is_file() {
        return Err(format!(
            "{}: not a regular file; name files, not directories",
            path.display()
        ));
    }
    let real = path.canonicalize().map_err(fault)?;
    let input = Input {
        path: path.to_owned(),
        name: naming::display_name(path, here)?,
        signature: naming::signature_path(path, out_dir),
        length: metadata.len(),
    };
    Ok((real, input))
}

fn check_outputs(
    inputs: &[Input],
    real_inputs: &HashSet<PathBuf>,
    force: bool,
    faults: &mut Vec<String>,
) {
    let mut outputs = HashSet::new();
    let mut directories = HashSet::new();
    for Input {
        path, signature, ..
    } in inputs
    {
        let shown = signature.display();
        if !outputs.insert(signature) {
            faults.push(format!(
                "{}: its signature {shown} is also that of another file",
                path.display()
            ));
        } else if signature
            .canonicalize()
            .is_ok_and(|real| real_inputs.contains(&real))
        {
            faults.push(format!(
                "{shown}: would be overwritten, but is itself a file to sign"
            ));
        } else if signature.is_dir() {
            faults.push(format!(
                "{shown}: is a directory, but the signature goes there"
            ));
        } else if !force && signature.symlink_metadata().is_ok() {
            faults.push(format!(
                "{shown}: exists already; remove it, or replace it with --force"
            ));
        } else if directories.insert(signature.parent()) {
            // Dropped at once: only to learn whether it is possible.
            if let Err(error) = write::prepare(signature) {
                faults.push(format!("{shown}: cannot be written: {error}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(files: &[PathBuf], out_dir: Option<&Path>, force: bool) -> String {
        match check(files, out_dir, force) {
            Ok(_) => panic!("it must be refused"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["a", "b", "b.sig"] {
            std::fs::write(path(name), name).unwrap();
        }
        let twice = directory.path().join(".").join("a");
        let files = [
            path("a"),
            twice,
            path("b"),
            path("missing"),
            directory.path().to_owned(),
        ];
        let refusal = refusal(&files, None, false);
        for expected in [
            "named twice",
            "b.sig: exists already",
            "missing: ",
            "not a regular file",
        ] {
            assert!(refusal.contains(expected), "{expected}: {refusal}");
        }
    }

    #[test]
    fn force_replaces_signatures_but_no_inputs() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["a", "a.sig"] {
            std::fs::write(path(name), name).unwrap();
        }
        assert_eq!(
            check(&[path("a")], None, true)
                .map(|inputs| inputs.len())
                .unwrap(),
            1
        );
        assert!(refusal(&[path("a"), path("a.sig")], None, true).contains("itself a file to sign"));
    }

    #[test]
    fn signatures_in_one_directory_need_names_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["x/a", "y/a"] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), name).unwrap();
        }
        let files = [path("x/a"), path("y/a")];
        assert!(check(&files, None, false).is_ok());
        assert!(refusal(&files, Some(&path("out")), false).contains("also that of another file"));
    }
}
