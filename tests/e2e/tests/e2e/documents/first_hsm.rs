//! Steps 7 and 8 of docs/first-hsm.md. The browser's tests do the steps before.

use std::{fs::File, os::unix::fs::PermissionsExt, process::Stdio};

use anyhow::ensure;
use countersign_harness::page::Page;
use countersign_protocol::purpose::NewKeyType;

use super::newcomer::Newcomer;

#[test]
fn a_token_is_stored_and_a_file_is_signed() -> anyhow::Result<()> {
    let newcomer = Newcomer::with_key(NewKeyType::EcSecp256r1)?;
    let shell = &newcomer.shell;
    let page = Page::read("docs/first-hsm.md")?;
    let step = "## 7. Doug gets a token";
    let scripts = page.scripts(step)?;
    let [store, list] = scripts.as_slice() else {
        anyhow::bail!("step 7 has {} scripts", scripts.len());
    };
    shell.write("pasted", &format!("{}\n", newcomer.token()?))?;
    shell.run_with_input(store, Stdio::from(File::open(shell.path("pasted"))?))?;
    let mode = shell.home(".countersign-token").metadata()?.permissions();
    ensure!(mode.mode() & 0o777 == 0o600, "{:o}", mode.mode());
    let config = shell.home(".config/countersign/config.toml");
    shell.write(config, &page.file(step, "toml")?)?;
    shell.run(list)?.must_have("firmware")?;
    shell.write("kernel.bin", "kernel")?;
    shell
        .run_section(&page, "## 8. The first signature")?
        .must_have("Verified OK")
}
