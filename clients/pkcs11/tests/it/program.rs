//! Runs a C program that loads the module.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// The module of this build.
pub fn module() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let name = "libcountersign_pkcs11.so";
    let folder = own.ancestors().find(|folder| folder.join(name).is_file());
    folder.expect("the module is built").join(name)
}

/// Runs a command and returns its exit code, which is `None` after a signal, and its output.
pub fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A program that runs, and its standard input and output.
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Program {
    /// Starts a scenario of the C program, and waits until it is ready. `timeout` ends a program that hangs.
    pub fn start(server: &str, scenario: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("client");
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/e2e/tests/e2e/pkcs11/client.c"
        );
        let mut compiler = Command::new("gcc");
        compiler
            .args(["-std=c11", "-pthread", "-o"])
            .arg(&program)
            .args([source, "-ldl"]);
        let (status, text) = run(&mut compiler);
        assert_eq!(status, Some(0), "{text}");
        let mut child = Command::new("timeout")
            .arg("200")
            .arg(&program)
            .arg(module())
            .arg(scenario)
            .env("HOME", folder.path())
            .env("COUNTERSIGN_SERVER", server)
            .env("COUNTERSIGN_TOKEN", "token-of-a-test")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut program = Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            _folder: folder,
        };
        program.wait_until_ready();
        program
    }

    pub fn wait_until_ready(&mut self) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    /// Lets the program continue.
    pub fn go_on(&mut self) {
        use std::io::Write;
        let input = self.input.as_mut().unwrap();
        input.write_all(b"\n").unwrap();
    }

    /// Lets the program run to its end, and returns its remaining output.
    pub fn end(mut self) -> String {
        self.input = None;
        let mut text = String::new();
        for line in (&mut self.output).lines() {
            text.push_str(&line.unwrap());
            text.push('\n');
        }
        let output = self.child.wait_with_output().unwrap();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{:?}: {text}", output.status);
        text
    }
}
