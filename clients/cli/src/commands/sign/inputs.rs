//! Checks the files before approval is requested.

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
};

use crate::{error::CliError, naming, write};

/// A readable file, whose signature can be written.
pub struct Input {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// The name in the manifest, which custodians read.
    pub name: String,
    /// The path of the signature file.
    pub signature: PathBuf,
    /// The length in bytes.
    pub length: u64,
}

/// Checks every file, and reports all problems in one error.
pub fn check(
    files: &[PathBuf],
    out_dir: Option<&Path>,
    force: bool,
) -> Result<Vec<Input>, CliError> {
    let here = std::env::current_dir()
        .map_err(|error| CliError::Files(format!("cannot find the current directory: {error}")))?;
    if let Some(directory) = out_dir {
        std::fs::create_dir_all(directory)
            .map_err(|error| CliError::Files(format!("{}: {error}", directory.display())))?;
    }
    let mut problems = Vec::new();
    let mut inputs = Vec::with_capacity(files.len());
    let mut real_paths = HashSet::new();
    for path in files {
        match check_one(path, &here, out_dir) {
            Ok((real, _)) if !real_paths.insert(real.clone()) => {
                problems.push(format!("{}: named twice", path.display()));
            }
            Ok((_, input)) => inputs.push(input),
            Err(problem) => problems.push(problem),
        }
    }
    check_outputs(&inputs, &real_paths, force, &mut problems);
    if problems.is_empty() {
        return Ok(inputs);
    }
    let mut message = "nothing was requested or signed:".to_owned();
    for problem in problems {
        message.push_str("\n  ");
        message.push_str(&problem);
    }
    Err(CliError::Files(message))
}

fn check_one(path: &Path, here: &Path, out_dir: Option<&Path>) -> Result<(PathBuf, Input), String> {
    let problem = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(problem)?;
    let metadata = file.metadata().map_err(problem)?;
    if !metadata.is_file() {
        return Err(format!("{}: not a regular file", path.display()));
    }
    let real = path.canonicalize().map_err(problem)?;
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
    problems: &mut Vec<String>,
) {
    let mut outputs = HashSet::new();
    let mut directories = HashSet::new();
    for Input {
        path, signature, ..
    } in inputs
    {
        let shown = signature.display();
        if !outputs.insert(signature) {
            problems.push(format!(
                "{}: the signature of another file would also be written to {shown}",
                path.display()
            ));
        } else if signature
            .canonicalize()
            .is_ok_and(|real| real_inputs.contains(&real))
        {
            problems.push(format!(
                "{shown}: both an input and an output; leave it out, or use --out-dir"
            ));
        } else if signature.is_dir() {
            problems.push(format!(
                "{shown}: a directory has the name of the signature file; rename it, or use --out-dir"
            ));
        } else if !force && signature.symlink_metadata().is_ok() {
            problems.push(format!(
                "{shown}: already exists; remove it, or replace it with --force"
            ));
        } else if directories.insert(signature.parent()) {
            // The temporary file is dropped immediately, because it only shows whether the directory is writable.
            if let Err(error) = write::prepare(signature) {
                problems.push(format!("{shown}: cannot be written ({error})"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(files: &[PathBuf], out_dir: Option<&Path>, force: bool) -> String {
        match check(files, out_dir, force) {
            Ok(_) => panic!("the files are accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn all_problems_are_reported_together() {
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
        let error = error(&files, None, false);
        for expected in [
            "named twice",
            "b.sig: already exists",
            "missing: ",
            "not a regular file",
        ] {
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn force_replaces_signatures_but_not_inputs() {
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
        assert!(error(&[path("a"), path("a.sig")], None, true).contains("an input and an output"));
    }

    #[test]
    fn signatures_in_one_directory_need_different_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["x/a", "y/a"] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), name).unwrap();
        }
        let files = [path("x/a"), path("y/a")];
        assert!(check(&files, None, false).is_ok());
        assert!(error(&files, Some(&path("out")), false).contains("signature of another file"));
    }
}
