//! docs/install.md, on a system whose changes are discarded. It has no systemd, and apt-get does nothing there.

use std::os::unix::fs::symlink;

use anyhow::ensure;
use countersign_harness::{
    cards,
    page::Page,
    pcsc::{Reach, Readers, SOCKET, Speed},
    ports::free_port,
    program::built,
    shell::{Shell, has_own_system},
};
use countersign_simulator::Profile;

const PROGRAMS: [&str; 4] = [
    "countersign-server",
    "countersign-helper",
    "countersign",
    "libcountersign_pkcs11.so",
];

/// Does what systemd does for the installed unit, as far as the server needs it.
const SYSTEMCTL: &str = r#"
[ "$*" = 'enable --now countersign-server' ] || exit 0
export STATE_DIRECTORY=/var/lib/countersign
install -d -m 700 -o countersign -g countersign $STATE_DIRECTORY
command=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/countersign-server.service)
runuser -u countersign -- sh -c "exec $command" > /run/journal 2>&1 &
until grep -q 'Listening on' /run/journal; do kill -0 $! && sleep 0.1; done
"#;

/// A shell in the project's directory after `cargo xtask build --release` and `cargo xtask dist`.
fn shell(folder: &std::path::Path) -> anyhow::Result<Shell> {
    let shell = Shell::new(folder)?;
    let release = shell.path("target/release");
    std::fs::create_dir_all(&release)?;
    for program in PROGRAMS {
        symlink(built(program)?, release.join(program))?;
    }
    let example = built("dist/server.toml.example")?;
    let dist = example.parent().unwrap_or(&example);
    symlink(dist, shell.path("target/dist"))?;
    shell.stand_in("systemctl", SYSTEMCTL)?;
    shell.stand_in("journalctl", "cat /run/journal")?;
    shell.stand_in("apt-get", "true")?;
    Ok(shell)
}

#[test]
fn server_helper_and_build_machine_are_installed() -> anyhow::Result<()> {
    if !has_own_system() {
        eprintln!("only root can use a system of its own: this test does nothing");
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let mut shell = shell(scratch.path())?;
    let page = Page::read("docs/install.md")?;
    let server = page.scripts("## Server")?;
    let [install, with_reader, start, code] = server.as_slice() else {
        anyhow::bail!("{} scripts for the server", server.len());
    };
    // The page says that the file must be edited.
    let edit = format!(
        "sed -i 's/^#listen = .*/listen = \"127.0.0.1:{}\"/' /etc/countersign/server.toml\n",
        free_port()?
    );
    let check = "stat -c '%U %G %a' /etc/countersign/server.toml\n";
    let script = format!("{install}{with_reader}{edit}{start}echo\n{code}{check}");
    let printed = shell.run_on_own_system(&script)?;
    printed.must_have("root countersign 640")?;
    let codes = printed
        .stdout
        .to_lowercase()
        .matches("one-time code")
        .count();
    ensure!(codes >= 2, "{printed:?}");

    let card = |serial| cards::hsm(scratch.path(), serial, Profile::VENDOR);
    let inserted = [&card("CARD01")?, &card("CARD02")?];
    let folder = scratch.path().join("readers");
    let readers = Readers::start_with(&folder, inserted, Reach::Private, Speed::Computer)?;
    if let Some(socket) = readers.socket() {
        shell.set(SOCKET, socket);
    }
    let helper = page.scripts("## Custodian's computer")?.concat();
    shell
        .run_on_own_system(&helper)?
        .must_have(&readers.name(0))?;

    let build = page.scripts("## Build machine")?.concat();
    let checks = "countersign pkcs11 module\nls /usr/share/man/man1/countersign-sign.1\n";
    shell
        .run_on_own_system(&format!("{build}{checks}"))?
        .must_have("/usr/lib/countersign/libcountersign_pkcs11.so")
}
