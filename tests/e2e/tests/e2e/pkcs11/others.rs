//! OpenSC, GnuTLS, osslsigncode, sbsign and OpenSSH.

use anyhow::ensure;
use countersign_harness::deployment::{EC_KEY, HSM, RSA_KEY};

use super::tool::{Bench, uri};

/// Prefix of a SHA-256 DigestInfo, up to the digest.
const DIGEST_INFO: &str = "3031300d060960864801650304020105000420";

pub fn pkcs11_tool(bench: &Bench) -> anyhow::Result<()> {
    let module = bench.module_text()?;
    let tool = |arguments: &[&str]| {
        let mut command = bench.tool("pkcs11-tool")?;
        command.args(["--module", &module]).args(arguments);
        bench.ok(&mut command)
    };
    let slots = tool(&["-L"])?;
    ensure!(
        slots.contains(HSM) && slots.contains("PIN pad present"),
        "{slots}"
    );
    let public = tool(&["-O"])?;
    ensure!(
        public.contains("Public Key Object") && !public.contains("Private Key Object"),
        "objects before log-in: {public}"
    );
    ensure!(public.contains("Certificate Object"), "{public}");
    let all = tool(&["-O", "--login"])?;
    ensure!(all.contains("Private Key Object"), "{all}");
    tool(&["-M"])?;

    bench.ok(bench.tool("openssl")?.args([
        "dgst",
        "-sha256",
        "-binary",
        "-out",
        "data.sha256",
        "data",
    ]))?;
    let mut info: Vec<u8> = (0..DIGEST_INFO.len() / 2)
        .filter_map(|at| u8::from_str_radix(&DIGEST_INFO[2 * at..2 * at + 2], 16).ok())
        .collect();
    info.extend(std::fs::read(bench.path("data.sha256"))?);
    std::fs::write(bench.path("data.info"), info)?;

    let ec = bench.key(EC_KEY)?.id;
    let rsa = bench.key(RSA_KEY)?.id;
    let pss = ["-sigopt", "rsa_padding_mode:pss"];
    let cases: [(&str, &str, &str, &str, &[&str]); 8] = [
        ("ECDSA", &ec, "data.sha256", "-sha256", &[]),
        ("ECDSA-SHA256", &ec, "data", "-sha256", &[]),
        ("RSA-PKCS", &rsa, "data.info", "-sha256", &[]),
        ("SHA256-RSA-PKCS", &rsa, "data", "-sha256", &[]),
        ("SHA512-RSA-PKCS", &rsa, "data", "-sha512", &[]),
        ("RSA-PKCS-PSS", &rsa, "data.sha256", "-sha256", &pss),
        ("SHA256-RSA-PKCS-PSS", &rsa, "data", "-sha256", &pss),
        ("SHA384-RSA-PKCS-PSS", &rsa, "data", "-sha384", &pss),
    ];
    for (mechanism, id, input, hash, options) in cases {
        let mut arguments = vec![
            "--login",
            "--sign",
            "-m",
            mechanism,
            "--id",
            id,
            "-i",
            input,
            "-o",
            "signature",
        ];
        let key = if id == ec {
            arguments.extend(["--signature-format", "openssl"]);
            EC_KEY
        } else {
            RSA_KEY
        };
        if mechanism == "RSA-PKCS-PSS" {
            arguments.extend(["--hash-algorithm", "SHA256"]);
        }
        tool(&arguments)?;
        bench.ok(bench
            .tool("openssl")?
            .args(["dgst", hash])
            .args(options)
            .args([
                "-verify",
                &format!("{key}.pem"),
                "-signature",
                "signature",
                "data",
            ]))?;
    }
    // A salt length that cards do not choose themselves.
    tool(&[
        "--login",
        "--sign",
        "-m",
        "SHA256-RSA-PKCS-PSS",
        "--salt-len",
        "222",
        "--id",
        &rsa,
        "-i",
        "data",
        "-o",
        "signature",
    ])?;
    bench.ok(bench
        .tool("openssl")?
        .args(["dgst", "-sha256"])
        .args(pss)
        .args([
            "-sigopt",
            "rsa_pss_saltlen:222",
            "-verify",
            &format!("{RSA_KEY}.pem"),
            "-signature",
            "signature",
            "data",
        ]))?;
    Ok(())
}

pub fn p11tool(bench: &Bench) -> anyhow::Result<()> {
    let module = bench.module_text()?;
    let tool = |arguments: &[&str]| {
        let mut command = bench.tool("p11tool")?;
        command.args(["--provider", &module]).args(arguments);
        bench.ok(&mut command)
    };
    let tokens = tool(&["--list-tokens"])?;
    ensure!(tokens.contains("External PIN"), "{tokens}");
    // The simulated device reports no manufacturer, so the module shows the root certificate's name.
    ensure!(tokens.contains("Manufacturer: simulated root"), "{tokens}");
    tool(&["--list-all", &format!("pkcs11:token={HSM}")])?;
    tool(&["--list-mechanisms", &format!("pkcs11:token={HSM}")])?;
    for (key, parameters) in [
        (EC_KEY, None),
        (RSA_KEY, None),
        (RSA_KEY, Some("--sign-params=RSA-PSS")),
    ] {
        let uri = uri(key);
        let arguments = ["--login", "--test-sign"];
        let arguments: Vec<&str> = arguments
            .into_iter()
            .chain(parameters)
            .chain([uri.as_str()])
            .collect();
        tool(&arguments)?;
    }
    Ok(())
}

/// osslsigncode and sbsign, which sign EFI programs.
pub fn efi(bench: &Bench) -> anyhow::Result<()> {
    const PROGRAM: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
    let certificate = format!("{RSA_KEY}.crt");
    bench.ok(bench.tool("osslsigncode")?.args([
        "sign",
        "-pkcs11module",
        &bench.module_text()?,
        "-key",
        &uri(RSA_KEY),
        "-certs",
        &certificate,
        "-h",
        "sha256",
        "-in",
        PROGRAM,
        "-out",
        "osslsigncode.efi",
    ]))?;
    let verified = bench.ok(bench.tool("osslsigncode")?.args([
        "verify",
        "-CAfile",
        &certificate,
        "-in",
        "osslsigncode.efi",
    ]))?;
    ensure!(
        verified.contains("Number of verified signatures: 1"),
        "{verified}"
    );
    bench.ok(bench.tool("sbsign")?.args([
        "--engine",
        "pkcs11",
        "--key",
        &uri(RSA_KEY),
        "--cert",
        &certificate,
        "--output",
        "sbsign.efi",
        PROGRAM,
    ]))?;
    bench.ok(bench
        .tool("sbverify")?
        .args(["--cert", &certificate, "sbsign.efi"]))?;
    Ok(())
}

pub fn ssh(bench: &Bench) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let module = bench.module_text()?;
    let public = run_stdout(bench.tool("ssh-keygen")?.args(["-D", &module]))?;
    for (number, line) in public.lines().enumerate() {
        std::fs::write(
            bench.path(&format!("ssh-{number}.pub")),
            format!("{line}\n"),
        )?;
    }
    ensure!(public.lines().count() >= 2, "{public}");
    // ssh-add requires a PIN, which the module ignores.
    let ask = bench.path("ask");
    std::fs::write(&ask, "#!/bin/sh\necho anything\n")?;
    std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o700))?;
    let script = "set -e\nssh-add -s \"$MODULE\"\nfor key in ssh-0.pub ssh-1.pub; do\n\
                  rm -f data.sig\nssh-keygen -Y sign -f $key -n file data\n\
                  ssh-keygen -Y check-novalidate -n file -s data.sig < data\ndone\n";
    std::fs::write(bench.path("agent.sh"), script)?;
    let signed = bench.ok(bench
        .tool("ssh-agent")?
        .args(["-P", &module, "sh", "agent.sh"])
        .env("MODULE", &module)
        .env("SSH_ASKPASS", &ask)
        .env("SSH_ASKPASS_REQUIRE", "force"))?;
    ensure!(
        signed.matches("Good \"file\" signature").count() == 2,
        "{signed}"
    );
    Ok(())
}

fn run_stdout(command: &mut std::process::Command) -> anyhow::Result<String> {
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
