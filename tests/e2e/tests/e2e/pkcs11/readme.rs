//! Runs README's section on FIT images as it is written.

use std::path::Path;

use anyhow::Context;

use super::{mkimage, tool::Bench};

const HEADING: &str = "## Sign a U-Boot FIT image";

fn script() -> anyhow::Result<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme)?;
    let (_, section) = readme
        .split_once(HEADING)
        .context("README.md has no such section")?;
    let (_, script) = section
        .split_once("```sh\n")
        .context("the section has no script")?;
    let (script, _) = script
        .split_once("\n```")
        .context("the script has no end")?;
    Ok(script.to_owned())
}

#[test]
fn the_readme_section_on_fit_images_works_as_written() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    let programs = bench.module()?;
    let programs = programs.parent().context("the module is in a folder")?;
    let above = programs
        .parent()
        .context("the folder is in another folder")?;
    let path = std::env::var("PATH")?;
    let folders = format!("{}:{}:{path}", programs.display(), above.display());
    let mut shell = bench.tool("sh")?;
    shell
        .args(["-e", "-c", &script()?])
        .env("PATH", folders)
        .env_remove("PKCS11_MODULE_PATH")
        .env_remove("OPENSSL_CONF")
        .env_remove("SOURCE_DATE_EPOCH");
    bench.ok(&mut shell)?;
    let mut verify = mkimage::verify(&bench, 1);
    bench.ok(&mut verify)?;
    Ok(())
}
