//! U-Boot: an unchanged mkimage signs, and fit_check_sign verifies.

use std::process::Command;

use anyhow::ensure;
use countersign_harness::{
    deployment::{HSM, RSA_KEY},
    program::built,
};

use super::{clients::RSA_4096, tool::Bench};

/// One configuration of a FIT image.
pub struct Configuration<'a> {
    pub key: &'a str,
    pub bits: u32,
    pub pss: bool,
}

/// Writes an image tree source with these configurations, and the files that it includes.
pub fn write_source(bench: &Bench, configurations: &[Configuration<'_>]) -> anyhow::Result<()> {
    std::fs::write(bench.path("kernel.bin"), "kernel ".repeat(3000))?;
    std::fs::write(
        bench.path("board.dts"),
        "/dts-v1/; / { model = \"Test\"; compatible = \"test\"; };\n",
    )?;
    bench.ok(bench
        .tool("dtc")?
        .args(["-q", "-O", "dtb", "-o", "board.dtb", "board.dts"]))?;
    let mut source = String::from(
        "/dts-v1/;\n/ {\n description = \"Test\"; #address-cells = <1>;\n images {\n\
         kernel { description = \"kernel\"; data = /incbin/(\"kernel.bin\"); type = \"kernel\"; arch = \"arm\"; os = \"linux\";\n\
         compression = \"none\"; load = <0x8000>; entry = <0x8000>; hash-1 { algo = \"sha256\"; }; };\n\
         fdt { description = \"fdt\"; data = /incbin/(\"board.dtb\"); type = \"flat_dt\"; arch = \"arm\"; compression = \"none\";\n\
         hash-1 { algo = \"sha256\"; }; };\n };\n configurations {\n  default = \"conf-0\";\n",
    );
    for (number, Configuration { key, bits, pss }) in configurations.iter().enumerate() {
        let padding = if *pss { "padding = \"pss\"; " } else { "" };
        source.push_str(&format!(
            "  conf-{number} {{ description = \"{number}\"; kernel = \"kernel\"; fdt = \"fdt\"; signature-1 {{ algo = \"sha256,rsa{bits}\"; \
             {padding}key-name-hint = \"{key}\"; sign-images = \"kernel\", \"fdt\"; }}; }};\n"
        ));
    }
    source.push_str(" };\n};\n");
    std::fs::write(bench.path("image.its"), source)?;
    Ok(())
}

/// The command that signs and writes the public keys to `control.dtb`.
pub fn command(bench: &Bench) -> anyhow::Result<Command> {
    let mut command = bench.tool("mkimage")?;
    command.args(arguments());
    Ok(command)
}

pub fn arguments() -> Vec<String> {
    let token = format!("token={HSM}");
    [
        "-f",
        "image.its",
        "-N",
        "pkcs11",
        "-k",
        &token,
        "-K",
        "control.dtb",
        "-r",
        "image.fit",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Replaces the control tree, because mkimage adds keys to an existing one and a build must start from the same input.
pub fn fresh_control_tree(bench: &Bench) -> anyhow::Result<()> {
    std::fs::copy(bench.path("board.dtb"), bench.path("control.dtb"))?;
    Ok(())
}

/// Verifies one configuration with U-Boot's own code.
pub fn verify(bench: &Bench, configuration: usize) -> Command {
    let mut command = Command::new("timeout");
    let program = built("u-boot/fit_check_sign").expect("`cargo xtask test` builds fit_check_sign");
    command
        .arg("60")
        .arg(program)
        .current_dir(&bench.folder)
        .args([
            "-f",
            "image.fit",
            "-k",
            "control.dtb",
            "-c",
            &format!("conf-{configuration}"),
        ]);
    command
}

pub fn all(bench: &Bench) -> anyhow::Result<()> {
    let image = |key, bits, pss| vec![Configuration { key, bits, pss }];
    // `-r` makes a key required for every configuration, so every image has one key.
    for configurations in [
        image(RSA_KEY, 2048, false),
        image(RSA_KEY, 2048, true),
        image(RSA_4096, 4096, false),
        image(RSA_4096, 4096, true),
    ] {
        write_source(bench, &configurations)?;
        fresh_control_tree(bench)?;
        bench.ok(&mut command(bench)?)?;
        let verified = bench.ok(&mut verify(bench, 0))?;
        let Configuration { key, bits, .. } = &configurations[0];
        ensure!(
            verified.contains("Signature check OK")
                && verified.contains(&format!("rsa{bits}:{key}+")),
            "{verified}"
        );
    }
    must_count_repeated_signatures_once(bench)?;
    // The verifier must reject a changed image.
    let mut image = std::fs::read(bench.path("image.fit"))?;
    let at = image
        .windows(7)
        .position(|window| window == b"kernel ")
        .expect("the image contains the kernel");
    image[at] ^= 1;
    std::fs::write(bench.path("image.fit"), image)?;
    bench.fails(&mut verify(bench, 0))?;
    Ok(())
}

/// mkimage starts again whenever the image outgrows its buffer, and signs the same data again.
fn must_count_repeated_signatures_once(bench: &Bench) -> anyhow::Result<()> {
    let nodes: Vec<_> = (0..8)
        .map(|_| Configuration {
            key: RSA_KEY,
            bits: 2048,
            pss: false,
        })
        .collect();
    write_source(bench, &nodes)?;
    fresh_control_tree(bench)?;
    let before = bench.activation()?.signatures;
    bench.ok(&mut command(bench)?)?;
    let counted = bench.activation()?.signatures - before;
    ensure!(
        counted <= 8,
        "{counted} signatures were counted for an image with 8 different configurations"
    );
    for node in 0..8 {
        bench.ok(&mut verify(bench, node))?;
    }
    Ok(())
}
