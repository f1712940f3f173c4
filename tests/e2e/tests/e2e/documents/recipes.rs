//! docs/recipes.md: other programs sign with the module, and their signatures are verified.

use std::path::Path;

use anyhow::ensure;
use countersign_harness::{page::Page, program::built, shell::has_own_system};
use countersign_protocol::purpose::NewKeyType;

use super::newcomer::Newcomer;

/// An EFI program, which is also a Windows program.
const EFI: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// The source of an image with one configuration. README shows a longer one.
const IMAGE: &str = r#"/dts-v1/;
/ {
    description = "Test";
    #address-cells = <1>;
    images {
        kernel {
            description = "kernel"; data = /incbin/("FILE"); type = "kernel"; arch = "arm"; os = "linux";
            compression = "none"; load = <0x8000>; entry = <0x8000>;
            hash-1 { algo = "sha256"; };
        };
    };
    configurations {
        default = "conf-1";
        conf-1 {
            kernel = "kernel";
            signature-1 { algo = "sha256,rsa2048"; key-name-hint = "firmware"; sign-images = "kernel"; };
        };
    };
};
"#;

/// The page, and a newcomer who has done what its beginning says.
struct Recipes {
    page: Page,
    newcomer: Newcomer,
    /// The commands at the beginning.
    beginning: String,
}

impl Recipes {
    fn new() -> anyhow::Result<Self> {
        Self::with_key(NewKeyType::Rsa2048)
    }

    fn with_key(key_type: NewKeyType) -> anyhow::Result<Self> {
        let page = Page::read("docs/recipes.md")?;
        let scripts = page.scripts("# Recipes for other programs")?;
        let [beginning, end] = scripts.as_slice() else {
            anyhow::bail!("{} scripts instead of 2", scripts.len());
        };
        let mut newcomer = Newcomer::with_key(key_type)?.configured()?;
        let engine = "/usr/lib/aarch64-linux-gnu/engines-3/pkcs11.so";
        if Path::new(engine).exists() {
            let documented = "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so";
            newcomer.shell.replace(documented, engine);
        }
        newcomer.shell.write("FILE", "something to sign\n")?;
        newcomer.shell.run(&format!(
            "countersign keys --pem firmware > firmware.pem\n{beginning}{end}"
        ))?;
        let beginning = beginning.clone();
        Ok(Self {
            page,
            newcomer,
            beginning,
        })
    }

    /// Writes the certificate that some recipes need.
    fn certify(&self) -> anyhow::Result<()> {
        self.run("countersign certificate --key firmware --subject CN=Test --out cert.pem")
    }

    /// Runs this script after the page's beginning.
    fn run(&self, script: &str) -> anyhow::Result<()> {
        let script = format!("{}{script}", self.beginning);
        self.newcomer.shell.run(&script).map(drop)
    }

    /// Runs a section, and then a script that verifies what the section has signed.
    fn run_section(&self, heading: &str, verify: &str) -> anyhow::Result<()> {
        self.run(&format!(
            "{}\n{verify}",
            self.page.scripts(heading)?.concat()
        ))
    }

    /// Writes the section's file with settings.
    fn write(&self, path: impl AsRef<Path>, heading: &str, language: &str) -> anyhow::Result<()> {
        let text = self.page.file(heading, language)?;
        self.newcomer.shell.write(path, &text)
    }
}

const VERIFY: &str = "openssl dgst -sha256 -verify firmware.pem -signature FILE.sig FILE\n";

#[test]
fn pkcs11_tool() -> anyhow::Result<()> {
    Recipes::new()?.run_section("## OpenSC: pkcs11-tool", VERIFY)
}

/// The same command with the options that the page gives for EC keys.
#[test]
fn pkcs11_tool_with_an_ec_key() -> anyhow::Result<()> {
    let recipes = Recipes::with_key(NewKeyType::EcSecp256r1)?;
    let options = recipes.page.code_span("-m ECDSA-SHA256")?;
    let sign = recipes.page.script("## OpenSC: pkcs11-tool")?;
    recipes.run(&sign.replace("-m SHA256-RSA-PKCS", &options))?;
    recipes.run(VERIFY)
}

#[test]
fn openssl_and_sbsign() -> anyhow::Result<()> {
    let recipes = Recipes::new()?;
    let heading = "## OpenSSL 3";
    recipes.write("openssl.cnf", heading, "ini")?;
    let verify = "openssl cms -verify -binary -inform SMIME -in FILE.cms -CAfile cert.pem -purpose any -content FILE\n\
                  openssl x509 -in cert.pem -noout -subject | grep 'CN = Test'\n";
    recipes.run_section(heading, &format!("unset OPENSSL_CONF\n{VERIFY}{verify}"))?;
    let pss = recipes.page.code_span("-sigopt")?;
    let commands = recipes.page.commands(heading)?;
    let sign = commands[..2]
        .join("\n")
        .replace("-sha256", &format!("-sha256 {pss}"));
    let verify = VERIFY.replace("-sha256", &format!("-sha256 {pss}"));
    recipes.run(&format!("{sign}\nunset OPENSSL_CONF\n{verify}"))?;
    std::fs::copy(EFI, recipes.newcomer.shell.path("FILE.efi"))?;
    let sign = recipes.page.script("## UEFI programs: sbsign")?;
    recipes.run(&format!("export OPENSSL_CONF=openssl.cnf\n{sign}"))
}

#[test]
fn mkimage() -> anyhow::Result<()> {
    let mut recipes = Recipes::new()?;
    let verifier = built("u-boot/fit_check_sign")?;
    let shell = &mut recipes.newcomer.shell;
    shell.set("VERIFIER", verifier);
    shell.write("image.its", IMAGE)?;
    shell.write("board.dts", "/dts-v1/; / { compatible = \"test\"; };\n")?;
    shell.run("dtc -q -O dtb -o control.dtb board.dts")?;
    recipes.run_section(
        "## U-Boot: mkimage",
        "$VERIFIER -f image.fit -k control.dtb",
    )
}

#[test]
fn jarsigner() -> anyhow::Result<()> {
    let recipes = Recipes::new()?;
    recipes.certify()?;
    let heading = "## Java: keytool and jarsigner";
    recipes.write("countersign.cfg", heading, "properties")?;
    recipes.run("jar cf FILE.jar FILE")?;
    recipes.run_section(heading, "jarsigner -verify FILE.jar | grep 'jar verified'")
}

#[test]
fn p11tool() -> anyhow::Result<()> {
    let recipes = Recipes::new()?;
    let heading = "## GnuTLS and p11-kit";
    let sign = recipes.page.script(heading)?;
    if has_own_system() {
        recipes.write("countersign.module", heading, "properties")?;
        recipes.newcomer.shell.run_on_own_system(&format!(
            "mkdir -p /etc/pkcs11/modules && cp countersign.module /etc/pkcs11/modules\n\
             export COUNTERSIGN_REASON='Firmware 4.2.1'\n{sign}"
        ))?;
    } else {
        let file = ".config/pkcs11/modules/countersign.module";
        let file = recipes.newcomer.shell.home(file);
        recipes.write(&file, heading, "properties")?;
        recipes.run(&sign)?;
        std::fs::remove_file(file)?;
    }
    let provider = recipes.page.code_span("--provider")?;
    recipes.run(&sign.replace("p11tool", &format!("p11tool {provider}")))
}

#[test]
fn osslsigncode() -> anyhow::Result<()> {
    let recipes = Recipes::new()?;
    recipes.certify()?;
    std::fs::copy(EFI, recipes.newcomer.shell.path("FILE.exe"))?;
    recipes.run_section(
        "## Windows programs: osslsigncode",
        "osslsigncode verify -CAfile cert.pem -in SIGNED.exe | grep 'Number of verified signatures: 1'",
    )
}

#[test]
fn ssh_keygen() -> anyhow::Result<()> {
    let mut recipes = Recipes::new()?;
    // The person who types any text as the PIN.
    let shell = &mut recipes.newcomer.shell;
    shell.stand_in("ask", "echo anything")?;
    shell.set("SSH_ASKPASS", "ask");
    shell.set("SSH_ASKPASS_REQUIRE", "force");
    recipes.run_section(
        "## OpenSSH",
        "ssh-keygen -Y check-novalidate -n file -s FILE.sig < FILE",
    )?;
    let keys = std::fs::read_to_string(recipes.newcomer.shell.path("firmware.pub"))?;
    ensure!(keys.lines().count() == 1, "{keys}");
    Ok(())
}
